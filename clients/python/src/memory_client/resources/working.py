"""What agents keep in view and what they are working on: core blocks and tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from memory_client import models
from memory_client.calls import E, call, listing
from memory_client.fields import renamed, stated
from memory_client.operation import Ask
from memory_client.resources.base import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from memory_client.fields import Id, Time
    from memory_client.group_fields import (
        BlockDeleting,
        BlockFields,
        BlockPatch,
        BlockReading,
        InNamespace,
        TaskFields,
        TaskListFields,
        TaskPatch,
        TaskReplacement,
    )
    from memory_client.models import (
        Block,
        BlockVersion,
        ClosedTask,
        RolledBackTask,
        Task,
        TaskContext,
        TaskVersion,
    )
    from memory_client.operation import Reading, Versioned

ADDRESS = ("namespace", "user_id", "agent_id")


class Blocks(Resource[E]):
    """Calls about core blocks: texts that an agent keeps in view and edits itself.

    A label means the block of a namespace; with ``user_id`` or ``agent_id``, the one of that user or agent in it.
    """

    @listing("GET", "/v1/blocks")
    def list(
        self,
        *,
        label: str | None = None,
        user_id: str | None = None,
        agent_id: str | None = None,
        **where: Unpack[InNamespace],
    ) -> Ask[Block]:
        """List blocks."""
        return Ask(models.Block, query={"label": label, "user_id": user_id, "agent_id": agent_id, **where})

    @call("GET", "/v1/blocks/{label}")
    def get(self, label: str, *, as_of: Time | None = None, **address: Unpack[BlockReading]) -> Ask[Block]:
        """Return one block, now or as it was at a time.

        Raises:
            NotFound: there is none.
        """
        return Ask(models.Block, label, query={"as_of": as_of, **address})

    @call("PUT", "/v1/blocks/{label}", keyed=True)
    def put(self, label: str, value: str, **fields: Unpack[BlockFields]) -> Ask[Block]:
        """Write a whole block, which is made when there is none.

        Raises:
            VersionConflict: ``if_match`` is not the present version.
        """
        return Ask(models.Block, label, body={"value": value, **stated(fields)})

    @call("PATCH", "/v1/blocks/{label}", keyed=True)
    def update(self, label: str, **fields: Unpack[BlockPatch]) -> Ask[Block]:
        """Edit a block: ``append`` a line, ``replace`` one exact passage, or change fields of it.

        Raises:
            VersionConflict: ``if_match`` is not the present version.
        """
        address = {name: fields[name] for name in ADDRESS if name in fields}  # type: ignore[literal-required]
        body = {name: value for name, value in fields.items() if name not in ADDRESS}
        return Ask(models.Block, label, query=address, body=body)

    @call("DELETE", "/v1/blocks/{label}")
    def delete(self, label: str, *, erase: bool = False, **address: Unpack[BlockDeleting]) -> Ask[None]:
        """Archive a block; or erase it for good with all its versions."""
        return Ask(type(None), label, query={"erase": erase or None, **address})

    @listing("GET", "/v1/blocks/{label}/versions")
    def history(self, label: str, *, limit: int | None = None, **address: Unpack[BlockReading]) -> Ask[BlockVersion]:
        """List every state a block has had, newest first."""
        return Ask(models.BlockVersion, label, query={"limit": limit, **address})


class Tasks(Resource[E]):
    """Calls about trees of tasks."""

    @call("POST", "/v1/tasks")
    def create(self, title: str, **fields: Unpack[TaskFields]) -> Ask[Task]:
        """Make a task: a root, or with ``parent_id`` a step of another."""
        return Ask(models.Task, body={"title": title, **stated(fields)})

    @listing("GET", "/v1/tasks")
    def list(self, **where: Unpack[TaskListFields]) -> Ask[Task]:
        """List tasks."""
        return Ask(models.Task, query=renamed(where))

    @call("GET", "/v1/tasks/{task_id}")
    def get(self, task_id: Id, **options: Unpack[Reading]) -> Ask[Task]:
        """Return one task."""
        return Ask(models.Task, task_id)

    @call("PATCH", "/v1/tasks/{task_id}", keyed=True)
    def update(self, task_id: Id, **fields: Unpack[TaskPatch]) -> Ask[Task]:
        """Change a task that is not closed.

        Raises:
            VersionConflict: ``if_match`` is not the present version.
        """
        return Ask(models.Task, task_id, body=fields)

    @call("DELETE", "/v1/tasks/{task_id}")
    def delete(self, task_id: Id, *, erase: bool = False, **options: Unpack[Versioned]) -> Ask[None]:
        """Archive a task with all below it; or erase them for good."""
        return Ask(type(None), task_id, query={"erase": erase or None})

    @listing("GET", "/v1/tasks/{task_id}/versions")
    def history(self, task_id: Id, *, limit: int | None = None, **options: Unpack[Reading]) -> Ask[TaskVersion]:
        """List every state a task has had, newest first."""
        return Ask(models.TaskVersion, task_id, query={"limit": limit})

    @call("GET", "/v1/tasks/{task_id}/context")
    def context(
        self,
        task_id: Id,
        *,
        token_budget: int | None = None,
        include_memories: bool | None = None,
        query: str | None = None,
        **options: Unpack[Reading],
    ) -> Ask[TaskContext]:
        """Return what an agent has to know to work on a task, packed for a prompt."""
        asked = {"token_budget": token_budget, "include_memories": include_memories, "query": query}
        return Ask(models.TaskContext, task_id, query=asked)

    @call("POST", "/v1/tasks/{task_id}/close")
    def close(
        self,
        task_id: Id,
        *,
        status: Literal["succeeded", "failed", "cancelled"] | None = None,
        output: Any = None,
        outcome: str | None = None,
        force: bool | None = None,
        **options: Unpack[Versioned],
    ) -> Ask[ClosedTask]:
        """Close a task with what came of it.

        Raises:
            Conflict: steps of it are open, and it is not forced.
        """
        body = stated({"status": status, "output": output, "outcome": outcome, "force": force})
        return Ask(models.ClosedTask, task_id, body=body)

    @call("POST", "/v1/tasks/{task_id}/rollback")
    def rollback(
        self, task_id: Id, *, version: int | None = None, to: Time | None = None, **options: Unpack[Versioned]
    ) -> Ask[RolledBackTask]:
        """Take a task and all below it back to a version or a time."""
        return Ask(models.RolledBackTask, task_id, body=stated({"version": version, "to": to}))

    @call("POST", "/v1/tasks/{task_id}/replace")
    def replace(self, task_id: Id, **fields: Unpack[TaskReplacement]) -> Ask[Task]:
        """Put a new task in the place of one, which is kept as superseded, and return the new one."""
        return Ask(models.Task, task_id, body=renamed(fields))
