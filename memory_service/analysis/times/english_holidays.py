"""Holidays in English."""

import re
from datetime import date
from typing import Final

from dateutil.easter import easter

from memory_service.analysis.times import days as on
from memory_service.analysis.times.calendar_units import start_of, years_near
from memory_service.analysis.times.days import DAY, Days, Granularity, Tense
from memory_service.analysis.times.english_words import CLAUSE_GOES_ON, year_named
from memory_service.analysis.times.reading import Match, Reading, alternatives


def _holiday_days(name: str, year: int) -> Days:
    """Return a holiday in a year."""
    fixed = {
        "christmas eve": (12, 24), "christmas": (12, 25), "christmas day": (12, 25), "xmas": (12, 25), "boxing day": (12, 26),
        "new year's eve": (12, 31), "new years eve": (12, 31), "new year's day": (1, 1), "new years day": (1, 1),
        "halloween": (10, 31), "valentine's day": (2, 14), "valentines day": (2, 14), "valentine's": (2, 14),
        "st. patrick's day": (3, 17), "st patrick's day": (3, 17), "independence day": (7, 4), "fourth of july": (7, 4),
        "4th of july": (7, 4), "july 4th": (7, 4), "juneteenth": (6, 19), "veterans day": (11, 11),
    }  # fmt: skip
    if name in fixed:
        return on.one_day(date(year, *fixed[name]))
    if name in {"new year's", "new years", "new year"}:
        return Days(date(year - 1, 12, 31), date(year, 1, 2), Granularity.RANGE)
    if name.startswith("easter") or name == "good friday":
        sunday = easter(year)
        return on.one_day(sunday - 2 * DAY if name == "good friday" else sunday + DAY * (name == "easter monday"))
    of_month = {
        "thanksgiving": (11, 4, 3), "thanksgiving day": (11, 4, 3), "black friday": (11, 4, 3), "labor day": (9, 1, 0),
        "memorial day": (5, -1, 0), "mother's day": (5, 2, 6), "mothers day": (5, 2, 6), "father's day": (6, 3, 6),
        "fathers day": (6, 3, 6),
    }  # fmt: skip
    number, ordinal, weekday = of_month[name]
    found = on.nth(on.month(year, number), ordinal, weekday)
    assert found.start is not None
    return on.one_day(found.start + DAY) if name == "black friday" else found


HOLIDAYS: Final = (
    "christmas eve", "christmas day", "christmas", "xmas", "boxing day", "new year's eve", "new years eve", "new year's day",
    "new years day", "new year's", "new years", "halloween", "valentine's day", "valentines day", "valentine's",
    "st. patrick's day", "st patrick's day", "independence day", "fourth of july", "4th of july", "juneteenth",
    "veterans day", "easter sunday", "easter monday", "easter", "good friday", "thanksgiving day", "thanksgiving",
    "black friday", "labor day", "memorial day", "mother's day", "mothers day", "father's day", "fathers day",
)  # fmt: skip
NAMES: Final = alternatives(HOLIDAYS).replace("'", "['’]")

# These say when by themselves; "Christmas" alone is as often a tree, a card or a song.
_SURE: Final = frozenset(name for name in HOLIDAYS if name.endswith((" eve", " day", " july"))) | {
    "black friday", "good friday",
}  # fmt: skip


def holiday(match: Match, reading: Reading) -> Days | None:
    """Resolve "last Christmas", "Easter 2022", "on Halloween"; a Christmas tree is none."""
    name = re.sub(r"\s+", " ", match["holiday"]).replace("’", "'")
    lead = (match["lead"] or "").strip()
    year = year_named(match, reading)
    if year is not None:
        return _holiday_days(name, year)
    if not lead and name not in _SURE:
        return None
    follows = re.match(r"\s+([a-z]+)", reading.lower[match.end("holiday") : match.end("holiday") + 20])
    if follows and name not in _SURE and not CLAUSE_GOES_ON.match(reading.lower, match.end("holiday")):
        return None  # "for Christmas shopping"
    today = reading.today
    candidates = [_holiday_days(name, year) for year in years_near(reading)]
    if lead in {"last", "this past"}:
        return max((c for c in candidates if c.end is not None and c.end <= today), key=start_of)
    if lead == "next":
        return min((c for c in candidates if c.start is not None and c.start > today), key=start_of)
    tense = reading.tense(match.start(), match.end())
    if tense is Tense.UNKNOWN and name not in _SURE and lead in {"at", "for", "on", "over", "during"}:
        return None  # "at Christmas we always go to church": any Christmas
    return on.meant(candidates, today, tense)
