"""Facts: what memories state as subject, attribute and value."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel
from sqlalchemy import RowMapping

from memory_service.analysis.names import fold_name
from memory_service.api.answers import answer
from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.pages import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, page
from memory_service.api.strict_json import StrictRoute
from memory_service.errors import FieldError, InvalidRequest
from memory_service.lifecycle.correct import missing
from memory_service.lifecycle.records import rfc3339
from memory_service.storage import memories
from memory_service.storage.facts import list_facts
from memory_service.storage.namespaces import find_namespace_id
from memory_service.types import Caller, KeyScope

router = APIRouter(tags=["graph"], route_class=StrictRoute)

Reader = Annotated[Caller, require(KeyScope.READ)]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
Namespace = Annotated[str | None, Query(description="Only this namespace; without it, all.")]
Subject = Annotated[
    str | None, Query(max_length=200, description="Only of this subject, in any case: a name, or user.")
]
Attribute = Annotated[str | None, Query(max_length=200, description="Only this attribute, such as lives_in.")]


class FactOut(BaseModel):
    """One statement that a memory makes."""

    memory_id: UUID
    namespace: str
    subject: str
    attribute: str
    value: str
    number: float | None
    unit: str | None
    positive: bool
    functional: bool
    ended: bool
    valid_from: datetime | None
    valid_to: datetime | None
    span: tuple[int, int]
    method: str
    observed_at: datetime
    superseded_by: UUID | None


class FactsOut(BaseModel):
    """A page of facts, those of the latest memory first."""

    data: list[FactOut]
    next_cursor: str | None
    has_more: bool


def _fact_json(row: RowMapping) -> dict[str, Any]:
    return {
        "memory_id": str(row["memory_id"]),
        "namespace": row["namespace"],
        "subject": row["subject"],
        "attribute": row["attribute"],
        "value": row["value"],
        "number": row["number"],
        "unit": row["unit"],
        "positive": row["positive"],
        "functional": row["functional"],
        "ended": row["ended"],
        "valid_from": rfc3339(row["valid_from"]),
        "valid_to": rfc3339(row["valid_to"]),
        "span": [row["span_from"], row["span_to"]],
        "method": row["method"],
        "observed_at": rfc3339(row["observed_at"]),
        "superseded_by": str(row["superseded_by"]) if row["superseded_by"] else None,
    }


@router.get("/v1/facts", response_model=FactsOut)
def list_all_facts(
    caller: Reader,
    services: ServicesDep,
    session: SessionDep,
    namespace: Namespace = None,
    subject: Subject = None,
    attribute: Attribute = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List what live memories state as subject, attribute and value."""
    query = {"list": "facts", "namespace": namespace, "subject": subject, "attribute": attribute}
    before = _position(decode_cursor(cursor, of=str, tenant_id=caller.tenant_id, query=query))
    space = None if namespace is None else find_namespace_id(session, caller.tenant_id, namespace, pointer="?namespace")
    rows: Sequence[RowMapping] = ()
    if namespace is None or space is not None:
        rows = list_facts(
            session,
            caller.tenant_id,
            namespace_id=space,
            subject=None if subject is None else fold_name(subject),
            attribute=attribute,
            before=before,
            limit=limit + 1,
            now=services.clock(),
        )
    return answer(_page(rows, limit=limit, tenant_id=caller.tenant_id, query=query))


@router.get("/v1/memories/{memory_id}/facts", response_model=FactsOut)
def list_facts_of_memory(
    memory_id: UUID,
    caller: Reader,
    services: ServicesDep,
    session: SessionDep,
    limit: Limit = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List what one memory states, in the order of its text."""
    query = {"list": "facts", "memory": str(memory_id)}
    before = _position(decode_cursor(cursor, of=str, tenant_id=caller.tenant_id, query=query))
    if memories.get_record(session, caller.tenant_id, memory_id) is None:
        raise missing(session, caller.tenant_id, memory_id)
    rows = list_facts(
        session, caller.tenant_id, memory_id=memory_id, before=before, limit=limit + 1, now=services.clock()
    )
    return answer(_page(rows, limit=limit, tenant_id=caller.tenant_id, query=query))


def _page(rows: Sequence[RowMapping], *, limit: int, tenant_id: UUID, query: dict[str, Any]) -> dict[str, Any]:
    return page(
        rows,
        limit=limit,
        position=lambda row: f"{row['memory_id']}/{row['ordinal']}",
        render=_fact_json,
        tenant_id=tenant_id,
        query=query,
    )


def _position(text: str | None) -> tuple[UUID, int] | None:
    """Return the memory and the place in it after which a page goes on.

    Raises:
        InvalidRequest: the cursor is made up; code ``invalid_cursor``.
    """
    if text is None:
        return None
    memory_id, _, ordinal = text.partition("/")
    try:
        return UUID(memory_id), int(ordinal)
    except ValueError as error:
        detail = "The cursor does not continue this list; ask again without it."
        raise InvalidRequest(detail, errors=(FieldError("?cursor", detail),), code="invalid_cursor") from error
