"""Erasures: looked at beforehand, done by a job, and answered for by a receipt."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from memory_service.api.answers import answer
from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.erasing import begin_erasure, begun_answer
from memory_service.api.erasure_models import (
    BegunOut,
    ErasureIn,
    ErasureItemsOut,
    ErasureOut,
    ErasuresOut,
    PreviewOut,
)
from memory_service.api.idempotency import idempotent
from memory_service.api.pages import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, page
from memory_service.api.services import Services
from memory_service.api.strict_json import StrictRoute
from memory_service.errors import FieldError, InvalidRequest, NotFound
from memory_service.lifecycle.erasures import preview, receipt
from memory_service.lifecycle.selection import Selection
from memory_service.storage import erasures
from memory_service.storage.namespaces import find_namespace_id
from memory_service.types import Caller, KeyScope

router = APIRouter(prefix="/v1/erasures", tags=["erasures"], route_class=StrictRoute)

Eraser = Annotated[Caller, require(KeyScope.ERASE)]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]

SHOWN = 1_000  # ids in one receipt; the list of its items has all


def _selection(session: Session, caller: Caller, services: Services, body: ErasureIn) -> Selection:
    now = services.clock()
    namespace_id = None
    ids = None
    if body.ids is not None:
        try:
            ids = tuple(dict.fromkeys(UUID(str(i)) for i in body.ids))
        except ValueError as error:
            detail = "ids are UUIDs."
            raise InvalidRequest(detail, errors=(FieldError("/ids", detail),)) from error
    if body.namespace is not None:
        namespace_id = find_namespace_id(session, caller.tenant_id, body.namespace, pointer="/namespace")
        if namespace_id is None:
            # The default namespace before its first write: there is nothing in it.
            return Selection(before=now, ids=ids or (), namespace=body.namespace)
    return Selection(
        before=now,
        filter=body.filter,
        ids=ids,
        scope=body.scope or None,
        namespace_id=namespace_id,
        namespace=body.namespace,
    )


@router.post("", status_code=202, response_model=BegunOut, responses={200: {"model": PreviewOut}})
def create_erasure(
    body: ErasureIn, request: Request, caller: Eraser, services: ServicesDep, session: SessionDep
) -> Response:
    """Erase what a filter selects, some memories, or all that belongs to a user, agent or session; for good.

    Everything made of the memories goes with them. `dry_run` answers 200 with what would go, and changes nothing.
    """
    if body.dry_run:
        return answer(preview(session, caller.tenant_id, _selection(session, caller, services, body)))

    def produce() -> Response:
        return begun_answer(begin_erasure(session, services, caller, _selection(session, caller, services, body)))

    return idempotent(request, caller, session, produce)


@router.get("", response_model=ErasuresOut)
def list_erasures(
    caller: Eraser,
    session: SessionDep,
    namespace: Annotated[str | None, Query(description="Only erasures within this namespace.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List receipts, newest first, without their ids."""
    query = {"list": "erasures", "namespace": namespace}
    before = decode_cursor(cursor, of=UUID, tenant_id=caller.tenant_id, query=query)
    namespace_id, rows = None, list[RowMapping]()
    if namespace is not None:
        namespace_id = find_namespace_id(session, caller.tenant_id, namespace, pointer="?namespace")
    if namespace is None or namespace_id is not None:
        rows += erasures.list_erasures(
            session, caller.tenant_id, namespace_id=namespace_id, before=before, limit=limit + 1
        )
    return answer(
        page(
            rows,
            limit=limit,
            position=lambda row: row["id"],
            render=lambda row: receipt(session, caller.tenant_id, row),
            tenant_id=caller.tenant_id,
            query=query,
        )
    )


def _get(session: Session, caller: Caller, erasure_id: UUID) -> RowMapping:
    row = erasures.get_erasure(session, caller.tenant_id, erasure_id)
    if row is None:
        raise NotFound("There is no such erasure in this tenant.", code="erasure_not_found")
    return row


@router.get("/{erasure_id}", response_model=ErasureOut)
def get_erasure(erasure_id: UUID, caller: Eraser, session: SessionDep) -> Response:
    """Return the receipt of an erasure: what went, when, by which key, and whether anything is left."""
    return answer(receipt(session, caller.tenant_id, _get(session, caller, erasure_id), shown=SHOWN))


@router.get("/{erasure_id}/items", response_model=ErasureItemsOut)
def list_erasure_items(
    erasure_id: UUID,
    caller: Eraser,
    session: SessionDep,
    limit: Limit = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List what became of each memory, in order of their ids."""
    query = {"list": "erasure-items", "erasure": str(erasure_id)}
    after = decode_cursor(cursor, of=UUID, tenant_id=caller.tenant_id, query=query)
    _get(session, caller, erasure_id)
    rows = erasures.list_items(session, caller.tenant_id, erasure_id, after=after, limit=limit + 1)
    return answer(
        page(
            rows,
            limit=limit,
            position=lambda row: row["memory_id"],
            render=lambda row: {**row, "memory_id": str(row["memory_id"])},
            tenant_id=caller.tenant_id,
            query=query,
        )
    )
