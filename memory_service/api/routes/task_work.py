"""Working on a task: its context, and how it ends, is undone or gives way to another plan."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from sqlalchemy.orm import Session

from memory_service.api.answers import answer, memory_answer, versions_wanted
from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.fields import is_blank
from memory_service.api.idempotency import idempotent
from memory_service.api.search_models import MAX_QUERY_BYTES, SearchIn
from memory_service.api.searching import count_tokens, search
from memory_service.api.strict_json import StrictRoute
from memory_service.api.task_models import (
    ClosedOut,
    CloseIn,
    ReplaceIn,
    RollbackIn,
    RolledBackOut,
    TaskContextOut,
    TaskOut,
)
from memory_service.errors import FieldError, InvalidRequest, TooLarge
from memory_service.lifecycle.task_context import (
    Kind,
    Surroundings,
    TaskContext,
    as_text,
    build,
    lines_about,
    memory_line,
)
from memory_service.lifecycle.task_records import rolled_back_json, task_json
from memory_service.lifecycle.task_tree import find, load_for_change
from memory_service.lifecycle.task_undoing import replace, rollback
from memory_service.lifecycle.tasks import close
from memory_service.storage import tasks
from memory_service.storage.sql import Row
from memory_service.types import UNFINISHED, Caller, KeyScope, TaskStatus
from retrieval.context import heading
from retrieval.recalled import Recalled

router = APIRouter(prefix="/v1/tasks/{task_id}", tags=["tasks"], route_class=StrictRoute)

Reader = Annotated[Caller, require(KeyScope.READ)]
Writer = Annotated[Caller, require(KeyScope.WRITE)]
IfMatch = Annotated[str | None, Header(alias="If-Match")]

MOST_NEIGHBOURS = 200  # of the newest siblings and children each; more would not fit any budget
MOST_MEMORIES = 10
QUERY_CHARACTERS = 2_000  # of a task by which memories are looked for; more would blur what it is about


def surroundings(session: Session, caller: Caller, task_id: UUID) -> Surroundings:
    """Return what stands around a task.

    Raises:
        NotFound: there is no such task.
    """
    tenant_id = caller.tenant_id
    task = find(session, tenant_id, task_id)
    ended = (TaskStatus.SUCCEEDED.value, TaskStatus.FAILED.value)
    siblings: list[Row] = []
    if task["parent_id"] is not None:
        around = tasks.children_of(session, tenant_id, task["parent_id"], statuses=ended, limit=MOST_NEIGHBOURS)
        siblings = [row for row in around if row["id"] != task_id]
    found = tasks.get_tasks(session, tenant_id, task["depends_on"])
    counting = (*ended, *(status.value for status in UNFINISHED))
    return Surroundings(
        path=tasks.path_to(session, tenant_id, task_id),
        task=task,
        dependencies=[found[one] for one in task["depends_on"] if one in found],
        siblings=siblings,
        children=tasks.children_of(session, tenant_id, task_id, statuses=counting, limit=MOST_NEIGHBOURS),
    )


@router.get("/context", response_model=TaskContextOut)
def get_task_context(
    task_id: UUID,
    request: Request,
    caller: Reader,
    services: ServicesDep,
    token_budget: Annotated[int, Query(ge=1, le=1_000_000)] = 1200,
    include_memories: Annotated[
        bool, Query(description="Also memories of the namespace that the task is about.")
    ] = False,
    query: Annotated[
        str | None, Query(description="What to look for in memories; what the task says when left out.")
    ] = None,
) -> Response:
    """Pack what an agent needs to work on a task, never over a budget: the path to it, outcomes, open steps, memories."""
    with services.database.transaction(caller.tenant_id) as session:
        around = surroundings(session, caller, task_id)
    lines = lines_about(around)
    if query is not None and is_blank(query):
        raise InvalidRequest("query is empty", errors=(FieldError("?query", "query is empty"),))
    if query is not None and len(query.encode()) > MAX_QUERY_BYTES:
        raise TooLarge("The query is longer than 16 KiB; ask with the part that matters.")

    def count(texts: Any) -> list[int]:
        return count_tokens(services, texts)

    if not include_memories:
        return answer(_context_json(around.task, build(lines, budget=token_budget, count=count), search_id=None))

    def pack(recalled: Recalled, found: dict[str, Any]) -> Response:
        remembered = [
            memory_line(result.found.id, f"{heading(result.row)}{result.row['content']}", result.rank)
            for result in recalled.results
        ]
        context = build([*lines, *remembered], budget=token_budget, count=count)
        return answer(_context_json(around.task, context, search_id=found["search_id"]))

    return search(request, services, caller, _search_for(around.task, query), pack)


def _search_for(task: Row, query: str | None) -> SearchIn:
    """Return the search for memories of what a task is about."""
    wanted = query or f"{task['title']} {as_text(task['input'])}"[:QUERY_CHARACTERS]
    scope = {"user_id": task["user_id"]} if task["user_id"] is not None else {}
    return SearchIn(query=wanted, namespace=task["namespace"], top_k=MOST_MEMORIES, **scope)


def _context_json(task: Row, context: TaskContext, *, search_id: str | None) -> dict[str, Any]:
    return {
        "task_id": str(task["id"]),
        "version": task["version"],
        "text": context.text,
        "tokens": context.tokens,
        "items": [
            {
                "kind": line.kind.value,
                "task_id": None if line.kind is Kind.MEMORY else str(line.id),
                "memory_id": str(line.id) if line.kind is Kind.MEMORY else None,
                "status": line.status,
                "text": line.text,
                "cut": line.cut,
            }
            for line in context.lines
        ],
        "left_out": context.left_out,
        "search_id": search_id,
    }


@router.post("/close", response_model=ClosedOut)
def close_task(
    task_id: UUID,
    body: CloseIn,
    request: Request,
    caller: Writer,
    services: ServicesDep,
    session: SessionDep,
    if_match: IfMatch = None,
) -> Response:
    """End a task: contexts show its outcome from now on, and nothing of what lies below it."""
    now, wanted = services.clock(), versions_wanted(if_match)

    def produce() -> Response:
        row = load_for_change(session, caller.tenant_id, task_id, if_match=wanted)
        cancelled = close(
            session,
            caller.tenant_id,
            row,
            status=TaskStatus(body.status),
            output=body.output if "output" in body.model_fields_set else row["output"],
            outcome=body.outcome,
            force=body.force,
            now=now,
        )
        return _changed(session, caller, task_id, {"cancelled": [str(one) for one in cancelled]})

    return idempotent(request, caller, session, produce)


@router.post("/rollback", response_model=RolledBackOut)
def roll_back_task(
    task_id: UUID,
    body: RollbackIn,
    request: Request,
    caller: Writer,
    services: ServicesDep,
    session: SessionDep,
    if_match: IfMatch = None,
) -> Response:
    """Bring a task and all below it back to how they were, and say what that undid; the history keeps everything."""
    now, wanted = services.clock(), versions_wanted(if_match)

    def produce() -> Response:
        row = load_for_change(session, caller.tenant_id, task_id, if_match=wanted)
        done = rollback(session, caller.tenant_id, row, version=body.version, to=body.to, now=now)
        return _changed(session, caller, task_id, rolled_back_json(done))

    return idempotent(request, caller, session, produce)


@router.post("/replace", status_code=201, response_model=TaskOut)
def replace_task(
    task_id: UUID,
    body: ReplaceIn,
    request: Request,
    caller: Writer,
    services: ServicesDep,
    session: SessionDep,
    if_match: IfMatch = None,
) -> Response:
    """Put another plan in the place of a task; the old one stays in the history as superseded."""
    now, wanted = services.clock(), versions_wanted(if_match)

    def produce() -> Response:
        row = load_for_change(session, caller.tenant_id, task_id, if_match=wanted)
        made = replace(session, caller.tenant_id, row, body.task(), given=body.model_fields_set, now=now)
        record = task_json(find(session, caller.tenant_id, made))
        return memory_answer(record, status=201, headers={"Location": f"/v1/tasks/{made}"})

    return idempotent(request, caller, session, produce)


def _changed(session: Session, caller: Caller, task_id: UUID, more: dict[str, Any]) -> Response:
    """Return a task as it is now, with what a call did beside it."""
    return memory_answer({**task_json(find(session, caller.tenant_id, task_id)), **more})
