"""How English says when: rules from the most to the least specific."""

import re
from collections.abc import Iterable
from functools import partial
from typing import Final

from memory_service.analysis.times import english_dates as dates
from memory_service.analysis.times import english_holidays as holidays
from memory_service.analysis.times import english_relative as relative
from memory_service.analysis.times.english_joiners import JOINERS
from memory_service.analysis.times.english_words import (
    COUNT,
    CUES,
    FULL_WEEKDAYS,
    MONTH,
    MONTHS,
    NTH,
    ORDINALS,
    PART_OF_DAY,
    PREPOSITION,
    SAFE_WEEKDAYS,
    SEASONS,
    TO,
    UNIT,
    WEEKDAY_LEAD,
    YEAR,
    YEAR_AFTER,
    YEAR_TAIL,
)
from memory_service.analysis.times.grammar import Grammar
from memory_service.analysis.times.reading import DIGIT, Resolve, Rule, alternatives, words_in
from memory_service.analysis.times.written import NUMERIC_RULES

_UNIT_WORDS: Final = words_in(
    "hour hours hr hrs day days night nights week weeks wk wks weekend weekends fortnight month months mo year years "
    "yr yrs "
    "decade decades quarter morning evening afternoon"
)
_DAY_WORDS: Final = words_in(
    "yesterday yday today tonight tonite tomorrow tmrw tmr tomorow tommorow tommorrow night morning afternoon evening"
)
_HOLIDAY_WORDS: Final = words_in(
    "christmas xmas day valentine valentines patrick fourth july juneteenth easter friday thanksgiving halloween "
    "year years"
)
_AGO: Final = r"\b(?:(?:about|around|almost|nearly|over|more than|just|roughly|like|maybe|exactly|only)\s+)?"
_LEAD: Final = r"(?:last|this past|the past|past|this last|next|this coming|the coming|coming|this)"
_FIRST, _LAST = rf"(?P<first>\d{{1,2}})(?!\d){NTH}?", rf"(?P<last>\d{{1,2}})(?!\d|:\d|\s*[ap]\.?m\b){NTH}?"
_FIRST_MONTH, _THE_MONTH = rf"(?P<first_month>{MONTH})", rf"(?P<month>{MONTH})"
_SEASON_LEAD: Final = (
    rf"(?P<lead>(?:early|mid|late)(?:[ -]in)?[ -](?:the\s+)?(?:last |this |next )?|{_LEAD}\s+|"
    r"(?:in|during|since|until|before|after|through|throughout)\s+(?:the\s+)?(?:early |mid[ -]|late )?|(?:over|"
    r"by)\s+the\s+|"
    r"(?:beginning|start|middle|end)\s+of\s+(?:the\s+|last\s+|this\s+|next\s+)?)"
)
# "We fall back", "spring into action".
_NO_SEASON: Final = r"(?!\s+(?:back|down|asleep|for|in love|apart|off|out|into)\b)"
_HOLIDAY_LEAD: Final = (
    r"(?P<lead>last|this past|this|next|on|at|for|before|after|since|until|till|over|during|around|by)"
)
_WEEKEND_LEAD: Final = (
    r"(?P<lead>last|this\s+past|the\s+past|past|(?:the\s+)?previous|the\s+other|next|this\s+coming|the\s+coming|this)"
)
_UNIT_LEAD: Final = (
    r"(?P<lead>last|the\s+past|this\s+past|past|(?:the\s+)?previous|this\s+last|next|the\s+next|the\s+coming|"
    r"this\s+coming|"
    r"(?:earlier|later|early|late)(?:\s+in)?\s+(?:this|last|next|the)|the\s+other|this)"
)


def _rule(
    words: Iterable[str],
    pattern: str,
    resolve: Resolve,
    group: int | str = 0,
    *,
    beside: Iterable[Iterable[str]] = (),
    core: re.Pattern[str] | None = None,
) -> Rule:
    return Rule(frozenset(words), re.compile(pattern), resolve, group, tuple(map(frozenset, beside)), core)


_LETTERS: Final = re.compile(r"[^\W\d_]+")


def _first_words(phrases: Iterable[str]) -> frozenset[str]:
    """Return of each phrase the first run of letters: "th" of "4th of july"."""
    return frozenset(_LETTERS.findall(phrase)[0] for phrase in phrases)


_A_DIGIT: Final = frozenset({DIGIT})
_ORDINAL_WORDS: Final = _first_words(ORDINALS)
_ENDINGS: Final = words_in("st nd rd th")
# A day before or behind a month: what "3 to 5 June", "the 8th of May", and "May 8", "June 3-5" have in common.
_DAY_MONTH: Final = re.compile(rf"\d{NTH}?[\s-]+(?:day\s+)?(?:of\s+)?{MONTH}")
_MONTH_DAY: Final = re.compile(rf"\b{MONTH}[\s-]+(?:the\s+)?\d")
_FOUR_DIGITS: Final = re.compile(r"\d\d\d\d")
_UNIT_LEAD_WORDS: Final = words_in("last past previous next coming earlier later early late other this")


RULES: Final[tuple[Rule, ...]] = (
    *NUMERIC_RULES["month first"],
    # "3 to 5 June", "28 May - 3 June 2023"; "May 28 to June 3"; "June 3-5, 2023"
    _rule(
        MONTHS,
        rf"{WEEKDAY_LEAD}(?:the\s+)?\b{_FIRST}(?:\s+(?:of\s+)?{_FIRST_MONTH})?(?P<to>{TO}){WEEKDAY_LEAD}(?:the\s+)?{_LAST}"
        rf"\s+(?:of\s+)?{_THE_MONTH}{YEAR_TAIL}",
        dates.day_range,
        beside=[_A_DIGIT],
        core=_DAY_MONTH,
    ),
    _rule(
        MONTHS,
        rf"\b{_FIRST_MONTH}\s+(?:the\s+)?{_FIRST}(?P<to>{TO}){_THE_MONTH}\s+{_LAST}{YEAR_TAIL}",
        dates.day_range,
        beside=[_A_DIGIT],
        core=_MONTH_DAY,
    ),
    _rule(
        MONTHS,
        rf"\b{_THE_MONTH}\s+(?:the\s+)?{_FIRST}(?P<to>{TO})(?:the\s+)?{_LAST}(?P<first_month>){YEAR_TAIL}",
        dates.day_range,
        beside=[_A_DIGIT],
        core=_MONTH_DAY,
    ),
    # "Monday, the 8th of May 2023"; "May 8th, 2023"
    _rule(
        MONTHS,
        rf"{WEEKDAY_LEAD}(?:\bthe\s+)?(?<![\w:.,/$-])(?P<day>\d{{1,2}})(?P<nth>{NTH})?[\s-]+(?:day\s+)?(?:of\s+)?"
        rf"{_THE_MONTH}{YEAR_TAIL}",
        dates.month_day,
        beside=[_A_DIGIT],
        core=_DAY_MONTH,
    ),
    _rule(
        MONTHS,
        rf"{WEEKDAY_LEAD}\b{_THE_MONTH}[\s-]+(?:the\s+)?(?P<day>\d{{1,2}})(?!\d|:\d|\s*[ap]\.?m\b|\s*%|"
        rf"\.\d)(?P<nth>{NTH})?\b"
        rf"{YEAR_TAIL}",
        dates.month_day,
        beside=[_A_DIGIT],
        core=_MONTH_DAY,
    ),
    # "the first weekend of August 2023"
    _rule(
        {"week", "weekend"} | FULL_WEEKDAYS,
        rf"\b(?:the\s+)?(?P<ordinal>{alternatives(ORDINALS)})\s+(?P<kind>week|weekend|"
        rf"{alternatives(FULL_WEEKDAYS)})\s+(?:of|in)\s+"
        rf"(?:{_THE_MONTH}(?:,?\s+(?:of\s+)?(?P<year>{YEAR}))?|(?P<in_year>{YEAR})|(?:the\s+)?(?P<which>last|next|"
        rf"this|the)?\s*month\b)",
        relative.nth_in_month,
        beside=[_ORDINAL_WORDS, {"of", "in"}],
    ),
    # "between March and May 2023"; "May 2023"
    _rule(
        MONTHS,
        rf"\b{_FIRST_MONTH}(?:\s+(?P<first_year>{YEAR}))?(?P<to>{TO}){_THE_MONTH}(?:,?\s+(?:of\s+)?(?P<year>{YEAR}))?(?!\s*\d)",
        dates.month_range,
    ),
    _rule(
        MONTHS,
        rf"\b{_THE_MONTH}{YEAR_AFTER}",
        dates.month_of_year,
        beside=[{DIGIT, "year"}],
    ),
    _rule(
        SEASONS,
        rf"\b(?:{_SEASON_LEAD})?(?P<season>{alternatives(SEASONS)})\b{_NO_SEASON}{YEAR_TAIL}(?:(?<=\d)\s*[-–/]\s*(?:20\d\d|"
        rf"\d\d)(?!\d))?",
        relative.season,
    ),
    _rule(
        _HOLIDAY_WORDS,
        rf"\b(?:{_HOLIDAY_LEAD}\s+)?(?P<holiday>{holidays.NAMES})\b{YEAR_TAIL}",
        holidays.holiday,
        beside=[_first_words(holidays.HOLIDAYS)],
    ),
    # "two Fridays ago", "two weeks ago", "a year and a half ago"
    _rule(
        {"ago"},
        rf"{_AGO}{COUNT}\s+(?P<weekday>{alternatives(FULL_WEEKDAYS | SEASONS.keys())})s?\s+ago\b",
        relative.weekdays_ago,
    ),
    _rule(
        _UNIT_WORDS,
        rf"{_AGO}{COUNT}\s+(?:short\s+|whole\s+|long\s+)?{UNIT}(?P<and_half>\s+and\s+a\s+half)?(?:\s+or\s+(?:so|two))?"
        r"\s+(?:ago|back(?!\s+(?:to|in|from|at|home|on)\b))\b",
        partial(relative.units_away, sign=-1),
        beside=[{"ago", "back"}],
    ),
    # "two weeks from now", "in two weeks", "the past few months"
    _rule(
        _UNIT_WORDS,
        rf"{_AGO}{COUNT}\s+{UNIT}(?P<surely>\s+from\s+(?:now|today))\b",
        partial(relative.units_away, sign=1),
        beside=[{"from"}],
    ),
    _rule(
        _UNIT_WORDS,
        rf"\b(?:in|within)\s+(?:just\s+|about\s+|"
        rf"like\s+)?{COUNT}\s+{UNIT}(?P<surely>['’]?s?['’]?\s+time)?\b(?!\s+(?:of|old|ago)\b)",
        partial(relative.units_away, sign=1),
        beside=[{"in", "within"}],
    ),
    _rule(
        _UNIT_WORDS,
        rf"\b(?:the\s+|these\s+|this\s+)?(?P<way>last|past|next|coming|previous)\s+{COUNT}\s+{UNIT}\b",
        relative.last_units,
        beside=[words_in("last past next coming previous")],
    ),
    # "the week before last"; "yesterday"; "this weekend"; "last month"
    _rule(
        _UNIT_WORDS,
        r"\b(?:the\s+)?(?P<unit>week|weekend|month|year)\s+(?P<way>before last|after next)\b",
        relative.unit_before_last,
        beside=[{"before", "after"}],
    ),
    _rule(
        _DAY_WORDS,
        r"\b(?P<word>(?:the\s+)?day\s+(?:before\s+yesterday|after\s+tomorrow)|yesterday|yday|last\s+night|today|"
        r"tonight|tonite|"
        rf"this\s+(?:morning|afternoon|evening)|tomorrow|tmrw|tmr|tomorow|tommorr?ow)\b"
        rf"(?!['’]?s\s+(?:world|society|youth|kids|standards|age)\b){PART_OF_DAY}",
        relative.day_word,
    ),
    _rule(
        {"weekend", "wknd"},
        rf"\b(?:{_WEEKEND_LEAD}\s+|(?:(?:over|at|on|during|for|in)\s+)?the\s+|on\s+)(?:weekend|wknd)\b"
        r"(?!s|\s+(?:of|before|after|trips?\b|getaway)|-)",
        relative.weekend,
    ),
    _rule(
        _UNIT_WORDS,
        rf"\b{_UNIT_LEAD}\s+(?P<unit>week|fortnight|month|quarter|year|decade|"
        r"(?<=other )(?:day|night|morning|evening|afternoon))\b(?!\s+(?:of|before\s+last)\b|-)",
        relative.relative_unit,
        beside=[_UNIT_LEAD_WORDS],
    ),
    _rule(
        SAFE_WEEKDAYS,
        rf"\b(?:(?P<lead>{_LEAD}|on|by|until|till|since|from|for|before|after|"
        rf"the)\s+)?(?P<weekday>{alternatives(SAFE_WEEKDAYS)})\b"
        rf"(?!s\b)(?!\s+the\s+13th){PART_OF_DAY}",
        relative.weekday,
    ),
    _rule(
        MONTHS,
        rf"\b(?:(?P<lead>{PREPOSITION}|last|next|this\s+past|this|(?:early|late|"
        rf"mid)(?=[\s-]))[\s-]+(?:the\s+month\s+of\s+)?)?"
        rf"{_THE_MONTH}",
        dates.month_alone,
    ),
    # "2019-2021", "the 90s", "Q3 2023", "2023", "on the 20th"
    _rule(
        (),
        r"(?<![\w.,$€£-])(?P<first>(?:1[5-9]|20)\d\d)(?P<to>\s*(?:-|–|to|through|until|till|and)\s*)"
        r"(?P<last>(?:19|20)\d\d|(?<=[-–])\d\d)(?![\w-]|[.,]\d)",
        dates.years_range,
        core=_FOUR_DIGITS,
    ),
    _rule(
        (),
        r"(?<!\w)(?P<part>early[\s-]|mid[\s-]|late[\s-])?"
        r"(?:(?P<full>(?:1[5-9]|20)\d0)['’]?|(?:(?<=\bthe )|(?<=0s and )|(?<=0s or ))(?P<two>[6-9]0)['’]?|"
        r"['’](?P<short>[6-9]0)['’]?)s\b",
        dates.decade,
        beside=[{"s"}],
    ),
    _rule((), r"\bq(?P<q>[1-4])(?:[\s-]+(?:of\s+)?(?P<year>(?:19|20)\d\d))?\b", dates.quarter, beside=[{"q"}]),
    _rule((), rf"(?<![\w.,:])(?<!\d[-/])(?P<year>{YEAR})(?!\s*(?:%|-\d|:\d))", dates.year_alone, core=_FOUR_DIGITS),
    _rule(
        (),
        rf"\b(?:on|by|until|since|from|before|after)\s+(?P<phrase>the\s+(?P<day>\d{{1,2}}){NTH})\b",
        relative.day_of_month,
        "phrase",
        beside=[_ENDINGS],
    ),
    # "the end of the month", "the week before."
    _rule(
        _UNIT_WORDS,
        r"\b(?:beginning|start|middle|end|half|rest)\s+of\s+(?P<phrase>the\s+(?P<unit>week|month|quarter|year|decade))\b",
        relative.the_unit,
        "phrase",
        beside=[words_in("beginning start middle end half rest")],
    ),
    _rule(
        _UNIT_WORDS,
        r"\bthe\s+(?P<unit>week|weekend|month|year)\s+before\b(?=\s*(?:\Z|[.,!?;)]))",
        relative.before_that,
        beside=[{"before"}],
    ),
)

ENGLISH: Final = Grammar(
    rules=RULES,
    joiners=JOINERS,
    cues=CUES,
    prepositions=re.compile(
        r"(?:on|by|until|till|since|from|for|before|after|in|during|over|at|around|through|throughout|as of|back in|"
        r"of)\s+"
        rf"(?!{COUNT}\s+{UNIT}\b)"
    ),
)
