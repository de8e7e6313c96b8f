"""How firmly one memory holds under a policy: its state, and what recalls and lapses make of it. State in, new state out."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from consolidation.retention.curve import (
    Strength,
    after_lapse,
    after_recall,
    days_between,
    days_until,
    held_by,
    initial_strength,
    protected,
    retrievability,
)
from consolidation.retention.policy import RetentionPolicy
from consolidation.retention.traces import FRESH, Traces, accessed, activation, faded, spaced_gain


@dataclass(frozen=True, slots=True)
class Holding:
    """What is known of how firmly a memory holds; nothing yet where a field is None."""

    memory_type: str
    created_at: datetime
    importance: float = 0.5
    pinned: bool = False
    source_kind: str = "user"
    surprise: float | None = None
    stability_days: float | None = None  # None: what the policy gives a new memory
    difficulty: float | None = None
    recall_count: int = 0
    last_recalled_at: datetime | None = None  # usefully
    refreshed_at: datetime | None = None  # when it was last taken out of the archive
    spaced_uses: float = 0.0  # useful recalls, those soon after another counting less
    traces: Traces | None = None  # None: untouched since it was made
    traced_at: datetime | None = None

    @property
    def since(self) -> datetime:
        """The moment from which it fades."""
        since = self.created_at  # Asked of every memory of a large view: no more is done than is needed.
        for one in (self.last_recalled_at, self.refreshed_at):
            if one is not None and one > since:
                since = one
        return since


def holding_of(row: Any) -> Holding:
    """Read the state from a record; one that was just made says no more than its type, importance and time."""
    traces = row.get("traces")
    return Holding(
        memory_type=row["memory_type"],
        created_at=row["created_at"],
        importance=row["importance"],
        pinned=row["pinned"],
        source_kind=row.get("source_kind") or "user",
        surprise=row.get("surprise"),
        stability_days=row.get("stability_days"),
        difficulty=row.get("difficulty"),
        recall_count=row.get("recall_count") or 0,
        last_recalled_at=row.get("last_recalled_at"),
        refreshed_at=row.get("refreshed_at"),
        spaced_uses=row.get("spaced_uses") or 0.0,
        traces=tuple(traces) if traces else None,
        traced_at=row.get("traced_at"),
    )


def strength_of(holding: Holding, policy: RetentionPolicy) -> Strength:
    """Return the strength, for a memory that nothing has happened to that of a new one."""
    first = initial_strength(
        holding.memory_type,
        holding.importance,
        base_days=policy.stability_days.get(holding.memory_type),
        source_factor=policy.source_factors.get(holding.source_kind, 1.0),
        surprise=holding.surprise,
    )
    return Strength(holding.stability_days or first.stability_days, holding.difficulty or first.difficulty)


def stability_of(holding: Holding, policy: RetentionPolicy) -> float:
    """Return the days until R falls to 0.9, what protects the memory being counted in."""
    return _protected(holding, strength_of(holding, policy), policy)


def retrievability_of(holding: Holding, policy: RetentionPolicy, now: datetime) -> float:
    """Return R now; a pinned memory does not fade."""
    return _retrievability(holding, stability_of(holding, policy), policy, now)


def _protected(holding: Holding, strength: Strength, policy: RetentionPolicy) -> float:
    held = held_by(holding.importance, holding.spaced_uses)
    return protected(strength.stability_days, held, policy.protection)


def _retrievability(holding: Holding, stability_days: float, policy: RetentionPolicy, now: datetime) -> float:
    if holding.pinned:
        return 1.0
    return retrievability(days_between(holding.since, now), stability_days, policy.curve)


@dataclass(frozen=True, slots=True)
class Standing:
    """How firmly a memory holds at a moment."""

    stability_days: float  # what protects the memory being counted in
    difficulty: float
    retrievability: float


def standing_of(holding: Holding, policy: RetentionPolicy, now: datetime) -> Standing:
    """Return how firmly a memory holds now, as `stability_of`, `strength_of` and `retrievability_of` say, worked out once."""
    strength = strength_of(holding, policy)
    stability = _protected(holding, strength, policy)
    return Standing(stability, strength.difficulty, _retrievability(holding, stability, policy, now))


def falls_to(holding: Holding, policy: RetentionPolicy, r: float) -> float:
    """Return how many days after `since` the memory falls to a retrievability."""
    return days_until(r, stability_of(holding, policy), policy.curve)


def is_protected(holding: Holding, policy: RetentionPolicy) -> bool:
    """Say whether a policy leaves a memory's precision and state alone: it is pinned, core, or important enough."""
    return holding.pinned or holding.memory_type == "core" or holding.importance >= policy.protect_importance


def recalled(holding: Holding, policy: RetentionPolicy, now: datetime) -> Holding:
    """Return the state after a useful recall."""
    stronger = after_recall(strength_of(holding, policy), retrievability_of(holding, policy, now), policy.gains)
    gain = spaced_gain(days_between(holding.since, now))
    return replace(
        holding,
        stability_days=stronger.stability_days,
        difficulty=stronger.difficulty,
        recall_count=holding.recall_count + 1,
        last_recalled_at=now,
        spaced_uses=holding.spaced_uses + gain,
        traces=accessed(traces_at(holding, now), 0.0, gain=gain),
        traced_at=now,
    )


def lapsed(holding: Holding, policy: RetentionPolicy) -> Holding:
    """Return the state after somebody said that the memory was of no use."""
    weaker = after_lapse(strength_of(holding, policy), policy.gains)
    return replace(holding, stability_days=weaker.stability_days, difficulty=weaker.difficulty)


def traces_at(holding: Holding, now: datetime) -> Traces:
    """Return the eight traces now."""
    since = holding.traced_at or holding.created_at
    return faded(holding.traces or FRESH, days_between(since, now))


def activation_of(holding: Holding, now: datetime) -> float:
    """Return how much the memory has been used of late."""
    return activation(traces_at(holding, now))
