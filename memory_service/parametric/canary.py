"""The canary: a training may not make a state forget what it knew."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from memory_service.parametric.associative import Association, read
from memory_service.parametric.routing import named

SAMPLE: Final = 64  # earlier pairs that are asked, at most
SEED: Final = 7  # the same pairs whenever the same state is asked
TOLERANCE: Final = 0.05  # of all that is asked, what may be lost unless a training says otherwise


@dataclass(frozen=True, slots=True)
class Canary:
    """How often a state named the right memory first, before a training and after it."""

    asked: int
    before: float | None  # None: there was no state, or nothing to ask
    after: float | None
    tolerance: float
    passed: bool

    def to_json(self) -> dict[str, Any]:
        """Return the report as it is kept and shown."""
        return {
            "asked": self.asked,
            "before": self.before,
            "after": self.after,
            "tolerance": self.tolerance,
            "passed": self.passed,
        }


def sampled(pairs: int) -> list[int]:
    """Return the places of the pairs that are asked, in order.

    >>> sampled(3), len(sampled(1000)), sampled(1000) == sampled(1000)
    ([0, 1, 2], 64, True)
    """
    if pairs <= SAMPLE:
        return list(range(pairs))
    return sorted(int(at) for at in np.random.default_rng(SEED).choice(pairs, size=SAMPLE, replace=False))


def share_named(
    state: Association,
    keys: NDArray[np.floating],
    wanted: NDArray[np.integer],
    values: NDArray[np.floating],
    *,
    ridge: float,
) -> float:
    """Return for which share of keys [n, d] the wanted one of the values [m, d] is named first.

    `wanted` has the row of the value for each key, -1 for one that is not among them, which counts as not named.

    >>> from memory_service.parametric.associative import learned
    >>> rows = np.eye(2)
    >>> share_named(learned(rows, rows, gamma=1.0), rows, np.array([0, 0]), rows, ridge=0.1)
    0.5
    """
    if not len(values):
        return 0.0
    first = named(read(state, keys, ridge=ridge), values, ridge=ridge).argmax(axis=1)
    return float((first == wanted).mean())


def judge(before: float | None, after: float | None, *, asked: int, tolerance: float) -> Canary:
    """Say whether a training passes: what it knew may not fall by more than the tolerance.

    >>> judge(1.0, 0.75, asked=4, tolerance=0.05).passed, judge(1.0, 0.96, asked=64, tolerance=0.05).passed
    (False, True)
    >>> judge(None, 0.0, asked=0, tolerance=0.05).passed
    True
    """
    # What falls by exactly the tolerance passes, however it was rounded.
    passed = before is None or after is None or after >= before - tolerance - 1e-9
    return Canary(asked, before, after, tolerance, passed)
