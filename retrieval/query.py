"""Read a query without a model: its terms, names, numbers, quoted phrases, what it asks for, and how to encode it.

Memories of a conversation say "I adopted a dog"; queries ask "What did Caroline adopt?". Where Caroline speaks in the
namespace, the query is therefore encoded as she would say it. This gains 5 points of recall@10 on LoCoMo and on
REALTALK after fusion (32 and 14 for vectors alone) and leaves other queries as they are. Keywords keep the names.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from memory_service.analysis import entities, tokens
from memory_service.analysis.language import guess
from memory_service.analysis.stopwords import stop_words
from memory_service.analysis.term_groups import query_terms
from memory_service.analysis.times import find_times
from retrieval.query_time import asks_current, asks_earliest, asks_latest

_REWRITTEN_LANGUAGES: Final = frozenset({"en", tokens.UNKNOWN_LANGUAGE})
_LONGEST_NAME = 6  # words looked at as one name
_SHORTEST_NICKNAME = 3  # letters: "Mel" stands for Melanie, "Jo" for too many
_MOST_UNKNOWN = 4  # names looked up; each is a question to the database
_NOBODY: Final[Mapping[str, str]] = MappingProxyType({})


class QuestionWord(StrEnum):
    """What kind of answer a question asks for."""

    WHEN = "when"
    WHERE = "where"
    WHO = "who"
    WHY = "why"
    HOW_MANY = "how_many"
    HOW_LONG = "how_long"
    HOW = "how"
    WHICH = "which"
    WHAT = "what"


@dataclass(frozen=True, slots=True)
class DateRange:
    """A time that a query names, [start, end); None where it is open."""

    start: datetime | None
    end: datetime | None
    phrase: str


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    """A query as the channels need it."""

    text: str
    spoken: str  # what to encode: in the first person where the query names a speaker
    speaker: str | None  # the speaker of the namespace whom the query names first
    terms: tuple[str, ...]  # one for each distinct word, in the order of the query
    alternatives: Mapping[str, tuple[str, ...]]  # all terms of a word by the one in `terms`, where there are several
    phrases: tuple[str, ...]  # what stands in double quotes
    names: tuple[str, ...]
    numbers: tuple[str, ...]  # as written, without thousands separators
    question_word: QuestionWord | None
    is_question: bool
    dates: tuple[DateRange, ...] = ()  # the times it names, in its order; "When …?" names none
    asks_latest: bool = False  # for the last of several: "most recently", "currently", "the latest"
    asks_earliest: bool = False  # for the first of several: "originally", "the first"
    asks_current: bool = (
        False  # for what is so now: "Where does she live?"; a newer statement is worth more than an older
    )
    language: str = tokens.UNKNOWN_LANGUAGE  # BCP-47, as it was guessed from the query itself
    called: Mapping[str, str] = field(default_factory=dict)  # speakers it names by a name that they do not bear, by it

    def all_of(self, term: str) -> tuple[str, ...]:
        """Return all terms by which memories may hold a word of the query."""
        return self.alternatives.get(term, (term,))


_QUOTED: Final = re.compile(r"[\"“”„«]([^\"“”„«»]{2,200})[\"“”»]")
_NUMBER: Final = re.compile(r"(?<![\w.,])\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\w])|(?<![\w.])\d+(?:\.\d+)?(?![\w])")
_WORD: Final = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*")
_POSSESSIVE: Final = re.compile(r"(?:'s|’s|'|’)\Z")

# At one place the first pattern wins, so "how many" stands before "how". "What time" asks when, as people use it.
_QUESTION_PATTERNS: Final = (
    (QuestionWord.HOW_MANY, r"how (?:many|much|often)|what number"),
    (QuestionWord.HOW_LONG, r"how (?:long|old)"),
    (QuestionWord.WHEN, r"when|what (?:time|day|date|month|year)|which (?:day|date|month|year)"),
    (QuestionWord.WHERE, r"where|(?:what|which) (?:city|country|place|town|state)"),
    (QuestionWord.WHO, r"who|whom|whose"),
    (QuestionWord.WHY, r"why|what reason"),
    (QuestionWord.WHICH, r"which"),
    (QuestionWord.WHAT, r"what"),
    (QuestionWord.HOW, r"how"),
)
_BEFORE_QUESTION: Final = r"(?:\A\s*|[,;:.!?]\s+|\b(?:about|and|at|for|from|in|of|on|or|since|to|until|with)\s+)"
_QUESTION: Final = re.compile(
    _BEFORE_QUESTION + "(?:" + "|".join(rf"(?P<{kind}>(?:{words})\b)" for kind, words in _QUESTION_PATTERNS) + ")", re.I
)
# "Did she …", "Is it …": a question without a question word or a question mark.
_AUXILIARY_FIRST: Final = re.compile(
    r"(?:am|are|can|could|did|do|does|had|has|have|is|may|might|shall|should|was|were|will|would)\s+\w+", re.I
)


def parse_query(
    query: str,
    *,
    speakers: Collection[str] = (),
    languages: Collection[str] = (),
    now: datetime | None = None,
    called: Mapping[str, str] = _NOBODY,
) -> ParsedQuery:
    """Read a query.

    Args:
        query: What was asked, not empty.
        speakers: Who speaks in the namespaces searched; roles such as "user" are no names and change nothing.
        languages: By whose rules the memories searched are cut into terms; none counts as English.
        now: When it is asked, with a time zone; without it "last week" and "in May" are no dates.
        called: Whom of the speakers a name of the query means that none of them bears (``unknown_names``, ``bearers``).

    >>> parsed = parse_query('When did Caroline say "never again" to 1,200 guests?', speakers=["Caroline", "Mel"])
    >>> parsed.spoken
    'When did I say "never again" to 1,200 guests?'
    >>> parsed.terms
    ('carolin', 'say', 'never', '1200', 'guest')
    >>> parsed.phrases, parsed.names, parsed.numbers, parsed.question_word.value
    (('never again',), ('Caroline',), ('1200',), 'when')
    >>> from datetime import UTC
    >>> asked = parse_query("Who visited most recently, before last week?", now=datetime(2023, 5, 8, tzinfo=UTC))
    >>> asked.dates[0].phrase, asked.dates[0].start, str(asked.dates[0].end), asked.asks_latest
    ('before last week', None, '2023-05-01 00:00:00+00:00', True)
    >>> parsed = parse_query("Wann waren die Häuser fertig?", languages=["de", "en"])
    >>> parsed.terms, parsed.alternatives
    (('haus', 'fertig'), {'haus': ('haus', 'hauser')})
    >>> parsed = parse_query("Where does Kate live?", speakers=["emi_92", "Jo"], called={"Kate": "emi_92"})
    >>> parsed.speaker, parsed.spoken
    ('emi_92', 'Where do I live?')
    """
    spoken_in = guess(query)
    groups = query_terms(query, languages, spoken=spoken_in)
    found = _find_speaker(query, speakers, spoken_in, called)
    question_word = _question_word(query)
    times = find_times(query, now, language=spoken_in)
    current = asks_current(query, dated=bool(times))
    return ParsedQuery(
        text=query,
        spoken=_in_first_person(_together(query, speakers, called), found[0]) if found else query,
        speaker=found[1] if found else None,
        terms=tuple(group[0] for group in groups),
        alternatives={group[0]: group for group in groups if len(group) > 1},
        phrases=tuple(found.strip() for found in _QUOTED.findall(query) if found.strip()),
        names=tuple(entities.names(query, known=[found[0]] if found else (), language=spoken_in)),
        numbers=tuple(number.replace(",", "") for number in _NUMBER.findall(query)),
        question_word=question_word,
        is_question=query.rstrip().endswith(("?", "？", "؟"))
        or question_word is not None
        or _AUXILIARY_FIRST.match(query.lstrip()) is not None,
        dates=tuple(DateRange(time.starts, time.ends, time.phrase) for time in times),
        asks_latest=asks_latest(query),
        asks_earliest=asks_earliest(query, current=current),
        asks_current=current,
        language=spoken_in,
        called=dict(called) if found else {},
    )


def unknown_names(query: str, speakers: Collection[str]) -> tuple[str, ...]:
    """Return the names in a query that stand where people do, and that nobody who speaks bears.

    Behind an auxiliary, before "'s", or joined by "and" to a name; the first four. A role bears no name. Where all letters are
    small, or all are capitals, any word behind an auxiliary or before "'s" may be a name ("my dog's" is none).

    >>> unknown_names("What did Kate and Tom like about Caroline's trip to Rome?", ["Caroline", "Melanie"])
    ('Kate', 'Tom')
    >>> unknown_names("When did Mel go?", ["Caroline", "Melanie"]), unknown_names("Where is Kate?", ["user"])
    ((), ('Kate',))
    >>> unknown_names("where does kate live, and is it far?", ["user"])
    ('kate',)
    """
    by_name = _speakers_by_name(tuple(speakers))
    one_case = (query == query.lower()) != (query == query.upper())
    patterns = _PERSON_IN_ONE_CASE if one_case else _PERSON
    places = sorted({found.span(1) for pattern in patterns for found in pattern.finditer(query)})
    written = dict.fromkeys(query[start:end] for start, end in places)
    unknown = tuple(
        name
        for name in written
        if len(name) >= _SHORTEST_NICKNAME
        and name.casefold() not in _NO_NAMES
        and not any(one.startswith(name.casefold()) for one in by_name)
    )
    return unknown[:_MOST_UNKNOWN] if unknown and guess(query) in _REWRITTEN_LANGUAGES else ()


def first_person(query: str, speakers: Collection[str]) -> str | None:
    """Rewrite a query as the speaker whom it names first would say it, or give None when it names no speaker.

    A full name, a part of it, or a capitalised beginning of three letters or more counts. Pronouns after the name are taken
    to mean its bearer, which is right more often than not. A speaker called Will is not meant by "will". A query that is
    recognisably not English stays as it is.

    >>> first_person("What does Mel think of Caroline's plan?", ["Caroline", "Melanie"])
    'What does Mel think of my plan?'
    >>> first_person("Where is Mel's dog?", ["Caroline", "Melanie"])
    'Where is my dog?'
    >>> first_person("Which towns have both Mel and Caroline seen?", ["Caroline", "Melanie"])
    'Which towns have we seen?'
    >>> first_person("Where is the dog?", ["Caroline", "Melanie"]) is None
    True
    """
    found = _find_speaker(query, speakers, guess(query), _NOBODY)
    return _in_first_person(_together(query, speakers, _NOBODY), found[0]) if found else None


def _find_speaker(
    query: str, speakers: Collection[str], language: str, called: Mapping[str, str]
) -> tuple[str, str] | None:
    """Find the name as it is written in the query, and the speaker it means."""
    by_name = _by_name(speakers, called)
    if not by_name:
        return None
    found = _named(query, by_name) or _nicknamed(query, by_name)
    return found if found and language in _REWRITTEN_LANGUAGES else None


def _together(query: str, speakers: Collection[str], called: Mapping[str, str]) -> str:
    """Let "we" stand for the first two speakers that a query names side by side, which either of them says of both."""
    by_name = _by_name(speakers, called)
    for found in _SIDE_BY_SIDE.finditer(query):
        first, second = _meant(found[1], by_name), _meant(found[2], by_name)
        if first is not None and second is not None and first != second:
            return f"{query[: found.start()]}we{query[found.end() :]}"
    return query


def _meant(written: str, by_name: Mapping[str, str]) -> str | None:
    """Return the speaker whom one word names, by a part of the name or by its beginning."""
    if written.casefold() in by_name:
        return by_name[written.casefold()]
    meant = {speaker for name, speaker in by_name.items() if name.startswith(written.casefold())}
    return meant.pop() if len(meant) == 1 and len(written) >= _SHORTEST_NICKNAME else None


def _by_name(speakers: Collection[str], called: Mapping[str, str]) -> Mapping[str, str]:
    by_name = _speakers_by_name(tuple(speakers))
    return {name.casefold(): speaker for name, speaker in called.items()} | by_name if called else by_name


def _in_first_person(query: str, written: str) -> str:
    name = re.escape(written)
    text = re.sub(rf"(?<!\w){name}['’]s(?!\w)", "my", query, flags=re.I)
    text = re.sub(rf"(?<!\w){name}(?!\w)", "I", text, flags=re.I)
    spoken = _SPEAKER_SPOKEN.search(text)
    if spoken is None:
        return text
    # What follows the name and could mean its bearer does: "What did Ana do with her dad?"
    rest = text[spoken.end() :]
    for pattern, word in _THIRD_PERSON:
        rest = pattern.sub(word, rest)
    whole = text[: spoken.end()] + rest
    return _AUXILIARY_OF_I.sub(lambda found: f"{_FOR_I[found[1].lower()]} I", whole)


_SPEAKER_SPOKEN: Final = re.compile(r"(?<!\w)(?:I|my)(?!\w)")
_THIRD_PERSON: Final = (
    (re.compile(r"\b(?:her|his|their)\b(?=\s+\w)", re.I), "my"),
    (re.compile(r"\b(?:she|he)\b", re.I), "I"),
    (re.compile(r"\b(?:himself|herself)\b", re.I), "myself"),
    (re.compile(r"\bhim\b", re.I), "me"),
)
_AUXILIARY: Final = "am|are|can|could|did|do|does|had|has|have|is|may|might|should|was|were|will|would"
_CAPITALISED: Final = r"([A-Z][^\W\d_]+)"
_PERSON: Final = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b(?:{_AUXILIARY})\s+(?:both\s+)?{_CAPITALISED}\b",
        rf"\b{_CAPITALISED}['’]s\b",
        rf"\b{_CAPITALISED}\s+and\s+[A-Z]",
        rf"\b[A-Z][^\W\d_]+(?:['’]s)?\s+and\s+{_CAPITALISED}\b",
    )
)
_NOT_OURS: Final = "".join(
    f"(?<!\\b{word} )" for word in ("my", "the", "a", "an", "our", "your", "his", "her", "their")
)
_PERSON_IN_ONE_CASE: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (rf"\b(?:{_AUXILIARY})\s+(?:both\s+)?([^\W\d_]{{3,}})\b", _NOT_OURS + r"\b([^\W\d_]{3,})['’]s\b")
)
_SIDE_BY_SIDE: Final = re.compile(
    # "Ana and Bo's friend" may be a friend of one of them.
    rf"\b(?:both\s+)?{_CAPITALISED}\s+and\s+{_CAPITALISED}\b(?!['’])(?:\s+both\b)?"
)
# What stands before "'s" or behind an auxiliary with a capital, and is nobody.
_NO_NAMES: Final = stop_words("en") | {"it", "let", "today", "yesterday", "tomorrow"}
_AUXILIARY_OF_I: Final = re.compile(r"\b(does|has|is) I\b", re.I)
_FOR_I: Final = {"does": "do", "has": "have", "is": "am"}


def _named(query: str, by_name: Mapping[str, str]) -> tuple[str, str] | None:
    """Find the first speaker named in full or by a part of the name; at one place the longest name wins."""
    words = [(match.start(), match.end()) for match in _WORD.finditer(query)]
    longest = min(_LONGEST_NAME, _longest_name(tuple(by_name)))
    for first in range(len(words)):
        for last in range(min(len(words), first + longest) - 1, first - 1, -1):
            written = _POSSESSIVE.sub("", query[words[first][0] : words[last][1]])
            speaker = by_name.get(written.casefold())
            if speaker is not None and not (written.islower() and written in stop_words("en") | {"may"}):
                return written, speaker
    return None


def _nicknamed(query: str, by_name: Mapping[str, str]) -> tuple[str, str] | None:
    """Find a capitalised word with which the names of exactly one speaker begin."""
    for match in _WORD.finditer(query):
        written = _POSSESSIVE.sub("", match.group())
        if len(written) < _SHORTEST_NICKNAME or not written[0].isupper() or written.casefold() in stop_words("en"):
            continue
        meant = {speaker for name, speaker in by_name.items() if name.startswith(written.casefold())}
        if len(meant) == 1:
            return written, meant.pop()
    return None


@lru_cache(maxsize=256)
def _longest_name(names: tuple[str, ...]) -> int:
    """Count the words of the longest name."""
    return max((len(_WORD.findall(name)) for name in names), default=0)


@lru_cache(maxsize=256)
def _speakers_by_name(speakers: tuple[str, ...]) -> dict[str, str]:
    """Map folded names and their parts to people, no roles; a part that several people share names none."""
    people = sorted(name for name in set(speakers) if name.casefold() not in tokens.ROLES)
    parts: dict[str, set[str]] = {}
    for speaker in people:
        for part in _WORD.findall(speaker):
            if len(part) >= _SHORTEST_NICKNAME:
                parts.setdefault(part.casefold(), set()).add(speaker)
    unambiguous = {part: owners.pop() for part, owners in parts.items() if len(owners) == 1}
    return unambiguous | {speaker.casefold(): speaker for speaker in people}


def _question_word(query: str) -> QuestionWord | None:
    """Find the first question word that opens the query or a clause, or follows a preposition."""
    found = _QUESTION.search(query)
    return QuestionWord(found.lastgroup) if found and found.lastgroup else None
