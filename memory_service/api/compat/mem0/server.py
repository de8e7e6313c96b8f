"""The paths of mem0's open-source server."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from memory_service.api.answers import answer
from memory_service.api.compat.mem0 import adding, changing, finding
from memory_service.api.compat.mem0.bodies import AddIn, FindIn, ListIn, UpdateIn
from memory_service.api.compat.mem0.filters import joined
from memory_service.api.compat.mem0.forgetting import check_may_forget, forget, forget_matching
from memory_service.api.compat.mem0.parameters import is_ignored
from memory_service.api.compat.mem0.platform import MemoryId, Owner, PageSize, Reader, Writer
from memory_service.api.compat.mem0.routing import PREFIX, MemZeroRoute, NamespaceDep
from memory_service.api.compat.mem0.scope import MISSING, owned_by
from memory_service.api.dependencies import AnyCaller, ServicesDep, SessionDep, check_scope
from memory_service.api.idempotency import idempotent_after
from memory_service.api.problems import invalid_request
from memory_service.api.strict_json import takes_parameters
from memory_service.errors import FieldError
from memory_service.lifecycle.draft import NewText
from memory_service.types import KeyScope

router = APIRouter(prefix=PREFIX, tags=["mem0"], route_class=MemZeroRoute)


@router.post("/memories", response_model=dict[str, Any])
@takes_parameters(is_ignored)
def compat_create_memories(
    body: AddIn,
    request: Request,
    caller: Writer,
    services: ServicesDep,
    session: SessionDep,
    namespace: NamespaceDep,
) -> Response:
    """Remember messages as they are, one memory each; they are durable and found when this answers."""
    return adding.add(request, body, namespace, caller, services, session)


@router.get("/memories", response_model=dict[str, Any])
@takes_parameters(is_ignored)
def compat_list_memories(
    caller: Reader,
    services: ServicesDep,
    session: SessionDep,
    namespace: NamespaceDep,
    user_id: Owner = None,
    agent_id: Owner = None,
    app_id: Owner = None,
    run_id: Owner = None,
    limit: PageSize = 100,
) -> Response:
    """List the newest memories of a user, agent, app or run."""
    body = ListIn(user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id)
    items = finding.list_items(session, caller, services, namespace, joined(body.selection()), limit=limit)
    return answer({"results": items})


@router.delete("/memories", response_model=dict[str, Any])
@takes_parameters(is_ignored)
def compat_delete_memories(
    caller: AnyCaller,
    services: ServicesDep,
    namespace: NamespaceDep,
    user_id: Owner = None,
    agent_id: Owner = None,
    app_id: Owner = None,
    run_id: Owner = None,
) -> Response:
    """Delete every memory of a user, agent, app or run."""
    check_may_forget(services, caller)
    selection = owned_by({"user_id": user_id, "agent_id": agent_id, "app_id": app_id, "run_id": run_id})
    if not selection:
        raise invalid_request([FieldError("?user_id", MISSING)])
    deleted = forget_matching(services, caller, namespace, selection)
    return answer({"message": "All relevant memories deleted", "deleted": deleted})


@router.post("/search", response_model=dict[str, Any])
@takes_parameters(is_ignored)
def compat_search_memories(
    body: FindIn, request: Request, caller: Reader, services: ServicesDep, namespace: NamespaceDep
) -> Response:
    """Search as `POST /v1/search` does, with mem0's filters."""
    return finding.find(request, caller, services, namespace, body)


@router.get("/memories/{memory_id}", response_model=dict[str, Any])
@takes_parameters(is_ignored)
def compat_read_memory(
    memory_id: MemoryId, caller: Reader, services: ServicesDep, session: SessionDep, namespace: NamespaceDep
) -> Response:
    """Read one memory."""
    found = finding.id_of(memory_id)
    return answer(finding.read_item(session, caller, found, namespace, now=services.clock()))


@router.get("/memories/{memory_id}/history", response_model=list[dict[str, Any]])
@takes_parameters(is_ignored)
def compat_read_history(memory_id: MemoryId, caller: Reader, session: SessionDep, namespace: NamespaceDep) -> Response:
    """Read what happened to one memory, oldest first; also after it was deleted."""
    return answer(finding.read_history(session, caller, finding.id_of(memory_id), namespace))


@router.put("/memories/{memory_id}", response_model=dict[str, Any])
@takes_parameters(is_ignored)
def compat_change_memory(
    memory_id: MemoryId,
    body: UpdateIn,
    request: Request,
    caller: Writer,
    services: ServicesDep,
    session: SessionDep,
    namespace: NamespaceDep,
) -> Response:
    """Change one memory as a new version of it; given metadata are added to those there are."""
    now, found = services.clock(), finding.id_of(memory_id)
    changes = body.changes()

    def encode() -> Sequence[NewText | None]:
        return changing.encoded(services, caller, [(found, changes)])

    def produce(texts: Sequence[NewText | None]) -> Response:
        changing.update(session, services, caller, namespace, [(found, changes)], texts, now=now)
        return answer({"message": "Memory updated successfully!"})

    return idempotent_after(request, caller, session, encode, produce)


@router.delete("/memories/{memory_id}", response_model=dict[str, Any])
@takes_parameters(is_ignored)
def compat_delete_memory(
    memory_id: MemoryId, caller: AnyCaller, services: ServicesDep, session: SessionDep, namespace: NamespaceDep
) -> Response:
    """Delete one memory: archive it, or erase it where the operator has decided so."""
    check_may_forget(services, caller)
    found = finding.id_of(memory_id)
    finding.read_row(session, caller, found, namespace)
    forget(session, services, caller, [found], now=services.clock())
    return answer({"message": "Memory deleted successfully"})


@router.post("/reset", response_model=dict[str, Any])
@takes_parameters(is_ignored)
def compat_reset(
    caller: AnyCaller,
    services: ServicesDep,
    namespace: NamespaceDep,
    confirm: Annotated[str | None, Query(description="The path of the namespace, as a confirmation.")] = None,
) -> Response:
    """Delete every memory of the namespace; needs the scope admin and `?confirm=` with the path of the namespace."""
    check_scope(caller, KeyScope.ADMIN)
    check_may_forget(services, caller)
    if confirm != namespace:
        detail = f"would delete every memory of the namespace; to mean it, send ?confirm={namespace}"
        raise invalid_request([FieldError("?confirm", detail)])
    deleted = forget_matching(services, caller, namespace, {})
    return answer({"message": "All memories reset", "deleted": deleted})
