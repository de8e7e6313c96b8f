"""Vectors of several encoders side by side, where the namespaces of one search go by different ones.

The vector of a memory stands in the columns of its own encoder and is zero elsewhere; the query stands in all of them. Then
each dot product of the two is the cosine under the encoder of the memory, and memories of different encoders are not similar.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Widths = Mapping[int, int]  # dimensions by encoder id


def side_by_side(vectors: Mapping[int, NDArray[np.float32]]) -> NDArray[np.float32]:
    """Join the vectors of one query under several encoders, in the order of their ids: float32[sum of d].

    >>> side_by_side({2: np.float32([1, 0]), 1: np.float32([0.5])}).tolist()
    [0.5, 1.0, 0.0]
    """
    return np.concatenate([vectors[one] for one in sorted(vectors)])


def part_of(vector: NDArray[np.float32], encoder_id: int, widths: Widths) -> NDArray[np.float32]:
    """Return what a joined query is under one encoder; without widths it is of one encoder, and all of it.

    >>> part_of(np.float32([0.5, 1, 0]), 2, {1: 1, 2: 2}).tolist()
    [1.0, 0.0]
    """
    if not widths:
        return vector
    start = sum(width for one, width in widths.items() if one < encoder_id)
    return vector[start : start + widths[encoder_id]]


def spread(vectors: NDArray[np.float32], encoder_id: int, widths: Widths) -> NDArray[np.float32]:
    """Put vectors of one encoder into its columns: float32[n, d] into float32[n, sum of d].

    >>> spread(np.float32([[3, 4]]), 2, {1: 1, 2: 2}).tolist()
    [[0.0, 3.0, 4.0]]
    """
    if len(widths) < 2:
        return vectors
    wide = np.zeros((len(vectors), sum(widths.values())), np.float32)
    start = sum(width for one, width in widths.items() if one < encoder_id)
    wide[:, start : start + vectors.shape[1]] = vectors
    return wide
