"""Find what was said in a text around which its loader wrote something: a time before it, or a message as JSON. Pure.

"[8 May 2023, 1:56 pm] I adopted a cat." and `{"role": "user", "content": "I adopted a cat."}` say no more than the text in them.
The vector of the whole is drawn to what all of them have in common, so what was said is encoded alone. The text that is kept, and
found by its words, is the whole; when it was observed is for the caller to say.
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from memory_service.analysis.times import Granularity, find_times


@dataclass(frozen=True, slots=True)
class Wrapped:
    """What was said in a text, in characters [start, end)."""

    start: int
    end: int
    escaped: bool = False  # it stands there as a string of JSON


LONGEST_STAMP: Final = 40  # characters
_HEAD: Final = re.compile(
    rf"\s*(?:\[([^\[\]\n]{{8,{LONGEST_STAMP}}})\]|\(([^()\n]{{8,{LONGEST_STAMP}}})\)"
    # Without brackets a sign parts it from what was said: "2024-05-08 was a good day" is a sentence.
    r"|(\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:?\d\d)?)?)(?=\s*[-–—|:]+\s))"
    r"(?!\()\s{0,3}[-–—|:]{0,3}\s{0,3}(?=[^\s:|–—-])"
)
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\d(?!\d)")
_YEAR: Final = re.compile(r"\d{4}")
_YEARS: Final = range(1990, 2100)  # in which people wrote to each other what is loaded here
_CLOCK: Final = re.compile(r"\b(\d{1,2}):(\d\d)(?::(\d\d))?(?:\s?([ap])\.?m\b\.?)?", re.IGNORECASE)
_BESIDE: Final = re.compile(
    r"(?:\b(?:at|on|um|à|utc|gmt|(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?)\b|[\s,;.@()|–—-])*\Z",
    re.IGNORECASE,
)
_ANCHOR: Final = datetime(2000, 1, 1, tzinfo=UTC)  # a whole date needs none

_TEXT_KEYS: Final = ("content", "text", "message", "body")
_TIME_KEYS: Final = ("observed_at", "timestamp", "datetime", "created_at", "date", "time")
# What stands in a message beside its text. An object with anything else is data, all of which may be looked for.
_MESSAGE_KEYS: Final = frozenset(
    {
        *("role", "speaker", "name", "user", "sender", "from", "author", "to", "type"),
        *("id", "message_id", "dia_id", "session_id", "thread_id", "channel", "turn", "ts", *_TIME_KEYS),
    }
)
_SPEAKS: Final = frozenset(
    {"role", "speaker", "user", "sender", "from", "author"}
)  # one of them says that it is a message
_LONGEST_VALUE: Final = 200  # characters of what stands beside the text of a message
_CUT_END: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\(?:u[0-9a-fA-F]{0,3})?\Z")
_STRING: Final = r'"((?:[^"\\]|\\.)*)"'


def said_in(content: str) -> Wrapped:
    """Return what was said in a content, all of it where nothing is written around it.

    >>> said_in("[8 May 2023, 1:56 pm] I adopted a cat.")
    Wrapped(start=22, end=38, escaped=False)
    >>> text = '{"role": "user", "content": "I adopted a cat."}'
    >>> found = said_in(text)
    >>> text[found.start : found.end]
    'I adopted a cat.'
    >>> said_in("In May 2023 I adopted a cat.")
    Wrapped(start=0, end=28, escaped=False)
    """
    if content.lstrip()[:1] == "{":
        return _message(content) or Wrapped(0, len(content))
    return _stamped(content) or Wrapped(0, len(content))


def plain(text: str, *, escaped: bool) -> str:
    r"""Return a text as it was said: a string of JSON, or a part of one, without its escapes.

    >>> plain(r"caf\u00e9", escaped=True), plain(r"half \u00", escaped=True)
    ('café', 'half ')
    """
    if not escaped or "\\" not in text:
        return text
    # Where a text is cut into parts, an escape may be cut, too.
    whole = _CUT_END.sub(r"\1", text)
    try:
        read: str = json.loads(f'"{whole}"')
    except ValueError:
        return text
    return read.encode("utf-8", "replace").decode("utf-8")


def _stamped(content: str) -> Wrapped | None:
    found = _HEAD.match(content)
    if found is None or _YEAR.search(found[0]) is None:
        return None
    moment = moment_of(next(part for part in found.groups() if part))
    return None if moment is None else Wrapped(found.end(), len(content))


def moment_of(stamp: str) -> datetime | None:
    """Return the moment that a whole text is the date and time of, UTC where it names no zone; None for any other text.

    >>> moment_of("1:56 pm on 8 May, 2023"), moment_of("2023-05-08T13:56:00+02:00").isoformat()
    (datetime.datetime(2023, 5, 8, 13, 56, tzinfo=datetime.timezone.utc), '2023-05-08T11:56:00+00:00')
    >>> moment_of("chapter 5, May 2023") is None, moment_of("since 8 May 2023") is None
    (True, True)
    """
    try:
        moment = datetime.fromisoformat(stamp.strip()) if _ISO.match(stamp.strip()) else _written(stamp)
        moment = moment and (moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None
    return moment if moment and moment.year in _YEARS else None


def _written(stamp: str) -> datetime | None:
    clock = _CLOCK.search(stamp)
    rest = stamp if clock is None else f"{stamp[: clock.start()]} {stamp[clock.end() :]}"
    dates = find_times(rest, _ANCHOR, language="en")
    if len(dates) != 1 or dates[0].granularity is not Granularity.DAY or dates[0].starts is None:
        return None
    start, end = dates[0].span
    if _YEAR.search(rest[start:end]) is None or _BESIDE.match(rest[:start] + rest[end:]) is None:
        return None
    if clock is None:
        return dates[0].starts
    hour, minute, second = int(clock[1]), int(clock[2]), int(clock[3] or 0)
    if clock[4]:
        hour = hour % 12 + (12 if clock[4].lower() == "p" else 0)
    return (
        dates[0].starts.replace(hour=hour, minute=minute, second=second) if hour < 24 and minute < 60 > second else None
    )


def _message(content: str) -> Wrapped | None:
    try:
        read: Any = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(read, dict):
        return None
    keys = [key for key in _TEXT_KEYS if isinstance(read.get(key), str)]
    if len(keys) != 1 or not read[keys[0]].strip() or not read.keys() <= _MESSAGE_KEYS | {keys[0]}:
        return None
    beside = [value for key, value in read.items() if key != keys[0]]
    short = all(
        value is None or (isinstance(value, str | int | float) and len(str(value)) <= _LONGEST_VALUE)
        for value in beside
    )
    if not short or _SPEAKS.isdisjoint(read):
        return None
    found = re.search(rf'"{keys[0]}"\s*:\s*{_STRING}', content)
    if found is None or json.loads(f'"{found[1]}"') != read[keys[0]]:
        return None
    return Wrapped(*found.span(1), escaped=True)
