"""Users, agents and sessions: who memories belong to, how many there are, when they last changed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from memory_service.api.answers import answer
from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.pages import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, page
from memory_service.api.services import Services
from memory_service.api.strict_json import StrictRoute
from memory_service.lifecycle.records import rfc3339
from memory_service.storage.namespaces import find_namespace_id
from memory_service.storage.scopes import ScopeColumn, list_scopes
from memory_service.types import Caller, KeyScope

router = APIRouter(tags=["scopes"], route_class=StrictRoute)

Reader = Annotated[Caller, require(KeyScope.READ)]
Namespace = Annotated[str | None, Query(description="Only memories of this namespace; without it, of all.")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]


class ScopeOut(BaseModel):
    """One user, agent or session."""

    id: str
    count: int
    last_activity: datetime


class ScopesOut(BaseModel):
    """A page of users, agents or sessions, in order of id."""

    data: list[ScopeOut]
    next_cursor: str | None
    has_more: bool


def _scope_json(row: RowMapping) -> dict[str, Any]:
    return {"id": row["id"], "count": row["count"], "last_activity": rfc3339(row["last_activity"])}


def _list(
    services: Services,
    session: Session,
    caller: Caller,
    column: ScopeColumn,
    namespace: str | None,
    limit: int,
    cursor: str | None,
) -> Response:
    query = {"list": column.value, "namespace": namespace}
    position = decode_cursor(cursor, of=str, tenant_id=caller.tenant_id, query=query)
    rows: Sequence[RowMapping] = ()
    namespace_id = None
    if namespace is not None:
        namespace_id = find_namespace_id(session, caller.tenant_id, namespace, pointer="?namespace")
    if namespace is None or namespace_id is not None:
        rows = list_scopes(
            session,
            caller.tenant_id,
            column,
            namespace_id=namespace_id,
            after=position,
            limit=limit + 1,
            now=services.clock(),
        )
    return answer(
        page(
            rows,
            limit=limit,
            position=lambda row: row["id"],
            render=_scope_json,
            tenant_id=caller.tenant_id,
            query=query,
        )
    )


@router.get("/v1/users", response_model=ScopesOut)
def list_users(
    caller: Reader,
    services: ServicesDep,
    session: SessionDep,
    namespace: Namespace = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List the users that live memories belong to."""
    return _list(services, session, caller, ScopeColumn.USER, namespace, limit, cursor)


@router.get("/v1/agents", response_model=ScopesOut)
def list_agents(
    caller: Reader,
    services: ServicesDep,
    session: SessionDep,
    namespace: Namespace = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List the agents that live memories belong to."""
    return _list(services, session, caller, ScopeColumn.AGENT, namespace, limit, cursor)


@router.get("/v1/sessions", response_model=ScopesOut)
def list_sessions(
    caller: Reader,
    services: ServicesDep,
    session: SessionDep,
    namespace: Namespace = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List the sessions that live memories belong to."""
    return _list(services, session, caller, ScopeColumn.SESSION, namespace, limit, cursor)
