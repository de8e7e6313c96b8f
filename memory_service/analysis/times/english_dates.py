"""Dates and years in English: "8 May 2023", "May", "2022", "the 90s"."""

import re
from datetime import date
from typing import Final

from memory_service.analysis.times import days as on
from memory_service.analysis.times.calendar_units import start_of, years_near
from memory_service.analysis.times.days import Days, Granularity
from memory_service.analysis.times.english_words import (
    CLAUSE_GOES_ON,
    MONTHS,
    NAMES_TOO,
    PARTS,
    SHORT_MONTHS,
    SURE,
    name_beside,
    year_named,
)
from memory_service.analysis.times.reading import Match, Reading


def month_day(match: Match, reading: Reading) -> Days | None:
    """Resolve "8 May", "May 8th, 2023", "Monday, the 8th of May"."""
    number = MONTHS[match["month"].rstrip(".")]
    day = int(match["day"])
    written = match["month"].rstrip(".")
    year = year_named(match, reading)
    bare = match["nth"] is None and year is None
    if bare and written in NAMES_TOO and not reading.capitalised(match.start("month")):
        before = reading.lower[: match.start()].rstrip()
        if not before.endswith((" on", " by", " since", " until", " till", " before", " after", " of", " from")):
            return None
    if year is not None:
        return on.one_day(date(year, number, day))
    return same_day_each_year(number, day, match, reading)


def same_day_each_year(number: int, day: int, match: Match, reading: Reading) -> Days:
    """Return the day of a month in the year that is meant, where none is named."""
    date(2000, number, day)  # a leap year: a day that never is raises here
    years = range(reading.today.year - 4, reading.today.year + 5)
    candidates = [on.one_day(date(y, number, day)) for y in years if (number, day) != (2, 29) or _leaps(y)]
    return on.meant(candidates, reading.today, reading.tense(match.start(), match.end()))


def _leaps(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def day_range(match: Match, reading: Reading) -> Days | None:
    """Resolve "3 to 5 June", "June 3-5, 2023", "28 May to 3 June"."""
    if "and" in match["to"] and not re.search(r"\bbetween\s+(?:the\s+)?\Z", reading.lower[: match.start()]):
        return None
    last_month = MONTHS[match["month"].rstrip(".")]
    first_month = MONTHS[match["first_month"].rstrip(".")] if match["first_month"] else last_month
    year = year_named(match, reading)
    if year is not None:
        last = date(year, last_month, int(match["last"]))
    else:
        last_days = same_day_each_year(last_month, int(match["last"]), match, reading)
        assert last_days.start is not None
        last = last_days.start
    first = date(last.year - (first_month > last_month), first_month, int(match["first"]))
    return on.between(first, last) if first < last else None


def month_range(match: Match, reading: Reading) -> Days | None:
    """Resolve "between March and May 2023", "March-May", "from November 2022 to January 2023"."""
    before = reading.lower[: match.start()]
    if not re.search(r"\bbetween\s+\Z" if "and" in match["to"] else r"(?:\bfrom\s+|\A|[\s(])\Z", before):
        return None
    first, last = (MONTHS[match[name].rstrip(".")] for name in ("first_month", "month"))
    named = not NAMES_TOO.isdisjoint({match["first_month"], match["month"]})
    if named and match["year"] is None and not (reading.capitalised(match.start("first_month")) or "from" in before):
        return None
    if match["year"]:
        end = on.month(int(match["year"]), last)
        start = on.month(int(match["first_year"] or int(match["year"]) - (first > last)), first)
        return on.widened(start, end)
    candidates = [
        on.widened(on.month(year - (first > last), first), on.month(year, last)) for year in years_near(reading)
    ]
    return on.meant(candidates, reading.today, reading.tense(match.start(), match.end()))


def month_of_year(match: Match, reading: Reading) -> Days | None:
    """Resolve "May 2023", "May '23", "May last year"."""
    year = year_named(match, reading)
    return None if year is None else on.month(year, MONTHS[match["month"].rstrip(".")])


def month_alone(match: Match, reading: Reading) -> Days | None:
    """Resolve "in May", "last May", "since April"; a name of a person is none."""
    written = match["month"].rstrip(".")
    lead = (match["lead"] or "").strip()
    place = match.start("month")
    after = reading.lower[match.end("month") : match.end("month") + 12]
    if after.startswith(("'s ", "’s ")) and written in NAMES_TOO:
        return None
    if written in SHORT_MONTHS | NAMES_TOO:
        sure = lead in SURE or lead in {"last", "next", "this", "this past", "early", "late", "mid"}
        if not sure and not (lead and lead not in {"by", "from", "of", "for"} and CLAUSE_GOES_ON.match(after)):
            return None
        if lead in {"last", "next", "this"} and written in {"march", "may"} and not reading.capitalised(place):
            return None
    elif not lead and reading.text[place : place + 1].islower():
        return None
    if name_beside(reading, match.start("month"), match.end("month"), led=bool(lead)):
        return None
    number = MONTHS[written]
    today = reading.today
    candidates = [on.month(year, number) for year in years_near(reading)]
    if lead in {"last", "this past"}:
        return max((c for c in candidates if c.end is not None and c.end <= today), key=start_of)
    if lead == "next":
        return min((c for c in candidates if c.start is not None and c.start > today), key=start_of)
    found = on.meant(candidates, today, reading.tense(match.start(), match.end()))
    return on.part_of(found, PARTS[lead]) if lead in PARTS else found


def year_alone(match: Match, reading: Reading) -> Days | None:
    """Resolve "in 2022", "2023"; prices, counts, numbers of rooms and addresses are none."""
    number = int(match["year"])
    before = reading.lower[max(0, match.start("year") - 24) : match.start("year")]
    after = reading.lower[match.end("year") : match.end("year") + 24]
    if _NOT_BEFORE_YEAR.search(before):
        return None
    if _OF_A_YEAR.match(after):
        return on.whole_year(number)
    if _UNIT_OF_COUNT.match(after):
        return None
    led, surely = _BEFORE_YEAR.search(before), _SURELY_BEFORE_YEAR.search(before)
    if (not surely or number % 500 == 0) and _PLURAL.match(after):
        return None
    if not led and (number % 100 == 0 or number < 1900 or _APPROXIMATELY.search(before)):
        return None
    return on.whole_year(number)


_SURELY_BEFORE_YEAR: Final = re.compile(r"\b(?:in|since|until|till|during|year|early|mid|late)[\s-]+\Z")
_BEFORE_YEAR: Final = re.compile(
    r"\b(?:in|since|until|till|by|before|after|during|from|of|year|to|through|early|mid|late|and)[\s-]+\Z"
)
_APPROXIMATELY: Final = re.compile(
    r"\b(?:over|about|around|nearly|almost|than|least|most|only|another|up to|total|number|no)\s+\Z"
)
_OF_A_YEAR: Final = re.compile(
    r"(?:'s\b)?\s+(?:season|edition|version|model|election|olympics|world cup|awards?|class)\b"
)
_UNIT_OF_COUNT: Final = re.compile(
    r"\s*(?:%|(?:people|persons?|dollars?|bucks|euros?|pounds|met(?:er|re)s?|mg|kg|km|mph|usd|feet|ft|sq|rpm|mah|"
    r"calories|kcal|steps|miles|"
    r"words|pages|followers|copies|points|times|guests|members|students|votes|hours|minutes)\b)"
)
_PLURAL: Final = re.compile(
    r"[ ](?!(?:was|is|as|this|his|its|has|yes|always|us|plus|onwards|towards|afterwards|perhaps)\b)[a-z]{2,}s\b"
)
_NOT_BEFORE_YEAR: Final = re.compile(
    r"(?:[$€£¥#@=+*/\d]|\b(?:room|flight|route|rt|highway|hwy|apt|suite|unit|page|pin|code|version|v|no\.?|number|"
    r"model|bus|line|gate|level|lvl|"
    r"windows|office|rtx|gtx|cost|costs|paid|pay|worth|spent|for about|extra|another|nearly|almost)\s*)\Z|"
    r"[\w][.,:]\Z|[-–][\s]?\d+[-–]\Z"
)


def years_range(match: Match, reading: Reading) -> Days | None:
    """Resolve "2019-2021", "from 2019 to 2021", "2019-21"."""
    first = int(match["first"])
    last = int(match["last"]) if len(match["last"]) == 4 else first // 100 * 100 + int(match["last"])
    if last <= first or last - first > 200:
        return None
    if "and" in match["to"] and not re.search(r"\bbetween\s+\Z", reading.lower[: match.start()]):
        return None
    return on.widened(on.whole_year(first), on.whole_year(last))


def decade(match: Match, reading: Reading) -> Days:
    """Resolve "the 90s", "late 1980s", "the 1500s"; ages ("in my 20s") and temperatures are none."""
    first = int(match["full"]) if match["full"] else 1900 + int(match["two"] or match["short"])
    found = on.decade(first)
    if first % 100 == 0 and first != 2000:  # a century, unless it is the first decade of ours
        found = Days(found.start, date(first + 100, 1, 1), Granularity.RANGE)
    part = PARTS.get((match["part"] or "").strip(" -"))
    return on.part_of(found, part) if part else found


def quarter(match: Match, reading: Reading) -> Days:
    """Resolve "Q3 2022", "Q3"."""
    year = int(match["year"]) if match["year"] else reading.today.year
    return on.quarter(year, int(match["q"]))
