"""Nodes of task trees as every change needs them: found and locked, checked, and written with their next versions."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from memory_service.errors import Conflict, FieldError, InvalidRequest, NotFound, PreconditionFailed
from memory_service.lifecycle.redacting import redacted_in
from memory_service.lifecycle.redaction_notes import note_redacted_in
from memory_service.lifecycle.task_waiting import waits_in_a_circle
from memory_service.redaction.redactor import Counts
from memory_service.storage import tasks
from memory_service.storage.ids import new_id
from memory_service.storage.redactions import redactors_in
from memory_service.storage.sql import Row
from memory_service.types import UNFINISHED, WITHOUT_EFFECT, TaskStatus

MAX_DEPTH: Final = 64
TICK: Final = timedelta(microseconds=1)


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


def insert(
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
        now = moment_in(session, tenant_id, [parent["root_id"]], now)
    check_dependencies(session, tenant_id, namespace_id, new.depends_on)
    counts = Counts()
    said = redacted_in(
        redactors_in(session),
        namespace_id,
        {"title": new.title, "input": new.input, "metadata": new.metadata},
        counts=counts,
    )
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
        **said,
        "output": None,
        "outcome": None,
        "depends_on": sorted(set(new.depends_on)),
        "superseded_by": None,
        "closed_at": None,
        "operation": operation,
    }
    tasks.insert_task(session, tenant_id, place, state, now=now)
    note_redacted_in(session, tenant_id, [(namespace_id, counts)], now=now, of="tasks")
    check_cycle(session, tenant_id, [task_id] if new.depends_on else [])
    return task_id


def subtree(session: Session, tenant_id: UUID, task_id: UUID) -> list[RowMapping]:
    """Return a node and all below it."""
    return list(tasks.get_tasks(session, tenant_id, tasks.below(session, tenant_id, [task_id])).values())


def add_states(
    session: Session,
    tenant_id: UUID,
    changes: Sequence[tuple[Row, Mapping[str, Any]]],
    *,
    operation: str,
    now: datetime,
    replaced: Counts | None = None,
) -> None:
    """Give nodes their next versions: each as it is, but for what changed, in which some may have been replaced already."""
    redactors = redactors_in(session)
    states, noted = [], []
    for row, changed in changes:
        counts, replaced = Counts() if replaced is None else replaced, None
        whole = {**row, **changed, "operation": operation}
        # What is carried on may be older than the policy.
        whole = redacted_in(redactors, row["namespace_id"], whole, refusing=False, counts=counts)
        states.append((row["id"], row["version"] + 1, whole))
        noted.append((row["namespace_id"], counts))
    tasks.add_versions(session, tenant_id, states, now=now)
    note_redacted_in(session, tenant_id, noted, now=now, of="tasks")


def moment_in(session: Session, tenant_id: UUID, roots: Collection[UUID], now: datetime) -> datetime:
    """Return the moment of a change of trees: after the one before it, so that a rollback can tell them apart."""
    last = tasks.last_change(session, tenant_id, roots)
    return now if last is None else max(now, last + TICK)


def unknown(pointer: str, task_id: UUID) -> InvalidRequest:
    """Return the error for a task that a body names and the namespace does not have."""
    detail = f"There is no task {task_id} in this namespace."
    return InvalidRequest(detail, errors=(FieldError(pointer, detail),), code="unknown_task")


def check_dependencies(session: Session, tenant_id: UUID, namespace_id: UUID, ids: Sequence[UUID]) -> None:
    """Refuse dependencies that nobody can wait for.

    Raises:
        InvalidRequest: one is not in this namespace.
        Conflict: one was replaced or rolled back.
    """
    found = tasks.get_tasks(session, tenant_id, ids)
    for number, task_id in enumerate(ids):
        row = found.get(task_id)
        if row is None or row["namespace_id"] != namespace_id:
            raise unknown(f"/depends_on/{number}", task_id)
        check_counts(row)


def check_cycle(session: Session, tenant_id: UUID, ids: Collection[UUID]) -> None:
    """Refuse what was just written when with it a task would wait for itself.

    Raises:
        Conflict: it would.
    """
    if ids and waits_in_a_circle(tasks.needs_from(session, tenant_id, ids)):
        detail = "A task would wait for itself: what it is to depend on depends on it, or lies above it."
        raise Conflict(detail, errors=(FieldError("/depends_on", detail),), code="dependency_cycle")


def check_unfinished(row: Row, sentence: str) -> None:
    """Refuse a task that is closed.

    Raises:
        Conflict: with the sentence, in which {status} is its status.
    """
    if row["status"] not in UNFINISHED:
        raise Conflict(sentence.format(status=row["status"]), code="task_closed")


def check_counts(row: Row) -> None:
    """Refuse a task that was replaced or rolled back.

    Raises:
        Conflict: naming what took its place.
    """
    if row["status"] in WITHOUT_EFFECT:
        instead = f"; task {row['superseded_by']} took its place" if row["superseded_by"] else ""
        raise Conflict(f"Task {row['id']} is {row['status']}{instead}.", code="task_superseded")
