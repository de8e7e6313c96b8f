"""Read values in a text: amounts of money, shares, dates, times of day, quantities, numbers, addresses. Pure.

Each value has a key under which it is one and the same however it is written: "1.80 m" and "180 cm", "3 May" and "May 3rd",
"2 pm" and "14:00". Values are equal when their keys are (`same_value`); a year that only one of them states is no difference.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from memory_service.analysis.facts.attributes import FUNCTIONAL, OCCUPATIONS, ROLES_OF_PEOPLE
from memory_service.analysis.facts.numbered import Naming, naming_of
from memory_service.analysis.folding import lower_ignoring_case

MOST_VALUES: Final = 64  # of one text; a table of numbers says little of any of them


class ValueKind(StrEnum):
    """What kind of value stands in a text."""

    EMAIL = "email"
    CODE = "code"
    CLOCK = "clock"
    DATE = "date"
    WEEKDAY = "weekday"
    MONEY = "money"
    SHARE = "share"
    QUANTITY = "quantity"
    ORDINAL = "ordinal"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Value:
    """A value, where it stands in the text in characters, and what it comes to.

    Attributes:
        kind: What it is.
        text: As it is written.
        start, end: Where.
        amount: In `unit`; minutes after midnight for a time of day; None for dates and addresses.
        unit: What is counted, in one form per dimension ("m", "s", "byte"); the currency of money.
        date: (year, month, day), None for what is not stated.
        perhaps_name: It may as well say which thing is meant: "I like item 2", "I weigh 70".
    """

    kind: ValueKind
    text: str
    start: int
    end: int
    amount: float | None = None
    unit: str | None = None
    date: tuple[int | None, int | None, int | None] | None = None
    perhaps_name: bool = False


_MONTHS: Final = {
    name: number
    for number, names in enumerate(
        [
            "january jan januar janvier enero gennaio",
            "february feb februar février febrero febbraio",
            "march mar märz mars marzo",
            "april apr avril abril aprile",
            "may mai mayo maggio",
            "june jun juni juin junio giugno",
            "july jul juli juillet julio luglio",
            "august aug août agosto",
            "september sep sept septembre septiembre settembre",
            "october oct oktober octobre octubre ottobre",
            "november nov novembre noviembre",
            "december dec dezember décembre diciembre dicembre",
        ],
        start=1,
    )
    for name in names.split()
}
_WEEKDAYS: Final = {
    name: number
    for number, names in enumerate(
        [
            "monday montag lundi lunes lunedì",
            "tuesday dienstag mardi martes martedì",
            "wednesday mittwoch mercredi miércoles mercoledì",
            "thursday donnerstag jeudi jueves giovedì",
            "friday freitag vendredi viernes venerdì",
            "saturday samstag samedi sábado sabato",
            "sunday sonntag dimanche domingo domenica",
        ]
    )
    for name in names.split()
}
_ONES: Final = (
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_NUMBERS: Final = (
    {word: number for number, word in enumerate(_ONES.split(), start=2)}
    | {
        word: ten * 10
        for ten, word in enumerate(
            ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], start=2
        )
    }
    | {"twice": 2, "thrice": 3, "dozen": 12, "hundred": 100, "thousand": 1000}
)
_ORDINALS: Final = {
    word: number
    for number, word in enumerate(
        ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"], start=1
    )
}
_SCALES: Final = {"k": 1e3, "thousand": 1e3, "m": 1e6, "mn": 1e6, "million": 1e6, "billion": 1e9, "bn": 1e9}
_CURRENCIES: Final = {
    "$": "usd", "usd": "usd", "dollar": "usd", "dollars": "usd", "bucks": "usd", "€": "eur", "eur": "eur", "euro": "eur",
    "euros": "eur", "£": "gbp", "gbp": "gbp", "pound": "gbp", "pounds": "gbp", "¥": "jpy", "yen": "jpy", "chf": "chf",
    "franken": "chf", "francs": "chf",
}  # fmt: skip
# The word, the form that its dimension is compared in, and how many of that one of it is.
_UNITS: Final[Mapping[str, tuple[str, float]]] = {
    "mm": ("m", 1e-3), "cm": ("m", 1e-2), "m": ("m", 1.0), "meter": ("m", 1.0), "metre": ("m", 1.0), "meters": ("m", 1.0),
    "metres": ("m", 1.0), "km": ("m", 1e3), "kilometers": ("m", 1e3), "kilometres": ("m", 1e3), "mile": ("m", 1609.344),
    "miles": ("m", 1609.344), "ft": ("m", 0.3048), "feet": ("m", 0.3048), "inches": ("m", 0.0254),
    "g": ("g", 1.0), "grams": ("g", 1.0), "kg": ("g", 1e3), "kilos": ("g", 1e3), "kilograms": ("g", 1e3),
    "lb": ("g", 453.592), "lbs": ("g", 453.592),
    "ms": ("s", 1e-3), "milliseconds": ("s", 1e-3), "s": ("s", 1.0), "sec": ("s", 1.0), "second": ("s", 1.0),
    "seconds": ("s", 1.0), "min": ("s", 60.0), "mins": ("s", 60.0), "minute": ("s", 60.0), "minutes": ("s", 60.0),
    "h": ("s", 3600.0), "hr": ("s", 3600.0), "hrs": ("s", 3600.0), "hour": ("s", 3600.0), "hours": ("s", 3600.0),
    "day": ("d", 1.0), "days": ("d", 1.0), "week": ("d", 7.0), "weeks": ("d", 7.0),
    "month": ("month", 1.0), "months": ("month", 1.0), "year": ("month", 12.0), "years": ("month", 12.0),
    "kb": ("byte", 2.0**10), "mb": ("byte", 2.0**20), "gb": ("byte", 2.0**30), "tb": ("byte", 2.0**40),
}  # fmt: skip

_AMOUNT: Final = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:[.,]\d{1,2}(?!\d))?"
_SCALE: Final = r"(?:\s?(?:k|mn|bn)\b|\s?(?:m\b)|\s?(?:thousand|million|billion)\b)"
_MONTH: Final = "|".join(sorted(_MONTHS, key=len, reverse=True))
_WEEKDAY: Final = "|".join(_WEEKDAYS)
_WORDS: Final = "|".join(sorted(_NUMBERS, key=len, reverse=True))
_UNIT: Final = "|".join(sorted(map(re.escape, _UNITS), key=len, reverse=True))
_CURRENCY: Final = "|".join(sorted((re.escape(c) for c in _CURRENCIES if c.isalpha()), key=len, reverse=True))
_NTH: Final = r"(?:st|nd|rd|th)"
# At one place the first that matches counts.
_VALUE: Final = re.compile(
    rf"(?P<email>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)"
    rf"|(?P<iso>(?<!\d)\d{{4}}-\d\d-\d\d(?!\d))"
    rf"|(?P<clock>\b\d{{1,2}}(?::\d\d)?\s?(?:[ap]\.m\.|[ap]m\b)|\b(?:[01]?\d|2[0-3]):[0-5]\d\b(?!:))"
    rf"|(?P<duration>(?<![\d:])\d{{1,3}}:[0-5]\d(?::[0-5]\d)?(?![\d:]))"
    rf"|(?P<monthday>\b(?:{_MONTH})\b\.?\s+\d{{1,2}}{_NTH}?(?!\d|:)(?:,?\s+\d{{4}}\b)?)"
    rf"|(?P<daymonth>\b\d{{1,2}}(?:{_NTH}|\.)?\s+(?:of\s+|de\s+)?(?:{_MONTH})\b(?:,?\s+(?:de\s+)?\d{{4}}\b)?)"
    rf"|(?P<month>\b(?:{_MONTH})\b(?:\s+\d{{4}}\b)?)"
    rf"|(?P<weekday>\b(?:{_WEEKDAY})\b)"
    rf"|(?P<money>(?:[$€£¥]|\b(?:eur|usd|gbp|chf)\b)\s?(?:{_AMOUNT}){_SCALE}?|\b(?:{_AMOUNT}){_SCALE}?\s(?:{_CURRENCY})\b|\b(?:{_WORDS})\s(?:{_CURRENCY})\b)"
    rf"|(?P<share>\b(?:{_AMOUNT})\s?(?:%|percent\b|per cent\b))"
    rf"|(?P<half>\b(?:an?|\d+|{_WORDS})\s(?:hours?|days?|weeks?|months?|years?)\sand\sa\shalf\b|\bhalf an hour\b)"
    rf"|(?P<code>(?<![\w.])\+?\d[\d ()/-]{{6,}}\d(?!\w))"
    rf"|(?P<quantity>(?<![\w.,:/-])(?:{_AMOUNT})[\s-]?(?:{_UNIT})\b|\b(?:{_WORDS})[\s-](?:{_UNIT})\b)"
    rf"|(?P<nth>\b\d+{_NTH}\b|\b(?:{'|'.join(_ORDINALS)})\b)"
    rf"|(?<![\w.:/-])(?P<number>(?:{_AMOUNT}){_SCALE}?|\b(?:{_WORDS})\b)(?![:/]\d|\w)",
    re.IGNORECASE,
)
_HINT: Final = re.compile(rf"\d|@|\b(?:{_WORDS}|{_WEEKDAY}|{_MONTH}|{'|'.join(_ORDINALS)}|half)\b", re.IGNORECASE)
_DIGITS: Final = re.compile(r"\d+")
_BITS: Final = re.compile(
    r"[KMGT]b\Z"
)  # 100 Mb are an eighth of 100 MB; "mb" is written for either, and mostly means bytes
_NUMBER: Final = re.compile(rf"{_AMOUNT}")
_MODAL: Final = frozenset({"may", "march", "mar", "mars", "sep", "dec", "jun"})


def read_values(text: str) -> tuple[Value, ...]:
    """Return the values of a text in its order.

    >>> [(one.kind.value, one.amount, one.unit) for one in read_values("I am 1.80 m tall, pay $12k and get up at 2:30 pm")]
    [('quantity', 1.8, 'm'), ('money', 12000.0, 'usd'), ('clock', 870.0, None)]
    >>> [one.date for one in read_values("From 3 May, or May 3rd, 2024. It may rain.")]
    [(None, 5, 3), (2024, 5, 3)]

    A number that says which thing is meant is no value:

    >>> [one.amount for one in read_values("Sensor 4 has 2 batteries.")]
    [2.0]
    """
    if _HINT.search(text) is None:
        return ()
    found = []
    for match in _VALUE.finditer(text):
        value = _read(match)
        if value is None:
            continue
        if value.kind is ValueKind.NUMBER or (value.kind is ValueKind.CODE and value.text.isdigit()):
            naming = naming_of(text, value.start, value.end)
            if naming is Naming.YES:
                continue
            value = replace(value, perhaps_name=naming is Naming.PERHAPS)
        found.append(value)
        if len(found) == MOST_VALUES:
            break
    return tuple(found)


def of_one_sort(one: str, other: str, attribute: str = "") -> bool:
    """Say whether two values of one attribute may exclude each other: what a thing costs says nothing of what or where it is.

    A value is of a sort where it is nothing else: "5th Avenue 12" is no number. What holds one value at a time is of one sort
    whatever it is written with: who is called April is no month.

    >>> of_one_sort("Honda Civic", "Tesla"), of_one_sort("Honda Civic", "12 years old"), of_one_sort("Monday", "5 pm")
    (True, False, False)
    >>> of_one_sort("900", "950 euros"), of_one_sort("Monday", "3 May"), of_one_sort("4711", "Tulip")
    (True, True, True)
    >>> of_one_sort("Monday at 5 pm", "6 pm"), of_one_sort("First Direct", "N26"), of_one_sort("April", "Ana", "spouse")
    (True, True, True)
    """
    if attribute in FUNCTIONAL:
        return True
    first, second = _sorts(one), _sorts(other)
    if attribute in _OFTEN_NAMED:
        first, second = first - {_DAY}, second - {_DAY}
    if not first or not second:
        return first == second or {_BARE} in (first, second)
    return not first.isdisjoint(second) or (_BARE in first | second and not (first | second) & _OF_TIME)


_BARE: Final = ("number", None)
_DAY: Final = ("day", None)
_OF_TIME: Final = frozenset({_DAY, (ValueKind.CLOCK.value, None)})
_SORTS: Final = {ValueKind.DATE: "day", ValueKind.WEEKDAY: "day", ValueKind.ORDINAL: "day"}
_OFTEN_NAMED: Final = ROLES_OF_PEOPLE | OCCUPATIONS | {"password", "bank"}
_BESIDE: Final = re.compile(
    r"(?:the|an?|on|in|at|from|to|until|of|by|about|around|only|just|now|and|each|every|per|old|long|tall|high|wide|heavy|away|"
    r"late|early|morning|afternoon|evening|night|noon|next|day|week|month|year|monthly|o['’]?clock|\W)*",
    re.IGNORECASE,
)


def _sorts(text: str) -> frozenset[tuple[str, str | None]]:
    """Return of what sorts the values of a text are, with what they count; none where it is more than values."""
    found = [one for one in read_values(text) if one.kind not in _UNSORTED and not one.perhaps_name]
    rest, last = "", 0
    for one in found:
        rest += f"{text[last : one.start]} "
        last = one.end
    if not found or _BESIDE.fullmatch(rest + text[last:]) is None:
        return frozenset()
    return frozenset(
        (_SORTS.get(one.kind, one.kind.value), one.unit if one.kind is ValueKind.QUANTITY else None) for one in found
    )


_UNSORTED: Final = frozenset({ValueKind.EMAIL, ValueKind.CODE})


def same_value(one: Value, other: Value) -> bool:
    """Say whether two values are one and the same, however they are written.

    >>> a, b, c = (read_values(text)[0] for text in ("90 minutes", "an hour and a half", "95 minutes"))
    >>> same_value(a, b), same_value(a, c)
    (True, False)
    """
    if one.date is not None and other.date is not None:
        return one.kind is other.kind and all(
            a is None or b is None or a == b for a, b in zip(one.date, other.date, strict=True)
        )
    if one.amount is None or other.amount is None:
        return one.kind is other.kind and _plain(one.text) == _plain(other.text)
    return (
        one.unit == other.unit
        and (one.kind is other.kind or {one.kind, other.kind} <= _COUNTS)
        and math.isclose(one.amount, other.amount, rel_tol=_tolerance(one, other))
    )


_COUNTS: Final = frozenset({ValueKind.NUMBER, ValueKind.QUANTITY})
# "6.2 miles" for 10 km is rounded; two numbers of one unit are meant as they are written.
_ROUNDED: Final = 0.01
_EXACT: Final = 1e-6


def _tolerance(one: Value, other: Value) -> float:
    return _EXACT if _unit_of(one.text) == _unit_of(other.text) else _ROUNDED


def _unit_of(text: str) -> str:
    return re.sub(r"[\d.,\s-]", "", text).lower()


def _plain(text: str) -> str:
    return re.sub(r"[\s()/-]", "", text).lower()


def _read(match: re.Match[str]) -> Value | None:
    name, text = match.lastgroup or "number", match.group()
    start, end, lower = match.start(), match.end(), lower_ignoring_case(match.group())
    match name:
        case "email":
            return Value(ValueKind.EMAIL, text, start, end)
        case "code":
            # A sum or a range of numbers is no telephone number.
            return Value(ValueKind.CODE, text, start, end) if len(_DIGITS.sub("", text)) < len(text) - 6 else None
        case "clock":
            return Value(ValueKind.CLOCK, text, start, end, amount=_minutes(lower))
        case "duration":
            parts = [int(part) for part in text.split(":")]
            seconds = parts[0] * 60 + parts[1] if len(parts) == 2 else parts[0] * 3600 + parts[1] * 60 + parts[2]
            return Value(ValueKind.QUANTITY, text, start, end, amount=float(seconds), unit="s")
        case "iso":
            year, month, day = (int(part) for part in text.split("-"))
            return Value(ValueKind.DATE, text, start, end, date=(year, month, day))
        case "monthday" | "daymonth" | "month":
            return _date(text, lower, start, end, bare=name == "month")
        case "weekday":
            return Value(ValueKind.WEEKDAY, text, start, end, amount=float(_WEEKDAYS[lower]))
        case "money":
            unit = next(
                (name for word, name in _CURRENCIES.items() if word in lower.split() or lower.startswith(word)), None
            )
            return Value(ValueKind.MONEY, text, start, end, amount=_amount(lower), unit=unit)
        case "share":
            return Value(ValueKind.SHARE, text, start, end, amount=_amount(lower), unit="%")
        case "half":
            return _and_a_half(text, lower, start, end)
        case "quantity":
            base, factor = _UNITS[re.split(r"[\s\d.,-]+", lower)[-1]]
            if base == "byte" and _BITS.search(text):
                base = "bit"
            return Value(ValueKind.QUANTITY, text, start, end, amount=_amount(lower, scaled=False) * factor, unit=base)
        case "nth":
            number = _ORDINALS.get(lower) or int(_DIGITS.findall(text)[0])
            return None if lower in _MODAL else Value(ValueKind.ORDINAL, text, start, end, amount=float(number))
        case _:
            return Value(ValueKind.NUMBER, text, start, end, amount=_amount(lower))


def _date(text: str, lower: str, start: int, end: int, *, bare: bool) -> Value | None:
    words = re.findall(r"[^\W\d_]+", lower)
    month = next(_MONTHS[word] for word in words if word in _MONTHS)
    if bare and words[0] in _MODAL and (not text[0].isupper() or (start == 0 and len(words) == 1)):
        return None  # "it may rain", "may I?", "march on"
    numbers = [int(one) for one in _DIGITS.findall(text)]
    day = next((one for one in numbers if one <= 31), None)
    year = next((one for one in numbers if one > 31), None)
    return Value(ValueKind.DATE, text, start, end, date=(year, month, day))


def _minutes(lower: str) -> float:
    numbers = [int(one) for one in _DIGITS.findall(lower)]
    hour, minute = numbers[0], numbers[1] if len(numbers) > 1 else 0
    if "p" in lower and hour < 12:
        hour += 12
    elif "a" in lower and hour == 12:
        hour = 0
    return float(hour * 60 + minute)


def _and_a_half(text: str, lower: str, start: int, end: int) -> Value:
    if lower.startswith("half"):
        return Value(ValueKind.QUANTITY, text, start, end, amount=1800.0, unit="s")
    first, unit = lower.split()[:2]
    base, factor = _UNITS[unit]
    count = 1.0 if first in {"a", "an"} else _amount(first)
    return Value(ValueKind.QUANTITY, text, start, end, amount=(count + 0.5) * factor, unit=base)


def _amount(lower: str, *, scaled: bool = True) -> float:
    found = _NUMBER.search(lower)
    if found is None:
        return float(next(_NUMBERS[word] for word in re.findall(r"[a-z]+", lower) if word in _NUMBERS))
    written = found.group()
    # One or two digits after a lone comma are a fraction, three are thousands.
    number = float(written.replace(",", "") if re.search(r",\d{3}", written) else written.replace(",", "."))
    if scaled:
        scale = re.match(r"\s?(k|mn|m|bn|thousand|million|billion)\b", lower[found.end() :])
        if scale:
            number *= _SCALES[scale[1]]
    return number
