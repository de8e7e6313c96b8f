"""Maximal marginal relevance: each next result is relevant and unlike those already chosen.

Carbonell and Goldstein (1998), equation 1. The penalty looks at what is *selected*, never at all candidates: a result
is not worse for resembling one that nobody will see.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def mmr(relevance: Sequence[float], vectors: ArrayLike, *, diversity: float, limit: int | None = None) -> list[int]:
    """Order candidates by (1 − diversity) · relevance − diversity · (greatest cosine to one selected before).

    Args:
        relevance: One score per candidate, higher is better; stretched to 0..1, so that it can be weighed against
            cosines.
        vectors: (n, d) normalised rows in the same order.
        diversity: 0 keeps the order of relevance, 1 looks at dissimilarity alone once the first is chosen.
        limit: How many to choose; all by default.

    Returns:
        Positions of the chosen candidates, best first. Ties go to the earlier position.

    Raises:
        ValueError: The lengths differ, or ``diversity`` is outside 0..1.

    Worked by hand with diversity .5: candidate 0 has the highest relevance and comes first. Candidate 1 is the same
    text (cosine 1): ½·.9 − ½·1 = −.05. Candidate 2 is unrelated (cosine 0): ½·0 − ½·0 = 0, so it comes second.

    >>> mmr([1.0, 0.9, 0.0], [[1, 0], [1, 0], [0, 1]], diversity=0.5)
    [0, 2, 1]
    >>> mmr([1.0, 0.9, 0.0], [[1, 0], [1, 0], [0, 1]], diversity=0.0)
    [0, 1, 2]
    """
    if not 0 <= diversity <= 1:
        raise ValueError(f"diversity must be within 0..1, not {diversity}")
    rows: NDArray[np.float64] = np.asarray(vectors, dtype=np.float64)
    count = len(relevance)
    if len(rows) != count:
        raise ValueError(f"{count} relevances for {len(rows)} vectors")
    if count == 0:
        return []
    worth = (1 - diversity) * _stretched(np.asarray(relevance, dtype=np.float64))
    resemblance = np.zeros(count)
    free = np.ones(count, dtype=bool)
    chosen: list[int] = []
    for _ in range(count if limit is None else min(max(limit, 0), count)):
        # The very first has nothing to resemble: relevance alone chooses it, whatever the diversity.
        marginal = worth - diversity * resemblance if chosen else np.asarray(relevance, dtype=np.float64)
        best = int(np.argmax(np.where(free, marginal, -np.inf)))
        chosen.append(best)
        free[best] = False
        cosines = rows @ rows[best]
        resemblance = cosines if len(chosen) == 1 else np.maximum(resemblance, cosines)
    return chosen


def _stretched(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Stretch to 0..1; equal values are all 1."""
    lowest, highest = float(values.min()), float(values.max())
    if highest == lowest:
        return np.ones_like(values)
    return (values - lowest) / (highest - lowest)
