"""The paths of mem0's platform about memories, as `MemoryClient` and `AsyncMemoryClient` of mem0ai 2.2.1 ask them."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response

from memory_service.api.answers import answer
from memory_service.api.compat.mem0 import adding, changing, finding
from memory_service.api.compat.mem0.bodies import (
    AddIn,
    BatchDeleteIn,
    BatchUpdateIn,
    FindIn,
    ListIn,
    UpdateIn,
    VerdictIn,
)
from memory_service.api.compat.mem0.forgetting import check_may_forget, forget
from memory_service.api.compat.mem0.parameters import REFUSED, is_ignored
from memory_service.api.compat.mem0.routing import PREFIX, MemZeroRoute, NamespaceDep
from memory_service.api.dependencies import AnyCaller, ServicesDep, SessionDep, require
from memory_service.api.idempotency import idempotent, idempotent_after
from memory_service.api.listing import MAX_LIST_LIMIT
from memory_service.api.problems import invalid_request
from memory_service.api.strict_json import takes_parameters
from memory_service.errors import FieldError
from memory_service.lifecycle.draft import NewText
from memory_service.types import Caller, KeyScope

router = APIRouter(prefix=PREFIX, tags=["mem0"], route_class=MemZeroRoute)

Reader = Annotated[Caller, require(KeyScope.READ)]
Writer = Annotated[Caller, require(KeyScope.WRITE)]
Owner = Annotated[str | None, Query(min_length=1, max_length=256)]
PageNumber = Annotated[int, Query(ge=1, le=1_000_000)]
PageSize = Annotated[int, Query(ge=1, le=MAX_LIST_LIMIT)]
MemoryId = Annotated[str, Path(min_length=1, max_length=256)]


@router.get("/v1/ping/", response_model=dict[str, Any])
@takes_parameters(is_ignored)
def compat_ping(caller: AnyCaller, namespace: NamespaceDep) -> Response:
    """Answer the check that a mem0 client makes of its key: the tenant is its organization, the namespace its project."""
    return answer(
        {"status": "ok", "org_id": str(caller.tenant_id), "project_id": namespace, "user_email": None},
    )


@router.post("/v3/memories/add/", response_model=dict[str, Any])
@takes_parameters(is_ignored)
def compat_add(
    body: AddIn,
    request: Request,
    caller: Writer,
    services: ServicesDep,
    session: SessionDep,
    namespace: NamespaceDep,
) -> Response:
    """Remember messages as they are, one memory each; they are durable and found when this answers."""
    return adding.add(request, body, namespace, caller, services, session)


@router.get("/v1/event/{event_id}/", response_model=dict[str, Any])
@takes_parameters(is_ignored)
def compat_event(event_id: UUID, caller: Reader, session: SessionDep, namespace: NamespaceDep) -> Response:
    """Read what an add has stored."""
    return answer(adding.read_event(session, caller, event_id, namespace))


@router.post("/v3/memories/", response_model=dict[str, Any])
@takes_parameters(is_ignored)
def compat_get_all(
    body: ListIn,
    request: Request,
    caller: Reader,
    services: ServicesDep,
    session: SessionDep,
    namespace: NamespaceDep,
    page: PageNumber = 1,
    page_size: PageSize = 100,
) -> Response:
    """List the memories that mem0's filters select, newest first, in pages."""
    return finding.list_page(request, session, caller, services, namespace, body, page=page, page_size=page_size)


@router.post("/v3/memories/search/", response_model=dict[str, Any])
@takes_parameters(is_ignored)
def compat_search(
    body: FindIn, request: Request, caller: Reader, services: ServicesDep, namespace: NamespaceDep
) -> Response:
    """Search as `POST /v1/search` does, with mem0's filters."""
    return finding.find(request, caller, services, namespace, body)


@router.get("/v1/memories/{memory_id}/", response_model=dict[str, Any])
@takes_parameters(is_ignored)
def compat_get(
    memory_id: MemoryId, caller: Reader, services: ServicesDep, session: SessionDep, namespace: NamespaceDep
) -> Response:
    """Read one memory."""
    found = finding.id_of(memory_id)
    return answer(finding.read_item(session, caller, found, namespace, now=services.clock()))


@router.get("/v1/memories/{memory_id}/history/", response_model=list[dict[str, Any]])
@takes_parameters(is_ignored)
def compat_history(memory_id: MemoryId, caller: Reader, session: SessionDep, namespace: NamespaceDep) -> Response:
    """Read what happened to one memory, oldest first; also after it was deleted."""
    return answer(finding.read_history(session, caller, finding.id_of(memory_id), namespace))


@router.put("/v1/memories/{memory_id}/", response_model=dict[str, Any])
@takes_parameters(is_ignored)
def compat_update(
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
        item = finding.read_item(session, caller, found, namespace, now=now)
        return answer(item | {"text": item["memory"], "message": "Memory updated successfully!"})

    return idempotent_after(request, caller, session, encode, produce)


def is_ignored_or_refused(name: str) -> bool:
    """Say whether a delete reads a query parameter by itself, be it to refuse it with a reason."""
    return is_ignored(name) or name == "delete_linked"


@router.delete("/v1/memories/{memory_id}/", response_model=dict[str, Any])
@takes_parameters(is_ignored_or_refused)
def compat_delete(
    memory_id: MemoryId,
    request: Request,
    caller: AnyCaller,
    services: ServicesDep,
    session: SessionDep,
    namespace: NamespaceDep,
) -> Response:
    """Delete one memory: archive it, or erase it where the operator has decided so."""
    check_may_forget(services, caller)
    if request.query_params.get("delete_linked", "false").lower() not in {"false", "0", ""}:
        raise invalid_request([FieldError("?delete_linked", REFUSED["delete_linked"])])
    found = finding.id_of(memory_id)
    finding.read_row(session, caller, found, namespace)
    forget(session, services, caller, [found], now=services.clock())
    return answer({"message": "Memory deleted successfully!"})


@router.put("/v1/batch/", response_model=dict[str, Any])
@takes_parameters(is_ignored)
def compat_batch_update(
    body: BatchUpdateIn,
    request: Request,
    caller: Writer,
    services: ServicesDep,
    session: SessionDep,
    namespace: NamespaceDep,
) -> Response:
    """Change up to 1,000 memories, all of them or none."""
    now = services.clock()
    changes = [
        (finding.id_of(item.memory_id), item.changes(pointer=f"/memories/{at}"))
        for at, item in enumerate(body.memories)
    ]

    def encode() -> Sequence[NewText | None]:
        return changing.encoded(services, caller, changes)

    def produce(texts: Sequence[NewText | None]) -> Response:
        changing.update(session, services, caller, namespace, changes, texts, now=now)
        return answer({"message": f"Successfully updated {len(changes)} memories"})

    return idempotent_after(request, caller, session, encode, produce)


@router.delete("/v1/batch/", response_model=dict[str, Any])
@takes_parameters(is_ignored)
def compat_batch_delete(
    body: BatchDeleteIn, caller: AnyCaller, services: ServicesDep, session: SessionDep, namespace: NamespaceDep
) -> Response:
    """Delete up to 1,000 memories, all of them or none."""
    check_may_forget(services, caller)
    ids = list(dict.fromkeys(finding.id_of(item.memory_id) for item in body.memories))
    for memory_id in ids:
        finding.read_row(session, caller, memory_id, namespace)
    forget(session, services, caller, ids, now=services.clock())
    return answer({"message": f"Successfully deleted {len(ids)} memories"})


@router.post("/v1/feedback/", response_model=dict[str, Any])
@takes_parameters(is_ignored)
def compat_feedback(
    body: VerdictIn,
    request: Request,
    caller: Writer,
    services: ServicesDep,
    session: SessionDep,
    namespace: NamespaceDep,
) -> Response:
    """Say what a memory was worth; a good one holds longer, a bad one fades sooner. The reason is not kept."""
    found = finding.id_of(body.memory_id)
    useful = None if body.feedback is None else body.feedback == "POSITIVE"

    def produce() -> Response:
        changing.judge(session, caller, found, namespace, useful=useful, now=services.clock())
        said = {"feedback": body.feedback, "feedback_reason": body.feedback_reason}
        return answer({"id": str(found), "memory_id": str(found), **said})

    return idempotent(request, caller, session, produce)
