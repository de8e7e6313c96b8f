"""Stretches of whole days, and the arithmetic of calendars on them.

Weeks begin on Monday, seasons are those of the northern hemisphere by whole months. Whatever leaves the years that a
datetime can hold raises OverflowError or ValueError, as a day that no calendar has does.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import IntEnum, StrEnum
from typing import Final

FIRST_YEAR: Final = 1000  # earlier numbers of four digits are no years in anything people chat about
LAST_YEAR: Final = 2999
DAY: Final = timedelta(days=1)
WEEK: Final = timedelta(days=7)


class Granularity(StrEnum):
    """How precisely a phrase says when."""

    DAY = "day"
    WEEKEND = "weekend"
    WEEK = "week"
    MONTH = "month"
    SEASON = "season"
    YEAR = "year"
    DECADE = "decade"
    RANGE = "range"  # from one moment to another: the phrase itself says how long


class Tense(IntEnum):
    """Where a clause looks: its verbs decide which Friday "on Friday" is."""

    PAST = -1
    UNKNOWN = 0
    FUTURE = 1


@dataclass(frozen=True, slots=True)
class Days:
    """Days from `start` up to, and without, `end`; None where it is open."""

    start: date | None
    end: date | None
    granularity: Granularity


def one_day(day: date) -> Days:
    """Return a single day."""
    return Days(day, day + DAY, Granularity.DAY)


def between(first: date, last: date) -> Days:
    """Return the days from one to another, both included; in order, whichever comes first."""
    return Days(min(first, last), max(first, last) + DAY, Granularity.RANGE)


def week_of(day: date) -> Days:
    """Return Monday to Sunday around a day.

    >>> week_of(date(2023, 5, 8)).start, week_of(date(2023, 5, 14)).end
    (datetime.date(2023, 5, 8), datetime.date(2023, 5, 15))
    """
    monday = day - day.weekday() * DAY
    return Days(monday, monday + WEEK, Granularity.WEEK)


def seven_days_around(day: date) -> Days:
    """Return a week with a day in its middle: what "two weeks ago" can mean."""
    return Days(day - 3 * DAY, day + 4 * DAY, Granularity.WEEK)


def weekend_of(day: date) -> Days:
    """Return the Saturday and Sunday that end the week of a day."""
    saturday = day + (5 - day.weekday()) * DAY
    return Days(saturday, saturday + 2 * DAY, Granularity.WEEKEND)


def month(year: int, number: int) -> Days:
    """Return a month; numbers beyond 1 to 12 run into other years.

    >>> month(2023, 14).start
    datetime.date(2024, 2, 1)
    """
    years, index = divmod(number - 1, 12)
    ahead, following = divmod(number, 12)
    return Days(date(year + years, index + 1, 1), date(year + ahead, following + 1, 1), Granularity.MONTH)


def months_from(day: date, count: int) -> date:
    """Return the same day some months away, the last of the month where it has no such day.

    >>> months_from(date(2023, 3, 31), -1), months_from(date(2023, 11, 5), 3)
    (datetime.date(2023, 2, 28), datetime.date(2024, 2, 5))
    """
    there = month(day.year, day.month + count)
    assert there.start is not None
    assert there.end is not None
    return min(there.start + (day.day - 1) * DAY, there.end - DAY)


_SEASON_BEGINS: Final = {"spring": 3, "summer": 6, "autumn": 9, "winter": 12}


def season(year: int, name: str) -> Days:
    """Return a season; the winter of a year begins in its December.

    >>> season(2022, "winter").end
    datetime.date(2023, 3, 1)
    """
    first = _SEASON_BEGINS[name]
    return Days(month(year, first).start, month(year, first + 2).end, Granularity.SEASON)


def whole_year(number: int) -> Days:
    """Return a year."""
    return Days(date(number, 1, 1), date(number + 1, 1, 1), Granularity.YEAR)


def decade(first: int) -> Days:
    """Return ten years."""
    return Days(date(first, 1, 1), date(first + 10, 1, 1), Granularity.DECADE)


def quarter(year: int, number: int) -> Days:
    """Return a quarter of a year, 1 to 4."""
    return Days(month(year, 3 * number - 2).start, month(year, 3 * number).end, Granularity.SEASON)


def full_year(digits: str) -> int:
    """Read a year; two digits mean the one from 1950 to 2049.

    >>> full_year("23"), full_year("'87"), full_year("2023")
    (2023, 1987, 2023)
    """
    number = int(digits.lstrip("'’"))
    if number >= 100:
        return number
    return number + (2000 if number < 50 else 1900)


def part_of(days: Days, part: str) -> Days:
    """Return the first, middle or last third of some days.

    >>> part_of(month(2023, 6), "late")
    Days(start=datetime.date(2023, 6, 21), end=datetime.date(2023, 7, 1), granularity=<Granularity.RANGE: 'range'>)
    """
    if days.start is None or days.end is None:
        return days
    third = (days.end - days.start) / 3
    begins = {"early": 0, "mid": 1, "late": 2}[part]
    start = days.start + timedelta(days=(begins * third).days)
    end = days.end if part == "late" else days.start + timedelta(days=((begins + 1) * third).days)
    return Days(start, max(end, start + DAY), Granularity.RANGE)


def weekday_before(day: date, weekday: int) -> date:
    """Return the last such weekday (Monday is 0) before a day, not the day itself."""
    return day - ((day.weekday() - weekday - 1) % 7 + 1) * DAY


def weekday_after(day: date, weekday: int) -> date:
    """Return the first such weekday after a day, not the day itself."""
    return day + ((weekday - day.weekday() - 1) % 7 + 1) * DAY


def weekday_of_next_week(day: date, weekday: int) -> date:
    """Return such a weekday in the week that begins next Monday: "next Friday", as against "this Friday"."""
    return day + (7 - day.weekday() + weekday) * DAY


def nth(days: Days, ordinal: int, unit: Days | int) -> Days:
    """Return the first, second … last week, weekend or weekday within some days.

    Args:
        days: such as a month.
        ordinal: 1 for the first; -1 for the last.
        unit: a weekday as a number, or any `Days` of the granularity WEEK or WEEKEND.

    >>> nth(month(2023, 11), 4, 3).start  # Thanksgiving
    datetime.date(2023, 11, 23)
    """
    assert days.start is not None
    assert days.end is not None
    if isinstance(unit, Days) and unit.granularity is Granularity.WEEK:
        start = days.start + (ordinal - 1) * WEEK if ordinal > 0 else days.end - WEEK
        return Days(start, start + WEEK, Granularity.WEEK)
    weekday = unit if isinstance(unit, int) else 5
    day = (
        weekday_after(days.start - DAY, weekday) + (ordinal - 1) * WEEK
        if ordinal > 0
        else weekday_before(days.end, weekday)
    )
    return one_day(day) if isinstance(unit, int) else weekend_of(day)


def meant(candidates: Iterable[Days], reference: date, tense: Tense) -> Days:
    """Choose which of several years is meant: by the tense, else the one nearest to the reference.

    In the past something may have begun, so that "in May", said in May, is this May.

    >>> months = [month(year, 12) for year in (2022, 2023)]
    >>> [meant(months, date(2023, 5, 8), tense).start.year for tense in Tense]
    [2022, 2022, 2023]
    >>> meant([month(year, 5) for year in (2022, 2023)], date(2023, 5, 8), Tense.PAST).start.year
    2023
    """
    known = [(c, c.start, c.end - DAY) for c in candidates if c.start is not None and c.end is not None]
    if tense is Tense.PAST:
        known = [entry for entry in known if entry[1] <= reference]
        return max(known, key=lambda entry: entry[1])[0]
    if tense is Tense.FUTURE:
        known = [entry for entry in known if entry[2] >= reference]
        return min(known, key=lambda entry: entry[1])[0]

    def apart(entry: tuple[Days, date, date]) -> tuple[timedelta, date]:
        _, start, end = entry
        return max(start - reference, reference - end, timedelta(0)), start

    return min(known, key=apart)[0]


def widened(days: Days, other: Days) -> Days:
    """Return the stretch from the beginning of one to the end of another.

    Raises:
        ValueError: the other ends before the first begins.
    """
    if days.start is not None and other.end is not None and other.end <= days.start:
        raise ValueError("a range that ends before it begins")
    return Days(days.start, other.end, Granularity.RANGE)


def open_start(days: Days, *, inclusive: bool) -> Days:
    """Return everything up to some days: "until May" has May in it, "before May" has not."""
    return replace(days, start=None, end=days.end if inclusive else days.start)


def open_end(days: Days, *, inclusive: bool) -> Days:
    """Return everything from some days on: "since May" has May in it, "after May" has not."""
    return replace(days, start=days.start if inclusive else days.end, end=None)
