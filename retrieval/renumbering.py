"""What is given of columns that are only ever appended to: the kept rows, and the numbers that these have use for."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.rows import NONE, Keys


def places(kept: NDArray[np.intp] | None, n: int) -> NDArray[np.int32]:
    """Say where each row stands among the kept ones, NONE where it is not."""
    if kept is None:
        return np.arange(n, dtype=np.int32)
    place = np.full(n, NONE, np.int32)
    place[kept] = np.arange(len(kept), dtype=np.int32)
    return place


def taken(values: NDArray[Any], kept: NDArray[np.intp] | None) -> NDArray[Any]:
    """Return the values of the kept rows; None keeps all, and nothing is copied."""
    return values if kept is None else values[kept]


def speaking(number: NDArray[np.int32], names: tuple[str, ...]) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Leave out the names that no row has, and number the rest anew; NONE stays.

    >>> number, names = speaking(np.array([2, NONE, 0, 2], np.int32), ("Ada", "Bob", "Cyd"))
    >>> number.tolist(), names
    ([1, -1, 0, 1], ('Ada', 'Cyd'))
    """
    there = np.bincount(number[number != NONE], minlength=len(names)) > 0
    if there.all():
        return number, names
    anew = np.append(np.cumsum(there) - 1, NONE).astype(np.int32)  # NONE takes the last
    return anew[number], tuple(name for name, spoke in zip(names, there.tolist(), strict=True) if spoke)


def keys_at(keys: Keys, place: NDArray[np.int32]) -> Keys:
    """Renumber the rows of keys and leave out those that are dropped, which are at NONE."""
    rows = place[keys.row]
    there = rows != NONE
    return Keys(rows[there], keys.kind[there], keys.vectors[there])
