"""The course of a memory's retrievability: how it came to be what it is, and where it goes if nobody recalls it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from consolidation.retention.holding import Holding, falls_to, is_protected, lapsed, recalled, retrievability_of
from consolidation.retention.policy import RetentionPolicy

_BETWEEN = 4  # points that show the curve between two events
_MOST_DAYS = 36_500.0


@dataclass(frozen=True, slots=True)
class Point:
    """R at a moment; a recall has two points, before and after it, and `useful` on the second."""

    at: datetime
    retrievability: float
    recall: bool = False
    useful: bool | None = None  # of a recall: whether it was of use; None where nobody said, which counts as use


@dataclass(frozen=True, slots=True)
class Crossing:
    """When a memory falls to a threshold."""

    name: str  # int8, binary or archive
    below: float
    at: datetime


def past(
    made: Holding, recalls: Sequence[tuple[datetime, bool | None]], policy: RetentionPolicy, *, now: datetime
) -> list[Point]:
    """Return the course up to now under a policy, with the recalls marked.

    Args:
        made: the memory as it was made.
        recalls: when, and whether it was of use (None: counted without a word), in order of time.
        policy: by which it fades; it is applied to all of the past, whatever was in force then.
        now: the end.

    >>> from datetime import UTC
    >>> t = datetime(2026, 1, 1, tzinfo=UTC)
    >>> week = timedelta(days=14)
    >>> [round(p.retrievability, 2) for p in past(Holding("episodic", t), [(t + week, True)], RetentionPolicy(), now=t + week)
    ...  if p.at == t + week]
    [0.9, 1.0, 1.0]
    """
    points = [Point(made.created_at, 1.0)]
    state, at = made, made.created_at
    for when, useful in recalls:
        points += _between(state, policy, at, when)
        points.append(Point(when, retrievability_of(state, policy, when)))
        state = lapsed(state, policy) if useful is False else recalled(state, policy, when)
        points.append(Point(when, retrievability_of(state, policy, when), recall=True, useful=useful))
        at = when
    return [*points, *_between(state, policy, at, now), Point(now, retrievability_of(state, policy, now))]


def crossings(holding: Holding, policy: RetentionPolicy, *, now: datetime) -> list[Crossing]:
    """Return when the memory falls to each threshold that is still ahead, the nearest first; none if it is protected."""
    if is_protected(holding, policy):
        return []
    r = retrievability_of(holding, policy, now)
    ahead = []
    for name, below in policy.thresholds().items():
        days = falls_to(holding, policy, below)
        if below <= r and days <= _MOST_DAYS:
            ahead.append(Crossing(name, below, holding.since + timedelta(days=days)))
    return sorted(ahead, key=lambda one: one.at)


def _between(state: Holding, policy: RetentionPolicy, start: datetime, end: datetime) -> list[Point]:
    step = (end - start) / (_BETWEEN + 1)
    moments = [start + step * (i + 1) for i in range(_BETWEEN)] if end > start else []
    return [Point(at, retrievability_of(state, policy, at)) for at in moments]
