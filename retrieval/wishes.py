"""What somebody asked for once and for all stands among the first results of every question that it is about.

"Always name the version when I ask about libraries" resembles "Which packages does the project use?" less than a hundred
messages that talk of the project, and is the one that an answer must not miss. So the nearest instruction and, where advice
is asked for or something is to be done, the nearest preference are raised to the end of the first results; where no
instruction is near, a second preference. They take places there from what would have stood last, so there are few of them,
and none that has nothing to do with the question.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from retrieval.intent import wants_advice, wants_answers, wants_course, wants_work
from retrieval.query import ParsedQuery
from retrieval.rows import Rows


class WishKind(IntEnum):
    """What a memory asks for once and for all, as `Rows.wish` has it."""

    NONE = 0
    INSTRUCTION = 1
    PREFERENCE = 2


@dataclass(frozen=True, slots=True)
class WishSettings:
    """Among which results wishes stand, and how near they have to be."""

    first: int = 10  # results at most among which they stand, at the end
    one_in: int = 5  # results: of five one may be a wish, of ten two
    cosine: float = 0.2  # of the text to the query at least


_PLACES: Final = 6  # decimals of a cosine, as in `similarity`
STEP: Final = 1e-6  # of a score, by which a raised row stands above the next


def wishes_for(
    rows: Rows,
    query: ParsedQuery,
    vector: NDArray[np.float32],
    found: NDArray[np.bool_],
    *,
    most: int,
    settings: WishSettings,
) -> list[int]:
    """Return the rows that hold what was asked for once and for all and is about a query, the nearest first.

    Args:
        rows: what there is to rank.
        query: what is asked; summaries and what was answered want none.
        vector: float32[d], the query.
        found: (n,) which rows may be results.
        most: how many there may be.
        settings: how near they have to be.
    """
    if rows.wish is None or most < 1 or wants_course(query.text) or wants_answers(query.text):
        return []
    may = found & ~rows.superseded

    def near(kind: WishKind) -> list[tuple[float, int]]:
        here = np.flatnonzero(may & (rows.wish == kind))
        cosines = np.asarray(rows.vectors[here] @ vector, np.float64).round(_PLACES).tolist()
        enough = [one for one in zip(cosines, here.tolist(), strict=True) if one[0] >= settings.cosine]
        # Of equal texts ids decide, and not where they stand in memory.
        return heapq.nsmallest(most, enough, key=lambda one: (-one[0], rows.ids[one[1]]))

    chosen = near(WishKind.INSTRUCTION)[:1]
    if wants_advice(query.text) or wants_work(query.text):
        liked = near(WishKind.PREFERENCE)
        chosen = sorted(chosen + liked[:1], key=lambda one: -one[0])[:most]
        chosen += liked[1 : 1 + most - len(chosen)]
    return [row for _, row in sorted(chosen, key=lambda one: -one[0])]


def lift(
    score: NDArray[np.float64], order: NDArray[np.intp], wishes: Sequence[int], *, results: int
) -> NDArray[np.float64]:
    """Say what has to come to the scores for wishes to stand among the first results: (n,).

    Args:
        score: (n,), of all rows.
        order: the best rows, at least `results` where there are as many.
        wishes: rows to stand among them, the first above the others.
        results: how many the first are.

    Of three results the last is to be row 3; row 2 makes room:

    >>> amounts = lift(np.array([4.0, 3.0, 2.0, 0.5]), np.array([0, 1, 2]), [3], results=3)
    >>> amounts.round(3).tolist()
    [0.0, 0.0, 0.0, 1.5]
    """
    amounts = np.zeros(len(score))
    others = [row for row in order.tolist() if row not in wishes]
    last = results - len(wishes)
    if len(others) <= last:
        return amounts  # there is room for all
    height = float(score[others[last]])
    for place, row in enumerate(wishes):
        if score[row] <= height:
            amounts[row] = height + STEP * (len(wishes) - place) - score[row]
    return amounts
