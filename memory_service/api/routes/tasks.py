"""Task trees: make, read, list and change the nodes that agents work on."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response

from memory_service.api.answers import answer, memory_answer, versions_wanted
from memory_service.api.dependencies import AnyCaller, ServicesDep, SessionDep, check_scope, require
from memory_service.api.fields import ShortText
from memory_service.api.idempotency import idempotent
from memory_service.api.pages import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, page
from memory_service.api.strict_json import StrictRoute
from memory_service.api.task_models import TaskIn, TaskOut, TaskPatch, TasksOut, TaskVersionsOut
from memory_service.lifecycle.task_records import task_json, version_json
from memory_service.lifecycle.task_tree import find, load_for_change
from memory_service.lifecycle.task_undoing import discard
from memory_service.lifecycle.tasks import change, create
from memory_service.storage import tasks
from memory_service.storage.namespaces import check_path, ensure_namespaces, find_namespace_id
from memory_service.types import DEFAULT_NAMESPACE, Caller, KeyScope, TaskStatus

router = APIRouter(prefix="/v1/tasks", tags=["tasks"], route_class=StrictRoute)

Reader = Annotated[Caller, require(KeyScope.READ)]
Writer = Annotated[Caller, require(KeyScope.WRITE)]
IfMatch = Annotated[str | None, Header(alias="If-Match")]


@router.post("", status_code=201, response_model=TaskOut)
def create_task(request: Request, body: TaskIn, caller: Writer, services: ServicesDep, session: SessionDep) -> Response:
    """Make a task: the root of a tree, or a step of another task, which may wait for others."""
    now, tenant_id = services.clock(), caller.tenant_id
    path = check_path(body.namespace) if body.namespace is not None else None

    def produce() -> Response:
        space = None
        if body.parent_id is None:
            root_in = path or DEFAULT_NAMESPACE
            made = ensure_namespaces(session, tenant_id, [root_in], now=now)
            space = made[root_in].id
        task_id = create(session, tenant_id, body.task(), namespace_id=space, namespace=path, now=now)
        record = task_json(find(session, tenant_id, task_id))
        return memory_answer(record, status=201, headers={"Location": f"/v1/tasks/{task_id}"})

    return idempotent(request, caller, session, produce)


@router.get("", response_model=TasksOut)
def list_tasks(
    caller: Reader,
    session: SessionDep,
    namespace: Annotated[str | None, Query(description="Only this namespace; without it, all.")] = None,
    status: TaskStatus | None = None,
    parent_id: Annotated[UUID | None, Query(description="Only the children of this task.")] = None,
    root_id: Annotated[UUID | None, Query(description="Only this tree.")] = None,
    roots: Annotated[bool, Query(description="Only tasks without a parent.")] = False,
    user_id: ShortText | None = None,
    agent_id: ShortText | None = None,
    session_id: ShortText | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List tasks, the newest first."""
    tenant_id = caller.tenant_id
    asked: dict[str, Any] = {
        "status": None if status is None else status.value,
        "parent_id": parent_id,
        "root_id": root_id,
        "user_id": user_id,
        "agent_id": agent_id,
        "session_id": session_id,
    }
    query = {"list": "tasks", "namespace": namespace, "roots": roots, **asked}
    before = decode_cursor(cursor, of=UUID, tenant_id=tenant_id, query=query)
    equal = {name: value for name, value in asked.items() if value is not None}
    unwritten = False
    if namespace is not None:
        space = find_namespace_id(session, tenant_id, namespace, pointer="?namespace")
        unwritten, equal["namespace_id"] = space is None, space
    rows = (
        ()
        if unwritten
        else tasks.list_tasks(session, tenant_id, equal=equal, roots=roots, before=before, limit=limit + 1)
    )
    return answer(
        page(rows, limit=limit, position=lambda row: row["id"], render=task_json, tenant_id=tenant_id, query=query)
    )


@router.get("/{task_id}", response_model=TaskOut)
def get_task(task_id: UUID, caller: Reader, session: SessionDep) -> Response:
    """Read one task."""
    return memory_answer(task_json(find(session, caller.tenant_id, task_id)))


@router.patch("/{task_id}", response_model=TaskOut)
def change_task(
    task_id: UUID,
    body: TaskPatch,
    request: Request,
    caller: Writer,
    services: ServicesDep,
    session: SessionDep,
    if_match: IfMatch = None,
) -> Response:
    """Change fields of an unfinished task as a new version of it."""
    now = services.clock()
    wanted = versions_wanted(if_match)

    def produce() -> Response:
        row = load_for_change(session, caller.tenant_id, task_id, if_match=wanted)
        change(session, caller.tenant_id, row, body.changes(), now=now)
        return memory_answer(task_json(find(session, caller.tenant_id, task_id)))

    return idempotent(request, caller, session, produce)


@router.delete("/{task_id}", status_code=204)
def delete_task(
    task_id: UUID,
    caller: AnyCaller,
    services: ServicesDep,
    session: SessionDep,
    if_match: IfMatch = None,
    erase: Annotated[
        bool, Query(description="Remove it, all below it and their history for good; needs the scope memories:erase.")
    ] = False,
) -> Response:
    """Discard a task with all below it (a rollback brings them back; needs memories:write), or erase them for good."""
    check_scope(caller, KeyScope.ERASE if erase else KeyScope.WRITE)
    row = load_for_change(session, caller.tenant_id, task_id, if_match=versions_wanted(if_match))
    if erase:
        tasks.erase(session, caller.tenant_id, [task_id])
    else:
        discard(session, caller.tenant_id, row, now=services.clock())
    return Response(status_code=204)


@router.get("/{task_id}/versions", response_model=TaskVersionsOut)
def list_task_versions(
    task_id: UUID,
    caller: Reader,
    session: SessionDep,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List every state a task has had, the newest first."""
    tenant_id = caller.tenant_id
    find(session, tenant_id, task_id)
    query = {"list": "task versions", "task": str(task_id)}
    before = decode_cursor(cursor, of=int, tenant_id=tenant_id, query=query)
    rows = tasks.list_versions(session, tenant_id, task_id, before=before, limit=limit + 1)
    return answer(
        page(
            rows,
            limit=limit,
            position=lambda row: row["version"],
            render=version_json,
            tenant_id=tenant_id,
            query=query,
        )
    )
