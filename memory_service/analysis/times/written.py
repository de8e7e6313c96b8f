"""Dates written with numbers, which look alike in every language."""

import re
from datetime import date
from functools import partial
from typing import Final

from memory_service.analysis.times import days as on
from memory_service.analysis.times.days import Days
from memory_service.analysis.times.reading import Match, Reading, Rule


def _iso(match: Match, reading: Reading) -> Days:
    return on.one_day(date(int(match["y"]), int(match["m"]), int(match["d"])))


def _iso_month(match: Match, reading: Reading) -> Days | None:
    number = int(match["m"])
    return on.month(int(match["y"]), number) if 1 <= number <= 12 else None


def _numbers(match: Match, reading: Reading, *, day_first: bool) -> Days:
    """Resolve 29.12.2023 and 5/8/2023: where day and month could be either the language decides; a dot says day first."""
    first, second = int(match["a"]), int(match["b"])
    day, number = (
        (first, second) if match["sep"] == "." or first > 12 or (day_first and second <= 12) else (second, first)
    )
    return on.one_day(date(on.full_year(match["y"]), number, day))


_ISO: Final = re.compile(
    r"(?<![\d./-])(?P<y>\d{4})[-/](?P<m>\d{1,2})[-/](?P<d>\d{1,2})(?:[t ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:z|"
    r"[+-]\d\d:?\d\d)?)?(?![\d/-])"
)
_LONG: Final = re.compile(r"(?<![\d./-])(?P<a>\d{1,2})(?P<sep>[./-])(?P<b>\d{1,2})(?P=sep)(?P<y>\d{4})(?!\d|[./-]\d)")
_SHORT: Final = re.compile(r"(?<![\d./-])(?P<a>\d{1,2})(?P<sep>/)(?P<b>\d{1,2})/(?P<y>\d{2})(?!\d|[./-]\d)")
_ISO_MONTH: Final = re.compile(r"(?<![\d./$€£-])(?P<y>(?:19|20)\d\d)-(?P<m>\d\d)(?![\d/-])")


_SEPARATED: Final = re.compile(r"\d[./-]\d")


def _rules(*, day_first: bool) -> tuple[Rule, ...]:
    numbers = partial(_numbers, day_first=day_first)
    patterns = ((_ISO, _iso), (_LONG, numbers), (_SHORT, numbers), (_ISO_MONTH, _iso_month))
    return tuple(Rule(frozenset(), pattern, resolve, core=_SEPARATED) for pattern, resolve in patterns)


NUMERIC_RULES: Final = {"month first": _rules(day_first=False), "day first": _rules(day_first=True)}
