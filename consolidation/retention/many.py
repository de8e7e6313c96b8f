"""How likely many memories are to be recalled now: the formulas of `curve`, over arrays.

One by one, ten thousand take an eighth of a second, which whoever looks at a graph of them waits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from consolidation.retention.curve import (
    AT_STABILITY,
    INITIAL_STABILITY_DAYS,
    LONGEST_STABILITY_DAYS,
    SECONDS_A_DAY,
    SHORTEST_STABILITY_DAYS,
    SURPRISE_GAIN,
    Curve,
    F,
    W,
)
from consolidation.retention.policy import RetentionPolicy

Floats = NDArray[np.float64]


class Held(Protocol):
    """What is known of one memory, moments in seconds since 1970; nothing yet where a field is None."""

    @property
    def memory_type(self) -> str | None:
        """Return its type."""

    @property
    def created_at(self) -> float | None:
        """Return when it was made."""

    @property
    def importance(self) -> float | None:
        """Return its importance, 0..1."""

    @property
    def pinned(self) -> bool | None:
        """Say whether it does not fade."""

    @property
    def source_kind(self) -> str | None:
        """Return the kind of its source."""

    @property
    def surprise(self) -> float | None:
        """Return how unexpected it was, 0..1."""

    @property
    def stability_days(self) -> float | None:
        """Return its stability."""

    @property
    def last_recalled_at(self) -> float | None:
        """Return when it was last of use."""

    @property
    def refreshed_at(self) -> float | None:
        """Return when it was last taken out of the archive."""

    @property
    def spaced_uses(self) -> float | None:
        """Return its useful recalls, those soon after another counting less."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """How firmly n memories hold, each column of n; NaN where nothing is known."""

    memory_type: list[str]
    source_kind: list[str]
    since: Floats  # seconds since 1970 from which it fades
    importance: Floats
    pinned: NDArray[np.bool_]
    surprise: Floats
    stability_days: Floats
    spaced_uses: Floats

    @classmethod
    def of(cls, memories: Sequence[Held]) -> Self:
        """Read the columns of one memory or more."""
        rows = [
            (
                m.created_at,
                m.last_recalled_at,
                m.refreshed_at,
                m.importance,
                m.surprise,
                m.stability_days,
                m.spaced_uses,
            )
            for m in memories
        ]
        created, recalled, refreshed, importance, surprise, stability, uses = np.array(rows, dtype=np.float64).T
        return cls(
            memory_type=[m.memory_type or "" for m in memories],
            source_kind=[m.source_kind or "user" for m in memories],
            since=np.fmax(np.fmax(created, recalled), refreshed),
            importance=np.nan_to_num(importance),
            pinned=np.array([bool(m.pinned) for m in memories]),
            surprise=np.nan_to_num(surprise),
            stability_days=stability,
            spaced_uses=np.nan_to_num(uses),
        )


def retrievabilities(held: Holdings, policy: RetentionPolicy, now: float) -> list[float]:
    """Return R of each now, as `holding.retrievability_of` does of one.

    Args:
        held: n memories of namespaces with this policy.
        policy: how they fade.
        now: seconds since 1970.
    """
    elapsed_days = np.maximum(0.0, (now - held.since) / SECONDS_A_DAY)
    share = elapsed_days / _protected(held, _stability(held, policy), policy.protection)
    r = AT_STABILITY**share if policy.curve is Curve.EBBINGHAUS else (1 + F * share) ** -W
    faded: list[float] = np.where(held.pinned, 1.0, r).tolist()
    return faded


def _stability(held: Holdings, policy: RetentionPolicy) -> Floats:
    """Return what is known, and for a memory that nothing has happened to the stability of a new one."""
    usual = INITIAL_STABILITY_DAYS["episodic"]
    base_of = {
        kind: policy.stability_days.get(kind, INITIAL_STABILITY_DAYS.get(kind, usual)) for kind in set(held.memory_type)
    }
    base = np.array([base_of[kind] for kind in held.memory_type], dtype=np.float64)
    factor = np.array([policy.source_factors.get(kind, 1.0) for kind in held.source_kind], dtype=np.float64)
    first = _within(base * 2 ** (2 * held.importance - 1) * factor * (1 + SURPRISE_GAIN * held.surprise))
    # Of a stability that is 0 nothing is known either.
    return np.where(np.nan_to_num(held.stability_days) == 0, first, held.stability_days)


def _protected(held: Holdings, stability: Floats, kappa: float) -> Floats:
    by = np.maximum(0.0, 2 * held.importance - 1) + np.log1p(np.maximum(0.0, held.spaced_uses))
    return _within(stability * (1 + kappa * by))


def _within(stability_days: Floats) -> Floats:
    return np.clip(stability_days, SHORTEST_STABILITY_DAYS, LONGEST_STABILITY_DAYS)
