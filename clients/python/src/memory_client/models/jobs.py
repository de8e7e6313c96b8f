"""Background work."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime

from memory_client.models.base import Answer

ENDED = frozenset({"succeeded", "failed", "cancelled"})


class Progress(Answer):
    """How far a job is, in items."""

    done: int
    total: int


class Job(Answer):
    """Background work; lists leave out what became of each item."""

    id: str
    kind: str
    namespace: str | None = None
    status: str
    progress: Progress
    error: str | None = None
    attempts: int = 0
    created_at: AwareDatetime
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    items: list[dict[str, Any]] = []
    result: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None

    @property
    def ended(self) -> bool:
        """Say whether nothing more will happen, unless it is retried."""
        return self.status in ENDED


class DeadLetter(Answer):
    """A reply of a language model that a job could not use."""

    id: str
    task: str
    model: str
    reply: str
    error: str
    memory_ids: list[str]
    created_at: AwareDatetime
    expires_at: AwareDatetime
