"""BM25, cut in two so that a database can do the query part with one multiplication.

    score(d) = Σ over distinct query terms t of  idf(t) · impact(t, d)

The *impact* depends on the memory alone and is computed when it is written; the *idf* depends on the namespace and is
looked up when a query comes. For that to hold, the length of a text is not compared with the namespace's average, as
Robertson and Zaragoza (2009, section 3.4) do, but with a fixed pivot below which length costs nothing. This also ranks
better: a namespace of long assistant answers has an average at which short statements of the user gain too little.
Recall@10 on development data (LoCoMo, REALTALK, BEAM-100K): 64.6, 55.1, 37.7 with the average; 66.1, 55.9, 53.2 so.

The parameters are part of every stored impact: changing one means posting every memory anew.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from retrieval.rows import Postings, Rows


@dataclass(frozen=True, slots=True)
class Bm25Parameters:
    """What shapes an impact; the names are those of the parameters of the statement that posts a memory."""

    k1: float = 0.9  # how soon repeating a term stops adding; chat turns hardly repeat
    b: float = 0.75  # how much of the length beyond the pivot counts, 0..1
    pivot: int = 20  # terms; about the length of a long chat turn, 20 to 40 rank alike

    def __post_init__(self) -> None:
        if not (self.k1 > 0 and 0 <= self.b <= 1 and self.pivot > 0):
            raise ValueError(f"k1 and pivot must be positive and b within 0..1, got {self}")


DEFAULT_PARAMETERS: Final = Bm25Parameters()
MOST_IMPACT: Final = DEFAULT_PARAMETERS.k1 + 1  # of a term that is repeated without end

# Among a handful of memories every word is in most of them and none would count as rare: reckon with at least so many.
FEWEST_DOCUMENTS: Final = 100


def impact(frequency: int, length: int, *, parameters: Bm25Parameters = DEFAULT_PARAMETERS) -> float:
    """Weigh a term that occurs ``frequency`` times in a text of ``length`` terms, in 0..k1+1.

    Up to the pivot the length factor is 1, so one occurrence weighs 1 · 1.9 / (1 + 0.9) = 1. A text of 40 terms has the
    factor .25 + .75 · 40/20 = 1.75, so one occurrence weighs 1.9 / (1 + 0.9 · 1.75) = 0.738.

    >>> impact(1, 20)
    1.0
    >>> round(impact(1, 40), 3)
    0.738
    """
    p = parameters
    factor = 1 - p.b + p.b * max(1.0, length / p.pivot)
    return frequency * (p.k1 + 1) / (frequency + p.k1 * factor)


def impacts(terms: Sequence[str], *, parameters: Bm25Parameters = DEFAULT_PARAMETERS) -> dict[str, float]:
    """Compute the impact of every distinct term of one text: what its postings store.

    >>> {term: round(value, 3) for term, value in impacts(["cat", "sat", "cat"]).items()}
    {'cat': 1.31, 'sat': 1.0}
    """
    return {term: impact(count, len(terms), parameters=parameters) for term, count in Counter(terms).items()}


def inverse_document_frequency(memories: int, containing: int) -> float:
    """Weigh a term by its rarity: ln(1 + (N − n + ½) / (n + ½)), never below zero.

    Counts may be stale: ±50% in ``containing`` cost .2 points of recall@10, and more than N is read as N.

    >>> round(inverse_document_frequency(10, 1), 3)  # ln(1 + 9.5 / 1.5)
    1.992

    Raises:
        ValueError: A count is negative.
    """
    if memories < 0 or containing < 0:
        raise ValueError(f"counts cannot be negative: {containing} of {memories}")
    containing = min(containing, memories)
    return math.log1p((memories - containing + 0.5) / (containing + 0.5))


def score(query_terms: Iterable[str], impacts_of_memory: Mapping[str, float], idf: Mapping[str, float]) -> float:
    """Score one memory against a query; a query term counts once however often it is repeated.

    >>> score(["cat", "cat", "dog"], {"cat": 1.31, "sat": 1.0}, {"cat": 2.0, "dog": 3.0})
    2.62
    """
    return math.fsum(idf.get(term, 0.0) * impacts_of_memory.get(term, 0.0) for term in set(query_terms))


def coverage(best_score: float, idf: Iterable[float]) -> float:
    """Say how much of a query its best match covers, in 0..1: its score over the sum of the query's idf.

    A query of which the namespace knows few words is better asked by meaning than by words; see
    `channels.own_scores`. Pass the idf of every distinct query term, those that no memory holds included.

    >>> coverage(2.62, [2.0, 3.0])
    0.524
    """
    possible = math.fsum(idf)
    if possible <= 0:
        return 0.0
    return min(1.0, max(0.0, best_score / possible))


@dataclass(frozen=True, slots=True)
class Matches:
    """What keywords say of n rows."""

    score: NDArray[np.float64]  # (n,) BM25, 0 where no term of the query stands
    covered: NDArray[np.float64]  # (n,) idf of the distinct query terms that stand in the row, as a share of all, 0..1


def match(rows: Rows, terms: Sequence[str], *, parameters: Bm25Parameters = DEFAULT_PARAMETERS) -> Matches:
    """Score all rows against the distinct terms of a query, term by term and without a loop over rows.

    Terms that no row holds count in what there is to cover: a query about something else covers little.
    """
    score = np.zeros(len(rows))
    covered = np.zeros(len(rows))
    possible = 0.0
    pivoted = rows.once(("pivoted", parameters), lambda: _pivoted(rows, parameters))
    for term in dict.fromkeys(terms):
        idf = row_idf(rows, term)
        possible += idf
        found = rows.postings.get(term)
        if found is not None and idf > 0:
            # A row stands at most once in the postings of a term, so adding by index is exact.
            score[found.row] += idf * _impacts(found, pivoted, parameters)
            covered[found.row] += idf
    if possible > 0:
        covered /= possible
    return Matches(score=score, covered=covered)


def _pivoted(rows: Rows, parameters: Bm25Parameters) -> NDArray[np.float64]:
    lengths: NDArray[np.float64] = np.maximum(1.0, rows.length / parameters.pivot)
    return parameters.k1 * (1 - parameters.b + parameters.b * lengths)


def row_idf(rows: Rows, term: str) -> float:
    """Weigh a term by how many memories of the namespaces searched hold it, which the rows may show only in part."""
    found = rows.postings.get(term)
    shown = 0 if found is None else len(found.row)
    return inverse_document_frequency(
        max(FEWEST_DOCUMENTS, rows.documents), max(shown, rows.document_frequency.get(term, 0))
    )


def _impacts(found: Postings, pivoted: NDArray[np.float64], parameters: Bm25Parameters) -> NDArray[np.float64]:
    frequency = found.frequency.astype(np.float64)
    return frequency * (parameters.k1 + 1) / (frequency + pivoted[found.row])
