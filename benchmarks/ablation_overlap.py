"""How far channels alone find what the vectors alone find: a channel that repeats another adds nothing."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.ablation_data import Space
from benchmarks.ablation_setup import FURTHER, Setup
from benchmarks.metrics import mean

DEPTH = 10
BESIDE = "vector"


def overlaps(spaces: Sequence[Space]) -> dict[str, float]:
    """Return by channel the mean share of its first ten that are among the first ten of the vectors, over questions.

    Questions for which a channel alone finds nothing do not count for it.
    """
    setups: Mapping[str, Setup] = {name: Setup(alone=name) for name in ("keyword", "temporal", *FURTHER)}
    beside = Setup(alone=BESIDE)
    shares: dict[str, list[float]] = {name: [] for name in setups}
    for space in spaces:
        for asked in space.asked:
            cue = asked.whole
            nearest = beside.rank(space, cue, limit=DEPTH).order
            for name, setup in setups.items():
                order = setup.rank(space, cue, limit=DEPTH).order
                if len(order):
                    shares[name].append(shared(order, nearest))
    return {name: mean(values) for name, values in shares.items()}


def shared(order: NDArray[np.intp], other: NDArray[np.intp]) -> float:
    """Return which share of one order stands in the other.

    >>> shared(np.array([1, 2, 3, 4]), np.array([4, 9, 1]))
    0.5
    """
    return float(np.isin(order, other).mean())
