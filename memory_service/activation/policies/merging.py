"""Putting entries together: means that conserve what they are made of."""

import numpy as np
from numpy.typing import NDArray

from memory_service.activation.policies.statistics import Floats


def merged(
    vectors: Floats, kept: NDArray[np.bool_], receivers: NDArray[np.int64], weights: Floats
) -> tuple[Floats, Floats]:
    """Return float32[token, dim] with what goes averaged into its receivers, and the weight that each token has then.

    A receiver becomes Σ w·x / Σ w over itself and all that it receives. So Σ weight · vector over what is kept is what it was
    before over all that was kept or received: merging moves weight, and loses none.

    (0) with weight 1 receives (3) with weight 2: (0 + 6)/3 = 2, weight 3.

    >>> now, mass = merged(
    ...     np.array([[0], [3]], np.float32), np.array([True, False]), np.array([-1, 0]), np.array([1, 2], np.float32))
    >>> now[0].tolist(), mass.tolist()
    ([2.0], [3.0, 0.0])
    """
    own = np.arange(len(kept))
    going = (receivers >= 0) & ~kept
    if not going.any():
        return vectors, np.where(kept, weights, np.float32(0))
    total = np.where(kept[:, None], vectors.astype(np.float64) * weights[:, None], 0.0)
    mass = np.where(kept, weights.astype(np.float64), 0.0)
    np.add.at(total, receivers[going], vectors[going].astype(np.float64) * weights[going, None])
    np.add.at(mass, receivers[going], weights[going].astype(np.float64))
    touched = np.isin(own, receivers[going]) & (mass > 0)
    result = vectors.copy()
    result[touched] = (total[touched] / mass[touched, None]).astype(np.float32)
    return result, mass.astype(np.float32)


def nearest(keys: Floats, kept: NDArray[np.bool_]) -> tuple[NDArray[np.int64], Floats]:
    """Return for each token the kept one whose key points most nearly the same way, and the cosine; −1 and 0 for kept ones.

    >>> at, cosine = nearest(np.array([[1, 0], [0, 1], [0, 5]], np.float32), np.array([True, True, False]))
    >>> at.tolist(), cosine.tolist()
    ([-1, -1, 1], [0.0, 0.0, 1.0])
    """
    at, cosine = np.full(len(kept), -1, np.int64), np.zeros(len(kept), np.float32)
    going, staying = np.flatnonzero(~kept), np.flatnonzero(kept)
    if not (going.size and staying.size):
        return at, cosine
    lengths = np.linalg.norm(keys, axis=1, keepdims=True)
    unit = np.divide(keys, lengths, out=np.zeros_like(keys), where=lengths > 0)
    similar = unit[going] @ unit[staying].T
    at[going] = staying[similar.argmax(axis=1)]
    cosine[going] = similar.max(axis=1)
    return at, cosine


def next_threshold(previous: float | None, cosines: Floats, smoothing: float) -> float:
    """Return how alike an entry has to be to be merged: a running mean of how alike they were (D2O, §3.3).

    The first time it is their mean, m; later β · m + (1 − β) · what it was.

    >>> next_threshold(None, np.array([0.5, 1.0], np.float32), 0.5), next_threshold(0.25, np.array([0.75], np.float32), 0.5)
    (0.75, 0.5)
    """
    if not cosines.size:
        return previous if previous is not None else 0.0
    mean = float(cosines.mean())
    return mean if previous is None else smoothing * mean + (1 - smoothing) * previous
