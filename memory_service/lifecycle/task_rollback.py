"""What a rollback of a subtree of tasks undoes: decided from states, without a database."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias
from uuid import UUID

from memory_service.types import TaskStatus

State: TypeAlias = Mapping[Any, Any]  # a row, or a dictionary of the same names

# What makes two states of a node the same; how and when each came about does not.
SAID: Final = ("status", "title", "input", "output", "outcome", "metadata", "depends_on", "superseded_by")


class Action(StrEnum):
    """What a rollback does to a node."""

    RESTORED = "restored"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class Undo:
    """One node that a rollback changes, and the state it comes to."""

    task_id: UUID
    action: Action
    state: State
    restored_version: int | None  # whose state it is; None for a node that is discarded


def plan_rollback(present: Mapping[UUID, State], earlier: Mapping[UUID, State]) -> list[Undo]:
    """Return what brings nodes back to earlier states, in order of id; what already is as it was is left alone.

    Args:
        present: the state of every node of the subtree, with its `version`.
        earlier: the states to come to; a node that has none was not there and is discarded.

    >>> state = {"status": "open", "title": "a", "input": None, "output": None, "outcome": None, "metadata": {},
    ...     "depends_on": [], "superseded_by": None, "closed_at": None}
    >>> done = {**state, "status": "succeeded", "version": 2}
    >>> root, child = UUID(int=1), UUID(int=2)
    >>> plan = plan_rollback({root: done, child: {**state, "version": 1}}, {root: {**state, "version": 1}})
    >>> [(undo.action.value, undo.state["status"], undo.restored_version) for undo in plan]
    [('restored', 'open', 1), ('discarded', 'discarded', None)]
    """
    plan = []
    for task_id in sorted(present):
        now, then = present[task_id], earlier.get(task_id)
        if then is None:
            if now["status"] != TaskStatus.DISCARDED:
                plan.append(Undo(task_id, Action.DISCARDED, {**now, "status": TaskStatus.DISCARDED.value}, None))
        elif not same(now, then):
            action = Action.DISCARDED if then["status"] == TaskStatus.DISCARDED else Action.RESTORED
            plan.append(Undo(task_id, action, then, then["version"]))
    return plan


def same(one: State, other: State) -> bool:
    """Say whether two states of a node say the same."""
    return _said(one) == _said(other)


def _said(state: State) -> str:
    """Return a state as JSON, in which 1 is not true."""
    # Dependencies are a set.
    shown = {**{name: state[name] for name in SAID}, "depends_on": sorted(str(i) for i in state["depends_on"])}
    return json.dumps(shown, sort_keys=True, default=str)
