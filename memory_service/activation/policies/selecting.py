"""Which of some tokens: the best by score, those that must stay among them."""

import numpy as np
from numpy.typing import NDArray


def best(scores: NDArray[np.float32], count: int, always: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    """Return bool[token]: `count` tokens, first those that always stay, then by score; among equals the later one.

    Where more are always to stay than fit, the earliest of them do: sinks stand first.

    >>> best(np.array([5, 1, 3, 3], np.float32), 2).tolist()
    [True, False, False, True]
    >>> best(np.array([5, 1, 3, 3], np.float32), 2, np.array([False, True, False, False])).tolist()
    [True, True, False, False]
    """
    tokens = len(scores)
    chosen = np.zeros(tokens, np.bool_)
    count = min(max(count, 0), tokens)
    if always is not None:
        chosen[np.flatnonzero(always)[:count]] = True
    left = count - int(chosen.sum())
    if left:
        open_ = np.flatnonzero(~chosen)
        order = np.lexsort((-open_, -scores[open_].astype(np.float64)))
        chosen[open_[order[:left]]] = True
    return chosen


def ends(tokens: int, sinks: int, recent: int) -> NDArray[np.bool_]:
    """Return bool[token] with the first `sinks` and the last `recent` set.

    >>> ends(6, 1, 2).tolist()
    [True, False, False, False, True, True]
    """
    at = np.arange(tokens)
    return (at < sinks) | (at >= tokens - recent)


def best_per_head(
    scores: NDArray[np.float32], counts: NDArray[np.int64], always: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return bool[layer, head, token] with `counts`[layer, head] of the best in each head."""
    layers, heads, _ = scores.shape
    chosen = np.zeros(scores.shape, np.bool_)
    for layer in range(layers):
        for head in range(heads):
            chosen[layer, head] = best(scores[layer, head], int(counts[layer, head]), always)
    return chosen
