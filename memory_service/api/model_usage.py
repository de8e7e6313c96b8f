"""What a job has asked of a language model, as JSON."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from sqlalchemy import RowMapping


class TaskUsageOut(BaseModel):
    """What one task of a job cost with one model, and why rules stood in where they did."""

    task: str
    model: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    refused: int
    dead_letters: int
    fallbacks: list[str]


class ModelUsageOut(BaseModel):
    """What a job cost altogether; all zero when no model was asked."""

    calls: int
    prompt_tokens: int
    completion_tokens: int
    dead_letters: int
    tasks: list[TaskUsageOut]


_SUMMED = ("calls", "prompt_tokens", "completion_tokens", "dead_letters")


def usage_json(rows: Sequence[RowMapping]) -> dict[str, Any]:
    """Return the usage of a job from its rows by task and model."""
    # Sums of bigint come as Decimal.
    tasks = [
        {
            "task": row["task"],
            "model": row["model"],
            **{name: int(row[name]) for name in (*_SUMMED, "refused")},
            "fallbacks": row["fallbacks"] or [],
        }
        for row in rows
    ]
    return {**{name: sum(task[name] for task in tasks) for name in _SUMMED}, "tasks": tasks}
