"""The web view: a page and its files, as they were built, from this origin and no other."""

import gzip
import hashlib
import mimetypes
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Route

import memory_service

STATIC: Final = Path(memory_service.__file__).parent / "web" / "static"
PAGE: Final = "index.html"
ASSETS: Final = "assets/"  # below it a name holds the hash of the content, so that it never changes
TYPES: Final = {".js": "text/javascript", ".webmanifest": "application/manifest+json", ".woff2": "font/woff2"}
PACKED: Final = ("text/", "application/json", "application/manifest+json", "image/svg+xml")
WORTH_PACKING: Final = 1024  # bytes

# Nothing inline and nothing evaluated. A script, a worker's too, can only be loaded through the one policy of the view: no text
# becomes code or markup by an assignment.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types memory-admin"
)
HEADERS: Final = {
    # Of files as well: a worker goes by the policy that came with its own file.
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
FOREVER: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "no-cache"


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file as it is sent; ``packed`` is its gzip, None when that is not worth it."""

    body: bytes
    packed: bytes | None
    media_type: str
    tag: str


class StaticFiles:
    """The files of a build by name; read whole, and again when the page was built anew.

    A path that is asked for is looked up among the names that were found, and never put together with a folder.
    """

    def __init__(self, folder: Path) -> None:
        """Read nothing yet."""
        self._folder = folder
        self._files: Mapping[str, StaticFile] = {}
        self._built: int | None = None
        self._lock = threading.Lock()

    def find(self, name: str) -> StaticFile | None:
        """Return a file by its name below the folder."""
        try:
            built = (self._folder / PAGE).stat().st_mtime_ns
        except OSError:
            return None  # There is no build.
        if built != self._built:
            with self._lock:
                self._files, self._built = self._read(), built
        return self._files.get(name)

    def _read(self) -> dict[str, StaticFile]:
        paths = [path for path in self._folder.rglob("*") if path.is_file() and not path.is_symlink()]
        return {path.relative_to(self._folder).as_posix(): _file(path) for path in paths if path.suffix != ".gz"}


def _file(path: Path) -> StaticFile:
    body = path.read_bytes()
    media_type = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    beside = path.with_name(f"{path.name}.gz")
    packed = None
    if beside.is_file():
        packed = beside.read_bytes()
    elif media_type.startswith(PACKED) and len(body) >= WORTH_PACKING:
        packed = gzip.compress(body, mtime=0)
    if packed is not None and len(packed) >= len(body):
        packed = None
    return StaticFile(body, packed, media_type, hashlib.sha256(body).hexdigest()[:32])


def takes_gzip(accept_encoding: str) -> bool:
    """Say whether a client that sends this header reads gzip.

    >>> takes_gzip("br, gzip"), takes_gzip("gzip;q=0, *"), takes_gzip("*;q=0.5"), takes_gzip(""), takes_gzip("gzip;q=x")
    (True, False, True, False, False)
    """
    found: dict[str, float] = {}
    for part in accept_encoding.lower().split(","):
        coding, _, quality = part.partition(";")
        name, _, value = quality.partition("=")
        try:
            found[coding.strip()] = float(value) if name.strip() == "q" else 1.0
        except ValueError:
            found[coding.strip()] = 0.0
    return found.get("gzip", found.get("*", 0.0)) > 0


def web_view_routes(folder: Path = STATIC) -> list[BaseRoute]:
    """Return the routes of the web view, from a folder that a build has filled."""
    files = StaticFiles(folder)

    def view(request: Request) -> Response:
        name: str = request.path_params["path"]
        found = files.find(name) if name else None
        if found is not None and name != PAGE:
            return _sent(request, found, kept=FOREVER if name.startswith(ASSETS) else ASK_AGAIN)
        # A file that is gone must not be answered by a page, which a browser would take for a script.
        page = None if name.startswith(ASSETS) else files.find(PAGE)
        if page is None:
            raise HTTPException(404)
        return _sent(request, page, kept=ASK_AGAIN)

    async def root(_request: Request) -> Response:
        return RedirectResponse("/admin/", 308, HEADERS)

    return [Route("/admin", root, methods=["GET"]), Route("/admin/{path:path}", view, methods=["GET"])]


def _sent(request: Request, file: StaticFile, *, kept: str) -> Response:
    packed = file.packed if takes_gzip(request.headers.get("accept-encoding", "")) else None
    tag = f'"{file.tag}"' if packed is None else f'"{file.tag}-gzip"'
    headers = {**HEADERS, "Cache-Control": kept, "ETag": tag, "Vary": "Accept-Encoding"}
    known = {part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")}
    if tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    if packed is not None:
        headers["Content-Encoding"] = "gzip"
    return Response(file.body if packed is None else packed, headers=headers, media_type=file.media_type)
