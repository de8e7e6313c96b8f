"""JSON as it came: how much of it there is, whether it can be read, whether Postgres can store it."""

import json
import math
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import orjson

from memory_service.errors import FieldError, InvalidRequest, TooLarge

MAX_DEPTH = 32
MAX_VALUES = 200_000  # A batch of 1,000 memories with 200 values each; more would hold up other requests.
MAX_FINDINGS = 20
INTEGERS = range(-(2**63), 2**63)
# How a moment is written is for whoever answers to say, and a value of ours is no JSON.
_AS_WE_DO: Final = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
TOO_LONG_TO_READ = 1 << 64  # Stands for an integer with more digits than Python converts.


def escape(token: str) -> str:
    """Escape one reference token of an RFC 6901 pointer.

    >>> escape("a/b~c")
    'a~1b~0c'
    """
    return token.replace("~", "~0").replace("/", "~1")


def check_value(value: Any, pointer: str = "") -> FieldError | None:
    """Return the first thing in a parsed JSON value that cannot be stored, None when there is none.

    >>> check_value({"a": [1.0, float("nan")]}, "/items/0")
    FieldError(pointer='/items/0/a/1', detail='is not a finite number')
    >>> check_value({"a": [1, "b", None, True]})
    """
    return next(_findings(value, pointer, 0), None)


def faults(value: Any) -> list[FieldError]:
    """Return the first things in a parsed body that cannot be stored."""
    return list(islice(_findings(value, "", 0), MAX_FINDINGS))


def _findings(value: Any, pointer: str, depth: int) -> Iterator[FieldError]:
    """Yield what cannot be stored: NUL, lone surrogates, non-finite numbers, huge integers, deep nesting."""
    if value is None or value is True or value is False:
        return
    if isinstance(value, str):
        if fault := _text_fault(value):
            yield FieldError(pointer, fault)
    elif isinstance(value, int):
        if value not in INTEGERS:
            yield FieldError(pointer, "is an integer of more than 64 bits")
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield FieldError(pointer, "is not a finite number")
    elif depth >= MAX_DEPTH:
        yield FieldError(pointer, f"is nested more than {MAX_DEPTH} levels deep")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _findings(item, f"{pointer}/{index}", depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            below = f"{pointer}/{escape(key)}"
            if fault := _text_fault(key):
                yield FieldError(below, f"has a name that {fault}")
            yield from _findings(item, below, depth + 1)


def _text_fault(text: str) -> str | None:
    if "\0" in text:
        return "contains a NUL character"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "contains half of a surrogate pair"
    return None


def count_values(raw: bytes) -> int:
    """Return how many values a JSON text holds, or a few more; nothing is parsed.

    Only searches over the whole text, since one that is too large must be refused in milliseconds.

    >>> count_values(b'[1, {"a": 2}]'), count_values(b"[[], []]")
    (4, 5)
    """
    bound = 1 + _separators(raw)
    if bound <= MAX_VALUES:
        return bound
    # Texts hold commas, too: look again without them.
    bare = raw.replace(rb"\\", b"").replace(rb"\"", b"")
    if bare.count(b'"') > 4 * MAX_VALUES:
        return MAX_VALUES + 1  # Each value is one text at most, and its name another one.
    return 1 + _separators(b"".join(bare.split(b'"')[::2]))


def _separators(raw: bytes) -> int:
    return raw.count(b",") + raw.count(b"[") + raw.count(b"{")


def parse_json(raw: bytes) -> Any:
    """Parse a body; NaN, infinities and huge integers are left for ``check_value``, which says where they are.

    Raises:
        InvalidRequest: it is not JSON in UTF-8, or an object has a name twice; code ``invalid_json``.
        TooLarge: it holds more than 200,000 values; code ``too_many_values``.
    """
    if count_values(raw) > MAX_VALUES:
        raise TooLarge(
            f"The body holds more than {MAX_VALUES:,} JSON values; send fewer items at a time.", code="too_many_values"
        )
    try:
        text = raw.decode()
        try:
            return json.loads(text, object_pairs_hook=_object)
        except json.JSONDecodeError:
            raise
        except ValueError:
            # Python refuses to convert thousands of digits; keep a value that is refused by its pointer.
            return json.loads(text, object_pairs_hook=_object, parse_int=_bounded_integer)
    except UnicodeDecodeError as error:
        raise _invalid_json(f"The body is not UTF-8 (byte {error.start}).") from error
    except json.JSONDecodeError as error:
        raise _invalid_json(
            f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from error
    except RecursionError as error:
        raise _invalid_json(f"The body is nested more than {MAX_DEPTH} levels deep.") from error


def write_json(value: Any) -> bytes:
    """Write JSON in UTF-8 without spaces, for somebody to read: a computed number that is not finite becomes null.

    What goes to the database is written by `memory_service.storage.sql.to_jsonb`, which refuses such a number. A tenth of the
    standard library's time, which writes all that the faster one refuses: names that are no text, integers of more than 64
    bits, numbers of numpy.

    >>> write_json({"a": [1, 2.5, "ü", None]}).decode(), write_json({1: 2**70})
    ('{"a":[1,2.5,"ü",null]}', b'{"1":1180591620717411303424}')

    Raises:
        TypeError: it holds something else than JSON, UUIDs and enumerations.
        ValueError: a number is not finite where the standard library writes, or a text holds half of a surrogate pair.
    """
    try:
        return orjson.dumps(value, option=_AS_WE_DO)
    except orjson.JSONEncodeError:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _bounded_integer(digits: str) -> int:
    return int(digits) if len(digits) < 30 else TOO_LONG_TO_READ


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        # Keeping one of them would lose the other without a word.
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise _invalid_json(f"An object has the name {escape(twice)[:100]!r} twice.")
    return found


def _invalid_json(detail: str) -> InvalidRequest:
    return InvalidRequest(detail, code="invalid_json", errors=(FieldError("", detail),))
