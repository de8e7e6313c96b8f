"""A summary wants whole episodes, and the ones with which the talk was taken up again.

What is to be summed up was told in a few stretches of a long conversation. Single turns that say the name of the thing lie
all over it, so episodes are ranked, each by all that it holds, and the best of each stand together. After a pause of days
people first tell what has come of it since and what is next; what follows works on details.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.rows import NONE

_PLACES = 9  # decimals of a value that order, as for scores


@dataclass(frozen=True, slots=True)
class SummarySettings:
    """How much of an episode comes first, and what counts as taking the talk up again."""

    each: int = 2  # of the best memories of every episode
    pause: float = 86_400.0  # seconds without a memory, behind which the talk is taken up again
    fades: float = 25.0  # memories from there on, after which it counts 1/e


def openings(observed_at: NDArray[np.float64], *, settings: SummarySettings) -> NDArray[np.float64]:
    """Say how near each row is to where the talk was taken up after a pause: (n,) → (n,), 1 there, 0 without a time.

    Equal times count alike, so the order of the rows changes nothing:

    >>> day = 86_400.0
    >>> when = np.array([0.0, 60.0, 3 * day, 3 * day, 3 * day + 60, np.nan])
    >>> openings(when, settings=SummarySettings(fades=2)).round(2).tolist()
    [1.0, 0.61, 1.0, 1.0, 0.37, 0.0]
    """
    near = np.zeros(len(observed_at))
    dated = np.flatnonzero(np.isfinite(observed_at))
    if len(dated):
        times = np.sort(observed_at[dated])
        starts = np.flatnonzero(np.concatenate([[True], np.diff(times) > settings.pause]))
        before = np.searchsorted(times, observed_at[dated], side="left")
        opening = starts[np.searchsorted(starts, before, side="right") - 1]
        near[dated] = np.exp(-(before - opening) / settings.fades)
    return near


def by_episode(
    order: NDArray[np.intp], score: NDArray[np.float64], episode: NDArray[np.int32], *, settings: SummarySettings
) -> NDArray[np.intp]:
    """Put the best of the best episodes first, and the others of each behind, in the order of the episodes.

    Args:
        order: all rows that were found, best first.
        score: (n,) of all rows.
        episode: (n,) its number, NONE for a row that stands for itself.
        settings: how many of each.

    An episode counts ln Σ exp(score), so that two good rows are more than one that is somewhat better:

    >>> got = by_episode(np.array([0, 1, 2, 3]), np.array([3.0, 2.9, 2.8, -1.0]), np.array([0, 1, 1, 1], np.int32),
    ...     settings=SummarySettings())
    >>> got.tolist()
    [1, 2, 0, 3]
    """
    if not len(order):
        return order
    number = episode[order].astype(np.int64)
    single = number == NONE
    number[single] = int(number.max()) + 1 + np.arange(int(single.sum()))
    _, first, group = np.unique(number, return_index=True, return_inverse=True)
    best = float(score[order].max())
    worth = np.log(np.maximum(np.bincount(group, np.exp(score[order] - best)), np.finfo(np.float64).tiny)).round(
        _PLACES
    )
    # Of episodes that are worth the same the one with the better row comes first, never both mixed.
    turn = np.lexsort((np.arange(len(order)), first[group], -worth[group]))
    runs = np.flatnonzero(np.concatenate([[True], np.diff(group[turn]) != 0]))
    place = np.arange(len(turn)) - np.repeat(runs, np.diff(np.append(runs, len(turn))))
    ahead = place < settings.each
    placed: NDArray[np.intp] = order[np.concatenate([turn[ahead], turn[~ahead]])]
    return placed
