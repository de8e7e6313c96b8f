"""Which memories of a namespace are near a memory: exact cosines over all live vectors, block by block. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from retrieval.quantisation import comparable

NEAREST: Final = 20
_BLOCK: Final = 50_000  # rows turned to float32 at once


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
        if not len(rows):
            return []
        chosen = np.asarray(rows)
        queries = self.vectors[chosen].astype(np.float32)
        best: list[list[tuple[float, int]]] = [[] for _ in rows]
        end = int(chosen.max())
        for start in range(0, end, _BLOCK):
            block = slice(start, min(end, start + _BLOCK))
            cosines = queries @ self.vectors[block].astype(np.float32).T
            places = np.arange(block.start, block.stop)
            allowed = (places[None, :] < chosen[:, None]) & (
                self.scopes[block][None, :] == self.scopes[chosen][:, None]
            )
            cosines[~allowed] = -np.inf
            kept = min(k, cosines.shape[1])
            top = np.argpartition(-cosines, kept - 1, axis=1)[:, :kept]
            for at, columns in enumerate(top):
                best[at] += [(float(cosines[at, c]), int(places[c])) for c in columns if np.isfinite(cosines[at, c])]
        return [
            [(place, round(cosine, 4)) for cosine, place in sorted(found, key=lambda f: (-f[0], f[1]))[:k]]
            for found in best
        ]


def neighbourhood(
    ids: Sequence[UUID], vectors: NDArray[np.float32], scopes: Sequence[int] | NDArray[np.int64]
) -> Neighbourhood:
    """Make a neighbourhood of memories given in the order in which they were observed; vectors float32[n, d] of any length."""
    return Neighbourhood(
        tuple(ids),
        comparable(vectors).astype(np.float16),
        np.asarray(scopes, dtype=np.int64),
        {i: at for at, i in enumerate(ids)},
    )
