"""Put a newer value of what a query asks for above the older one: "150 commits" below "has now reached 165".

Similarity cannot tell which of two statements still holds, and recency alone raises what is merely late. A later statement
stands above an earlier one when it gives *another value of the same attribute*:

- the same speaker said both;
- each holds a value of one kind (number, share, amount of money, time of day, date, name) beside the same words of the
  query, and the later one a value that the earlier one does not hold;
- both are about the same. A long request is about much, so what counts most is what stands beside the two values: two words
  of the query there and texts that are near to one another (cosine), or three there and texts half as near. Where the values
  share fewer, the texts have to be near and to share words of the query elsewhere;
- the sentence of the later value says that something changed ("now", "new", "moved", "increased").

Short statements say it in other ways, too (`retrieval.replacing`), and stand above an earlier one for any of them.

It is asked for queries that want a present value only, and among the first results only: nothing comes in from further
down, and nothing is left out. Both statements stay as they are; what the caller superseded is no business of this module.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memory_service.analysis.facts.wording import content_words, speaks_of_the_way_back
from memory_service.analysis.sentences import sentences
from memory_service.analysis.tokens import MONTHS, UNKNOWN_LANGUAGE, terms
from retrieval.intent import wants_advice
from retrieval.query import ParsedQuery, QuestionWord
from retrieval.replacing import LONGEST, takes_place
from retrieval.rows import Rows
from retrieval.said import Said


@dataclass(frozen=True, slots=True)
class UpdateSettings:
    """When a later statement is taken for an update of an earlier one."""

    considered: int = 10  # results from the best down
    overtaken: int = 5  # of them that a later one may come above
    values_considered: int = 5  # of them for values beside the same words
    cosine: float = 0.4  # of the two statements at least
    common: int = 3  # words of the query in both at least, or all of a shorter query
    beside: int = 2  # words of the query beside both values, with which texts that are near need no others in common
    attribute: int = 3  # words of the query beside both values, with which half as near is near enough
    usual: float = 0.25  # of the memories: a word in more of them does not tell one value from another
    few: int = 10  # memories that are never too many
    cue: bool = True  # the later value's sentence has to say that something changed
    names: bool = True  # names are values, for questions after a place, a person or a thing


DEFAULT: Final = UpdateSettings()


@dataclass(frozen=True, slots=True)
class Statement:
    """What is known of one result."""

    text: str
    observed_at: float  # seconds since the epoch, NaN where there is none
    speaker: str | None  # a name or a role
    vector: NDArray[np.float32]  # (d,), normalised
    language: str | None = None


class ValueKind(StrEnum):
    """What kind of value stands in a text."""

    NUMBER = "number"
    SHARE = "share"
    MONEY = "money"
    CLOCK = "clock"
    DATE = "date"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Value:
    """A value, the words of the query beside it, and whether its sentence speaks of a change."""

    kind: ValueKind
    value: str
    about: frozenset[str]
    changed: bool


_BEFORE: Final = 12  # words before a value that may say what it is a value of
_AFTER: Final = 5
_LONGEST: Final = 4_000  # characters read of a text
_CODE: Final = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_MONTHS: Final = "|".join(sorted({m for names in MONTHS.values() for m in names}, key=len, reverse=True))
_AMOUNT: Final = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
# At one place the first that matches counts.
_VALUE: Final = re.compile(
    rf"(?P<clock>\b\d{{1,2}}:\d\d(?:\s?[ap]\.?m\b\.?)?|\b\d{{1,2}}\s?[ap]\.?m\b\.?)"
    rf"|(?P<date>\b\d{{4}}-\d\d-\d\d\b|\b(?:{_MONTHS})\.?\s+\d{{1,2}}(?:st|nd|rd|th)?\b"
    rf"|\b\d{{1,2}}(?:st|nd|rd|th|\.)?\s+(?:of\s+|de\s+)?(?:{_MONTHS})\b"
    r"|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b)"
    rf"|(?P<money>[$€£¥]\s?(?:{_AMOUNT})k?)"
    rf"|(?P<share>\b(?:{_AMOUNT})\s?(?:%|percent\b|per cent\b))"
    rf"|(?<![\w.,:/-])(?P<number>{_AMOUNT}|\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|"
    r"forty|fifty)\b)(?![:/]\d)",
    re.IGNORECASE,
)
_WRITTEN: Final = {
    "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9", "ten": "10",
    "eleven": "11", "twelve": "12", "twenty": "20", "thirty": "30", "forty": "40", "fifty": "50",
}  # fmt: skip
_NAME: Final = re.compile(r"(?<=[\w,;:'’\")] )(?!I['’])[^\W\d_a-z][\w&'’-]+")
_CHANGE: Final = re.compile(
    r"\b(?:now|new|newly|updat(?:ed?|ing)|mov(?:ed|ing)|chang(?:ed?|ing)|switch(?:ed|ing)|recent(?:ly)?|current(?:ly)?|"
    r"latest|(?:in|de)creas(?:ed|ing)|improv(?:ed|ing)|extend(?:ed|ing)|reach(?:ed|ing)|rais(?:ed|ing)|lowered|reduc(?:ed|ing)|"
    r"grow[ns]?|grew|add(?:ed|ing)|anoth?er|dropped|reschedul(?:ed|ing)|postponed|"
    r"shift(?:ed|ing)|push(?:ed)? (?:back|to)|instead|no longer|any ?more|so far|"
    r"already|in total|a total of|up (?:from|to)|revis(?:ed|ing)|adjust(?:ed|ing)|replac(?:ed|ing)|"
    r"jetzt|inzwischen|mittlerweile|neue[nrsm]?|umgezogen|geändert|maintenant|désormais|nouve(?:au|lle)|déménagé|changé|"
    r"ahora|nuev[oa]|mudado|cambiado|adesso|nuov[oa]|trasferit[oa]|cambiato)\b",
    re.IGNORECASE,
)
_PRONOUN: Final = re.compile(r"\b(?:it|they|them|which|this|these)(?:['’]\w+)?\s+\w+", re.IGNORECASE)
_WORD: Final = re.compile(r"\w+(?:['’-]\w+)*")
_OF_TIME: Final = frozenset({ValueKind.DATE, ValueKind.CLOCK})
_ASKED: Final = {
    QuestionWord.HOW_MANY: frozenset({ValueKind.NUMBER, ValueKind.SHARE, ValueKind.MONEY}),
    QuestionWord.HOW_LONG: frozenset({ValueKind.NUMBER}),
    QuestionWord.WHEN: _OF_TIME,
    QuestionWord.WHERE: frozenset({ValueKind.NAME}),
    QuestionWord.WHO: frozenset({ValueKind.NAME}),
}
"""What kinds of values answer a question word; any do for others."""
_OF_QUESTIONS: Final = frozenset(terms("many much total current currently now time date latest recent recently should"))
"""Words of a query that say how it asks, not what for."""


def wants_update(query: ParsedQuery) -> bool:
    """Say whether a newer value would answer a query better than an older one."""
    asks = (query.asks_current or query.asks_latest) and not query.asks_earliest and not query.dates
    return asks and not wants_advice(query.text)


def newest_first(
    query: ParsedQuery,
    statements: Sequence[Statement],
    *,
    usual: Collection[str] = (),
    settings: UpdateSettings = DEFAULT,
) -> tuple[list[int], dict[int, int]]:
    """Put each statement directly below those that update it.

    Args:
        query: What is asked.
        statements: The results, best first.
        usual: Terms of the query that say little of what a value is, because much is about them (`usual_terms`).
        settings: When one updates another.

    Returns:
        The new order as places in `statements`, and for each that was put up, by place, the place of the best that it
        was put above.

    >>> from retrieval.query import parse_query
    >>> said = [("We have 150 commits in the repository", 1.0), ("The commits in our repository now reached 165", 2.0)]
    >>> one = np.ones(1, np.float32)
    >>> newest_first(
    ...     parse_query("How many commits are in the repository?"),
    ...     [Statement(text, at, "user", one) for text, at in said],
    ... )
    ([1, 0], {1: 0})
    """
    first = statements[: settings.considered]
    order = list(range(len(statements)))
    if len(first) < 2 or not wants_update(query):
        return order, {}
    said = [Said(one.text, one.speaker, one.language) for one in first]
    content = frozenset(content_words(query.text))
    beside = _ValuesBeside(query, first[: settings.values_considered], usual=frozenset(usual), settings=settings)
    vectors = np.stack([one.vector for one in first])
    cosines = vectors @ vectors.T

    def other_way(later: int, earlier: int) -> bool:
        """Say whether of two short texts one speaks of the way back."""
        texts = first[later].text, first[earlier].text
        return max(map(len, texts)) <= LONGEST and speaks_of_the_way_back(*texts)

    def updates(later: int, earlier: int) -> bool:
        new, old, cosine = first[later], first[earlier], float(cosines[later, earlier])
        if not (new.observed_at > old.observed_at and new.speaker == old.speaker):
            return False
        if beside.differ(later, earlier, cosine=cosine) and not other_way(later, earlier):
            return True
        return earlier < settings.overtaken and takes_place(
            said[later], said[earlier], cosine=cosine, asked=content, query=query.text
        )

    raised: dict[int, int] = {}
    placed: list[int] = []

    def place(one: int) -> None:
        if one in placed or one in waiting:
            return
        waiting.add(one)
        later = [other for other in range(one + 1, len(first)) if updates(other, one)]
        for other in sorted(later, key=lambda found: (-first[found].observed_at, found)):
            if other not in placed:
                raised.setdefault(other, one)
            place(other)
        placed.append(one)

    waiting: set[int] = set()
    for one in range(len(first)):
        place(one)
    return placed + order[len(first) :], raised


class _ValuesBeside:
    """The values of statements beside the words of a query, read where two statements are compared."""

    def __init__(
        self, query: ParsedQuery, statements: Sequence[Statement], *, usual: frozenset[str], settings: UpdateSettings
    ) -> None:
        # Who is meant stands beside a text, not in it.
        self._asked = frozenset(query.terms) - _OF_QUESTIONS - frozenset(terms(query.speaker or ""))
        self._statements, self._usual, self._settings = statements, usual, settings
        self._common = min(settings.common, len(self._asked))
        self._kinds = _kinds(query, settings)
        self._words: dict[int, frozenset[str]] = {}
        self._values: dict[int, tuple[Value, ...]] = {}

    def differ(self, later: int, earlier: int, *, cosine: float) -> bool:
        """Say whether the later of two statements holds another value of what is asked for."""
        settings = self._settings
        if max(later, earlier) >= len(self._statements) or not self._common or cosine < settings.cosine / 2:
            return False
        if min(len(self._words_of(one)) for one in (later, earlier)) < min(self._common, settings.beside):
            return False
        shared = partial(
            words_beside, self._values_of(later), self._values_of(earlier), kinds=self._kinds, cue=settings.cue
        )
        if cosine < settings.cosine:
            return shared(usual=self._usual) >= settings.attribute
        elsewhere = len(self._words_of(later) & self._words_of(earlier)) >= self._common
        return (elsewhere and shared() > 0) or shared(usual=self._usual) >= settings.beside

    def _words_of(self, one: int) -> frozenset[str]:
        if one not in self._words:
            self._words[one] = self._asked & _terms(self._statements[one])
        return self._words[one]

    def _values_of(self, one: int) -> tuple[Value, ...]:
        if one not in self._values:
            self._values[one] = read_values(self._statements[one], self._asked)
        return self._values[one]


def usual_terms(query: ParsedQuery, rows: Rows, *, settings: UpdateSettings = DEFAULT) -> frozenset[str]:
    """Return the terms of a query that stand in so many memories that they hardly say what a value is of."""
    most = max(settings.few, settings.usual * rows.documents)
    return frozenset(term for term in query.terms if sum(_frequency(rows, one) for one in query.all_of(term)) > most)


def _frequency(rows: Rows, term: str) -> int:
    postings = rows.postings.get(term)
    return rows.document_frequency.get(term, 0 if postings is None else len(postings.row))


def words_beside(
    later: Sequence[Value],
    earlier: Sequence[Value],
    *,
    kinds: frozenset[ValueKind],
    cue: bool = True,
    usual: frozenset[str] = frozenset(),
) -> int:
    """Count the words that say of both texts which attribute has another value in the later one, 0 where none has.

    Words that are `usual` do not count.

    >>> old = [Value(ValueKind.NUMBER, "8", frozenset({"card", "galleri"}), False)]
    >>> new = [Value(ValueKind.NUMBER, "10", frozenset({"card"}), True)]
    >>> words_beside(new, old, kinds=frozenset(ValueKind)), words_beside(old, old, kinds=frozenset(ValueKind))
    (1, 0)
    """
    known = {(one.kind, one.value) for one in earlier}
    return max(
        (
            len((old.about & new.about) - usual)
            for new in later
            if new.kind in kinds and (new.changed or not cue) and (new.kind, new.value) not in known
            for old in earlier
            if old.kind is new.kind
        ),
        default=0,
    )


def read_values(statement: Statement, asked: frozenset[str]) -> tuple[Value, ...]:
    """Find the values of a text that stand beside words of the query; code is none of it.

    >>> one = Statement("I moved to Oslo. My rent there is now $1,200.", 0.0, None, np.ones(1))
    >>> for found in read_values(one, frozenset({"rent", "move"})):
    ...     print(found.kind, found.value, sorted(found.about), found.changed)
    name oslo ['move'] True
    money $1200 ['rent'] True
    """
    found: list[Value] = []
    for sentence in sentences(_plain(statement.text)):
        changed = _CHANGE.search(sentence.text) is not None
        words = [(word.start(), word.end()) for word in _WORD.finditer(sentence.text)]
        for kind, value, start, end in _spans(sentence.text):
            before = [at for at, stop in words if stop <= start]
            after = [stop for at, stop in words if at >= end][:_AFTER]
            begin = before[-_BEFORE:][0] if before else start
            # "The call with Ana, can you note that it's now at 4 PM": what "it" is stands before it.
            if _PRONOUN.search(sentence.text[begin:start]):
                begin = before[-2 * _BEFORE :][0]
            beside = sentence.text[begin : after[-1] if after else end]
            about = asked.intersection(terms(beside, statement.language or UNKNOWN_LANGUAGE))
            if about:
                found.append(Value(kind, value, about, changed))
    return tuple(found)


def _spans(text: str) -> list[tuple[ValueKind, str, int, int]]:
    found = []
    for match in _VALUE.finditer(text):
        kind = ValueKind(match.lastgroup or "number")
        written = re.sub(r"[\s,]", "", match.group()).lower().removesuffix(".")
        found.append((kind, _WRITTEN.get(written, written), match.start(), match.end()))
    taken = [(start, end) for _, _, start, end in found]
    for match in _NAME.finditer(text):
        if not any(start < match.end() and match.start() < end for start, end in taken):
            found.append((ValueKind.NAME, match.group().casefold(), match.start(), match.end()))
    return found


def _kinds(query: ParsedQuery, settings: UpdateSettings) -> frozenset[ValueKind]:
    kinds = _ASKED.get(query.question_word, frozenset(ValueKind)) if query.question_word else frozenset(ValueKind)
    return kinds if settings.names else kinds - {ValueKind.NAME}


def _terms(statement: Statement) -> frozenset[str]:
    return frozenset(terms(_plain(statement.text), statement.language or UNKNOWN_LANGUAGE))


def _plain(text: str) -> str:
    return _CODE.sub(" ", text[:_LONGEST])
