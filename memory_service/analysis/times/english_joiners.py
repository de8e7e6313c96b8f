"""How English puts dates together."""

import re
from datetime import date
from typing import Final

from memory_service.analysis.times import days as on
from memory_service.analysis.times.calendar_units import back, calendar_unit
from memory_service.analysis.times.days import DAY, WEEK, Days, Granularity
from memory_service.analysis.times.english_words import COUNT, FULL_WEEKDAYS, UNIT, WEEKDAYS, counted
from memory_service.analysis.times.joining import Around, Joiners, opening
from memory_service.analysis.times.reading import Match, alternatives

_WHERE: Final = (
    r"(?P<way>before|prior\s+to|preceding|after|following|of|ending|starting|beginning)\s+(?:on\s+)?(?:the\s+)?"
)


def _beside(match: Match, anchor: Days) -> Days | None:
    """Resolve "the week before 9 June", "the Friday after Christmas", "the week of May 8"."""
    if anchor.start is None or anchor.end is None:
        return None
    kind, way = match["kind"], match["way"]
    first, past = anchor.start, anchor.end
    if way in {"of", "ending", "starting", "beginning"}:
        if kind in WEEKDAYS or kind not in {"week", "weekend"} or anchor.granularity is not Granularity.DAY:
            return None
        if kind == "weekend":
            return on.weekend_of(first)
        return {
            "of": on.week_of(first),
            "ending": Days(first - 6 * DAY, first + DAY, Granularity.WEEK),
        }.get(way, Days(first, first + WEEK, Granularity.WEEK))
    later = way in {"after", "following"}
    if kind in WEEKDAYS:
        weekday = WEEKDAYS[kind]
        return on.one_day(on.weekday_after(past - DAY, weekday) if later else on.weekday_before(first, weekday))
    if kind in {"day", "night", "morning", "evening"}:
        return on.one_day(past if later else first - DAY)
    if kind == "weekend":
        return on.weekend_of(on.weekday_after(past - DAY, 5) if later else on.weekday_before(first, 5))
    if anchor.granularity is not Granularity.DAY:
        # "the year before 2020", "the month after May": calendar units.
        return calendar_unit(past if later else first - DAY, kind, 0)
    start, end = (past, back(past, -1, kind)) if later else (back(first, 1, kind), first)
    return Days(start, end, Granularity.WEEK if kind == "week" else Granularity.RANGE)


def _shortly(match: Match, anchor: Days) -> Days | None:
    """Resolve "shortly before 7 January" as the week before."""
    if match["way"] == "after":
        return None if anchor.end is None else Days(anchor.end, anchor.end + WEEK, Granularity.WEEK)
    return None if anchor.start is None else Days(anchor.start - WEEK, anchor.start, Granularity.WEEK)


def _counted_from(match: Match, anchor: Days) -> Days | None:
    """Resolve "two days before Christmas", "a few weeks after May 8"."""
    if anchor.start is None or anchor.end is None or match["half"]:
        return None
    low, high = counted(match)
    unit = match["unit"]
    if match["way"] in {"after", "following"}:
        base: date = anchor.end - DAY
        near, far = back(base, -low, unit), back(base, -high, unit)
    else:
        near, far = back(anchor.start, high, unit), back(anchor.start, low, unit)
    if unit.startswith(("w", "fort")):
        return Days(near - 3 * DAY, far + 4 * DAY, Granularity.WEEK)
    if unit.startswith(("mo", "y", "dec")):
        return on.widened(calendar_unit(near, unit, 0), calendar_unit(far, unit, 0))
    return on.one_day(near) if near == far else on.between(near, far)


_KINDS: Final = rf"(?P<kind>day|night|morning|evening|week|weekend|month|year|{alternatives(FULL_WEEKDAYS)})"

JOINERS: Final = Joiners(
    start=opening(r"between|from|anywhere from|starting"),
    to=re.compile(r"\s*(?:and|to|until|till|through|thru|-|–|—|up to)\s+(?:the\s+)?"),
    dash=re.compile(r"\s*(?:-|–|—|through|thru)\s*"),
    since=opening(r"since|ever since"),
    before=opening(r"before|prior to|earlier than|older than"),
    until=opening(r"until|till|up to|up until|'til|til"),
    after=opening(r"after|later than|following|newer than"),
    onwards=re.compile(r"\s+(?:onwards?|and (?:later|after|beyond))\b"),
    no_since=re.compile(r"\s*(?:is|was|are|were|will|would|has|had|'s\b(?=\s+(?:my|the|a|our)))\b"),
    parts=tuple(
        (opening(words), part)
        for words, part in (
            (r"early(?:\s+in)?|(?:the\s+)?(?:very\s+)?(?:beginning|start)\s+of|the first (?:half|part) of", "early"),
            (r"mid-?|(?:the\s+)?middle\s+of", "mid"),
            (r"late(?:r)?(?:\s+in)?|(?:the\s+)?(?:very\s+)?end\s+of|towards?\s+the\s+end\s+of", "late"),
        )
    ),
    around=(
        Around(opening(r"(?:shortly|right|just|soon)\s+(?P<way>before|after)"), _shortly),
        Around(opening(rf"(?:the\s+)?{_KINDS}\s+(?:right\s+|just\s+)?{_WHERE}"), _beside),
        Around(opening(rf"{COUNT}\s+{UNIT}\s+(?P<way>before|prior\s+to|after|following)\s+(?:the\s+)?"), _counted_from),
    ),
)
