"""Find the moments a text speaks of, and say which days they are. Pure.

Phrases are resolved against a reference: the day a memory was observed, or the day a query is asked. Days are those of
the reference's time zone; weeks begin on Monday. A phrase that could mean several days gets a span as wide as what it
can mean ("a few days ago": five to two days before), one that says nothing of when ("every Friday", "for two years",
"the day after the wedding") gets none.

English is read thoroughly; German, French, Spanish, Italian, Chinese and Japanese in what is said most. A text without a
word or a digit of time costs a look-up of its words in a set.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, tzinfo
from functools import cache
from typing import Final

from memory_service.analysis.language import guess
from memory_service.analysis.times.days import Granularity
from memory_service.analysis.times.grammar import Grammar
from memory_service.analysis.times.reading import DIGIT, Reading, words_in
from memory_service.analysis.tokens import UNKNOWN_LANGUAGE

__all__ = ["LONGEST_TEXT", "MOST_FOUND", "Granularity", "TimeExpression", "find_times"]

LONGEST_TEXT: Final = 20_000  # characters read; a longer text is a document, and its chunks are memories of their own
MOST_FOUND: Final = 64  # expressions kept of one text

_WORD: Final = re.compile(r"[^\W\d_]+")
_DIGIT: Final = re.compile(r"\d")
_DATE_LIKE: Final = re.compile(
    r"\d{4}|\d[./-]\d|\d(?:st|nd|rd|th)\b|\dº|\b[Qq][1-4]\b|\d\d['’]?s\b|\d\s?[年月日号號天周週個个ヶか]"
)
_WIDE_TIME: Final = re.compile("[年月日号號天週周星曜昨今明去来來前後后春夏秋冬末]")
_ENGLISH_MARKS: Final = words_in("the and i you to is it of my that for was we")


@dataclass(frozen=True, slots=True)
class TimeExpression:
    """A phrase that says when: [starts, ends), None where it is open, and where it stands in the text, in characters."""

    phrase: str
    span: tuple[int, int]
    starts: datetime | None
    ends: datetime | None
    granularity: Granularity


def find_times(
    text: str, reference: datetime | None = None, *, language: str | None = None
) -> tuple[TimeExpression, ...]:
    """Find the moments a text speaks of, in its order.

    Args:
        text: What to read.
        reference: What relative phrases count from; None leaves out what needs it ("yesterday", "in May").
        language: BCP-47; None or ``und`` to let the text itself tell, English where it does not.

    >>> for found in find_times("I met her last Friday, and in May 2022.", datetime(2023, 5, 8, tzinfo=UTC)):
    ...     print(found.phrase, found.starts.date(), found.ends.date(), found.granularity, found.span)
    last Friday 2023-05-05 2023-05-06 day (10, 21)
    May 2022 2022-05-01 2022-06-01 month (30, 38)
    >>> find_times("They march on, and Sunday Times readers paid $2023.", datetime(2023, 5, 8, tzinfo=UTC))
    ()
    """
    text = text[:LONGEST_TEXT]
    lower = text.lower() if text.isascii() else _lowered(text)
    words = frozenset(_WORD.findall(lower))
    # Most texts have no digit at all, which is told in a fifth of the time.
    digits = _DIGIT.search(text) is not None
    if digits:
        words |= {DIGIT}
        digits = _DATE_LIKE.search(text) is not None
    name = _language(text, words, language)
    wide = name in {"zh", "ja"}
    grammar = _grammar(name)
    if wide:
        digits = digits or _WIDE_TIME.search(text) is not None
        if not digits:
            return ()
    elif not digits and grammar.words.isdisjoint(words):
        return ()
    zone = (reference.tzinfo if reference is not None else None) or UTC
    reading = Reading(text, lower, words, reference.date() if reference is not None else None, grammar.cues)
    return tuple(
        TimeExpression(
            phrase=text[atom.start : atom.end],
            span=(atom.start, atom.end),
            starts=_midnight(atom.days.start, zone),
            ends=_midnight(atom.days.end, zone),
            granularity=atom.days.granularity,
        )
        for atom in grammar.read(reading, digits=digits)[:MOST_FOUND]
    )


def _lowered(text: str) -> str:
    """Return a text in lower case with every character at its place."""
    lower = text.lower().replace("’", "'")
    return lower if len(lower) == len(text) else "".join(c if len(c.lower()) != 1 else c.lower() for c in text)


def _midnight(day: date | None, zone: tzinfo) -> datetime | None:
    return None if day is None else datetime.combine(day, time.min, tzinfo=zone)


def _language(text: str, words: frozenset[str], stated: str | None) -> str:
    if stated is not None and stated != UNKNOWN_LANGUAGE:
        return stated.partition("-")[0].lower()
    if not _ENGLISH_MARKS.isdisjoint(words):
        return "en"
    guessed = guess(text)
    return "en" if guessed == UNKNOWN_LANGUAGE else guessed


@cache
def _grammar(language: str) -> Grammar:
    """Return the grammar of a language; one that has none reads dates written with numbers. Built when first needed."""
    if language == "en":
        from memory_service.analysis.times.english import ENGLISH

        return ENGLISH
    from memory_service.analysis.times.european import GRAMMARS, NUMBERS_ONLY
    from memory_service.analysis.times.wide import WIDE

    return GRAMMARS.get(language) or (WIDE if language in {"zh", "ja"} else NUMBERS_ONLY)
