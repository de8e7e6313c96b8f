"""Let a second opinion (a model that reads query and text together) move the best of a ranking, without replacing it.

With s the present scores of those it scored and r what it says of them, each gains

    w · deviation(s) · z(r),   z(r) = (r − mean) / deviation,

so the order of those is that of z(s) + w · z(r), and their mean score stays: whether the model is generous with its
numbers decides nothing against the memories that it did not read, which keep their score.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from memory_service.analysis.attribution import begins_with
from retrieval.ranking import Ranked, best_first
from retrieval.standard import spread, standardised

RERANKER: Final = "reranker"  # the name of its signal
RERANKED: Final = 50  # of the best
WEIGHT: Final = 1.0  # as much as everything else together
_MOST_CHARACTERS: Final = 4_000  # more than the window of any usual cross-encoder


def text_of(speaker: str | None, content: str) -> str:
    """Return what a reranker reads of a memory.

    >>> text_of("Ana", "I bought a bicycle."), text_of(None, "It rains."), text_of("Ana", "Ana: It rains.")
    ('Ana: I bought a bicycle.', 'It rains.', 'Ana: It rains.')
    """
    named = speaker and not begins_with(content, speaker)
    return (f"{speaker}: {content}" if named else content)[:_MOST_CHARACTERS]


def to_rerank(ranked: Ranked) -> NDArray[np.intp]:
    """Return the rows to read, best first; none where the order is not that of the scores, being spread over time."""
    best = ranked.order[:RERANKED]
    falling = bool(np.all(np.diff(ranked.score[best]) <= 1e-9))
    return best if falling else best[:0]


def amounts(present: NDArray[np.float64], said: NDArray[np.float64], *, weight: float = WEIGHT) -> NDArray[np.float64]:
    """Return what each of n memories gains, from its (n,) present score and the (n,) finite score of the reranker.

    Present scores 3 and 1 have deviation 1, and 0 and 8 become −1 and 1: with weight 1 the two draw level.

    >>> amounts(np.array([3.0, 1.0]), np.array([0.0, 8.0])).tolist()
    [-1.0, 1.0]
    >>> amounts(np.array([3.0, 1.0]), np.array([5.0, 5.0])).tolist()
    [0.0, 0.0]
    """
    return weight * spread(present) * standardised(said)


def reranked(ranked: Ranked, scores: Mapping[UUID, float]) -> Ranked:
    """Return the ranking with the amounts of a reranker as a signal of its own, which belongs to no channel.

    Args:
        ranked: The ranking.
        scores: What the reranker said, by id, finite; for memories in the order. The others keep their score.
    """
    rows = np.array([row for row in ranked.order.tolist() if ranked.ids[row] in scores], dtype=np.intp)
    gained = np.zeros(len(ranked.score))
    if len(rows):
        said = np.array([scores[ranked.ids[row]] for row in rows.tolist()])
        gained[rows] = amounts(ranked.score[rows], said)
    among = np.zeros(len(ranked.score), dtype=np.bool_)
    among[ranked.order] = True
    score = ranked.score + gained
    return replace(
        ranked,
        score=score,
        order=best_first(score, among, ranked.ids, limit=len(ranked.order)) if len(rows) else ranked.order,
        signals={**ranked.signals, RERANKER: gained},
    )
