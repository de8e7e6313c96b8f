"""Named signals: what the query wants of a memory besides its topic. Each is an amount added to a row's score.

Amounts are in standard deviations of the fused score, so a signal of 1 lifts a row about as far as being one deviation
nearer to the query. A signal belongs to the channel that knows what it is about and counts in that channel's contribution:
who said it to the graph, when to the temporal channel, how it is worded to the keywords, or to the vectors where no
keywords are asked.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memory_service.analysis.tokens import terms
from memory_service.analysis.traits import traits
from retrieval.intent import wants_answers, wants_summary
from retrieval.query import ParsedQuery, QuestionWord
from retrieval.rows import NONE, Role, Rows
from retrieval.standard import spread, standardised
from retrieval.temporal import cue_of, date_match, order

Signals = dict[str, NDArray[np.float64]]
"""By name, what each row gains or loses: (n,)."""


@dataclass(frozen=True, slots=True)
class PriorSettings:
    """What each signal is worth."""

    speaker: float = 1.6  # the one speaker named said it
    elsewhere: float = -1.6  # somebody else said it, in a talk in which the one named neither speaks nor is named
    time: float = 1.0  # it names a time, and the query asks when
    date: float = 1.0  # it was observed, was true or speaks of what happened when the query says; falls off beside it
    recency: float = (
        0.6  # it is the latest, and the query asks for the latest; or the earliest; falls evenly to the other end
    )
    number: float = 0.6  # it names a number, and the query asks how many
    length: float = 0.3  # standardised ln(1 + terms): longer turns say more
    long: int = 40  # terms, from which on a turn is no longer
    asks: float = -0.6  # it ends with a question
    user: float = (
        3.0  # the user said it, or nobody says who did, where other memories are of an assistant, tool or system
    )
    brief: float = (
        0.7  # of that, what an assistant's turn of no length with a number or time has; falls evenly to nothing
    )
    brief_up_to: int = 80  # terms: what was done is said in a few words ("Booked: two nights, 198"), advice in many
    user_in_summary: float = 0.5  # the same, for a summary
    user_beside_answers: float = 0.0  # the same, for what the assistant had said
    opening: float = 1.0  # for a summary, where there are episodes: the talk was taken up with it after a pause
    statement_asks: float = -0.8  # for statements: it ends with a question
    first_person: float = 0.3  # for statements: per word of the first person, at most three


SUCCESSION: Final = "succession"  # what a result was lifted by, because it stands above what it updates (`results`)
WISH: Final = "wish"  # what its memory was raised by, because it was asked for once and for all (`wishes`)
CHANNEL_OF: Final[Mapping[str, str]] = {
    "speaker": "graph", "elsewhere": "graph", "role": "graph", "brief": "graph",
    "time": "temporal", "date": "temporal", "recency": "temporal",
    "retrievability": "temporal", "opening": "temporal", SUCCESSION: "temporal", "number": "keyword",
    "length": "keyword", "asks": "keyword", "first_person": "vector", WISH: "vector",
}  # fmt: skip

_WORD: Final = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*")
_MOST_FIRST_PERSON: Final = 3
_FAR: Final = 6.0  # deviations, which one of 38 rows can have
_ONLY_ORDER: Final = 2  # rows, of which standardised scores tell the order and nothing else
_LEAST_SHARE: Final = 0.5  # of the amount for who said it, among few
_USUAL_SPREAD: Final = 0.4  # of ln(1 + terms) in a conversation; lengths that differ less, as those of facts, tell less
_SHORTEST_PART: Final = 3  # letters of a name's part that names somebody


def question_signals(rows: Rows, query: ParsedQuery, *, settings: PriorSettings) -> Signals:
    """Say what a question adds to each row beside the channels."""
    signals: Signals = {}
    named = _speaker(rows, query)
    if named != NONE:
        _add(signals, "speaker", settings.speaker, rows.speaker == named)
        _add(signals, "elsewhere", settings.elsewhere, _elsewhere(rows, query, named))
    if query.question_word is QuestionWord.WHEN:
        _add(signals, "time", settings.time, rows.has_time)
    if query.dates:
        _add(signals, "date", settings.date, np.nan_to_num(date_match(rows, cue_of(query).periods)))
    if query.asks_latest or query.asks_earliest:
        everything = np.ones(len(rows), dtype=np.bool_)
        placed = order(rows, everything, latest=query.asks_latest)
        _add(signals, "recency", settings.recency, np.nan_to_num(placed))
    if query.question_word is QuestionWord.HOW_MANY:
        _add(signals, "number", settings.number, rows.has_number)
    _add(signals, "length", settings.length, _lengths(rows, settings.long))
    # What a user tells an assistant nearly always ends in a request, and still tells something.
    _add(signals, "asks", settings.asks, rows.asks if rows.people else rows.asks & ~_with_assistant(rows))
    theirs = (rows.role == Role.USER) | (rows.role == Role.NONE)
    # Of two people whoever is meant is named; "Where do I live?" is the user's question still.
    if not theirs.all() and not (rows.people and not traits(query.text, query.language).first_person):
        amount = _user_amount(query.text, settings) * _share(len(rows))
        _add(signals, "role", amount, theirs)
        if not rows.people:
            _add(signals, "brief", settings.brief * amount, _brief(rows, settings.brief_up_to))
    return signals


def _with_assistant(rows: Rows) -> NDArray[np.bool_]:
    """Say which rows are of a talk with an assistant: those with a role, but not what people say where none takes part."""
    with_role: NDArray[np.bool_] = rows.role != Role.NONE
    return with_role if (rows.role == Role.ASSISTANT).any() else with_role & (rows.speaker == NONE)


def _share(count: int) -> float:
    """Return what part of an amount meant for many rows counts among so few: ½..1.

    The largest of n standardised numbers is at most (n - 1) / √n: with five memories an exact match has 1.8 deviations, and
    an amount meant for a hundred would outweigh every channel together. Less than half of it would let an assistant's "I'll
    remember what you like" outrank what the user likes. The standardised scores of two rows are ±1 however alike they are:
    there who said it decides.

    >>> _share(2), _share(5), round(_share(20), 2), _share(40), _share(10_000)
    (1.0, 0.5, 0.71, 1.0, 1.0)
    """
    if count <= _ONLY_ORDER:
        return 1.0
    return min(1.0, max(_LEAST_SHARE, (count - 1) / math.sqrt(count) / _FAR))


def _lengths(rows: Rows, long: int) -> NDArray[np.float64]:
    def relative() -> NDArray[np.float64]:
        lengths = np.log1p(np.minimum(rows.length, long))
        return standardised(lengths) * min(1.0, spread(lengths) / _USUAL_SPREAD)

    return rows.once(("lengths", long), relative)


def _brief(rows: Rows, longest: int) -> NDArray[np.float64]:
    """Say how brief an assistant's turns are, 1 of no length to 0 from the longest on: (n,).

    0 of everybody else's, and of what names neither a number nor a time: "Noted, I'll remember it" tells nothing.
    """

    def told() -> NDArray[np.float64]:
        brief = np.clip(1 - rows.length / longest, 0.0, 1.0)
        return np.where((rows.role == Role.ASSISTANT) & (rows.has_number | rows.has_time), brief, 0.0)

    return rows.once(("brief", longest), told)


def statement_signals(rows: Rows, *, settings: PriorSettings) -> Signals:
    """Say what a statement adds to each row beside the channels."""
    signals: Signals = {}
    _add(signals, "asks", settings.statement_asks, rows.asks)
    _add(signals, "first_person", settings.first_person, np.minimum(rows.first_person, _MOST_FIRST_PERSON))
    return signals


def _user_amount(query: str, settings: PriorSettings) -> float:
    """Return what it is worth that the user said something: nothing where the query is about what the assistant said."""
    if wants_answers(query):
        return settings.user_beside_answers
    return settings.user_in_summary if wants_summary(query) else settings.user


def _add(signals: Signals, name: str, amount: float, of: NDArray[np.generic]) -> None:
    """Note a signal, unless it is off or says nothing of any row."""
    if amount != 0 and of.any():
        signals[name] = amount * of.astype(np.float64)


def _speaker(rows: Rows, query: ParsedQuery) -> int:
    """Return the number of the one speaker whom the query names, NONE for none or for several."""
    if query.speaker is None or query.speaker not in rows.speakers or set(query.called.values()) - {query.speaker}:
        return NONE
    written = [word.removesuffix("'s").removesuffix("’s") for word in _WORD.findall(query.text)]
    words = {word.casefold() for word in written}
    # "Mel" names Melanie; in small letters it is any word.
    short = tuple(word.casefold() for word in written if len(word) >= _SHORTEST_PART and word[0].isupper())
    own = set(_parts(query.speaker))
    for name in rows.speakers:
        if name == query.speaker:
            continue
        parts = set(_parts(name)) - own
        if not parts.isdisjoint(words) or any(part.startswith(one) for part in parts for one in short):
            return NONE
    return rows.speakers.index(query.speaker)


def _elsewhere(rows: Rows, query: ParsedQuery, named: int) -> NDArray[np.bool_]:
    """Say which rows others said in talks without the speaker named: none where the rows are not all there are."""
    if len(rows) < rows.documents:
        return np.zeros(len(rows), dtype=np.bool_)  # of a talk candidates show a part
    with_them = rows.speaker == named
    for name in (rows.speakers[named], *query.called):
        # Who is called Will stands in no index of words.
        if not (words := terms(name)):
            return np.zeros(len(rows), dtype=np.bool_)
        found = [rows.postings.get(word) for word in words]
        if all(found):
            with_them[reduce(np.intersect1d, [one.row for one in found if one is not None])] = True
    talks = np.zeros(int(rows.session.max(initial=NONE)) + 2, dtype=np.bool_)
    talks[rows.session[with_them]] = True
    talks[NONE] = True  # the last place: what is in no talk
    elsewhere: NDArray[np.bool_] = (rows.speaker != NONE) & ~talks[rows.session]
    return elsewhere


def _parts(name: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(name) if len(word) >= _SHORTEST_PART]
