"""Put phrases together: "between A and B", "since A", "before A", "late A", "the week before A"."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from memory_service.analysis.times import days as on
from memory_service.analysis.times.days import Days, Granularity
from memory_service.analysis.times.reading import Atom, Match, Reading, sound

_REACH: Final = 40  # characters before a phrase in which the words that open it stand


@dataclass(frozen=True, slots=True)
class Around:
    """A phrase that needs a date after it ("the week before …"): a pattern that ends where the date begins."""

    pattern: re.Pattern[str]
    resolve: Callable[[Match, Days], Days | None]


@dataclass(frozen=True, slots=True)
class Joiners:
    """The words of a language that put dates together; each pattern ends where the date begins, `onwards` begins after it."""

    start: re.Pattern[str]  # "between", "from"
    to: re.Pattern[str]  # what stands between two dates of a range, whole
    dash: re.Pattern[str]  # the same, where nothing need stand before
    since: re.Pattern[str]
    before: re.Pattern[str]
    until: re.Pattern[str]
    after: re.Pattern[str]
    onwards: re.Pattern[str]
    no_since: re.Pattern[str]  # what follows a date that "since" gives as a reason: "since Friday is my day off"
    parts: Sequence[tuple[re.Pattern[str], str]] = ()
    around: Sequence[Around] = ()


def opening(words: str) -> re.Pattern[str]:
    """Compile words that stand right before a date."""
    return re.compile(rf"(?<!\w)(?:{words})\s*\Z")


def join(atoms: Sequence[Atom], joiners: Joiners, reading: Reading) -> list[Atom]:
    """Join what belongs together; phrases grow by the words that join them."""
    result: list[Atom] = []
    place = 0
    while place < len(atoms):
        atom = _with_part(atoms[place], joiners, reading)
        following = _with_part(atoms[place + 1], joiners, reading) if place + 1 < len(atoms) else None
        joined = _range(atom, following, joiners, reading) if following is not None else None
        if joined is not None:
            result.append(joined)
            place += 2
            continue
        result.append(_around(atom, joiners, reading) or _opened(atom, joiners, reading))
        place += 1
    return result


def _before(reading: Reading, place: int) -> str:
    return reading.lower[max(0, place - _REACH) : place]


def _grown(atom: Atom, found: Match, days: Days, end: int | None = None) -> Atom:
    return Atom(atom.start - (len(found.string) - found.start()), atom.end if end is None else end, days)


def _with_part(atom: Atom, joiners: Joiners, reading: Reading) -> Atom:
    if atom.days.granularity in {Granularity.DAY, Granularity.RANGE, Granularity.WEEKEND}:
        return atom
    text = _before(reading, atom.start)
    for pattern, part in joiners.parts:
        found = pattern.search(text)
        if found:
            return _grown(atom, found, on.part_of(atom.days, part))
    return atom


def _range(first: Atom, second: Atom, joiners: Joiners, reading: Reading) -> Atom | None:
    gap = reading.lower[first.end : second.start]
    if len(gap) > _REACH:
        return None
    lead = joiners.start.search(_before(reading, first.start))
    if not (joiners.to.fullmatch(gap) and lead) and not joiners.dash.fullmatch(gap):
        return None
    try:
        days = on.widened(first.days, second.days)
    except ValueError:
        return None
    if not sound(days):
        return None
    grown = _grown(first, lead, days) if lead else first
    return Atom(grown.start, second.end, days)


def _around(atom: Atom, joiners: Joiners, reading: Reading) -> Atom | None:
    text = _before(reading, atom.start)
    for around in joiners.around:
        found = around.pattern.search(text)
        if found:
            try:
                days = around.resolve(found, atom.days)
            except (ValueError, OverflowError):  # beyond the calendar
                return None
            if days is not None and sound(days):
                return _grown(atom, found, days)
    return None


def _opened(atom: Atom, joiners: Joiners, reading: Reading) -> Atom:
    """Open one end of a phrase where a word says so."""
    days = atom.days
    if days.start is None or days.end is None:
        return atom
    text = _before(reading, atom.start)
    after = joiners.onwards.match(reading.lower, atom.end)
    if found := joiners.since.search(text):
        future = reading.reference is not None and days.start > reading.reference
        if not future and not joiners.no_since.match(reading.lower, atom.end):
            return _grown(atom, found, on.open_end(days, inclusive=True))
    elif found := joiners.before.search(text):
        return _grown(atom, found, on.open_start(days, inclusive=False))
    elif found := joiners.until.search(text):
        opened = on.open_start(days, inclusive=True)
        if reading.reference is not None and opened.end is not None and opened.end > reading.reference:
            opened = replace(opened, start=reading.reference)
        return _grown(atom, found, opened)
    elif found := joiners.after.search(text):
        return _grown(atom, found, on.open_end(days, inclusive=False))
    elif after:
        return Atom(atom.start, after.end(), on.open_end(days, inclusive=True))
    return atom
