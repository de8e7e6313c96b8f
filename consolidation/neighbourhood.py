"""Which memories of a namespace are near a memory: exact cosines over all live vectors, block by block. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from retrieval.quantisation import comparable

NEAREST: Final = 20
_BLOCK: Final = 8_192  # rows turned to float32 at once; with their cosines they stay near the processor
_TOGETHER: Final = 512  # rows that are compared at once


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """The live memories of a namespace in the order in which they were observed, with their vectors.

    `vectors` is float16[n, d], one normalised mean vector for each memory, longer where only its signs are kept (see
    `quantisation.comparable`); `scopes` int64[n] is the same for memories of the same user.
    """

    ids: tuple[UUID, ...]
    vectors: NDArray[np.float16]
    scopes: NDArray[np.int64]
    place: dict[UUID, int]

    def nearest(self, rows: Sequence[int], *, k: int = NEAREST) -> list[list[tuple[int, float]]]:
        """Return for each row the (row, cosine) of at most `k` memories of the same user that came before it, best first.

        >>> vectors = np.array([[1, 0], [0, 1], [3, 4]], dtype=np.float32)
        >>> near = neighbourhood([UUID(int=i) for i in range(3)], vectors, [0, 0, 0])
        >>> [[(row, round(cosine, 3)) for row, cosine in found] for found in near.nearest([0, 2])]
        [[], [(1, 0.8), (0, 0.6)]]
        """
        best: list[list[tuple[int, float]]] = []
        for start in range(0, len(rows), _TOGETHER):
            best += self._nearest(np.asarray(rows[start : start + _TOGETHER]), k)
        return best

    def _nearest(self, chosen: NDArray[np.int64], k: int) -> list[list[tuple[int, float]]]:
        """Keep the best of each row block by block: what is below the least of them is never sorted, soon nearly all."""
        queries, scopes = self.vectors[chosen].astype(np.float32), self.scopes[chosen]
        best: list[list[tuple[float, int]]] = [[] for _ in chosen]  # (-cosine, place), in order
        least = np.full(len(chosen), -np.inf, dtype=np.float32)
        end = int(chosen.max())
        for start in range(0, end, _BLOCK):
            block = slice(start, min(end, start + _BLOCK))
            cosines = queries @ self.vectors[block].astype(np.float32).T
            others = self.scopes[block]
            if (others != scopes[0]).any() or (scopes != scopes[0]).any():
                cosines[others[None, :] != scopes[:, None]] = -np.inf
            if block.stop > chosen.min():
                cosines[np.arange(block.start, block.stop)[None, :] >= chosen[:, None]] = -np.inf
            hits = cosines > least[:, None] if start else _at_least_kth(cosines, k)
            rows, columns = np.nonzero(hits)
            for at, column, cosine in zip(
                rows.tolist(), columns.tolist(), cosines[rows, columns].tolist(), strict=True
            ):
                best[at].append((-cosine, start + column))
            for at in np.unique(rows).tolist():
                best[at] = sorted(best[at])[:k]
                if len(best[at]) == k:
                    least[at] = -best[at][-1][0]
        return [[(place, round(-negative, 4)) for negative, place in found] for found in best]


def _at_least_kth(cosines: NDArray[np.float32], k: int) -> NDArray[np.bool_]:
    """Say which entries are no less than the k-th largest of their row, and allowed at all."""
    allowed: NDArray[np.bool_] = np.isfinite(cosines)
    if cosines.shape[1] <= k:
        return allowed
    kth = -np.partition(-cosines, k - 1, axis=1)[:, k - 1 : k]
    return allowed & (cosines >= kth)


def stored(vectors: NDArray[np.float32]) -> NDArray[np.float16]:
    """Return mean vectors float32[n, d] of any length as a neighbourhood holds them."""
    return comparable(vectors).astype(np.float16)


def neighbourhood(
    ids: Sequence[UUID],
    vectors: NDArray[np.float32] | NDArray[np.float16],
    scopes: Sequence[int] | NDArray[np.int64],
) -> Neighbourhood:
    """Make a neighbourhood of memories given in the order in which they were observed.

    Args:
        ids: the memories.
        vectors: float32[n, d] of any length, or float16[n, d] as `stored` returns them.
        scopes: int[n], the same for memories of the same user.
    """
    kept = vectors.astype(np.float16, copy=False) if vectors.dtype == np.float16 else stored(vectors.astype(np.float32))
    return Neighbourhood(
        tuple(ids),
        kept,
        np.asarray(scopes, dtype=np.int64),
        {i: at for at, i in enumerate(ids)},
    )
