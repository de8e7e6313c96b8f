"""Saved queries: what a good answer holds, so that a change of the ranking can be measured."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import RowMapping

from memory_service.api.answers import answer
from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.idempotency import idempotent
from memory_service.api.pages import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, page
from memory_service.api.redacted_search import redacted_query
from memory_service.api.search_models import Question
from memory_service.api.strict_json import Body, StrictRoute
from memory_service.errors import FieldError, InvalidRequest, NotFound
from memory_service.lifecycle.records import rfc3339
from memory_service.storage import saved_queries
from memory_service.storage.namespaces import find_namespace_id
from memory_service.storage.redactions import redactors_in
from memory_service.storage.saved_queries import QuerySource
from memory_service.types import DEFAULT_NAMESPACE, Caller, KeyScope

router = APIRouter(prefix="/v1/saved-queries", tags=["learning"], route_class=StrictRoute)

Reader = Annotated[Caller, require(KeyScope.READ)]
Writer = Annotated[Caller, require(KeyScope.WRITE)]


class SavedQueryIn(Body):
    """A question, and the memories that a good answer holds."""

    query: Question
    relevant: Annotated[list[UUID], Field(min_length=1, max_length=100)]
    namespace: str = DEFAULT_NAMESPACE


class SavedQueryOut(BaseModel):
    """A saved query."""

    id: UUID
    namespace: str
    query: str
    filter: dict[str, Any] | None
    relevant: list[UUID]
    source: QuerySource
    created_at: datetime


class SavedQueriesOut(BaseModel):
    """A page of saved queries, the newest first."""

    data: list[SavedQueryOut]
    next_cursor: str | None
    has_more: bool


def _json(row: RowMapping) -> dict[str, Any]:
    return {
        **{name: row[name] for name in ("namespace", "query", "filter", "source")},
        "id": str(row["id"]),
        "relevant": [str(memory_id) for memory_id in row["relevant"]],
        "created_at": rfc3339(row["created_at"]),
    }


@router.get("", response_model=SavedQueriesOut)
def list_saved_queries(
    caller: Reader,
    session: SessionDep,
    namespace: Annotated[str | None, Query(description="Only this namespace; without it, all.")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List saved queries: those of callers, and those that grew from useful feedback."""
    tenant_id = caller.tenant_id
    query = {"list": "saved-queries", "namespace": namespace}
    before = decode_cursor(cursor, of=UUID, tenant_id=tenant_id, query=query)
    space = None if namespace is None else find_namespace_id(session, tenant_id, namespace, pointer="?namespace")
    rows: Sequence[RowMapping] = ()
    if namespace is None or space is not None:
        rows = saved_queries.list_saved_queries(session, tenant_id, namespace_id=space, before=before, limit=limit + 1)
    return answer(
        page(rows, limit=limit, position=lambda row: row["id"], render=_json, tenant_id=tenant_id, query=query)
    )


@router.post("", status_code=201, response_model=SavedQueryOut)
def save_query(
    request: Request, body: SavedQueryIn, caller: Writer, services: ServicesDep, session: SessionDep
) -> Response:
    """Save a question with what is relevant to it; the same question again replaces that."""

    def produce() -> Response:
        tenant_id = caller.tenant_id
        namespace_id = find_namespace_id(session, tenant_id, body.namespace, pointer="/namespace")
        row = None
        if namespace_id is not None:
            redactor = redactors_in(session).by_id.get(namespace_id)
            saved = saved_queries.save_query(
                session,
                tenant_id,
                namespace_id,
                body.query if redactor is None else redacted_query(body.query, [redactor]),
                body.relevant,
                where=None,
                source=QuerySource.CALLER,
                now=services.clock(),
            )
            row = saved_queries.get_saved_query(session, tenant_id, saved)
        if row is None or len(row["relevant"]) < len(set(body.relevant)):
            detail = "Some of these are no memories of this namespace."
            raise InvalidRequest(detail, errors=(FieldError("/relevant", detail),))
        return answer(_json(row), status=201, headers={"Location": f"/v1/saved-queries/{row['id']}"})

    return idempotent(request, caller, session, produce)


def _absent() -> NotFound:
    return NotFound("There is no such saved query in this tenant.")


@router.get("/{query_id}", response_model=SavedQueryOut)
def get_saved_query(query_id: UUID, caller: Reader, session: SessionDep) -> Response:
    """Return one saved query."""
    row = saved_queries.get_saved_query(session, caller.tenant_id, query_id)
    if row is None:
        raise _absent()
    return answer(_json(row))


@router.delete("/{query_id}", status_code=204)
def delete_saved_query(query_id: UUID, caller: Writer, session: SessionDep) -> Response:
    """Remove a saved query."""
    if not saved_queries.delete_saved_query(session, caller.tenant_id, query_id):
        raise _absent()
    return Response(status_code=204)
