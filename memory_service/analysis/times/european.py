"""How German, French, Spanish and Italian say when: the same rules over words of each, as far as chats need them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Final

from memory_service.analysis.times import days as on
from memory_service.analysis.times.calendar_units import back, calendar_unit, start_of, years_near
from memory_service.analysis.times.days import DAY, WEEK, Days, Granularity, Tense
from memory_service.analysis.times.european_words import LEXICONS, Lexicon
from memory_service.analysis.times.grammar import Grammar
from memory_service.analysis.times.joining import Joiners, opening
from memory_service.analysis.times.reading import Cues, Match, Reading, Resolve, Rule, alternatives
from memory_service.analysis.times.written import NUMERIC_RULES

_YEAR: Final = r"(?P<year>(?:1[5-9]|20)\d\d)(?![\d.,]\d|\w)"
_NOTHING: Final = re.compile(r"(?!)")


@dataclass(frozen=True, slots=True)
class _Rules:
    """The rules of one language."""

    lexicon: Lexicon

    def build(self) -> tuple[Rule, ...]:
        """Return them, from the most to the least specific."""
        words = self.lexicon
        month, weekday = rf"(?P<month>{alternatives(words.months)})", alternatives(words.weekdays)
        unit = rf"(?P<unit>{alternatives(words.units)})"
        number = rf"(?P<number>{alternatives(words.numbers)}|\d{{1,3}})"
        season = rf"(?P<season>{alternatives(words.seasons)})"
        last, following, this = (alternatives(group) for group in (words.last, words.next, words.this))
        way = rf"(?:(?P<last>{last})|(?P<next>{following})|(?P<this>{this}))"
        late_way = rf"(?:(?P<late_last>{last})|(?P<late_next>{following}))"
        thing = rf"(?:{unit}|(?P<weekday>{weekday})|(?P<weekend>{alternatives(words.weekend)})|{season}|{month})"
        day = r"(?P<day>\d{1,2})(?:\.|er|º|°)?"
        of = rf"(?:{words.of})?"
        year = rf"(?:,?\s+{of}{_YEAR})?"
        units, months = frozenset(words.units), frozenset(words.months)
        things = units | months | words.weekdays.keys() | words.seasons.keys() | _first(words.weekend)
        return (
            _rule(
                months,
                rf"(?<![\w.,])(?P<first>\d{{1,2}})(?:\.|er|º)?\s*(?:-|–|{words.to})\s*{day}\s+{of}{month}\b{year}",
                self._day_range,
            ),
            _rule(months, rf"(?:\b{weekday},?\s+(?:{words.the})?)?(?<![\w.,]){day}\s+{of}{month}\b{year}", self._day),
            _rule(
                months,
                rf"\b(?:{words.from_})\s+(?P<first_month>{alternatives(words.months)})\s+(?:-|–|{words.to}|{words.and_})\s+{month}\b{year}",
                self._month_range,
            ),
            _rule(months, rf"\b{month}\s+{of}{_YEAR}", self._month_of_year),
            _rule(frozenset(words.seasons), rf"\b{season}\s+{of}{_YEAR}", self._season_of_year),
            _rule(_first(words.day_words), rf"\b(?P<word>{alternatives(words.day_words)})\b(?!-)", self._day_word),
            _rule(units, rf"\b(?:{words.ago_before})\s+{number}\s+{unit}\b", partial(self._away, sign=-1))
            if words.ago_before
            else _rule(units, rf"\b{number}\s+{unit}\s+(?:{words.ago_after})\b", partial(self._away, sign=-1)),
            _rule(units, rf"\b(?:{words.ahead})\s+{number}\s+{unit}\b", partial(self._away, sign=1)),
            _rule(units, rf"\b{last}\s+{number}\s+{unit}\b|\b(?P<number2>{alternatives(words.numbers)}|\d{{1,3}})\s+{last}\s+"
                  rf"(?P<unit2>{alternatives(words.units)})\b", self._last_units),
            _rule(things, rf"\b{way}\s+{thing}\b", self._beside),
            _rule(things, rf"\b{thing}\s+{late_way}\b", self._beside),
            _rule(
                things,
                rf"\b(?:{words.on_weekday})\s+(?P<phrase>(?P<weekday>{weekday})|(?P<weekend>{alternatives(words.weekend)}))\b",
                self._weekday_alone,
            ),
            _rule(months, rf"\b(?:{words.in_month})\s+(?P<phrase>{month})\b", self._month_alone),
            _rule(frozenset(words.seasons), rf"\b(?:{words.in_season})\s*(?P<phrase>{season})\b", self._season_alone),
            _rule(frozenset(), rf"\b(?:{words.in_year})\s+(?P<phrase>{_YEAR})", self._year),
        )  # fmt: skip

    def _day(self, match: Match, reading: Reading) -> Days:
        day, number = int(match["day"]), self.lexicon.months[match["month"]]
        if match["year"]:
            return on.one_day(date(int(match["year"]), number, day))
        date(2000, number, day)  # a day that never is raises here
        leap = (number, day) == (2, 29)
        years = range(reading.today.year - 4, reading.today.year + 5)
        candidates = [on.one_day(date(y, number, day)) for y in years if not leap or y % 4 == 0]
        return on.meant(candidates, reading.today, reading.tense(match.start(), match.end()))

    def _day_range(self, match: Match, reading: Reading) -> Days | None:
        last = self._day(match, reading)
        first = start_of(last).replace(day=int(match["first"]))
        return on.between(first, start_of(last)) if first < start_of(last) else None

    def _month_of_year(self, match: Match, reading: Reading) -> Days:
        return on.month(int(match["year"]), self.lexicon.months[match["month"]])

    def _month_range(self, match: Match, reading: Reading) -> Days:
        first, last = self.lexicon.months[match["first_month"]], self.lexicon.months[match["month"]]
        years = [int(match["year"])] if match["year"] else years_near(reading)
        candidates = [on.widened(on.month(y - (first > last), first), on.month(y, last)) for y in years]
        if match["year"]:
            return candidates[0]
        return on.meant(candidates, reading.today, reading.tense(match.start(), match.end()))

    def _season_of_year(self, match: Match, reading: Reading) -> Days:
        return on.season(int(match["year"]), self.lexicon.seasons[match["season"]])

    def _day_word(self, match: Match, reading: Reading) -> Days:
        return on.one_day(reading.today + self.lexicon.day_words[match["word"]] * DAY)

    def _count(self, written: str) -> tuple[int, int]:
        if written in self.lexicon.numbers:
            return self.lexicon.numbers[written]
        return int(written), int(written)

    def _away(self, match: Match, reading: Reading, *, sign: int) -> Days | None:
        if sign > 0 and reading.tense(match.start(), match.end()) is Tense.PAST:
            return None
        low, high = self._count(match["number"])
        unit = self.lexicon.units[match["unit"]]
        ends = sorted(back(reading.today, -sign * count, unit) for count in (low, high))
        return on.widened(_wide(ends[0], unit), _wide(ends[1], unit)) if low != high else _wide(ends[0], unit)

    def _last_units(self, match: Match, reading: Reading) -> Days:
        _, count = self._count(match["number"] or match["number2"])
        unit = self.lexicon.units[match["unit"] or match["unit2"]]
        return Days(back(reading.today, count, unit), reading.today + DAY, Granularity.RANGE)

    def _beside(self, match: Match, reading: Reading) -> Days | None:
        """Resolve "last", "this" or "next" beside a unit, a weekday, a weekend, a season, a month."""
        groups = match.groupdict()
        step = (
            -1
            if groups.get("last") or groups.get("late_last")
            else 1
            if groups.get("next") or groups.get("late_next")
            else 0
        )
        today = reading.today
        if match["weekday"]:
            weekday = self.lexicon.weekdays[match["weekday"]]
            if step < 0:
                return on.one_day(on.weekday_before(today, weekday))
            ahead = on.weekday_after(today - (step == 0) * DAY, weekday)
            past = step == 0 and reading.tense(match.start(), match.end()) is Tense.PAST
            return on.one_day(on.weekday_before(today + DAY, weekday) if past else ahead)
        if match["weekend"]:
            this = on.weekend_of(today)
            return on.weekend_of(start_of(this) + step * WEEK)
        if match["unit"]:
            unit = self.lexicon.units[match["unit"]]
            return None if unit in {"day", "hour"} else calendar_unit(today, unit, step)
        if match["season"]:
            candidates = [on.season(year, self.lexicon.seasons[match["season"]]) for year in years_near(reading)]
        else:
            candidates = [on.month(year, self.lexicon.months[match["month"]]) for year in years_near(reading)]
        if step < 0:
            return max((c for c in candidates if c.end is not None and c.end <= today), key=start_of)
        if step > 0:
            return min((c for c in candidates if start_of(c) > today), key=start_of)
        return next(c for c in candidates if start_of(c).year == today.year)

    def _weekday_alone(self, match: Match, reading: Reading) -> Days:
        future = reading.tense(match.start(), match.end()) is Tense.FUTURE
        today = reading.today
        if match["weekday"]:
            weekday = self.lexicon.weekdays[match["weekday"]]
            return on.one_day(on.weekday_after(today, weekday) if future else on.weekday_before(today, weekday))
        this = on.weekend_of(today)
        return this if future or today.weekday() > 4 else on.weekend_of(today - WEEK)

    def _month_alone(self, match: Match, reading: Reading) -> Days:
        candidates = [on.month(year, self.lexicon.months[match["month"]]) for year in years_near(reading)]
        return on.meant(candidates, reading.today, reading.tense(match.start(), match.end()))

    def _season_alone(self, match: Match, reading: Reading) -> Days:
        candidates = [on.season(year, self.lexicon.seasons[match["season"]]) for year in years_near(reading)]
        return on.meant(candidates, reading.today, reading.tense(match.start(), match.end()))

    def _year(self, match: Match, reading: Reading) -> Days:
        return on.whole_year(int(match["year"]))


def _wide(day: date, unit: str) -> Days:
    if unit == "week":
        return on.seven_days_around(day)
    if unit in {"day", "hour"}:
        return on.one_day(day)
    return calendar_unit(day, unit, 0)


def _rule(words: frozenset[str], pattern: str, resolve: Resolve) -> Rule:
    compiled = re.compile(pattern)
    return Rule(words, compiled, resolve, "phrase" if "phrase" in compiled.groupindex else 0)


def _first(phrases: Mapping[str, int] | tuple[str, ...]) -> frozenset[str]:
    """Return the words by which a text shows that it may hold one of some phrases."""
    return frozenset(re.findall(r"[^\W\d_]+", phrase)[0] for phrase in phrases)


def _grammar(words: Lexicon) -> Grammar:
    return Grammar(
        rules=(*NUMERIC_RULES["day first"], *_Rules(words).build()),
        joiners=Joiners(
            start=opening(words.from_),
            to=re.compile(rf"\s*(?:{words.to}|{words.and_}|-|–)\s*"),
            dash=re.compile(r"\s*(?:-|–)\s*"),
            since=opening(words.since),
            before=opening(words.before),
            until=opening(words.until),
            after=opening(words.after),
            onwards=_NOTHING,
            no_since=_NOTHING,
        ),
        cues=Cues(past=re.compile(rf"\b(?:{words.past})\b"), future=re.compile(rf"\b(?:{words.future})\b")),
        prepositions=_NOTHING,
    )


GRAMMARS: Final[Mapping[str, Grammar]] = {language: _grammar(lexicon) for language, lexicon in LEXICONS.items()}
NUMBERS_ONLY: Final = Grammar(
    rules=NUMERIC_RULES["day first"],
    joiners=Joiners(
        start=_NOTHING, to=_NOTHING, dash=re.compile(r"\s*(?:-|–)\s*"), since=_NOTHING, before=_NOTHING, until=_NOTHING,
        after=_NOTHING, onwards=_NOTHING, no_since=_NOTHING,
    ),
    cues=Cues(past=_NOTHING, future=_NOTHING),
    prepositions=_NOTHING,
)  # fmt: skip
