"""Arguments as JSON, paths and query strings; what cannot be written is refused here, with the place it stands at."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from enum import Enum
from math import isfinite
from typing import Any
from urllib.parse import quote
from uuid import UUID

from memory_client.errors import FieldError, ValidationFailed

SURROGATE = "holds half of a surrogate pair, which no text in UTF-8 can"
NOT_FINITE = "is not a finite number"
# Places of paths whose values are names that people gave; the others are ids that the service gave, without slashes.
NAMES = frozenset({"{path}", "{session_id}", "{user_id}", "{agent_id}", "{label}"})


def refuse(pointer: str, why: str, *, code: str = "invalid_request") -> ValidationFailed:
    """Return the error for an argument that cannot be sent."""
    return ValidationFailed(f"{pointer}: {why}", code=code, errors=[FieldError(pointer, why)])


def to_json(body: Any) -> bytes:
    """Write a body as JSON in UTF-8.

    Raises:
        ValidationFailed: it holds half of a surrogate pair, a number that is not finite, or what JSON has no form for.
    """
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain).encode()
    except _Formless as error:
        raise refuse(_place_of(error.value, body, ""), str(error)) from error
    except UnicodeEncodeError as error:
        raise _found(body, SURROGATE, "unencodable_text") from error
    except RecursionError as error:
        raise refuse("", "is nested too deeply") from error
    except TypeError as error:  # What JSON has no form for is known by now; this is the name of a field.
        raise refuse(_misnamed(body, ""), "has a name that is no text") from error
    except ValueError as error:
        raise _found(body, NOT_FINITE, "invalid_request", otherwise=str(error)) from error


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json", by_alias=True, exclude_unset=True)
    # Bytes are iterable too, and were numbers in a list.
    if isinstance(value, Iterable) and not isinstance(value, bytes | bytearray | memoryview):
        return list(value)
    raise _Formless(value)


class _Formless(Exception):
    """JSON has no form for a value; only the whole body says where it stands."""

    def __init__(self, value: Any) -> None:
        self.value = value
        hint = "; a moment is a datetime, or a text" if isinstance(value, date) else ""
        super().__init__(f"holds a {type(value).__name__}, for which JSON has no form{hint}")


def _misnamed(within: Any, pointer: str) -> str:
    """Return the pointer to the first field whose name JSON cannot hold."""
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(within, Mapping):
        items = within.items()
    elif isinstance(within, list | tuple):
        items = enumerate(within)
    for name, one in items:
        place = f"{pointer}/{_token(name)}"
        if not isinstance(name, str | int | float | bool | None):
            return place
        if found := _misnamed(one, place):
            return found
    return ""


def _place_of(value: Any, within: Any, pointer: str) -> str:
    """Return the pointer to a value, or to what holds it where that is neither a mapping nor a list."""
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(within, Mapping):
        items = within.items()
    elif isinstance(within, list | tuple):
        items = enumerate(within)
    elif isinstance(within, set | frozenset) and any(one is value for one in within):
        return pointer
    for name, one in items:
        place = f"{pointer}/{_token(name)}"
        if one is value:
            return place
        if found := _place_of(value, one, place):
            return found
    return ""


def _found(body: Any, why: str, code: str, *, otherwise: str = "cannot be written as JSON") -> ValidationFailed:
    for pointer, broken in _broken(body, ""):
        if broken == why:
            return refuse(pointer, why, code=code)
    return refuse("", otherwise, code=code)


def _broken(value: Any, pointer: str) -> Iterator[tuple[str, str]]:
    """Go through a body that could not be written and yield what is wrong, and where."""
    if isinstance(value, str) and not _is_text(value):
        yield pointer, SURROGATE
    elif isinstance(value, float) and not isfinite(value):
        yield pointer, NOT_FINITE
    elif isinstance(value, Mapping):
        for name, one in value.items():
            token = _token(name)
            if isinstance(name, str) and not _is_text(name):
                yield f"{pointer}/{token}", SURROGATE
            yield from _broken(one, f"{pointer}/{token}")
    elif isinstance(value, list | tuple):
        for index, one in enumerate(value):
            yield from _broken(one, f"{pointer}/{index}")


def _token(name: Any) -> str:
    return _visible(str(name)).replace("~", "~0").replace("/", "~1")


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _visible(value: str) -> str:
    return value.encode("utf-8", "backslashreplace").decode()


def path_of(template: str, values: Iterable[Any]) -> str:
    r"""Fill the places of a path, in order; a slash within a value is escaped.

    >>> path_of("/v1/namespaces/{path}", ["users/tom"])
    '/v1/namespaces/users%2Ftom'

    Raises:
        ValidationFailed: a value is empty or no text.
    """
    parts, remaining = [], iter(values)
    for part in template.split("/"):
        if not part.startswith("{"):
            parts.append(part)
            continue
        value = str(next(remaining))
        if not value:
            raise refuse(part, "is empty")
        if "/" in value and part not in NAMES:
            # Servers take an escaped slash for one that parts a path, and the call for another one.
            raise refuse(part, "holds a slash, which no id does")
        # A part of dots alone would be taken for a way up.
        parts.append("%2E" * len(value) if value in {".", ".."} else _quoted(value, part))
    return "/".join(parts)


def query_of(given: Mapping[str, Any]) -> str:
    """Write a query string; what is None is left out, a list stands once for each of its values.

    >>> query_of({"erase": True, "tags": ["a", "b c"], "cursor": None})
    'erase=true&tags=a&tags=b%20c'
    """
    written = []
    for name, value in given.items():
        for one in value if isinstance(value, list | tuple | set | frozenset) else [value]:
            if one is not None:
                written.append(f"{quote(name)}={_quoted(_word(one), f'?{name}')}")
    return "&".join(written)


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return str(value.value)
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _quoted(value: str, pointer: str) -> str:
    try:
        return quote(value, safe="")
    except UnicodeEncodeError as error:
        raise refuse(pointer, SURROGATE, code="unencodable_text") from error


def header_of(value: str, name: str, *, code: str = "invalid_request") -> str:
    """Return a header's value, unless no header can carry it."""
    if not (value and value.isascii() and value.isprintable()):
        raise refuse(name, "is not visible ASCII text", code=code)
    return value
