"""How Chinese and Japanese say when: what is said most, in scripts without spaces between words."""

import re
from datetime import date
from functools import partial
from typing import Final

from memory_service.analysis.times import days as on
from memory_service.analysis.times.calendar_units import back, calendar_unit, start_of, years_near
from memory_service.analysis.times.days import DAY, WEEK, Days, Granularity, Tense
from memory_service.analysis.times.grammar import Grammar
from memory_service.analysis.times.joining import Joiners
from memory_service.analysis.times.reading import Cues, Match, Reading, Resolve, Rule
from memory_service.analysis.times.written import NUMERIC_RULES

_DIGITS: Final = {c: n for n, c in enumerate("〇一二三四五六七八九")} | {
    "两": 2,
    "兩": 2,
    "零": 0,
    "几": 3,
    "幾": 3,
    "数": 3,
}
_N: Final = r"(?:\d{1,3}|[〇零一二三四五六七八九十两兩]{1,3})"
_YEAR: Final = r"(?P<year>(?:19|20)\d\d|[一二][〇零一二三四五六七八九]{3})\s?年"
_WEEKDAYS: Final = {c: n for signs in ("一二三四五六日", "月火水木金土天") for n, c in enumerate(signs)}
_SEASONS: Final = {"春": "spring", "夏": "summer", "秋": "autumn", "冬": "winter"}
_UNITS: Final = {
    "天": "day", "日": "day", "周": "week", "週": "week", "星期": "week", "礼拜": "week",
    "週間": "week", "月": "month", "年": "year",
}  # fmt: skip
_DAY_WORDS: Final = {
    "大前天": -3, "前天": -2, "昨天": -1, "昨晚": -1, "昨日": -1, "今天": 0, "今日": 0, "今早": 0, "今晚": 0, "明天": 1, "明日": 1,
    "明晚": 1, "后天": 2, "後天": 2, "一昨日": -2, "おととい": -2, "昨夜": -1, "きのう": -1, "今朝": 0, "今夜": 0, "きょう": 0,
    "あした": 1, "明後日": 2, "あさって": 2,
}  # fmt: skip
_WEEK_STEPS: Final = {
    "上上": -2,
    "先々": -2,
    "上": -1,
    "先": -1,
    "这": 0,
    "這": 0,
    "本": 0,
    "今": 0,
    "下": 1,
    "来": 1,
    "來": 1,
    "再来": 2,
    "下下": 2,
}
_YEAR_STEPS: Final = {
    "前": -2,
    "一昨": -2,
    "去": -1,
    "昨": -1,
    "今": 0,
    "本": 0,
    "明": 1,
    "来": 1,
    "來": 1,
    "后": 2,
    "後": 2,
}
_STEP: Final = r"(?P<step>上上|下下|先々|再来|[上先这這本今下来來])"
_NOTHING: Final = re.compile(r"(?!)")


def _number(written: str) -> int:
    """Read a number up to 99.

    >>> _number("十二"), _number("二十"), _number("三"), _number("15")
    (12, 20, 3, 15)
    """
    if written.isdecimal():
        return int(written)
    tens, ten, ones = written.partition("十")
    if not ten:
        return int("".join(str(_DIGITS[c]) for c in written))
    return (_DIGITS[tens] if tens else 1) * 10 + (_DIGITS[ones] if ones else 0)


def _date(match: Match, reading: Reading) -> Days:
    groups = match.groupdict()
    year = groups.get("year")
    number, day = _number(match["month"]) if groups.get("month") else 0, groups.get("day")
    if year:
        value = _number(year)
        if number == 0:
            return on.whole_year(value)
        return on.one_day(date(value, number, _number(day))) if day else on.month(value, number)
    if not 1 <= number <= 12:
        raise ValueError("no such month")
    tense = reading.tense(match.start(), match.end())
    if day:
        date(2000, number, _number(day))
        leap = (number, _number(day)) == (2, 29)
        years = range(reading.today.year - 4, reading.today.year + 5)
        candidates = [on.one_day(date(y, number, _number(day))) for y in years if not leap or y % 4 == 0]
    else:
        candidates = [on.month(y, number) for y in years_near(reading)]
    return on.meant(candidates, reading.today, tense)


def _year_word(match: Match, reading: Reading) -> Days:
    year = reading.today.year + _YEAR_STEPS[match["step"]]
    if match["season"]:
        return on.season(year, _SEASONS[match["season"]])
    return on.month(year, _number(match["month"])) if match["month"] else on.whole_year(year)


def _month_word(match: Match, reading: Reading) -> Days:
    return calendar_unit(reading.today, "month", _WEEK_STEPS[match["step"]])


def _week_word(match: Match, reading: Reading) -> Days:
    week = on.week_of(reading.today + _WEEK_STEPS[match["step"]] * WEEK)
    if match["weekday"]:
        return on.one_day(start_of(week) + _WEEKDAYS[match["weekday"]] * DAY)
    return on.weekend_of(start_of(week)) if match["end"] else week


def _day_word(match: Match, reading: Reading) -> Days:
    return on.one_day(reading.today + _DAY_WORDS[match["word"]] * DAY)


def _away(match: Match, reading: Reading, *, sign: int) -> Days:
    unit = _UNITS[match["unit"]]
    if match["some"]:
        first, last = sorted(back(reading.today, -sign * count, unit) for count in (2, 5))
        return on.widened(_wide(first, unit), _wide(last, unit))
    return _wide(back(reading.today, -sign * _number(match["number"]), unit), unit)


def _wide(day: date, unit: str) -> Days:
    if unit == "week":
        return on.seven_days_around(day)
    return on.one_day(day) if unit == "day" else calendar_unit(day, unit, 0)


def _weekday(match: Match, reading: Reading) -> Days:
    weekday = _WEEKDAYS[match["weekday"]]
    future = reading.tense(match.start(), match.end()) is Tense.FUTURE
    return on.one_day(on.weekday_after(reading.today, weekday) if future else on.weekday_before(reading.today, weekday))


def _weekend(match: Match, reading: Reading) -> Days:
    future = reading.tense(match.start(), match.end()) is Tense.FUTURE
    return on.weekend_of(reading.today if future or reading.today.weekday() > 4 else reading.today - WEEK)


def _past_units(match: Match, reading: Reading) -> Days:
    start = back(reading.today, _number(match["number"]), _UNITS[match["unit"]])
    return Days(start, reading.today + DAY, Granularity.RANGE)


def _rule(pattern: str, resolve: Resolve) -> Rule:
    return Rule(frozenset(), re.compile(pattern), resolve)


_UNIT: Final = r"(?:个|個|か|ヶ|カ|ケ|箇)?(?P<unit>週間|星期|礼拜|天|日|周|週|月|年)"
_MONTH: Final = rf"(?P<month>{_N})\s?月"
_DAYS: Final = "|".join(sorted(_DAY_WORDS, key=lambda word: (-len(word), word)))

WIDE: Final = Grammar(
    rules=(
        *NUMERIC_RULES["day first"],
        _rule(rf"{_YEAR}(?:的|の)?\s?(?:{_MONTH}(?:\s?(?P<day>{_N})\s?[日号號])?)?", _date),
        _rule(
            r"(?P<step>一昨|[去昨今本明来來前后後])年(?:的|の)?\s?(?:(?P<season>[春夏秋冬])[天季]?|(?P<month>\d{1,2}|"
            r"[一二三四五六七八九十]{1,2})\s?月)?",
            _year_word,
        ),
        _rule(rf"(?<![\d一二三四五六七八九十]){_MONTH}\s?(?P<day>{_N})\s?[日号號]", _date),
        _rule(rf"(?:過去|过去|最近|この)(?P<number>{_N}){_UNIT}", _past_units),
        _rule(rf"(?:(?P<number>{_N})|(?P<some>[几幾数]))\s?{_UNIT}(?:以)?前", partial(_away, sign=-1)),
        _rule(rf"(?:(?P<number>{_N})|(?P<some>[几幾数]))\s?{_UNIT}(?:以)?[后後]", partial(_away, sign=1)),
        _rule(
            rf"{_STEP}(?:个|個)?(?:週|周|星期|礼拜)(?:的|の)?(?:(?:周|週|星期)?(?P<end>末)|(?P<weekday>[一二三四五六日天](?!本)|"
            rf"[月火水木金土日](?=曜)))?(?:曜日?)?",
            _week_word,
        ),
        _rule(r"(?P<step>上上|下下|先々|再来|[上先这這本今下来來])(?:个|個)?月", _month_word),
        _rule(rf"(?P<word>{_DAYS})(?:晚上|早上|下午|上午|の夜|の朝)?", _day_word),
        _rule(r"(?:周|週|星期|礼拜)(?P<weekday>[一二三四五六日天])(?!本)", _weekday),
        _rule(r"(?P<weekday>[月火水木金土日])曜日?", _weekday),
        _rule(r"(?:周|週)末", _weekend),
        _rule(rf"(?<![\d一二三四五六七八九十]){_MONTH}(?![\d一二三四五六七八九十間间])", _date),
    ),
    joiners=Joiners(
        start=re.compile(r"(?:从|從|自|在)?\Z"),
        to=re.compile(r"(?:到|至|から|～|〜|-|–)"),
        dash=re.compile(r"(?:到|至|から|～|〜|-|–)"),
        since=re.compile(r"(?:自从|自從|从|從|自)\Z"),
        before=_NOTHING,
        until=_NOTHING,
        after=_NOTHING,
        onwards=re.compile(r"(?:以来|以來|から|起|以后|以後|以降|之后|之後)"),
        no_since=_NOTHING,
    ),
    cues=Cues(
        past=re.compile(r"了|过|過|ました|だった|った|していた"),
        future=re.compile(r"会|會|要|打算|将|將|准备|つもり|予定|ましょう|たい|でしょう"),
    ),
    prepositions=_NOTHING,
)
