"""What kept a memory from the results of a ranking, and the least change that would have brought it in.

A score is a sum of contributions, and each contribution grows with the weight of its channel. With s the scores and c the
contributions of one channel, a memory r stays behind a memory j under the factor f on that weight as long as

    s_j + (f − 1) c_j > s_r + (f − 1) c_r.

It is among the first k while fewer than k memories stand before it. Each j changes sides at one f at most, so the factor
nearest to 1 that brings r in is found exactly, by passing through those points in order.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from retrieval.ranking import Ranked, Shown, explain
from retrieval.reranking import RERANKER

_MOST: Final = 100.0  # a factor beyond it is no small change
_LEAST: Final = 0.01


@dataclass(frozen=True, slots=True)
class Change:
    """A factor on the weight of one channel."""

    channel: str
    factor: float


@dataclass(frozen=True, slots=True)
class Shortfall:
    """How a memory stands against the last result."""

    it: Shown
    last: Shown
    missing: float  # score of the last result less its own
    costs: Mapping[str, float]  # by channel (and reranker), what the last result has more; the dearest first
    change: Change | None  # the least that brings it in, where weighing one channel otherwise does

    @property
    def dearest(self) -> str | None:
        """Return the channel in which it fell back most, None where it did in none."""
        name = next(iter(self.costs), None)
        return name if name is not None and self.costs[name] > 0 else None


def shown(ranked: Ranked, row: int) -> Shown:
    """Explain one row that was found, in the order or beyond it."""
    return explain(ranked, np.array([row], dtype=np.intp))[0]


def shortfall(ranked: Ranked, row: int, last: Shown, *, top_k: int) -> Shortfall:
    """Compare a row that was found with the last result.

    Args:
        ranked: The ranking.
        row: The row that is missing.
        last: The last result.
        top_k: How many results there are.
    """
    it = shown(ranked, row)
    costs = {name: last.channels[name].contribution - cell.contribution for name, cell in it.channels.items()}
    by_reranker = RERANKER in ranked.signals
    if by_reranker:
        costs[RERANKER] = last.signals[RERANKER] - it.signals[RERANKER]
    changes = [
        Change(name, factor)
        for name, channel in ranked.channels.items()
        # Another weight would have given a reranker other memories to read: nothing can be promised.
        if len(ranked.channels) > 1 and not by_reranker
        for factor in [least_factor(ranked.score, channel.contribution, ranked.found, row, top_k=top_k)]
        if factor is not None
    ]
    return Shortfall(
        it=it,
        last=last,
        missing=last.score - it.score,
        costs=dict(sorted(costs.items(), key=lambda pair: -pair[1])),
        change=min(changes, key=lambda change: abs(math.log(change.factor)), default=None),
    )


def least_factor(
    score: NDArray[np.float64], contribution: NDArray[np.float64], found: NDArray[np.bool_], row: int, *, top_k: int
) -> float | None:
    """Return the factor on a channel's weight, nearest to 1, with which a row is among the first k; None for none.

    Three rows with scores 3, 2, 1, of which a channel gave 0, 0 and .5. The last one is second once 1 + (f − 1) / 2 > 2, so
    for f > 3, and first for f > 5:

    >>> score, part, found = np.array([3.0, 2.0, 1.0]), np.array([0.0, 0.0, 0.5]), np.ones(3, bool)
    >>> 3 < least_factor(score, part, found, 2, top_k=2) < 5 < least_factor(score, part, found, 2, top_k=1)
    True

    Where the channel spoke for the others, less of it helps: with 0, 1.5, 0 the second falls behind for f < 1/3.

    >>> 0 < least_factor(score, np.array([0.0, 1.5, 0.0]), found, 2, top_k=2) < 1 / 3
    True
    >>> least_factor(score, np.zeros(3), found, 2, top_k=2) is None
    True
    """
    others = found.copy()
    others[row] = False
    ahead = score[others] - score[row]  # what each other is ahead now
    gain = contribution[row] - contribution[others]  # what the row gains on it as f grows by 1
    more = _first_entry(ahead, gain, top_k=top_k, limit=_MOST - 1)
    less = _first_entry(ahead, -gain, top_k=top_k, limit=1 - _LEAST)
    factors = [_plain(1 + low, 1 + high) for low, high in [more] if high > low]
    factors += [_plain(1 - high, 1 - low) for low, high in [less] if high > low]
    return min(factors, key=lambda factor: abs(math.log(factor)), default=None)


def _first_entry(
    ahead: NDArray[np.float64], gain: NDArray[np.float64], *, top_k: int, limit: float
) -> tuple[float, float]:
    """Return the first span of t in (0, limit) in which fewer than k others have ahead > t · gain; (0, 0) for none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        at = ahead / gain
    overtaken = (ahead > 0) & (gain > 0)
    overtaking = (ahead <= 0) & (gain < 0)
    before = int(np.count_nonzero(ahead > 0))
    moments = np.concatenate([at[overtaken], at[overtaking]])
    steps = np.concatenate([np.full(int(overtaken.sum()), -1), np.full(int(overtaking.sum()), 1)])
    order = np.argsort(moments, kind="stable")
    moments, counts = moments[order], before + np.cumsum(steps[order])
    ends = np.append(moments[1:], np.inf)
    for place in np.flatnonzero((counts < top_k) & (ends > moments)).tolist():
        low, high = float(moments[place]), float(ends[place])
        if low >= limit:
            break
        return low, min(high, limit)
    return 0.0, 0.0


def _plain(low: float, high: float) -> float:
    """Return a number inside (low, high) near the side of 1, with as few digits as it takes.

    >>> _plain(3.0, 5.0), _plain(1.2345, 1.2355), _plain(0.01, 1 / 3)
    (3.1, 1.235, 0.32)
    """
    near, far = (low, high) if low >= 1 else (high, low)
    wanted = near + 0.05 * (far - near)
    for digits in range(2, 12):
        rounded = float(f"{wanted:.{digits}g}")
        if low < rounded < high:
            return rounded
    return wanted
