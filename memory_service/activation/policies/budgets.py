"""How a budget is split over layers and heads."""

import numpy as np
from numpy.typing import NDArray


def proportional(total: int, wants: NDArray[np.float64], most: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return whole numbers that sum to `total`, in proportion to `wants`, none above its `most`.

    What one cannot take goes to the others in proportion; what rounding leaves goes to the largest remainders. Where wants are
    all 0 they count as equal.

    Of 10 for wants 3 : 1 : 1 with at most 4 each, the first takes 4 and the others 3 each:

    >>> proportional(10, np.array([3.0, 1.0, 1.0]), np.array([4, 4, 4])).tolist()
    [4, 3, 3]
    >>> proportional(99, np.array([1.0, 1.0]), np.array([4, 4])).tolist()
    [4, 4]
    """
    total = min(total, int(most.sum()))
    given = np.zeros(len(wants), np.float64)
    open_ = np.ones(len(wants), np.bool_)
    left = float(total)
    while left > 0 and open_.any():
        weights = np.where(open_, wants, 0.0)
        if weights.sum() <= 0:
            weights = open_.astype(np.float64)
        offer = left * weights / weights.sum()
        full = open_ & (offer >= most)
        if not full.any():
            given = np.where(open_, offer, given)
            break
        given = np.where(full, most, given)
        left -= float(most[full].sum())
        open_ &= ~full
    whole = np.floor(given + 1e-9).astype(np.int64)
    order = np.lexsort((np.arange(len(wants)), -(given - whole)))
    for at in order.tolist() * 2:
        if whole.sum() >= total:
            break
        if whole[at] < most[at]:
            whole[at] += 1
    return whole


def even(total: int, layers: int, heads: int, tokens: int) -> NDArray[np.int64]:
    """Return int64[layer, head]: the same for each head, the first ones taking what is left over.

    >>> even(7, 1, 3, 9).tolist()
    [[3, 2, 2]]
    """
    most = np.full(layers * heads, tokens)
    return proportional(total, np.ones(layers * heads), most).reshape(layers, heads)


def per_layer(total: int, wants: NDArray[np.float64], heads: int, tokens: int) -> NDArray[np.int64]:
    """Return int64[layer, head]: layers in proportion to `wants`, heads of one layer alike.

    >>> per_layer(12, np.array([2.0, 1.0]), 2, 9).tolist()
    [[4, 4], [2, 2]]
    """
    of_layers = proportional(total, wants, np.full(len(wants), heads * tokens))
    return np.stack([even(int(one), 1, heads, tokens)[0] for one in of_layers])


def pyramid(total: float, layers: int, steepness: float) -> NDArray[np.float64]:
    """Return PyramidKV's budgets: an arithmetic series from the lowest layer down to the highest (Cai et al. 2024, §3.2).

    The highest gets B/(β·m) of a total B over m layers, the lowest 2B/m less that, and between them they fall evenly.

    60 over 3 layers with β = 2: 10 on top, 40 − 10 = 30 at the bottom, 20 between.

    >>> pyramid(60, 3, 2).tolist()
    [30.0, 20.0, 10.0]
    """
    top = total / (steepness * layers)
    return np.linspace(2 * total / layers - top, top, layers) if layers > 1 else np.array([float(total)])
