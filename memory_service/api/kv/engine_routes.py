"""Routes that take a grant in place of a key: engines have none of their tenants' keys."""

import hashlib
from collections.abc import Callable, Coroutine
from tempfile import SpooledTemporaryFile
from typing import Any, Final

from anyio import CancelScope, to_thread
from fastapi import Request, Response

from memory_service.activation.errors import GrantRefused
from memory_service.activation.grant import Grant, is_grant, open_grant
from memory_service.api.auth import MISSING, presented_key
from memory_service.api.dependencies import admit, check_scope
from memory_service.api.services import Services
from memory_service.api.strict_json import StrictRoute, check_parameters, query_parameters
from memory_service.errors import Forbidden, InvalidRequest, Unauthenticated, UnsupportedMediaType
from memory_service.types import Caller, KeyScope

Upload = SpooledTemporaryFile[bytes]

IN_MEMORY: Final = 1 << 20  # bytes; a longer blob goes to a file without a name beside those that are kept
BUFFER: Final = 1 << 20
MEDIA_TYPES: Final = frozenset({"application/octet-stream", "application/vnd.safetensors"})

NO_OWNER: Final = "The key of this grant is not valid any more: unknown, revoked, expired or without the scope kv:use."


async def admit_engine(request: Request) -> Caller:
    """Return who is asking, by key or by grant; a grant stands for the key that its plan was asked for with, and may use KV only.

    It ends with that key: what a key may no longer do, nobody may in its name.

    Raises:
        Unauthenticated: no key and no grant, or none that is valid; or the key of the grant is not, or lacks the scope kv:use.
        Unavailable: the key is not remembered and the database does not answer.
        RateLimited: the key has used up its rate.
    """
    try:
        token = presented_key(request.headers)
    except Unauthenticated:
        raise Unauthenticated(f"{MISSING} An engine sends the grant of the plan in its place.") from None
    if not is_grant(token):
        return await admit(request)
    services: Services = request.app.state.services
    try:
        grant = open_grant(services.kv.secret, token, now=services.clock())
    except GrantRefused as error:
        raise Unauthenticated(f"The grant is not valid: {error}.") from None
    try:
        owner = await services.authenticator.authenticate_id(grant.tenant_id, grant.key_id)
    except Unauthenticated:
        raise Unauthenticated(NO_OWNER) from None
    if not owner.may(KeyScope.KV):
        raise Unauthenticated(NO_OWNER)
    caller = Caller(grant.tenant_id, grant.key_id, frozenset({KeyScope.KV}))
    request.state.tenant_id = grant.tenant_id
    services.rate_limiter.hit(grant.key_id)
    request.state.caller = caller
    request.state.grant = grant
    return caller


def grant_of(request: Request) -> Grant | None:
    """Return the grant of a request, None where it came with a key."""
    grant: Grant | None = getattr(request.state, "grant", None)
    return grant


def check_engine(request: Request, engine: str) -> None:
    """Refuse a grant that is of another engine.

    Raises:
        Forbidden: the grant was made for another.
    """
    grant = grant_of(request)
    if grant is not None and grant.engine != engine:
        raise Forbidden("This grant is of another engine.")


class EngineRoute(StrictRoute):
    """A route that takes a key with the scope kv:use, or a grant."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler behind the checks."""
        handle = super().get_route_handler()

        async def admitted(request: Request) -> Response:
            await admit_engine(request)
            return await handle(request)

        return admitted


class BlobRoute(StrictRoute):
    """A route of engines whose POST brings a blob; it finds it in ``request.state.upload``, with its digest beside it.

    Nothing of the body is read before the caller is known. It goes to a file as it comes, and is never held in memory.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler behind the checks."""
        if "POST" not in (self.methods or ()):
            handle_any = super().get_route_handler()

            async def admitted(request: Request) -> Response:
                await admit_engine(request)
                return await handle_any(request)

            return admitted
        handle = super(StrictRoute, self).get_route_handler()
        known = query_parameters(self.dependant)

        async def uploaded(request: Request) -> Response:
            check_scope(await admit_engine(request), KeyScope.KV)
            check_parameters(request, known)
            _check_media_type(request.headers.get("content-type"))
            services: Services = request.app.state.services
            with SpooledTemporaryFile(max_size=IN_MEMORY, dir=services.kv.staging) as upload:
                request.state.upload_bytes, digest = await _receive(request, upload)
                request.state.raw_body, request.state.checksum = digest, digest.hex()
                request.state.upload = upload
                return await handle(request)

        return uploaded


def _check_media_type(header: str | None) -> None:
    said = (header or "").partition(";")[0].strip().lower()
    if said not in MEDIA_TYPES:
        raise UnsupportedMediaType(
            "Send the safetensors file as the body, with the header `Content-Type: application/octet-stream`."
        )


async def _receive(request: Request, upload: Upload) -> tuple[int, bytes]:
    """Write the body to the file as it comes; return its size and its SHA-256."""
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
    size += len(waiting)
    write()
    if not size:
        raise InvalidRequest("This call needs a safetensors file as its body.", code="kv_blob_refused")
    upload.seek(0)
    return size, digest.digest()
