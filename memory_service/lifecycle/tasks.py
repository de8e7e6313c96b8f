"""Task trees: steps are made, change, and close into an outcome into which everything below them folds."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.errors import Conflict, FieldError, NotFound
from memory_service.lifecycle.redacting import redacted_in
from memory_service.lifecycle.task_rollback import same
from memory_service.lifecycle.task_tree import (
    NewTask,
    add_states,
    check_cycle,
    check_dependencies,
    check_unfinished,
    insert,
    load_for_change,
    moment_in,
    subtree,
    unknown,
)
from memory_service.redaction.redactor import Counts
from memory_service.storage import tasks
from memory_service.storage.redactions import redactors_in
from memory_service.storage.sql import Row
from memory_service.types import UNFINISHED, TaskStatus


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
        return insert(session, tenant_id, new, parent=None, namespace_id=namespace_id, now=now)
    try:
        parent = load_for_change(session, tenant_id, new.parent_id)
    except NotFound as error:
        raise unknown("/parent_id", new.parent_id) from error
    if namespace is not None and namespace != parent["namespace"]:
        raise unknown("/parent_id", new.parent_id)
    check_unfinished(parent, "The parent is {status}: a closed task gets no more steps. Roll it back first.")
    return insert(session, tenant_id, new, parent=parent, namespace_id=parent["namespace_id"], now=now)


def change(session: Session, tenant_id: UUID, row: Row, changes: Mapping[str, Any], *, now: datetime) -> None:
    """Change what a loaded task says; a change that changes nothing makes no version.

    Raises:
        Conflict: the task is closed, a dependency no longer counts, or tasks would wait for each other.
        InvalidRequest: a dependency is not in this namespace, or a redaction policy refuses something.
    """
    check_unfinished(row, "The task is {status}, which is the end of it. Roll it back to change it.")
    depends_on = changes.get("depends_on")
    if depends_on is not None:
        check_dependencies(session, tenant_id, row["namespace_id"], depends_on)
        changes = {**changes, "depends_on": sorted(set(depends_on))}
    counts = Counts()
    changes = redacted_in(redactors_in(session), row["namespace_id"], changes, counts=counts)
    if same(row, {**row, **changes}):
        return
    add_states(
        session,
        tenant_id,
        [(row, changes)],
        operation="patch",
        now=moment_in(session, tenant_id, [row["root_id"]], now),
        replaced=counts,
    )
    check_cycle(session, tenant_id, [row["id"]] if depends_on else [])


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
        InvalidRequest: a redaction policy refuses something.
    """
    check_unfinished(row, "The task is {status} already.")
    under = [one for one in subtree(session, tenant_id, row["id"]) if one["id"] != row["id"]]
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
    now = moment_in(session, tenant_id, [row["root_id"]], now)
    counts = Counts()
    ended = redacted_in(
        redactors_in(session),
        row["namespace_id"],
        {"status": status.value, "output": output, "outcome": outcome, "closed_at": now},
        counts=counts,
    )
    cancelled = {"status": TaskStatus.CANCELLED.value, "closed_at": now}
    add_states(session, tenant_id, [(row, ended)], operation="close", now=now, replaced=counts)
    add_states(session, tenant_id, [(one, cancelled) for one in unfinished], operation="close", now=now)
    return [one["id"] for one in unfinished]
