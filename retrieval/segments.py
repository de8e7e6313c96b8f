"""Spread what is found over time, for questions about the course of things."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class SegmentSettings:
    """How much of each part of the time comes first."""

    parts: int = 4  # of equally many memories
    each: int = 3  # of the best of every part
    considered: int = 50  # ranks: what is below is not lifted because its part has nothing better


def over_time(
    order: NDArray[np.intp],
    when: NDArray[Any],
    *,
    among: NDArray[np.bool_] | None = None,
    settings: SegmentSettings,
) -> NDArray[np.intp]:
    """Put the best of each part of the time first, in the order of relevance, and the rest behind.

    Args:
        order: rows, best first.
        when: (n,) of all rows, anything that sorts as time does; NaN sorts last.
        among: (n,) which rows the parts are cut from, those of `order` among them; None for all.
        settings: how many of each part.

    Four rows in two halves, one of each half first:

    >>> when = np.array([1.0, 2.0, 3.0, 4.0])
    >>> over_time(np.array([0, 1, 3, 2]), when, settings=SegmentSettings(parts=2, each=1)).tolist()
    [0, 3, 1, 2]
    """
    chosen = np.arange(len(when)) if among is None else np.flatnonzero(among)
    part = np.zeros(len(when), dtype=np.intp)
    part[chosen[np.argsort(when[chosen], kind="stable")]] = (
        np.arange(len(chosen)) * settings.parts // max(1, len(chosen))
    )
    left = np.full(settings.parts, settings.each)
    first = np.zeros(len(order), dtype=np.bool_)
    for rank, row in enumerate(order[: settings.considered].tolist()):
        if left[part[row]] > 0:
            left[part[row]] -= 1
            first[rank] = True
    return np.concatenate([order[first], order[~first]])
