"""Which state answers a query, whether any knows it, and which memories its readout names."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from memory_service.parametric.associative import Association, known_parts

FAMILIAR: Final = 0.5
"""From this familiarity on a state answers: below it more of the query is new than known beyond the average."""

TRIED: Final = 4
"""So many states, those whose keys are nearest to the query on the whole, are asked how familiar it is."""


def familiarity(state: Association, query: NDArray[np.floating], *, ridge: float) -> float:
    """Return how well a state knows a query, 0 to 1, beyond how well it knows any: (κ(q) - b) / (1 - b), cut off at 0 and 1.

    κ(q) = (1 + λ) qᵀH(H + λI)⁻¹q of unit q; the factor makes a key that was learned once, beside others at right angles to it,
    fully familiar whatever λ is. b = (1 + λ) tr(H(H + λI)⁻¹)/d is what κ is on the average over all directions: the more was
    learned, the more of any query lies there. A state with b of 1 or more tells no direction from another, and knows nothing.

    >>> from memory_service.parametric.associative import learned
    >>> taught = learned(np.array([[1.0, 0.0, 0.0, 0.0]]), np.array([[0.0, 3.0, 0.0, 0.0]]), gamma=1.0)
    >>> queries = np.array([[2.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    >>> [round(familiarity(taught, q, ridge=0.25), 6) for q in queries]
    [1.0, 0.333333, 0.0]
    """
    parts, average = known_parts(state, np.asarray(query)[None, :], ridge=ridge)
    known, base = (1.0 + ridge) * float(parts[0]), (1.0 + ridge) * average
    if base >= 1.0:
        return 0.0
    return min(1.0, max(0.0, (known - base) / (1.0 - base)))


def centroid(keys: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the unit vector in the middle of keys [n, d]; zero where they cancel out.

    >>> centroid(np.array([[1.0, 0.0], [1.0, 0.0]])).tolist()
    [1.0, 0.0]
    """
    return unit(np.asarray(keys, dtype=np.float64).mean(axis=0))


def nearest(centroids: NDArray[np.floating], query: NDArray[np.floating], *, most: int = TRIED) -> list[int]:
    """Return the places of the centroids [n, d] nearest to a query, nearest first; of equals the first.

    >>> nearest(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]), np.array([1.0, 0.1]), most=2)
    [0, 2]
    """
    scores = np.asarray(centroids, dtype=np.float64) @ np.asarray(query, dtype=np.float64)
    return [int(at) for at in np.argsort(-scores, kind="stable")[:most]]


def likeness(readouts: NDArray[np.floating], values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the cosine of every readout [n, d] with every value [m, d], as [n, m]; a zero vector is like nothing.

    >>> likeness(np.array([[0.0, 2.0]]), np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]])).tolist()
    [[1.0, 0.0, 0.0]]
    """
    return np.clip(unit(np.asarray(readouts)) @ unit(np.asarray(values)).T, -1.0, 1.0)


def named(readouts: NDArray[np.floating], values: NDArray[np.floating], *, ridge: float) -> NDArray[np.float64]:
    """Return how much every readout [n, d] is like every value [m, d], as [n, m], -1 to 1: what values share does not count.

    The cosine under M = (VᵀV + λI)⁻¹, yᵀMv / √(yᵀMy · vᵀMv): what `read` does for keys, done for values. Memories that say
    nearly the same have nearly the same vector, and by the plain cosine a readout that is off by a little names any of them.

    >>> values = np.array([[1.0, 0.0], [0.8, 0.6]])
    >>> np.round(named(np.array([[1.0, 0.0]]), values, ridge=1e-9), 6).tolist()
    [[1.0, 0.0]]
    >>> likeness(np.array([[1.0, 0.0]]), values).tolist()
    [[1.0, 0.8]]
    """
    y, v = np.asarray(readouts, dtype=np.float64), np.asarray(values, dtype=np.float64)
    both = np.concatenate([v, y])
    sharp = np.linalg.solve(v.T @ v + ridge * np.eye(v.shape[1]), both.T).T
    lengths = np.sqrt(np.einsum("nd,nd->n", both, sharp))
    products, sizes = y @ sharp[: len(v)].T, np.outer(lengths[len(v) :], lengths[: len(v)])
    scaled: NDArray[np.float64] = np.divide(products, sizes, out=np.zeros_like(products), where=sizes > 0)
    return np.clip(scaled, -1.0, 1.0)


def unit(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return vectors at length one along the last axis; zeros stay zeros."""
    rows = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    scaled: NDArray[np.float64] = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return scaled
