"""Check what a field is compared with: the right kind of value for the field, nothing the database would choke on."""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Never
from uuid import UUID

from memory_service.errors import FieldError, FilterTooLarge, InvalidFilter
from memory_service.filters.syntax import Compare, Field, FieldKind, Filter, Operator, Scalar, all_of

MAX_LIST = 1000  # Values of one `in`; more belong into several requests.
MAX_INTEGER = 2**63  # JSON integers beyond 64 bit lose digits in most clients.

RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
CANONICAL_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def printable(text: str, *, at_most: int = 80) -> str:
    """Return the text so that every encoder accepts it (no lone surrogates), shortened for a message."""
    safe = text.encode("utf-8", "replace").decode("utf-8")
    return safe if len(safe) <= at_most else safe[:at_most] + "…"


def below(pointer: str, step: str | int) -> str:
    """Extend an RFC 6901 pointer by one step.

    >>> below("/filter", "a/b~c")
    '/filter/a~1b~0c'
    """
    token = printable(str(step), at_most=512).replace("~", "~0").replace("/", "~1")
    return f"{pointer}/{token}"


def refuse(pointer: str, detail: str, *, code: str | None = None) -> Never:
    """Raise InvalidFilter for one place in the filter."""
    raise InvalidFilter(detail, errors=(FieldError(pointer, detail),), code=code)


def refuse_size(pointer: str, detail: str) -> Never:
    """Raise FilterTooLarge for a filter that is beyond a limit."""
    raise FilterTooLarge(detail, errors=(FieldError(pointer, detail),))


def json_word(raw: object) -> str:
    """Name the JSON type of a value, for messages."""
    if raw is None:
        return "null"
    if isinstance(raw, bool):
        return "a boolean"
    if isinstance(raw, int | float):
        return "a number"
    if isinstance(raw, str):
        return "a string"
    return "a list" if isinstance(raw, list | tuple) else "an object"


def comparison(field: Field, operator: Operator, raw: object, *, pointer: str) -> Filter:
    """Return the comparison of a field with a JSON operand, as one term or (`contains` with a list) a conjunction.

    Raises:
        InvalidFilter: the operand does not fit the operator or the field.
    """
    match operator:
        case Operator.EXISTS:
            if not isinstance(raw, bool):
                refuse(pointer, f"'exists' takes true or false, not {json_word(raw)}.")
            return Compare(field, operator, raw)
        case Operator.IN | Operator.NIN:
            if not isinstance(raw, list | tuple):
                refuse(pointer, f"'{operator}' takes a list of values, not {json_word(raw)}.")
            return Compare(field, operator, _each(field, raw, pointer))
        case Operator.CONTAINS | Operator.ICONTAINS:
            if isinstance(raw, list | tuple):
                _check_length(raw, pointer, may_be_empty=False)
                parts = [_part(field, operator, value, below(pointer, i)) for i, value in enumerate(raw)]
                return all_of(Compare(field, operator, part) for part in parts)
            return Compare(field, operator, _part(field, operator, raw, pointer))
        case Operator.EQ | Operator.NE if isinstance(raw, list | tuple) and field.kind in (
            FieldKind.LIST,
            FieldKind.JSON,
        ):
            _check_length(raw, pointer, may_be_empty=False)
            return Compare(field, operator, _each(field, raw, pointer))
        case _:
            return Compare(field, operator, _scalar(field, raw, pointer))


def _check_length(raw: list[object] | tuple[object, ...], pointer: str, *, may_be_empty: bool) -> None:
    if len(raw) > MAX_LIST:
        refuse_size(
            pointer,
            f"A list in a filter holds at most {MAX_LIST} values, this one holds {len(raw)}: split the request.",
        )
    if not raw and not may_be_empty:
        refuse(pointer, 'The list is empty; {"exists": false} finds memories without a value.')


def _each(field: Field, raw: list[object] | tuple[object, ...], pointer: str) -> tuple[Scalar, ...]:
    _check_length(raw, pointer, may_be_empty=True)
    return tuple(_scalar(field, value, below(pointer, i)) for i, value in enumerate(raw))


def _scalar(field: Field, raw: object, pointer: str) -> Scalar:
    if raw is None:
        refuse(pointer, 'null is not a value to compare with; {"exists": false} finds memories without a value.')
    return SCALARS[field.kind](field, raw, pointer)


def _part(field: Field, operator: Operator, raw: object, pointer: str) -> Scalar:
    """Return what `contains` looks for: a piece of the text form, an element of a list."""
    if field.kind is FieldKind.JSON and operator is Operator.CONTAINS:
        return _scalar(field, raw, pointer)
    if field.kind is FieldKind.NUMBER and isinstance(raw, int | float) and not isinstance(raw, bool):
        return number_text(_number(field, raw, pointer))
    if field.kind is FieldKind.BOOLEAN and isinstance(raw, bool):
        return "true" if raw else "false"
    if not isinstance(raw, str):
        refuse(
            pointer,
            f"'{operator}' looks for a piece of text in '{_name(field)}' and takes a string, not {json_word(raw)}.",
        )
    return _text(field, raw, pointer)


def number_text(value: float) -> str:
    """Return the shortest text of a number, as Postgres writes it.

    >>> number_text(1.0), number_text(0.25)
    ('1', '0.25')
    """
    return repr(value).removesuffix(".0")


def _name(field: Field) -> str:
    return printable(".".join((field.name, *field.path)))


def _text(field: Field, raw: object, pointer: str) -> str:
    if not isinstance(raw, str):
        hint = "; use 'in' for several values" if isinstance(raw, list | tuple) else ""
        refuse(pointer, f"'{_name(field)}' is compared with a string, not {json_word(raw)}{hint}.")
    check_text(raw, pointer)
    return raw


def check_text(raw: str, pointer: str) -> None:
    """Refuse what UTF-8 or Postgres cannot hold.

    Raises:
        InvalidFilter: the text has a NUL character or a lone surrogate.
    """
    if "\x00" in raw:
        refuse(pointer, "The text has a NUL character, which no memory can contain.")
    try:
        raw.encode("utf-8")
    except UnicodeEncodeError:
        refuse(pointer, "The text has a lone surrogate, which is not valid Unicode.")


def _choice(field: Field, raw: object, pointer: str) -> str:
    if not isinstance(raw, str) or raw not in field.choices:
        refuse(pointer, f"'{field.name}' is one of {', '.join(field.choices)}.")
    return raw


def _number(field: Field, raw: object, pointer: str) -> float:
    return float(_json_number(field, raw, pointer))


def _json_number(field: Field, raw: object, pointer: str) -> int | float:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        refuse(pointer, f"'{_name(field)}' is compared with a number, not {json_word(raw)}.")
    if isinstance(raw, int) and not -MAX_INTEGER <= raw < MAX_INTEGER:
        refuse(pointer, "The integer does not fit into 64 bits.")
    if not math.isfinite(raw):
        refuse(pointer, "The number is not finite.")
    return raw


def _boolean(field: Field, raw: object, pointer: str) -> bool:
    if not isinstance(raw, bool):
        refuse(pointer, f"'{field.name}' is compared with true or false, not {json_word(raw)}.")
    return raw


def _time(field: Field, raw: object, pointer: str) -> datetime:
    example = "2023-05-08T10:00:00Z"
    if not isinstance(raw, str):
        refuse(pointer, f"'{field.name}' is compared with a time such as {example}, not {json_word(raw)}.")
    if not RFC3339.fullmatch(raw):
        refuse(pointer, f"A time is written with date, time of day and zone (RFC 3339), such as {example}.")
    try:
        return datetime.fromisoformat(raw.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        refuse(pointer, "There is no such time.")


def _id(field: Field, raw: object, pointer: str) -> UUID:
    if not isinstance(raw, str) or not CANONICAL_UUID.fullmatch(raw):
        refuse(pointer, f"'{field.name}' is compared with an id such as 018f3c1e-7b1a-7c3d-9e2f-5a6b7c8d9e0f.")
    return UUID(raw)


def _json(field: Field, raw: object, pointer: str) -> Scalar:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, int | float):
        return _json_number(field, raw, pointer)
    if isinstance(raw, str):
        return _text(field, raw, pointer)
    hint = "use 'in' for several values" if isinstance(raw, list | tuple) else f"write '{_name(field)}.<key>'"
    refuse(pointer, f"'{_name(field)}' is compared with a string, a number or a boolean, not {json_word(raw)}; {hint}.")


SCALARS: dict[FieldKind, Callable[[Field, object, str], Scalar]] = {
    FieldKind.TEXT: _text,
    FieldKind.CHOICE: _choice,
    FieldKind.LIST: _text,
    FieldKind.NUMBER: _number,
    FieldKind.BOOLEAN: _boolean,
    FieldKind.TIME: _time,
    FieldKind.ID: _id,
    FieldKind.JSON: _json,
}
