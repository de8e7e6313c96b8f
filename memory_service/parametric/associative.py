"""An associative state: two matrices that learn which value belongs to which key, one pair at a time.

A ridge readout with fading. Learning a key k with its value v, both float[d]:

    H = γH + k kᵀ        U = γU + v kᵀ        read(q) = U (H + λI)⁻¹ q

Where a Hebbian store reads U q, and keys that resemble one another drown each other out, the inverse takes out what keys have
in common. Both matrices are sums over pairs: states of shards add up to the state of all of them, exactly, where nothing
fades (γ = 1).
"""

from collections.abc import Sequence
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


def empty(dimension: int) -> Association:
    """Return the state that has learned nothing."""
    return Association(np.zeros((dimension, dimension)), np.zeros((dimension, dimension)))


def learn(state: Association, key: NDArray[np.floating], value: NDArray[np.floating], *, gamma: float) -> Association:
    """Return the state after one more pair, of which everything earlier has faded by `gamma`.

    >>> taught = learn(empty(2), np.array([1.0, 0.0]), np.array([0.0, 3.0]), gamma=1.0)
    >>> taught.keys.tolist(), taught.values.tolist()
    ([[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [3.0, 0.0]])
    """
    faded = fade(state, gamma)
    k, v = np.asarray(key, dtype=np.float64), np.asarray(value, dtype=np.float64)
    return Association(faded.keys + np.outer(k, k), faded.values + np.outer(v, k))


def learned(keys: NDArray[np.floating], values: NDArray[np.floating], *, gamma: float) -> Association:
    """Return the state after the rows of `keys` and `values`, both [n, d], one after the other; the last has faded least.

    The same as `learn` row by row, as two products of matrices.

    >>> rows = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> learned(rows, rows, gamma=0.5).keys.tolist()
    [[0.5, 0.0], [0.0, 1.0]]
    """
    k, v = np.asarray(keys, dtype=np.float64), np.asarray(values, dtype=np.float64)
    weights = gamma ** np.arange(len(k) - 1, -1, -1, dtype=np.float64)
    weighted = k * weights[:, None]
    return Association(k.T @ weighted, v.T @ weighted)


def fade(state: Association, gamma: float) -> Association:
    """Return the state with everything it holds weaker by a factor of 0 to 1."""
    return state if gamma == 1.0 else Association(state.keys * gamma, state.values * gamma)


def forget(state: Association, key: NDArray[np.floating], value: NDArray[np.floating]) -> Association:
    """Return the state without one pair that has not faded since it was learned.

    >>> pair = np.array([1.0, 0.0]), np.array([0.0, 3.0])
    >>> forget(learn(empty(2), *pair, gamma=1.0), *pair).values.tolist()
    [[0.0, 0.0], [0.0, 0.0]]
    """
    k, v = np.asarray(key, dtype=np.float64), np.asarray(value, dtype=np.float64)
    return Association(state.keys - np.outer(k, k), state.values - np.outer(v, k))


def merge(states: Sequence[Association]) -> Association:
    """Return the state of all pairs of some states: their sum, exact where none of them fades.

    Raises:
        ValueError: there is none, or their dimensions differ.
    """
    if len({state.dimension for state in states}) != 1:
        raise ValueError("states of one dimension can be merged, and at least one is needed")
    return Association(sum_of([s.keys for s in states]), sum_of([s.values for s in states]))


def sum_of(matrices: Sequence[Matrix]) -> Matrix:
    """Return the sum of matrices of one shape."""
    total: Matrix = np.sum(np.stack(matrices), axis=0)
    return total


def read(state: Association, queries: NDArray[np.floating], *, ridge: float) -> Matrix:
    """Return what queries, [n, d], bring: U (H + λI)⁻¹ q, a row each, not normalised.

    One pair of unit length comes back as v / (1 + λ):

    >>> taught = learn(empty(2), np.array([1.0, 0.0]), np.array([0.0, 3.0]), gamma=1.0)
    >>> read(taught, np.array([[1.0, 0.0]]), ridge=0.5).tolist()
    [[0.0, 2.0]]
    """
    answered: Matrix = (state.values @ _solved(state, queries, ridge)).T
    return answered


def known_part(state: Association, queries: NDArray[np.floating], *, ridge: float) -> NDArray[np.float64]:
    """Return how much of each query lies where keys were learned: qᵀH(H + λI)⁻¹q of unit q, from 0 to below 1.

    The rest, λqᵀ(H + λI)⁻¹q, is the novelty of q.

    >>> taught = learn(empty(2), np.array([1.0, 0.0]), np.array([0.0, 3.0]), gamma=1.0)
    >>> known_part(taught, np.array([[1.0, 0.0], [0.0, 1.0]]), ridge=0.25).tolist()
    [0.8, 0.0]
    """
    rows = np.asarray(queries, dtype=np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = rows / np.where(lengths > 0, lengths, 1.0)  # a query of no direction is wholly new, and stays zero
    novelty = ridge * np.einsum("nd,dn->n", rows, _solved(state, rows, ridge))
    known: NDArray[np.float64] = np.clip(np.einsum("nd,nd->n", rows, rows) - novelty, 0.0, 1.0)
    return known


def _solved(state: Association, queries: NDArray[np.floating], ridge: float) -> Matrix:
    damped = state.keys + ridge * np.eye(state.dimension)
    return np.asarray(np.linalg.solve(damped, np.asarray(queries, dtype=np.float64).T), dtype=np.float64)


def capacity(pairs: int, dimension: int) -> Capacity:
    """Return how full a state is.

    >>> capacity(96, 384)
    Capacity(used=96, alarm_at=96, alarm=True)
    """
    alarm_at = max(1, dimension // FULL_AT)
    return Capacity(pairs, alarm_at, pairs >= alarm_at)
