"""How rules read a text: each finds phrases by a pattern and says which days they mean; the first to claim a place wins."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, TypeAlias

from memory_service.analysis.times.days import FIRST_YEAR, LAST_YEAR, Days, Tense

_SENTENCE_END: Final = re.compile(r"[.!?;\n。！？]+(?:\s|\Z)|[。！？\n]")
_CLAUSE_REACH: Final = 160  # characters looked at on each side for verbs


class NoReference(ValueError):
    """The phrase is relative, and nobody said to what."""


@dataclass(frozen=True, slots=True)
class Cues:
    """Words by which a clause shows its tense."""

    past: re.Pattern[str]
    future: re.Pattern[str]


DIGIT: Final = "0"
"""Stands among the words of a text that has any digit."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A text being read: as it is written and in lower case (of the same length), and what "today" is in it.

    `words` are its runs of letters in lower case, and `DIGIT` where it has any.
    """

    text: str
    lower: str
    words: frozenset[str]
    reference: date | None
    cues: Cues

    @property
    def today(self) -> date:
        """Return the day relative phrases count from.

        Raises:
            NoReference: there is none.
        """
        if self.reference is None:
            raise NoReference
        return self.reference

    def tense(self, start: int, end: int) -> Tense:
        """Say where the clause around a phrase looks; of two cues the nearer one decides, a tie says nothing."""
        left = max(0, start - _CLAUSE_REACH)
        for stop in _SENTENCE_END.finditer(self.lower, left, start):
            left = stop.end()
        stop_after = _SENTENCE_END.search(self.lower, end)
        right = min(stop_after.start() if stop_after else len(self.lower), end + _CLAUSE_REACH)
        past = self._nearest(self.cues.past, left, start, end, right)
        future = self._nearest(self.cues.future, left, start, end, right)
        if past == future:
            return Tense.UNKNOWN
        return Tense.PAST if past < future else Tense.FUTURE

    def _nearest(self, cue: re.Pattern[str], left: int, start: int, end: int, right: int) -> int:
        nearest = 10_000
        for found in cue.finditer(self.lower, left, start):
            nearest = min(nearest, start - found.end())
        found_after = cue.search(self.lower, end, right)
        if found_after is not None:
            nearest = min(nearest, found_after.start() - end)
        return nearest

    def capitalised(self, start: int) -> bool:
        """Say whether a word begins with a capital."""
        return self.text[start : start + 1].isupper()


Match: TypeAlias = re.Match[str]
Resolve: TypeAlias = Callable[[Match, Reading], Days | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of phrase.

    `words` are those of which it holds at least one, so that a text without any is not searched; an empty set stands
    for any digit. Of each set in `beside` it holds one as well, `DIGIT` standing for any digit: to look into a few sets
    costs a tenth of a search. `core` is what stands in each of its matches and is found sooner than they are; rules
    that share one have it looked for once. `group` names the part of the match that is the phrase, where that is not
    all of it.
    """

    words: frozenset[str]
    pattern: re.Pattern[str]
    resolve: Resolve
    group: int | str = 0
    beside: tuple[frozenset[str], ...] = ()
    core: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True)
class Atom:
    """A phrase in the text, in characters, and what it means."""

    start: int
    end: int
    days: Days


def scan(rules: Sequence[Rule], reading: Reading, *, digits: bool) -> list[Atom]:
    """Find the phrases of some rules, in the order of the text."""
    found: list[Atom] = []
    words, cores = reading.words, dict[int, bool]()
    for rule in rules:
        # No word of a set, empty or not, is the most frequent case: it comes first.
        if rule.words.isdisjoint(words) and (rule.words or not digits):
            continue
        if rule.beside and any(map(words.isdisjoint, rule.beside)):
            continue
        if rule.core is not None and not _holds(rule.core, reading, cores):
            continue
        for match in rule.pattern.finditer(reading.lower):
            start, end = match.span(rule.group)
            if start < 0 or any(start < atom.end and atom.start < end for atom in found):
                continue
            days = resolved(rule.resolve, match, reading)
            if days is not None:
                found.append(Atom(start, end, days))
    found.sort(key=lambda atom: atom.start)
    return found


def _holds(core: re.Pattern[str], reading: Reading, known: dict[int, bool]) -> bool:
    """Say whether a core stands in a text; what is known already is by the identity of the core."""
    if id(core) not in known:
        known[id(core)] = core.search(reading.lower) is not None
    return known[id(core)]


def resolved(resolve: Resolve, match: Match, reading: Reading) -> Days | None:
    """Work out what a phrase means; None where it means nothing: 31 February, the year 9000, no reference."""
    try:
        days = resolve(match, reading)
    except (ValueError, OverflowError):  # what calendars do not have
        return None
    return days if days is not None and sound(days) else None


def sound(days: Days) -> bool:
    """Say whether some days have an order, an end or a beginning, and lie in years that occur."""
    if days.start is not None and days.end is not None and days.end <= days.start:
        return False
    ends = [day for day in (days.start, days.end) if day is not None]
    return bool(ends) and all(FIRST_YEAR <= day.year <= LAST_YEAR + 1 for day in ends)


def words_in(text: str) -> frozenset[str]:
    """Return the words of a list that is written with blanks between them."""
    return frozenset(text.split())


def alternatives(words: Iterable[str]) -> str:
    """Return a pattern for any of some words, the longest first."""
    return "(?:" + "|".join(re.escape(word) for word in sorted(words, key=lambda w: (-len(w), w))) + ")"
