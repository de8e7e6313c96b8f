"""Reinforce: a useful recall makes a memory hold longer; an ignored one changes nothing; a bad one weakens it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from consolidation.retention import Strength, after_lapse, after_recall, days_between, initial_strength, retrievability
from memory_service.lifecycle.correct import missing
from memory_service.storage import memories, retention
from memory_service.storage.retention import RecallRow


class Found(Protocol):
    """A search result as far as reinforcement cares."""

    @property
    def rank(self) -> int:
        """Rank in the answer, from 1."""

    @property
    def row(self) -> Any:
        """The record found."""

    @property
    def found(self) -> Any:
        """Its place in the ranking."""


def reinforce(session: Session, tenant_id: UUID, trace_id: UUID, found: Sequence[Found], *, now: datetime) -> None:
    """Count a recall for each memory found and strengthen it."""
    # In order of id: two searches that found the same memories in another order must not wait for each other.
    for result in sorted(found, key=lambda result: result.row["id"]):
        strength = strengthened(result.row, now=now)
        retention.keep_strength(session, tenant_id, result.row["id"], strength, recalled_at=now)
    retention.keep_recalls(
        session,
        tenant_id,
        [RecallRow(r.row["id"], trace_id, r.rank, r.found.score, useful=None, cited=None) for r in found],
        now=now,
    )


def strength_of(row: Any) -> Strength:
    """Return the present strength of a record."""
    first = initial_strength(row["memory_type"], row["importance"])
    return Strength(row["stability_days"] or first.stability_days, row["difficulty"] or first.difficulty)


def strengthened(row: Any, *, now: datetime) -> Strength:
    """Return the strength after a useful recall now."""
    strength = strength_of(row)
    since = row["last_recalled_at"] or row["created_at"]
    return after_recall(strength, retrievability(days_between(since, now), strength.stability_days))


def take_feedback(
    session: Session, tenant_id: UUID, trace_id: UUID, memory_id: UUID, *, rank: int, score: float, useful: bool, cited: bool,
    now: datetime,
) -> dict[str, Any]:  # fmt: skip
    """Store whether a found memory was of use, and strengthen or weaken it. Return its new strength.

    Raises:
        Gone, NotFound: the memory is no longer there.
    """
    row = memories.get_record(session, tenant_id, memory_id)
    if row is None:
        raise missing(session, tenant_id, memory_id)
    strength = strengthened(row, now=now) if useful else after_lapse(strength_of(row))
    retention.keep_strength(session, tenant_id, memory_id, strength, recalled_at=now if useful else None)
    retention.keep_recalls(
        session, tenant_id, [RecallRow(memory_id, trace_id, rank, score, useful=useful, cited=cited)], now=now
    )
    return {"memory_id": str(memory_id), "useful": useful, "cited": cited, "stability_days": strength.stability_days}
