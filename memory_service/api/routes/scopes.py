"""Users, agents and sessions: who memories belong to, how many there are, when they last changed."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from memory_service.api.answers import answer
from memory_service.api.auditing import note
from memory_service.api.dependencies import AnyCaller, ServicesDep, SessionDep, check_scope, require
from memory_service.api.erasing import begin_erasure, begun_answer
from memory_service.api.pages import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, page
from memory_service.api.services import Services
from memory_service.api.strict_json import StrictRoute
from memory_service.errors import NotFound
from memory_service.jobs import RUN_JOB, enqueue_after_commit
from memory_service.lifecycle.records import rfc3339
from memory_service.lifecycle.scopes import begin_archive, is_known
from memory_service.lifecycle.selection import Selection
from memory_service.storage.namespaces import find_namespace_id
from memory_service.storage.scopes import ScopeColumn, list_scopes
from memory_service.types import Action, Caller, KeyScope

router = APIRouter(tags=["scopes"], route_class=StrictRoute)

Reader = Annotated[Caller, require(KeyScope.READ)]
Namespace = Annotated[str | None, Query(description="Only memories of this namespace; without it, of all.")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]


class ScopeOut(BaseModel):
    """One user, agent or session."""

    id: str
    count: int
    last_activity: datetime


class ArchivingOut(BaseModel):
    """A job that archives, or erases with a receipt."""

    job_id: UUID
    erasure_id: UUID | None = None


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


ScopeId = Annotated[str, Path(min_length=1, max_length=256, description="A `/` is written as it is or as `%2F`.")]
WithinNamespace = Annotated[str | None, Query(description="Only what lies in this namespace; without it, in all.")]
Erase = Annotated[bool, Query(description="Remove it for good; needs the scope memories:erase.")]


def _delete(
    services: Services,
    session: Session,
    caller: Caller,
    column: ScopeColumn,
    value: str,
    namespace: str | None,
    erase: bool,
) -> Response:
    """Begin the job that archives or erases all of one user, agent or session.

    Raises:
        NotFound: nothing belongs to it; nothing live where it is to be archived.
    """
    check_scope(caller, KeyScope.ERASE if erase else KeyScope.WRITE)
    kind = column.value.removesuffix("_id")
    namespace_id = None
    if namespace is not None:
        namespace_id = find_namespace_id(session, caller.tenant_id, namespace, pointer="?namespace")
    selection = Selection(
        before=services.clock(), scope={column.value: value}, namespace_id=namespace_id, namespace=namespace
    )
    # A namespace without an id is the default one before its first write.
    unwritten = namespace is not None and namespace_id is None
    if unwritten or not is_known(session, caller.tenant_id, selection, live=not erase):
        raise NotFound(f"Nothing{'' if erase else ' live'} belongs to this {kind}.", code="scope_not_found")
    if erase:
        return begun_answer(begin_erasure(session, services, caller, selection))
    ttl = timedelta(days=services.settings.job_ttl_days)
    job_id = begin_archive(session, caller.tenant_id, selection, ttl=ttl)
    note(session, services, caller, Action.SCOPE_ARCHIVE, subject=("job", job_id), namespace_id=namespace_id, of=kind)
    enqueue_after_commit(session, services.nudger, RUN_JOB, str(caller.tenant_id), str(job_id))
    return answer({"job_id": str(job_id)}, status=202, headers={"Location": f"/v1/jobs/{job_id}"})


@router.delete("/v1/users/{user_id:path}", status_code=202, response_model=ArchivingOut)
def delete_user(
    user_id: ScopeId,
    caller: AnyCaller,
    services: ServicesDep,
    session: SessionDep,
    namespace: WithinNamespace = None,
    erase: Erase = False,
) -> Response:
    """Archive all memories and documents of a user as a job (memories:write), or erase all of theirs (memories:erase)."""
    return _delete(services, session, caller, ScopeColumn.USER, user_id, namespace, erase)


@router.delete("/v1/agents/{agent_id:path}", status_code=202, response_model=ArchivingOut)
def delete_agent(
    agent_id: ScopeId,
    caller: AnyCaller,
    services: ServicesDep,
    session: SessionDep,
    namespace: WithinNamespace = None,
    erase: Erase = False,
) -> Response:
    """Archive all memories and documents of an agent as a job (memories:write), or erase all of its (memories:erase)."""
    return _delete(services, session, caller, ScopeColumn.AGENT, agent_id, namespace, erase)


@router.delete("/v1/sessions/{session_id:path}", status_code=202, response_model=ArchivingOut)
def delete_session(
    session_id: ScopeId,
    caller: AnyCaller,
    services: ServicesDep,
    session: SessionDep,
    namespace: WithinNamespace = None,
    erase: Erase = False,
) -> Response:
    """Archive all memories and documents of a session as a job (memories:write), or erase all of its (memories:erase)."""
    return _delete(services, session, caller, ScopeColumn.SESSION, session_id, namespace, erase)
