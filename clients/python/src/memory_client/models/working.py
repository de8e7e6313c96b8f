"""What agents keep in view and what they are working on."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime

from memory_client.models.base import Answer


class _BlockState(Answer):
    value: str
    description: str | None = None
    limit: int
    characters: int
    read_only: bool
    metadata: dict[str, Any] = {}
    edited_by: str | None = None
    version: int


class Block(_BlockState):
    """A text that an agent keeps in view and edits itself."""

    id: str
    label: str
    namespace: str
    user_id: str | None = None
    agent_id: str | None = None
    created_at: AwareDatetime
    updated_at: AwareDatetime


class BlockVersion(_BlockState):
    """One state of a block, and the span of time in which it was the known one."""

    operation: str
    archived: bool
    known_from: AwareDatetime
    known_to: AwareDatetime | None = None


class BlockCitation(Answer):
    """A marker in a context and the block it stands for."""

    marker: str
    block_id: str
    label: str
    version: int
    span: list[int]
    text: str | None = None


class _TaskState(Answer):
    title: str
    input: Any = None
    output: Any = None
    outcome: str | None = None
    status: str
    metadata: dict[str, Any] = {}
    depends_on: list[str] = []
    superseded_by: str | None = None
    version: int
    closed_at: AwareDatetime | None = None


class Children(Answer):
    """How many steps of a task are open and closed."""

    open: int
    closed: int


class Task(_TaskState):
    """A node of a tree of tasks."""

    id: str
    namespace: str
    user_id: str | None = None
    agent_id: str | None = None
    session_id: str | None = None
    parent_id: str | None = None
    root_id: str
    depth: int
    ready: bool
    children: Children
    replaces: str | None = None
    created_at: AwareDatetime
    updated_at: AwareDatetime


class TaskVersion(_TaskState):
    """One state of a task, and the span of time in which it was the known one."""

    operation: str
    known_from: AwareDatetime
    known_to: AwareDatetime | None = None


class ClosedTask(Task):
    """A task that was closed, and what was cancelled with it."""

    cancelled: list[str]


class Undone(Answer):
    """What a rollback did to one task."""

    task_id: str
    title: str
    action: str
    status_before: str
    status: str
    version_before: int
    version: int
    restored_version: int | None = None


class RolledBackTask(Task):
    """A task that is as it was, what was undone for that, and what still builds on it."""

    undone: list[Undone]
    affected: list[str]


class TaskItem(Answer):
    """One part of the context of a task."""

    kind: str
    task_id: str | None = None
    memory_id: str | None = None
    status: str | None = None
    text: str
    cut: bool


class TaskContext(Answer):
    """What an agent has to know to work on a task, packed for a prompt."""

    task_id: str
    version: int
    text: str
    tokens: int
    items: list[TaskItem]
    left_out: int
    search_id: str | None = None
