"""Exports: what a tenant keeps, as one bundle that is sent while it is read."""

from collections.abc import Iterator
from itertools import chain
from threading import BoundedSemaphore
from typing import Annotated, Any

from anyio import CancelScope, to_thread
from fastapi import APIRouter, Response
from sqlalchemy.orm import Session
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from memory_service import __version__
from memory_service.api.auditing import note, place_of
from memory_service.api.dependencies import ServicesDep, require
from memory_service.api.services import Services
from memory_service.api.strict_json import StrictRoute
from memory_service.api.transfer_models import ExportIn
from memory_service.bundle.framing import MEDIA_TYPE
from memory_service.errors import FieldError, InvalidRequest, Unavailable
from memory_service.filters import parse_filter
from memory_service.lifecycle.exporting import DEFAULT_PARTS, EVERYTHING, Exporter, Wanted
from memory_service.storage.database import end, translate_errors
from memory_service.storage.encoders import default_encoder
from memory_service.storage.filter_sql import compile_filter
from memory_service.storage.namespaces import check_path, find_namespaces, paths_to_search, require_all
from memory_service.types import Action, Caller, KeyScope

router = APIRouter(prefix="/v1/exports", tags=["transfer"], route_class=StrictRoute)

Reader = Annotated[Caller, require(KeyScope.READ)]

# Each keeps a connection and a snapshot of the database for as long as its reader takes.
AT_ONCE = 4
_RUNNING = BoundedSemaphore(AT_ONCE)


class BundleResponse(StreamingResponse):
    """A bundle on its way; whatever ends the answer ends the transaction."""

    def __init__(self, export: "OpenExport") -> None:
        """Send the pages of an export as they are read."""
        super().__init__(
            export.pages,
            media_type=MEDIA_TYPE,
            headers={"Content-Disposition": 'attachment; filename="memories.ndjson"', "Cache-Control": "no-store"},
        )
        self._export = export

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            with CancelScope(shield=True):
                await to_thread.run_sync(self._export.close)


class OpenExport:
    """An export with the transaction that it reads in."""

    def __init__(self, session: Session, pages: Iterator[bytes]) -> None:
        """Take over both, and read the first page: what fails so early is an answer that says so.

        Raises:
            Unavailable: the database is down.
        """
        self._session = session
        read = self._translated(pages)
        self.pages = chain([next(read, b"")], read)

    @staticmethod
    def _translated(pages: Iterator[bytes]) -> Iterator[bytes]:
        with translate_errors():
            yield from (page for page in pages if page)

    def close(self) -> None:
        """End the transaction and let the next export in."""
        try:
            end(self._session)
        finally:
            _RUNNING.release()


@router.post(
    "",
    response_class=StreamingResponse,
    responses={200: {"content": {MEDIA_TYPE: {}}, "description": "The bundle, a line for each record."}},
)
def create_export(body: ExportIn, caller: Reader, services: ServicesDep) -> Response:
    """Answer a bundle of memories as NDJSON, read from one moment while it is sent; a bundle without its end was cut off."""
    _check(body)
    if not _RUNNING.acquire(blocking=False):
        raise Unavailable(
            f"{AT_ONCE} exports are under way here; try again when one has ended.",
            code="too_many_exports",
            retry_after_s=10,
        )
    session = services.database.session(caller.tenant_id, snapshot=True)
    try:
        # By itself, as the export only reads; whether its reader stays to the end, nobody can know.
        with services.database.transaction(caller.tenant_id) as written:
            note(written, services, caller, Action.EXPORT_BEGIN, namespace_id=place_of(written, caller, body.namespace))
        with translate_errors():
            return BundleResponse(OpenExport(session, _export(session, services, caller, body).pages()))
    except BaseException:
        end(session)
        _RUNNING.release()
        raise


def _check(body: ExportIn) -> None:
    given = [name for name in ("namespace", "namespaces", "namespace_prefix") if getattr(body, name) is not None]
    if len(given) > 1:
        detail = f"Name the namespaces in one way, not by {' and '.join(given)}."
        raise InvalidRequest(detail, errors=tuple(FieldError(f"/{name}", detail) for name in given))
    if body.namespace is not None:
        check_path(body.namespace)
    for place, path in enumerate(body.namespaces or ()):
        check_path(path, pointer=f"/namespaces/{place}")


def _export(session: Session, services: Services, caller: Caller, body: ExportIn) -> Exporter:
    now = services.clock()
    paths: list[str] | None = None
    if body.namespace is not None or body.namespaces is not None or body.namespace_prefix is not None:
        paths = paths_to_search(
            session,
            caller.tenant_id,
            namespace=body.namespace,
            namespaces=body.namespaces,
            prefix=body.namespace_prefix,
        )
        require_all(paths, find_namespaces(session, caller.tenant_id, paths).values())
    where = compile_filter(parse_filter(body.filter), at=now) if body.filter else EVERYTHING
    encoder = default_encoder(session.connection())
    if encoder is None:
        raise Unavailable("No encoder has made vectors yet.", retry_after_s=5)
    parts: Any = DEFAULT_PARTS if body.include is None else body.include
    wanted = Wanted(None if paths is None else tuple(paths), where, bool(body.filter), parts)
    return Exporter(session, caller.tenant_id, wanted, encoder, __version__, now)
