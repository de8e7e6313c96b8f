"""Task trees: nodes that agents work on; what is finished folds into its outcome, and every state stays in the history."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from memory_service.errors import Conflict, FieldError, InvalidRequest, NotFound, PreconditionFailed
from memory_service.lifecycle.records import rfc3339
from memory_service.lifecycle.task_rollback import Action, Undo, plan_rollback, same
from memory_service.storage import tasks
from memory_service.storage.ids import new_id
from memory_service.storage.sql import Row
from memory_service.types import UNFINISHED, WITHOUT_EFFECT, TaskStatus

MAX_DEPTH: Final = 64
_TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class NewTask:
    """A node to make; what is None is as its parent, or the node it replaces, has it."""

    title: str
    input: Any = None
    parent_id: UUID | None = None
    depends_on: tuple[UUID, ...] = ()
    user_id: str | None = None
    agent_id: str | None = None
    session_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


def absent(task_id: UUID) -> NotFound:
    """Return the error for a task that is not there."""
    return NotFound(f"There is no task {task_id}.", code="task_not_found")


def find(session: Session, tenant_id: UUID, task_id: UUID) -> RowMapping:
    """Return a task.

    Raises:
        NotFound: there is none in this tenant.
    """
    row = tasks.get_task(session, tenant_id, task_id)
    if row is None:
        raise absent(task_id)
    return row


def load_for_change(
    session: Session, tenant_id: UUID, task_id: UUID, *, if_match: Collection[int] | None = None
) -> RowMapping:
    """Return a task whose namespace nobody else changes the tasks of, and check that the caller has seen it as it is.

    Raises:
        NotFound: there is none in this tenant.
        PreconditionFailed: If-Match names other versions.
    """
    tasks.lock_namespace(session, tenant_id, find(session, tenant_id, task_id)["namespace_id"])
    row = find(session, tenant_id, task_id)
    if if_match is not None and row["version"] not in if_match:
        named = ", ".join(str(version) for version in sorted(if_match)[:5])
        raise PreconditionFailed(
            f"The task is at version {row['version']}, If-Match names {named}. Read it again, then repeat the change."
        )
    return row


def create(
    session: Session, tenant_id: UUID, new: NewTask, *, namespace_id: UUID | None, namespace: str | None, now: datetime
) -> UUID:
    """Make a root in a namespace, or a child of an open task, and return its id.

    Args:
        session: the caller's transaction.
        tenant_id: whose task.
        new: what to make.
        namespace_id: where a root is made.
        namespace: the path that the caller names for a child, which must be that of its parent.
        now: the moment.

    Raises:
        InvalidRequest: parent or dependencies are not in this namespace (``unknown_task``), the user is another one than
            that of the tree, or the tree would be too deep.
        Conflict: the parent is closed, a dependency no longer counts, or tasks would wait for each other.
    """
    if new.parent_id is None:
        assert namespace_id is not None, "a root lies in a namespace"
        tasks.lock_namespace(session, tenant_id, namespace_id)
        return _insert(session, tenant_id, new, parent=None, namespace_id=namespace_id, now=now)
    try:
        parent = load_for_change(session, tenant_id, new.parent_id)
    except NotFound as error:
        raise _unknown("/parent_id", new.parent_id) from error
    if namespace is not None and namespace != parent["namespace"]:
        raise _unknown("/parent_id", new.parent_id)
    _check_unfinished(parent, "The parent is {status}: a closed task gets no more steps. Roll it back first.")
    return _insert(session, tenant_id, new, parent=parent, namespace_id=parent["namespace_id"], now=now)


def _insert(
    session: Session,
    tenant_id: UUID,
    new: NewTask,
    *,
    parent: Row | None,
    namespace_id: UUID,
    now: datetime,
    replaces: UUID | None = None,
    operation: str = "create",
) -> UUID:
    """Make a node in a locked namespace."""
    scope = {name: getattr(new, name) for name in ("user_id", "agent_id", "session_id")}
    if parent is not None:
        if new.user_id is not None and new.user_id != parent["user_id"]:
            detail = "A tree of tasks belongs to one user; leave user_id out below a root."
            raise InvalidRequest(detail, errors=(FieldError("/user_id", detail),))
        if parent["depth"] + 1 > MAX_DEPTH:
            detail = f"A tree of tasks is at most {MAX_DEPTH} levels deep."
            raise InvalidRequest(detail, errors=(FieldError("/parent_id", detail),))
        scope = {name: parent[name] if said is None else said for name, said in scope.items()}
        now = _moment(session, tenant_id, parent["root_id"], now)
    _check_dependencies(session, tenant_id, namespace_id, new.depends_on)
    task_id = new_id()
    place = {
        "id": task_id,
        "namespace_id": namespace_id,
        "root_id": parent["root_id"] if parent else task_id,
        "parent_id": parent["id"] if parent else None,
        "depth": parent["depth"] + 1 if parent else 0,
        "replaces": replaces,
        **scope,
    }
    state = {
        "status": TaskStatus.OPEN.value,
        "title": new.title,
        "input": new.input,
        "output": None,
        "outcome": None,
        "metadata": new.metadata,
        "depends_on": sorted(set(new.depends_on)),
        "superseded_by": None,
        "closed_at": None,
        "operation": operation,
    }
    tasks.insert_task(session, tenant_id, place, state, now=now)
    _check_cycle(session, tenant_id, task_id, new.depends_on)
    return task_id


def change(session: Session, tenant_id: UUID, row: Row, changes: Mapping[str, Any], *, now: datetime) -> None:
    """Change what a loaded task says; a change that changes nothing makes no version.

    Raises:
        Conflict: the task is closed, a dependency no longer counts, or tasks would wait for each other.
        InvalidRequest: a dependency is not in this namespace.
    """
    _check_unfinished(row, "The task is {status}, which is the end of it. Roll it back to change it.")
    depends_on = changes.get("depends_on")
    if depends_on is not None:
        _check_dependencies(session, tenant_id, row["namespace_id"], depends_on)
        changes = {**changes, "depends_on": sorted(set(depends_on))}
    if same(row, {**row, **changes}):
        return
    _next(session, tenant_id, [(row, changes)], operation="patch", now=_moment(session, tenant_id, row["root_id"], now))
    if depends_on is not None:
        _check_cycle(session, tenant_id, row["id"], depends_on)


def close(
    session: Session,
    tenant_id: UUID,
    row: Row,
    *,
    status: TaskStatus,
    output: Any,
    outcome: str | None,
    force: bool,
    now: datetime,
) -> list[UUID]:
    """Close a loaded task: from now on contexts show its outcome, and nothing of what lies below it.

    Returns:
        The unfinished tasks below it that were cancelled with it.

    Raises:
        Conflict: it is closed already; or without `force` something below it is unfinished (``open_children``), or it is to
            succeed before what it depends on has ended (``open_dependencies``).
    """
    _check_unfinished(row, "The task is {status} already.")
    under = [one for one in _subtree(session, tenant_id, row["id"]) if one["id"] != row["id"]]
    unfinished = [one for one in under if one["status"] in UNFINISHED]
    if unfinished and not force:
        raise Conflict(
            f"{len(unfinished):,} tasks below this one are unfinished; close them first, or cancel them with force.",
            errors=tuple(FieldError("", f"task {one['id']} is {one['status']}") for one in unfinished[:20]),
            code="open_children",
        )
    if status is TaskStatus.SUCCEEDED and not force:
        waits = [
            d for d in tasks.get_tasks(session, tenant_id, row["depends_on"]).values() if d["status"] in UNFINISHED
        ]
        if waits:
            raise Conflict(
                f"{len(waits):,} tasks that this one depends on are unfinished; close them first, or use force.",
                errors=tuple(FieldError("", f"task {one['id']} is {one['status']}") for one in waits[:20]),
                code="open_dependencies",
            )
    now = _moment(session, tenant_id, row["root_id"], now)
    ended = {"status": status.value, "output": output, "outcome": outcome, "closed_at": now}
    cancelled = {"status": TaskStatus.CANCELLED.value, "closed_at": now}
    _next(session, tenant_id, [(row, ended)], operation="close", now=now)
    _next(session, tenant_id, [(one, cancelled) for one in unfinished], operation="close", now=now)
    return [one["id"] for one in unfinished]


def replace(
    session: Session,
    tenant_id: UUID,
    row: Row,
    new: NewTask,
    *,
    given: Collection[str],
    now: datetime,
) -> UUID:
    """Put another plan in the place of a loaded task, and return the id of the new node.

    The new one has the old one's parent, and its title, input, dependencies, scope and metadata where `given` does not name
    them; what depended on the old one depends on the new one. The old one stays as superseded, and what was unfinished below
    it is cancelled.

    Raises:
        Conflict: it was replaced or rolled back before, its parent is closed, or tasks would wait for each other.
        InvalidRequest: a dependency is not in this namespace.
    """
    _check_counts(row)
    parent = None if row["parent_id"] is None else find(session, tenant_id, row["parent_id"])
    if parent is not None:
        _check_unfinished(parent, "The parent is {status}: a closed task gets no more steps. Roll it back first.")
    waited = tasks.get_tasks(session, tenant_id, row["depends_on"])
    inherited = {
        "title": row["title"],
        "input": row["input"],
        # What was rolled back meanwhile would never come.
        "depends_on": tuple(one for one in row["depends_on"] if waited[one]["status"] not in WITHOUT_EFFECT),
        "metadata": row["metadata"],
        "agent_id": row["agent_id"],
        "session_id": row["session_id"],
        "user_id": row["user_id"],
    }
    said = {name: getattr(new, name) for name in inherited if name in given}
    whole = NewTask(**{**inherited, **said})
    if row["id"] in whole.depends_on:
        detail = "A task cannot depend on the one whose place it takes."
        raise InvalidRequest(detail, errors=(FieldError("/depends_on", detail),))
    now = _moment(session, tenant_id, row["root_id"], now)
    made = _insert(
        session, tenant_id, whole, parent=parent, namespace_id=row["namespace_id"], now=now, replaces=row["id"],
        operation="replace",
    )  # fmt: skip
    unfinished = [
        one for one in _subtree(session, tenant_id, row["id"]) if one["id"] != row["id"] and one["status"] in UNFINISHED
    ]
    cancelled = {"status": TaskStatus.CANCELLED.value, "closed_at": now}
    gone = {"status": TaskStatus.SUPERSEDED.value, "superseded_by": made, "closed_at": row["closed_at"] or now}
    waiting = tasks.get_tasks(session, tenant_id, tasks.dependents_of(session, tenant_id, [row["id"]]))
    changes: list[tuple[Row, Mapping[str, Any]]] = [(row, gone), *((one, cancelled) for one in unfinished)]
    changed = {one["id"] for one, _ in changes}
    for one in waiting.values():
        if one["id"] not in changed and one["id"] != made:
            now_on = sorted({made, *one["depends_on"]} - {row["id"]})
            changes.append((one, {"depends_on": now_on}))
    _next(session, tenant_id, changes, operation="replace", now=now)
    _check_cycle(session, tenant_id, made, whole.depends_on)
    return made


@dataclass(frozen=True, slots=True)
class RolledBack:
    """What a rollback undid, and what outside the subtree rests on it."""

    undone: tuple[tuple[Row, Undo], ...]  # each node as it was before
    affected: tuple[UUID, ...]


def rollback(
    session: Session,
    tenant_id: UUID,
    row: Row,
    *,
    version: int | None,
    to: datetime | None,
    now: datetime,
) -> RolledBack:
    """Bring a loaded task and all below it back to how they were.

    With a version: to how they were when that version of the task ended. With a time: to how they were then. With neither:
    to the beginning, the task as it was made and nothing below it. What was made since is discarded, what was changed since
    gets its earlier state as a new version; a later rollback to a version before this one takes it back.

    Raises:
        NotFound: it has no such version (``version_not_found``), or was not there at the time.
        Conflict: it was replaced, or its parent is closed; or tasks would wait for each other.
    """
    if row["status"] == TaskStatus.SUPERSEDED:
        _check_counts(row)
    if row["parent_id"] is not None:
        parent = find(session, tenant_id, row["parent_id"])
        _check_unfinished(parent, "The parent is {status}; roll that back instead.")
    subtree = _subtree(session, tenant_id, row["id"])
    present = {one["id"]: one for one in subtree}
    earlier = _earlier(session, tenant_id, row, list(present), version=version, to=to)
    plan = plan_rollback(present, earlier)
    now = _moment(session, tenant_id, row["root_id"], now)
    states = [
        (present[undo.task_id], undo.state if undo.restored_version else {**undo.state, "closed_at": now})
        for undo in plan
    ]
    _next(session, tenant_id, states, operation="rollback", now=now)
    for undo in plan:
        if undo.action is Action.RESTORED:
            _check_cycle(session, tenant_id, undo.task_id, undo.state["depends_on"])
    rest_on = tasks.dependents_of(session, tenant_id, [undo.task_id for undo in plan])
    affected = tuple(one for one in rest_on if one not in present)
    return RolledBack(tuple((present[undo.task_id], undo) for undo in plan), affected)


def _earlier(
    session: Session,
    tenant_id: UUID,
    row: Row,
    ids: Sequence[UUID],
    *,
    version: int | None,
    to: datetime | None,
) -> dict[UUID, Row]:
    """Return the states of a subtree that a rollback comes to."""
    number = 1 if version is None and to is None else version
    if number is None:
        assert to is not None
        states: dict[UUID, Row] = dict(tasks.states_before(session, tenant_id, ids, to + _TICK))
        if row["id"] not in states:
            raise NotFound(f"Task {row['id']} was not there yet at that time.", code="version_not_found")
        return states
    wanted = tasks.get_version(session, tenant_id, row["id"], number)
    if wanted is None:
        raise NotFound(f"Task {row['id']} has no version {number}.", code="version_not_found")
    if version is None:
        return {row["id"]: wanted}
    following = tasks.get_version(session, tenant_id, row["id"], number + 1)
    if following is None:
        # The present version has not ended: there is nothing to undo.
        return {one["id"]: one for one in _subtree(session, tenant_id, row["id"])}
    states = dict(tasks.states_before(session, tenant_id, ids, following["known_from"]))
    return {**states, row["id"]: wanted}


def discard(session: Session, tenant_id: UUID, row: Row, *, now: datetime) -> None:
    """Take a loaded task and all below it away; a rollback brings them back.

    Raises:
        Conflict: its parent is closed, and what it rests on with it.
    """
    if row["parent_id"] is not None:
        parent = find(session, tenant_id, row["parent_id"])
        _check_unfinished(parent, "The parent is {status}, and its outcome may rest on this task. Roll it back first.")
    now = _moment(session, tenant_id, row["root_id"], now)
    gone = {"status": TaskStatus.DISCARDED.value, "closed_at": now}
    counting = [one for one in _subtree(session, tenant_id, row["id"]) if one["status"] not in WITHOUT_EFFECT]
    _next(session, tenant_id, [(one, gone) for one in counting], operation="discard", now=now)


def _subtree(session: Session, tenant_id: UUID, task_id: UUID) -> list[RowMapping]:
    return list(tasks.get_tasks(session, tenant_id, tasks.below(session, tenant_id, [task_id])).values())


def _next(
    session: Session,
    tenant_id: UUID,
    changes: Sequence[tuple[Row, Mapping[str, Any]]],
    *,
    operation: str,
    now: datetime,
) -> None:
    states = [(row["id"], row["version"] + 1, {**row, **changed, "operation": operation}) for row, changed in changes]
    tasks.add_versions(session, tenant_id, states, now=now)


def _moment(session: Session, tenant_id: UUID, root_id: UUID, now: datetime) -> datetime:
    """Return the moment of a change: after the one before it, so that a rollback can tell them apart."""
    last = tasks.last_change(session, tenant_id, root_id)
    return now if last is None else max(now, last + _TICK)


def _unknown(pointer: str, task_id: UUID) -> InvalidRequest:
    detail = f"There is no task {task_id} in this namespace."
    return InvalidRequest(detail, errors=(FieldError(pointer, detail),), code="unknown_task")


def _check_dependencies(session: Session, tenant_id: UUID, namespace_id: UUID, ids: Sequence[UUID]) -> None:
    found = tasks.get_tasks(session, tenant_id, ids)
    for number, task_id in enumerate(ids):
        row = found.get(task_id)
        if row is None or row["namespace_id"] != namespace_id:
            raise _unknown(f"/depends_on/{number}", task_id)
        _check_counts(row)


def _check_cycle(session: Session, tenant_id: UUID, task_id: UUID, depends_on: Collection[UUID]) -> None:
    if depends_on and tasks.waits_for(session, tenant_id, task_id, depends_on):
        detail = "The task would wait for itself: what it is to depend on depends on it, or lies above it."
        raise Conflict(detail, errors=(FieldError("/depends_on", detail),), code="dependency_cycle")


def _check_unfinished(row: Row, sentence: str) -> None:
    if row["status"] not in UNFINISHED:
        raise Conflict(sentence.format(status=row["status"]), code="task_closed")


def _check_counts(row: Row) -> None:
    if row["status"] in WITHOUT_EFFECT:
        instead = f"; task {row['superseded_by']} took its place" if row["superseded_by"] else ""
        raise Conflict(f"Task {row['id']} is {row['status']}{instead}.", code="task_superseded")


def task_json(row: Row) -> dict[str, Any]:
    """Return a task as the outside sees it."""
    return {
        "id": str(row["id"]),
        "namespace": row["namespace"],
        "user_id": row["user_id"],
        "agent_id": row["agent_id"],
        "session_id": row["session_id"],
        "parent_id": _id(row["parent_id"]),
        "root_id": str(row["root_id"]),
        "depth": row["depth"],
        **_state_json(row),
        "depends_on": [str(one) for one in row["depends_on"]],
        "ready": row["ready"],
        "children": {"open": row["open_children"], "closed": row["closed_children"]},
        "replaces": _id(row["replaces"]),
        "created_at": rfc3339(row["created_at"]),
        "updated_at": rfc3339(row["updated_at"]),
    }


def version_json(row: Row) -> dict[str, Any]:
    """Return one state of a task, with what made it and while it was the known one."""
    return {
        **_state_json(row),
        "depends_on": [str(one) for one in row["depends_on"]],
        "operation": row["operation"],
        "known_from": rfc3339(row["known_from"]),
        "known_to": rfc3339(row["known_to"]),
    }


def rolled_back_json(done: RolledBack) -> dict[str, Any]:
    """Return what a rollback undid."""
    return {
        "undone": [
            {
                "task_id": str(undo.task_id),
                "title": row["title"],
                "action": undo.action.value,
                "status_before": row["status"],
                "status": undo.state["status"],
                "version_before": row["version"],
                "version": row["version"] + 1,
                "restored_version": undo.restored_version,
            }
            for row, undo in done.undone
        ],
        "affected": [str(one) for one in done.affected],
    }


def _state_json(row: Row) -> dict[str, Any]:
    return {
        "title": row["title"],
        "input": row["input"],
        "output": row["output"],
        "outcome": row["outcome"],
        "status": row["status"],
        "metadata": row["metadata"],
        "superseded_by": _id(row["superseded_by"]),
        "version": row["version"],
        "closed_at": rfc3339(row["closed_at"]),
    }


def _id(value: UUID | None) -> str | None:
    return None if value is None else str(value)
