"""What lies behind one memory: versions, differences, provenance, links, retention, recalls."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from sqlalchemy.orm import Session

from memory_service.api.answers import answer
from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.pages import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, page
from memory_service.api.strict_json import StrictRoute
from memory_service.errors import NotFound
from memory_service.lifecycle.correct import missing
from memory_service.lifecycle.fading import retention_course
from memory_service.lifecycle.lineage import provenance
from memory_service.lifecycle.records import diff_json, rfc3339, version_json
from memory_service.storage import links, memories, retention
from memory_service.storage.sql import Row
from memory_service.types import Caller, KeyScope

router = APIRouter(prefix="/v1/memories/{memory_id}", tags=["memories"], route_class=StrictRoute)

Reader = Annotated[Caller, require(KeyScope.READ)]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]

LAST_VERSION = 2**31 - 2  # One more must still be an integer to Postgres.


def _record(session: Session, caller: Caller, memory_id: UUID) -> Row:
    row = memories.get_record(session, caller.tenant_id, memory_id)
    if row is None:
        raise missing(session, caller.tenant_id, memory_id)
    return row


@router.get("/versions", response_model=dict[str, Any])
def list_versions(
    memory_id: UUID, caller: Reader, session: SessionDep, limit: Limit = DEFAULT_LIMIT, cursor: str | None = None
) -> Response:
    """List every state a memory has had, newest first."""
    query = {"list": "versions", "memory": str(memory_id)}
    before = decode_cursor(cursor, of=int, tenant_id=caller.tenant_id, query=query)
    rows = memories.list_versions(session, caller.tenant_id, memory_id, before=before, limit=limit + 1)
    if not rows and before is None:
        raise missing(session, caller.tenant_id, memory_id)
    return answer(
        page(
            rows,
            limit=limit,
            position=lambda row: row["version"],
            render=version_json,
            tenant_id=caller.tenant_id,
            query=query,
        )
    )


@router.get("/diff", response_model=dict[str, Any])
def diff_versions(
    memory_id: UUID,
    caller: Reader,
    session: SessionDep,
    from_: Annotated[int, Query(alias="from", ge=1, le=LAST_VERSION)],
    to: Annotated[int, Query(ge=1, le=LAST_VERSION)],
) -> Response:
    """Compare two versions of a memory field by field."""
    found = {}
    for number in {from_, to}:
        rows = memories.list_versions(session, caller.tenant_id, memory_id, before=number + 1, limit=1)
        if not rows and number == min(from_, to):
            _record(session, caller, memory_id)
        if not rows or rows[0]["version"] != number:
            raise NotFound(f"Memory {memory_id} has no version {number}.", code="version_not_found")
        found[number] = rows[0]
    return answer(diff_json(found[from_], found[to]))


@router.get("/provenance", response_model=dict[str, Any])
def get_provenance(memory_id: UUID, caller: Reader, session: SessionDep) -> Response:
    """Draw where a memory comes from and what replaced it, as nodes and edges."""
    _record(session, caller, memory_id)
    return answer(provenance(session, caller.tenant_id, memory_id))


@router.get("/links", response_model=dict[str, Any])
def list_links(
    memory_id: UUID, caller: Reader, session: SessionDep, limit: Limit = DEFAULT_LIMIT, cursor: str | None = None
) -> Response:
    """List the edges that touch a memory, newest first."""
    _record(session, caller, memory_id)
    query = {"list": "links", "memory": str(memory_id)}
    before = decode_cursor(cursor, of=UUID, tenant_id=caller.tenant_id, query=query)
    rows = links.links_of(session, caller.tenant_id, memory_id, before=before, limit=limit + 1)
    return answer(
        page(
            rows,
            limit=limit,
            position=lambda row: row["id"],
            render=links.link_json,
            tenant_id=caller.tenant_id,
            query=query,
        )
    )


@router.get("/retention", response_model=dict[str, Any])
def get_retention(memory_id: UUID, caller: Reader, services: ServicesDep, session: SessionDep) -> Response:
    """Read how firmly a memory holds and why, its course with the recalls in it, and a forecast if nobody recalls it."""
    row = _record(session, caller, memory_id)
    recalls = retention.recalls_of(session, caller.tenant_id, memory_id)
    return answer(retention_course(row, recalls, now=services.clock()))


@router.get("/recalls", response_model=dict[str, Any])
def list_recalls(
    memory_id: UUID, caller: Reader, session: SessionDep, limit: Limit = DEFAULT_LIMIT, cursor: str | None = None
) -> Response:
    """List the recalls that were reinforced or judged, newest first."""
    _record(session, caller, memory_id)
    query = {"list": "recalls", "memory": str(memory_id)}
    before = decode_cursor(cursor, of=UUID, tenant_id=caller.tenant_id, query=query)
    rows = retention.list_recalls(session, caller.tenant_id, memory_id, before=before, limit=limit + 1)
    return answer(
        page(
            rows,
            limit=limit,
            position=lambda row: row["id"],
            render=lambda row: {
                "search_id": str(row["trace_id"]),
                "rank": row["rank"],
                "score": row["score"],
                "useful": row["useful"],
                "cited": row["cited"],
                "recalled_at": rfc3339(row["recalled_at"]),
            },
            tenant_id=caller.tenant_id,
            query=query,
        )
    )
