"""Taking tasks back: another plan in the place of one, an earlier state of a subtree, a task that is no longer wanted."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.errors import FieldError, InvalidRequest, NotFound
from memory_service.lifecycle.redacting import redacted_in
from memory_service.lifecycle.task_rollback import Action, Undo, plan_rollback
from memory_service.lifecycle.task_tree import (
    TICK,
    NewTask,
    add_states,
    check_counts,
    check_cycle,
    check_unfinished,
    find,
    insert,
    moment_in,
    subtree,
)
from memory_service.storage import tasks
from memory_service.storage.redactions import redactors_in
from memory_service.storage.sql import Row
from memory_service.types import UNFINISHED, WITHOUT_EFFECT, TaskStatus


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
        InvalidRequest: a dependency is not in this namespace, or a redaction policy refuses something.
    """
    check_counts(row)
    parent = None if row["parent_id"] is None else find(session, tenant_id, row["parent_id"])
    if parent is not None:
        check_unfinished(parent, "The parent is {status}: a closed task gets no more steps. Roll it back first.")
    waited = tasks.get_tasks(session, tenant_id, row["depends_on"])
    # What the old one says may be older than the policy, and nobody says it now.
    words = {name: row[name] for name in ("title", "input", "metadata")}
    inherited = {
        **redacted_in(redactors_in(session), row["namespace_id"], words, refusing=False),
        # What was rolled back meanwhile would never come.
        "depends_on": tuple(one for one in row["depends_on"] if waited[one]["status"] not in WITHOUT_EFFECT),
        "agent_id": row["agent_id"],
        "session_id": row["session_id"],
        "user_id": row["user_id"],
    }
    said = {name: getattr(new, name) for name in inherited if name in given}
    whole = NewTask(**{**inherited, **said})
    if row["id"] in whole.depends_on:
        detail = "A task cannot depend on the one whose place it takes."
        raise InvalidRequest(detail, errors=(FieldError("/depends_on", detail),))
    waiting = tasks.get_tasks(session, tenant_id, tasks.dependents_of(session, tenant_id, [row["id"]]))
    # What waits may stand in other trees.
    roots = {one["root_id"] for one in (row, *waiting.values())}
    now = moment_in(session, tenant_id, roots, now)
    made = insert(
        session, tenant_id, whole, parent=parent, namespace_id=row["namespace_id"], now=now, replaces=row["id"],
        operation="replace",
    )  # fmt: skip
    unfinished = [
        one for one in subtree(session, tenant_id, row["id"]) if one["id"] != row["id"] and one["status"] in UNFINISHED
    ]
    cancelled = {"status": TaskStatus.CANCELLED.value, "closed_at": now}
    gone = {"status": TaskStatus.SUPERSEDED.value, "superseded_by": made, "closed_at": row["closed_at"] or now}
    changes: list[tuple[Row, Mapping[str, Any]]] = [(row, gone), *((one, cancelled) for one in unfinished)]
    changed = {one["id"] for one, _ in changes}
    for one in waiting.values():
        if one["id"] not in changed:
            now_on = sorted({made, *one["depends_on"]} - {row["id"]})
            changes.append((one, {"depends_on": now_on}))
    add_states(session, tenant_id, changes, operation="replace", now=now)
    check_cycle(session, tenant_id, [made] if whole.depends_on else [])
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
        check_counts(row)
    if row["parent_id"] is not None:
        parent = find(session, tenant_id, row["parent_id"])
        check_unfinished(parent, "The parent is {status}; roll that back instead.")
    present = {one["id"]: one for one in subtree(session, tenant_id, row["id"])}
    earlier = _earlier(session, tenant_id, row, list(present), version=version, to=to)
    plan = plan_rollback(present, earlier)
    now = moment_in(session, tenant_id, [row["root_id"]], now)
    states = [
        (present[undo.task_id], undo.state if undo.restored_version else {**undo.state, "closed_at": now})
        for undo in plan
    ]
    add_states(session, tenant_id, states, operation="rollback", now=now)
    waiting = [undo.task_id for undo in plan if undo.action is Action.RESTORED and undo.state["depends_on"]]
    check_cycle(session, tenant_id, waiting)
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
        states: dict[UUID, Row] = dict(tasks.states_before(session, tenant_id, ids, to + TICK))
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
        return {one["id"]: one for one in subtree(session, tenant_id, row["id"])}
    states = dict(tasks.states_before(session, tenant_id, ids, following["known_from"]))
    return {**states, row["id"]: wanted}


def discard(session: Session, tenant_id: UUID, row: Row, *, now: datetime) -> None:
    """Take a loaded task and all below it away; a rollback brings them back.

    Raises:
        Conflict: its parent is closed, and what it rests on with it.
    """
    if row["parent_id"] is not None:
        parent = find(session, tenant_id, row["parent_id"])
        check_unfinished(parent, "The parent is {status}, and its outcome may rest on this task. Roll it back first.")
    now = moment_in(session, tenant_id, [row["root_id"]], now)
    gone = {"status": TaskStatus.DISCARDED.value, "closed_at": now}
    counting = [one for one in subtree(session, tenant_id, row["id"]) if one["status"] not in WITHOUT_EFFECT]
    add_states(session, tenant_id, [(one, gone) for one in counting], operation="discard", now=now)
