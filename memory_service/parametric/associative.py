"""An associative state: two matrices that learn which value belongs to which key, one pair at a time.

A ridge readout with fading. Learning a key k with its value v, both float[d]:

    H = γH + k kᵀ        U = γU + v kᵀ        read(q) = U (H + λI)⁻¹ q

Where a Hebbian store reads U q, and keys that resemble one another drown each other out, the inverse takes out what keys have
in common. Both matrices are sums over pairs: states of shards add up to the state of all of them, exactly, where nothing
fades (γ = 1).
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Matrix: TypeAlias = NDArray[np.float64]

FULL_AT: Final = 4
"""A state of d dimensions is full near d/4 pairs: beyond that, keys that resemble one another share ever more of what tells
them apart."""


@dataclass(frozen=True, slots=True, eq=False)
class Association:
    """What was learned: H and U, float64[d, d] each."""

    keys: Matrix
    values: Matrix

    @property
    def dimension(self) -> int:
        """Return d."""
        return int(self.keys.shape[0])


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many pairs a state holds, from how many on it is full, and whether it is."""

    used: int
    alarm_at: int
    alarm: bool


def learned(keys: NDArray[np.floating], values: NDArray[np.floating], *, gamma: float) -> Association:
    """Return the state after the rows of `keys` and `values`, both [n, d], one after the other; the last has faded least.

    >>> rows = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> learned(rows, rows, gamma=0.5).keys.tolist()
    [[0.5, 0.0], [0.0, 1.0]]
    """
    k, v = np.asarray(keys, dtype=np.float64), np.asarray(values, dtype=np.float64)
    weights = gamma ** np.arange(len(k) - 1, -1, -1, dtype=np.float64)
    weighted = k * weights[:, None]
    return Association(k.T @ weighted, v.T @ weighted)


def read(state: Association, queries: NDArray[np.floating], *, ridge: float) -> Matrix:
    """Return what queries, [n, d], bring: U (H + λI)⁻¹ q, a row each, not normalised.

    One pair of unit length comes back as v / (1 + λ):

    >>> taught = learned(np.array([[1.0, 0.0]]), np.array([[0.0, 3.0]]), gamma=1.0)
    >>> read(taught, np.array([[1.0, 0.0]]), ridge=0.5).tolist()
    [[0.0, 2.0]]
    """
    answered: Matrix = (state.values @ _solved(state, np.asarray(queries, dtype=np.float64).T, ridge)).T
    return answered


def known_parts(state: Association, queries: NDArray[np.floating], *, ridge: float) -> tuple[Matrix, float]:
    """Return how much of each query lies where keys were learned, and how much of any direction does on the average.

    Of a unit query q it is qᵀH(H + λI)⁻¹q, from 0 to below 1; on the average over all directions, tr(H(H + λI)⁻¹)/d.

    >>> taught = learned(np.array([[1.0, 0.0]]), np.array([[0.0, 3.0]]), gamma=1.0)
    >>> parts, average = known_parts(taught, np.array([[1.0, 0.0], [0.0, 1.0]]), ridge=0.25)
    >>> np.round(parts, 6).tolist(), round(average, 6)
    ([0.8, 0.0], 0.4)
    """
    rows = np.asarray(queries, dtype=np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = rows / np.where(lengths > 0, lengths, 1.0)  # a query of no direction is wholly new, and stays zero
    inverse = _solved(state, np.eye(state.dimension), ridge)
    novelty = ridge * np.einsum("nd,de,ne->n", rows, inverse, rows, optimize=True)
    parts: Matrix = np.clip(np.einsum("nd,nd->n", rows, rows) - novelty, 0.0, 1.0)
    return parts, float(np.clip(1.0 - ridge * np.trace(inverse) / state.dimension, 0.0, 1.0))


def _solved(state: Association, columns: Matrix, ridge: float) -> Matrix:
    return np.asarray(np.linalg.solve(state.keys + ridge * np.eye(state.dimension), columns), dtype=np.float64)


def capacity(pairs: int, dimension: int) -> Capacity:
    """Return how full a state is.

    >>> capacity(96, 384)
    Capacity(used=96, alarm_at=96, alarm=True)
    """
    alarm_at = max(1, dimension // FULL_AT)
    return Capacity(pairs, alarm_at, pairs >= alarm_at)
