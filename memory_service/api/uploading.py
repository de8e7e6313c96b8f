"""Routes that take a file as their body, longer than what other calls may carry: read to a file of ours, never to memory."""

import hashlib
from collections.abc import Callable, Coroutine
from email.message import Message
from tempfile import SpooledTemporaryFile
from typing import Any, ClassVar

from anyio import CancelScope, to_thread
from fastapi import Request, Response

from memory_service.api.dependencies import admit, check_scope
from memory_service.api.strict_json import StrictRoute, check_parameters, query_parameters
from memory_service.errors import InvalidRequest, UnsupportedMediaType
from memory_service.types import KeyScope

Upload = SpooledTemporaryFile[bytes]

IN_MEMORY = 4 * 2**20  # bytes; a longer body goes to a file without a name, which ends with the request
BUFFER = 2**20
NDJSON = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"})


class UploadRoute(StrictRoute):
    """A route whose POST brings a file; it finds it in ``request.state.upload``, at its beginning.

    Nothing of the body is read before the key is known to be valid and to carry the scope. The whole body is read before the
    route runs: what was cut off on the way changes nothing.
    """

    scope_needed: ClassVar[KeyScope] = KeyScope.WRITE

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler behind the checks."""
        if "POST" not in (self.methods or ()):
            return super().get_route_handler()
        handle = super(StrictRoute, self).get_route_handler()
        known = query_parameters(self.dependant)

        async def uploaded(request: Request) -> Response:
            check_scope(await admit(request), self.scope_needed)
            check_parameters(request, known)
            _check_media_type(request.headers.get("content-type"))
            with SpooledTemporaryFile(max_size=IN_MEMORY) as upload:
                # An idempotency key belongs to this very file.
                request.state.raw_body = await _receive(request, upload)
                request.state.upload = upload
                return await handle(request)

        return uploaded


def _check_media_type(header: str | None) -> None:
    message = Message()
    message["content-type"] = header or "application/octet-stream"
    if message.get_content_type() not in NDJSON:
        said = f"it says {header[:100]!r}" if header else "it says nothing"
        raise UnsupportedMediaType(
            f"Send the bundle as lines of JSON with the header `Content-Type: application/x-ndjson`; {said}."
        )


async def _receive(request: Request, upload: Upload) -> bytes:
    """Write the body to the file as it comes, and return its SHA-256.

    Raises:
        InvalidRequest: there is no body.
    """
    digest, waiting, size = hashlib.sha256(), bytearray(), 0

    def write() -> None:
        digest.update(waiting)
        upload.write(waiting)

    async for part in request.stream():
        waiting += part
        if len(waiting) >= BUFFER:
            size += len(waiting)
            # The file is closed when the request is given up: not while a thread writes to it.
            with CancelScope(shield=True):
                await to_thread.run_sync(write)
            waiting = bytearray()
    write()
    if not size + len(waiting):
        raise InvalidRequest("This call needs a bundle as its body.", code="invalid_bundle")
    upload.seek(0)
    return digest.digest()
