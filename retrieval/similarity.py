"""The vector channel: how near the texts are to the query, by all the vectors they are found by."""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nsmallest
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from retrieval.rows import KeyKind, Rows

_SAMPLED: Final = 1024  # rows against which a row's crowdedness is measured; all of a small namespace
_CROWD: Final = 10  # the nearest of them that count
_PLACES: Final = 6  # decimals of a cosine: beyond them equal texts differ by where they stand in memory
_CORRECTED: Final = 256  # rows, the nearest to the query, whose crowdedness is worth its price


@dataclass(frozen=True, slots=True)
class Similarity:
    """Cosines of n rows with the query, higher is nearer."""

    text: NDArray[np.float64]  # (n,) of the text; of its nearest part where it has several
    key: NDArray[np.float64]  # (n,) of the nearest of all vectors of the row


def similarity(rows: Rows, vector: NDArray[np.float32]) -> Similarity:
    """Compare float32[d], normalised, with every vector of the rows."""
    text = _cosines(rows.vectors, vector)
    keys = rows.keys
    if len(keys.row) == 0:
        return Similarity(text=text, key=text)
    cosines = _cosines(keys.vectors, vector)
    part = keys.kind == KeyKind.CHUNK
    np.maximum.at(text, keys.row[part], cosines[part])
    key = text.copy()
    np.maximum.at(key, keys.row[~part], cosines[~part])
    return Similarity(text=text, key=key)


def _cosines(vectors: NDArray[np.float32], vector: NDArray[np.float32]) -> NDArray[np.float64]:
    cosines: NDArray[np.float64] = np.asarray(vectors @ vector, np.float64).round(_PLACES)
    # Estimates from signs may go a little beyond (see quantisation).
    return np.minimum(cosines, 1.0, out=cosines)


def distinct_similarity(rows: Rows, vector: NDArray[np.float32]) -> NDArray[np.float64]:
    """Compare what sets the query and the texts apart from the namespace's usual topic: (n,) scores, higher is nearer.

    Both sides are centred on the mean text. From twice the cosine of the centred vectors we take how crowded a row's
    surroundings are, the mean of its largest cosines to other rows (cross-domain similarity local scaling, Conneau et
    al. 2018, section 2.3): a text that is near to everything is near to nothing in particular.
    """
    n = len(rows)
    mean, lengths = rows.once("centre", lambda: _centre(rows))
    cue = _normalised((vector - mean)[None, :])[0]
    cosines = np.round(((rows.vectors @ cue - mean @ cue) / lengths).astype(np.float64), _PLACES)
    # How crowded it is matters among the nearest, and comparing all with all would cost more than the rest of a search.
    near = nearest(cosines, rows.ids, most=_CORRECTED)
    sample = rows.once("sample", lambda: _sample(rows))
    others = _centred(rows, near, mean) @ _centred(rows, sample, mean).T
    others[near[:, None] == sample[None, :]] = -1.0  # nobody crowds oneself
    k = min(_CROWD, others.shape[1])
    crowd = np.partition(others, others.shape[1] - k, axis=1)[:, -k:].mean(axis=1).astype(np.float64).round(_PLACES)
    crowded = np.full(n, float(crowd.mean()) if n else 0.0)
    crowded[near] = crowd
    distinct: NDArray[np.float64] = 2 * cosines - crowded
    return distinct


def nearest(cosines: NDArray[np.float64], ids: Sequence[UUID], *, most: int) -> NDArray[np.intp]:
    """Return the places of the largest of (n,) cosines, at most so many; of equal ones at the edge those of the first ids.

    >>> ids = [UUID(int=n) for n in (5, 4, 3, 2, 1)]
    >>> nearest(np.array([0.5, 0.9, 0.5, 0.1, 0.5]), ids, most=3).tolist()
    [1, 2, 4]
    """
    edge = len(cosines) - most
    if edge <= 0:
        return np.arange(len(cosines))
    least = np.partition(cosines, edge)[edge]
    inside, level = np.flatnonzero(cosines > least), np.flatnonzero(cosines == least)
    if len(inside) + len(level) > most:
        level = np.array(nsmallest(most - len(inside), level.tolist(), key=ids.__getitem__), dtype=np.intp)
    return np.sort(np.concatenate((inside, level)))


def _centre(rows: Rows) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean vector m and how long the centred ones are: (d,) and (n,).

    For normalised v, |v − m|² = 1 − 2 v·m + |m|².
    """
    mean: NDArray[np.float32] = rows.vectors.mean(axis=0)
    squares = 1.0 - 2.0 * (rows.vectors @ mean) + float(mean @ mean)
    lengths: NDArray[np.float32] = np.sqrt(np.maximum(squares, 1e-12))
    return mean, lengths


def _sample(rows: Rows) -> NDArray[np.intp]:
    """Return rows that stand for all of them, evenly by their ids and not by where they stand in memory."""
    step = len(rows) // _SAMPLED
    if step <= 1:
        return np.arange(len(rows))
    return np.array(sorted(range(len(rows)), key=rows.ids.__getitem__)[::step], dtype=np.intp)


def _centred(rows: Rows, chosen: NDArray[np.intp], mean: NDArray[np.float32]) -> NDArray[np.float32]:
    return _normalised(rows.vectors[chosen] - mean)


def _normalised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 1e-9)
    return unit
