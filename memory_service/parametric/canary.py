"""The canary: a training may not make a state forget what it knew, nor what its caller asks for.

Two sets of questions, each judged by itself, so that many that are answered do not hide the few that are not: a *sample* of what
the state was taught before, and the *probes* of a caller, pairs that are asked and not learned.
"""

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from memory_service.parametric.associative import Association, read
from memory_service.parametric.routing import named

SAMPLE: Final = 64  # earlier pairs that are asked, at most
SEED: Final = 7  # the same pairs whenever the same state is asked
TOLERANCE: Final = 0.05  # of what is asked, what may be lost unless a training says otherwise


@dataclass(frozen=True, slots=True)
class Shares:
    """For which share of some questions a state named the right memory first, before a training and after it."""

    asked: int
    before: float | None  # None: there was no state, or nothing to ask
    after: float | None
    passed: bool


@dataclass(frozen=True, slots=True)
class CanaryReport:
    """What the canary says of a training, which passes when both sets of questions do."""

    sample: Shares
    probes: Shares
    tolerance: float

    @property
    def passed(self) -> bool:
        """Say whether the new version may be put in force."""
        return self.sample.passed and self.probes.passed

    def to_json(self) -> dict[str, Any]:
        """Return the report as it is kept and shown."""
        return {**asdict(self), "passed": self.passed}


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


def judge(before: float | None, after: float | None, *, asked: int, tolerance: float) -> Shares:
    """Say whether some questions pass: what was right before may not fall by more than the tolerance.

    Where there was no state before, all of them are to be right but for the tolerance.

    >>> judge(1.0, 0.75, asked=4, tolerance=0.05).passed, judge(1.0, 0.96, asked=64, tolerance=0.05).passed
    (False, True)
    >>> judge(None, 0.5, asked=2, tolerance=0.05).passed, judge(None, None, asked=0, tolerance=0.05).passed
    (False, True)
    """
    wanted = (1.0 if before is None else before) - tolerance
    # What falls by exactly the tolerance passes, however it was rounded.
    return Shares(asked, before, after, after is None or after >= wanted - 1e-9)
