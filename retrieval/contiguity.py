"""Contiguity: what stands beside a strong hit, or in the same session, is more likely to be meant.

The neighbours of a hit are the turns around it (EM-LLM, "contiguity buffer"); a session is judged by its words as one
long document and by its best turn. Rows outside any session get nothing, which is the mean of a standardised score.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.bm25 import row_idf
from retrieval.rows import NONE, Rows
from retrieval.standard import standardised


@dataclass(frozen=True, slots=True)
class ContiguitySettings:
    """What the surroundings weigh beside a row's own standardised score."""

    beside: float = 0.15  # the turn before and the turn after
    near: float = 0.10  # the turns two away
    answer: float = 0.40  # the turn after another speaker's question: it answers what the question names
    session_words: float = 0.15  # the session's words as one document
    session_best: float = 0.15  # the best turn of the session
    k1: float = 1.2  # of the session's BM25: sessions repeat their words
    b: float = 0.75


def neighbour_scores(rows: Rows, own: NDArray[np.float64], *, settings: ContiguitySettings) -> NDArray[np.float64]:
    """Give each row a share of the scores of the turns around it: (n,) → (n,).

    Three turns of one session with scores 0, 2, 0: the outer ones get .15 · 2 from their neighbour, and each other's
    zero from two turns away; see the test.
    """
    previous, following = _previous(rows), _following(rows)
    before, after = _at(previous, own), _at(following, own)
    second_before = _at(previous, before)
    second_after = _at(following, after)
    return settings.beside * (before + after) + settings.near * (second_before + second_after)


def answer_scores(rows: Rows, own: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give each turn that follows another speaker's question the question's score, where that is above the mean: (n,).

    "How did they handle the accident?" – "They were scared": a query about the accident finds the question, and wants
    the answer.
    """
    replies = rows.once("replies", lambda: _replies(rows))
    scores = np.zeros(len(rows))
    scores[replies] = np.maximum(own[rows.previous[replies]], 0.0)
    return scores


def _replies(rows: Rows) -> NDArray[np.intp]:
    """Return the turns that follow another speaker's question."""
    asked = np.append(rows.asks, False)[rows.previous]
    asker = np.append(rows.speaker, np.int32(NONE))[rows.previous]
    return np.flatnonzero(asked & (asker != NONE) & (rows.speaker != NONE) & (asker != rows.speaker))


def following_scores(rows: Rows, own: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give each row the score of the turn after it, 0 where there is none: (n,) → (n,)."""
    return _at(_following(rows), own)


def session_scores(
    rows: Rows, terms: Sequence[str], own: NDArray[np.float64], *, settings: ContiguitySettings
) -> NDArray[np.float64]:
    """Score every row by its session, by its words and its best turn: (n,), 0 outside any session."""
    words = session_word_scores(rows, terms, settings=settings)
    return settings.session_words * words + settings.session_best * session_best_scores(rows, own)


def session_word_scores(rows: Rows, terms: Sequence[str], *, settings: ContiguitySettings) -> NDArray[np.float64]:
    """Score every row by the BM25 of its session, taken as one document and standardised over rows: (n,).

    The length of a session is compared with the mean of all sessions (Robertson and Zaragoza 2009, section 3.4).
    """
    all_of = rows.once("sessions", lambda: _sessions(rows))
    sessions, number, length = all_of.count, all_of.number, all_of.length
    if sessions < 2:
        return np.zeros(len(rows))
    pivoted = settings.k1 * (1 - settings.b + settings.b * length / max(1.0, float(length.mean())))
    score = np.zeros(sessions + 1)
    for term in dict.fromkeys(terms):
        found = rows.postings.get(term)
        if found is not None:
            frequency = np.bincount(number[found.row], weights=found.frequency, minlength=sessions + 1)[:sessions]
            score[:sessions] += row_idf(rows, term) * frequency * (settings.k1 + 1) / (frequency + pivoted)
    result = np.zeros(len(rows))
    result[all_of.inside] = standardised(score[all_of.of_inside])
    return result


def session_best_scores(rows: Rows, own: NDArray[np.float64]) -> NDArray[np.float64]:
    """Score every row by the best row of its session, standardised over rows: (n,) → (n,)."""
    sessions = rows.once("sessions", lambda: _sessions(rows))
    if sessions.count < 2:
        return np.zeros(len(rows))
    best = np.full(sessions.count, -np.inf)
    np.maximum.at(best, sessions.of_inside, own[sessions.inside])
    result = np.zeros(len(rows))
    result[sessions.inside] = standardised(best[sessions.of_inside])
    return result


@dataclass(frozen=True, slots=True)
class _Sessions:
    """The sessions that n rows have, numbered from 0."""

    count: int
    number: NDArray[np.intp]  # (n,) of every row; rows without a session are counted under one more number
    length: NDArray[np.float64]  # (count,) terms
    inside: NDArray[np.intp]  # rows that have one
    of_inside: NDArray[np.intp]  # the numbers of theirs


def _sessions(rows: Rows) -> _Sessions:
    """Number the sessions anew: one whose rows are all archived keeps its number, and would count as one without words."""
    inside = np.flatnonzero(rows.session != NONE)
    given = rows.session[inside]
    there = np.bincount(given) > 0
    count = int(np.count_nonzero(there))
    number = np.full(len(rows), count, np.intp)
    number[inside] = (np.cumsum(there) - 1)[given]
    return _Sessions(
        count,
        number,
        length=np.bincount(number, weights=rows.length, minlength=count + 1)[:count].astype(np.float64),
        inside=inside,
        of_inside=number[inside],
    )


def _previous(rows: Rows) -> NDArray[np.intp]:
    return rows.once("previous", lambda: rows.previous.astype(np.intp))


def _following(rows: Rows) -> NDArray[np.intp]:
    return rows.once("following", lambda: rows.following.astype(np.intp))


def _at(where: NDArray[np.intp], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take ``values`` at some rows, 0 at NONE, which indexes the zero put behind the last."""
    padded = np.empty(len(values) + 1)
    padded[:-1], padded[-1] = values, 0.0
    return padded[where]
