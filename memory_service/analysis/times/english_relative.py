"""Relative times in English: "last Friday", "two weeks ago", "this summer"."""

import re
from datetime import date
from typing import Final

from memory_service.analysis.times import days as on
from memory_service.analysis.times.calendar_units import back, calendar_unit, start_of, years_near
from memory_service.analysis.times.days import DAY, WEEK, Days, Granularity, Tense
from memory_service.analysis.times.english_words import (
    CLAUSE_GOES_ON,
    MONTHS,
    ORDINALS,
    PARTS,
    SEASONS,
    WEEKDAYS,
    counted,
    name_beside,
    year_named,
)
from memory_service.analysis.times.reading import Match, Reading

# "Have a lovely Sunday!", "Happy Friday"
_WISH: Final = re.compile(r"\b(?:happy|have (?:a|an)(?: [a-z]+){0,2}|enjoy (?:your|the|this)(?: [a-z]+)?)\s+\Z")


def weekday(match: Match, reading: Reading) -> Days | None:
    """Resolve "last Friday", "next Friday", "on Friday night", "Friday"."""
    weekday = WEEKDAYS[match["weekday"]]
    lead = re.sub(r"\s+", " ", match["lead"] or "").strip()
    if name_beside(reading, match.start("weekday"), match.end("weekday"), led=bool(lead) and lead != "the"):
        return None
    if (
        reading.lower[max(0, match.start() - 7) : match.start()]
        .rstrip()
        .endswith(("every", "each", "any", "most", "usual"))
    ):
        return None
    if lead == "the":
        return None
    today = reading.today
    if lead in {"last", "this past", "the past", "past", "this last"}:
        return on.one_day(on.weekday_before(today, weekday))
    if lead == "next":
        return on.one_day(on.weekday_of_next_week(today, weekday))
    if lead in {"this", "this coming", "coming", "the coming"}:
        tense = reading.tense(match.start(), match.end())
        if lead == "this" and tense is Tense.PAST:
            return on.one_day(on.weekday_before(today + DAY, weekday))
        return on.one_day(on.weekday_after(today - DAY, weekday))
    tense = reading.tense(match.start(), match.end())
    before = reading.lower[max(0, match.start() - 30) : match.start()]
    if not lead and (_WISH.search(before) or (weekday == today.weekday() and tense is Tense.UNKNOWN)):
        return on.one_day(on.weekday_after(today - DAY, weekday))
    if tense is Tense.FUTURE or lead in {"by", "until", "till"}:
        return on.one_day(on.weekday_after(today, weekday))
    return on.one_day(on.weekday_before(today, weekday))


# "It feels like only yesterday."
_LIKE: Final = re.compile(r"\b(?:feels?|felt|seems?|was|were|is|it's) like (?:just |only |it was )*\Z")


def day_word(match: Match, reading: Reading) -> Days | None:
    """Resolve "yesterday", "tonight", "the day after tomorrow"."""
    if _LIKE.search(reading.lower[max(0, match.start() - 20) : match.start()]):
        return None
    word = re.sub(r"\s+", " ", match["word"])
    offset = {
        "the day before yesterday": -2, "day before yesterday": -2, "yesterday": -1, "yday": -1, "last night": -1,
        "yesternight": -1, "today": 0, "tonight": 0, "tonite": 0, "this morning": 0, "this afternoon": 0,
        "this evening": 0, "tomorrow": 1, "tmrw": 1, "tmr": 1, "tomorow": 1, "tommorow": 1, "tommorrow": 1,
        "the day after tomorrow": 2, "day after tomorrow": 2,
    }[word]  # fmt: skip
    return on.one_day(reading.today + offset * DAY)


def weekend(match: Match, reading: Reading) -> Days | None:
    """Resolve "last weekend", "this weekend", "over the weekend"."""
    lead = re.sub(r"\s+", " ", match["lead"] or "").strip()
    today = reading.today
    this = on.weekend_of(today)
    assert this.start is not None
    # The one that has ended, or is going on, and the one before it.
    over = this.start if today > this.start else this.start - WEEK
    if lead in {"last", "this past", "the past", "past", "previous", "the previous", "the other"}:
        begun = this.start - WEEK
        return on.weekend_of(begun)
    if lead == "next":
        return on.weekend_of(this.start + WEEK)
    if lead in {"this", "this coming", "the coming"}:
        if lead == "this" and today.weekday() < 2 and reading.tense(match.start(), match.end()) is Tense.PAST:
            return on.weekend_of(over)
        return this
    tense = reading.tense(match.start(), match.end())
    return this if tense is Tense.FUTURE or today.weekday() > 4 else on.weekend_of(over)


def relative_unit(match: Match, reading: Reading) -> Days | None:
    """Resolve "last week", "next month", "this year", "the week before last", "the other day"."""
    lead = re.sub(r"\s+", " ", match["lead"]).strip()
    unit = match["unit"]
    today = reading.today
    if lead == "the other":
        if unit in {"day", "night", "morning", "evening", "afternoon"}:
            return Days(today - 10 * DAY, today, Granularity.RANGE)
        return None if unit != "week" else Days(today - 28 * DAY, on.week_of(today).start, Granularity.RANGE)
    tense = reading.tense(match.start(), match.end()) if lead.startswith("the") or lead.endswith("the") else None
    if (lead == "the next" and tense is Tense.PAST) or (lead.endswith("the") and tense is Tense.UNKNOWN):
        return None  # "the next week I took it again", "people born early in the year"
    if lead in {"the past", "this past", "past"}:
        return Days(back(today, 1, unit), today + DAY, Granularity.RANGE)
    if lead in {"the coming", "this coming", "the next"}:
        return Days(today, back(today, -1, unit) + DAY, Granularity.RANGE)
    step = {"last": -1, "previous": -1, "the previous": -1, "this last": -1, "next": 1}.get(lead.split(" in ")[0], 0)
    whole = calendar_unit(today, unit, step)
    if lead.startswith("earlier"):
        return Days(whole.start, today + DAY, Granularity.RANGE)
    if lead.startswith("later"):
        return Days(today, whole.end, Granularity.RANGE)
    part = PARTS.get(lead.split()[0])
    return on.part_of(whole, part) if part else whole


def units_away(match: Match, reading: Reading, *, sign: int) -> Days | None:
    """Resolve "two weeks ago" (sign -1) and "in two weeks" (sign 1), with the width that the words have."""
    today, unit = reading.today, match["unit"]
    if sign > 0 and reading.tense(match.start(), match.end()) is Tense.PAST and match["surely"] is None:
        return None
    if match["half"]:
        if unit not in {"year", "yr", "decade"}:
            return None if unit not in {"day", "hour"} else on.one_day(today)
        centre = on.months_from(today, sign * (6 if unit != "decade" else 60))
        return Days(on.months_from(centre, -1), on.months_from(centre, 1), Granularity.RANGE)
    low, high = counted(match)
    if sign > 0:
        near, far = _around(back(today, -low, unit), unit), _around(back(today, -high, unit), unit)
    else:
        if match["and_half"] and unit in {"year", "yr"}:
            return on.month(today.year, today.month - 12 * low - 6)
        near, far = _around(back(today, high, unit), unit), _around(back(today, low, unit), unit)
    return near if low == high else on.widened(near, far)


def _around(day: date, unit: str) -> Days:
    """Widen a day counted in units to what such a count can mean."""
    if unit in {"hour", "hr", "day", "night"}:
        return on.one_day(day)
    if unit == "weekend":
        return on.weekend_of(day)
    if unit in {"week", "wk", "fortnight"}:
        return on.seven_days_around(day)
    if unit in {"month", "mo"}:
        return on.month(day.year, day.month)
    if unit in {"year", "yr"}:
        return on.whole_year(day.year)
    return on.decade(day.year // 10 * 10)


def last_units(match: Match, reading: Reading) -> Days | None:
    """Resolve "the past two weeks", "the last few months", "the next three days"."""
    if match["half"]:
        return None
    _, count = counted(match)
    today, unit = reading.today, match["unit"]
    if match["way"] in {"next", "coming", "following"}:
        return Days(today, back(today, -count, unit) + DAY, Granularity.RANGE)
    return Days(back(today, count, unit), today + DAY, Granularity.RANGE)


def weekdays_ago(match: Match, reading: Reading) -> Days:
    """Resolve "two Fridays ago", "two summers ago"."""
    low, _ = counted(match)
    if match["weekday"] in SEASONS:
        past = _past_seasons(reading.today, SEASONS[match["weekday"]])
        return past[low - 1]
    first = on.weekday_before(reading.today, WEEKDAYS[match["weekday"]])
    return on.one_day(first - (low - 1) * WEEK)


def _past_seasons(today: date, name: str) -> list[Days]:
    """Return seasons that have ended, the latest first."""
    found = [on.season(year, name) for year in range(today.year, today.year - 12, -1)]
    return [days for days in found if days.end is not None and days.end <= today]


def season(match: Match, reading: Reading) -> Days | None:
    """Resolve "last summer", "the summer of 2022", "in the summer"."""
    name = SEASONS[match["season"]]
    lead = re.sub(r"\s+", " ", match["lead"] or "").strip()
    year = year_named(match, reading)
    if year is not None:
        found = on.season(year, name)
    else:
        if not lead:
            return None
        today = reading.today
        candidates = [on.season(year, name) for year in years_near(reading)]
        if lead.startswith(("last", "this past", "the past", "past")):
            return _past_seasons(today, name)[0]
        if lead.startswith("next"):
            return min((c for c in candidates if c.start is not None and c.start > today), key=start_of)
        if lead.startswith("this"):
            # Said of what is over, it is the one just ended.
            over = _past_seasons(today, name)[0]
            recent = over.end is not None and over.end > today - 60 * DAY
            if recent and reading.tense(match.start(), match.end()) is Tense.PAST:
                return over
            return on.meant(candidates, today, Tense.FUTURE)
        tense = reading.tense(match.start(), match.end())
        if tense is Tense.UNKNOWN and lead.startswith(("in", "during", "through")):
            return None  # "I love going there in the summer": any summer
        found = on.meant(candidates, today, tense)
    part = next((PARTS[word] for word in lead.split() if word in PARTS), None)
    return on.part_of(found, part) if part else found


def day_of_month(match: Match, reading: Reading) -> Days | None:
    """Resolve "on the 20th", in this month or the one beside it."""
    after = match.end()
    if not CLAUSE_GOES_ON.match(reading.lower, after):
        return None
    today, day = reading.today, int(match["day"])
    tense = reading.tense(match.start(), match.end())
    months = [on.month(today.year, today.month + step) for step in (-2, -1, 0, 1, 2)]
    candidates = []
    for one in months:
        assert one.start is not None
        assert one.end is not None
        if day <= (one.end - one.start).days:
            candidates.append(on.one_day(one.start + (day - 1) * DAY))
    return on.meant(candidates, today, tense)


def the_unit(match: Match, reading: Reading) -> Days:
    """Resolve what stands after "the end of": "the month", "the year"."""
    return calendar_unit(reading.today, match["unit"], 0)


def unit_before_last(match: Match, reading: Reading) -> Days:
    """Resolve "the week before last", "the weekend after next"."""
    return calendar_unit(reading.today, match["unit"], -2 if match["way"] == "before last" else 2)


def before_that(match: Match, reading: Reading) -> Days:
    """Resolve "the week before", said of nothing but now."""
    return calendar_unit(reading.today, match["unit"], -1)


def nth_in_month(match: Match, reading: Reading) -> Days | None:
    """Resolve "the first weekend of August", "the last week of May 2023", "the first Monday of this month"."""
    ordinal = ORDINALS[match["ordinal"]]
    if match["month"]:
        if match["year"]:
            within = on.month(int(match["year"]), MONTHS[match["month"].rstrip(".")])
        else:
            candidates = [on.month(year, MONTHS[match["month"].rstrip(".")]) for year in years_near(reading)]
            within = on.meant(candidates, reading.today, reading.tense(match.start(), match.end()))
    elif match["in_year"]:
        within = on.whole_year(int(match["in_year"]))
    else:
        step = {"last": -1, "next": 1}.get(match["which"], 0)
        within = calendar_unit(reading.today, "month", step)
    kind = match["kind"]
    if kind in WEEKDAYS:
        return on.nth(within, ordinal, WEEKDAYS[kind])
    sample = on.week_of(start_of(within)) if kind == "week" else on.weekend_of(start_of(within))
    return on.nth(within, ordinal, sample)
