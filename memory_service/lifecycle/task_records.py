"""Tasks as the outside sees them."""

from typing import Any
from uuid import UUID

from memory_service.lifecycle.records import rfc3339
from memory_service.lifecycle.task_undoing import RolledBack
from memory_service.storage.sql import Row


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
