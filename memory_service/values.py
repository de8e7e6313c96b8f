"""The kinds of values a request or a bundle may carry, with their limits (API.md, Conventions)."""

import json
import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints

from memory_service.errors import TooLarge
from memory_service.filters.operands import RFC3339

MAX_CONTENT_BYTES = 64 * 1024
MAX_METADATA_BYTES = 16 * 1024
MAX_VALUE_BYTES = 64 * 1024
MAX_BATCH_ITEMS = 1_000
MAX_BATCH_BYTES = 2 * 1024 * 1024
MAX_METADATA_DEPTH = 16
INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})  # Unicode categories
OLDEST = datetime.min.replace(tzinfo=UTC)
NEWEST = datetime.max.replace(tzinfo=UTC)


def is_blank(text: str) -> bool:
    """Say whether a text shows nothing: spaces, control characters and invisible ones such as the zero-width space.

    >>> is_blank(" " + chr(0x200B)), is_blank(chr(0x200B) + "a")
    (True, False)
    """
    return all(unicodedata.category(character) in INVISIBLE for character in text)


def not_blank(value: str) -> str:
    """Refuse a text that shows nothing; for validators."""
    if is_blank(value):
        raise ValueError("is blank")
    return value


def _fits_content(value: str) -> str:
    if len(value) * 4 > MAX_CONTENT_BYTES and len(value.encode()) > MAX_CONTENT_BYTES:
        # Not a ValueError: it passes through the validator and answers 413.
        raise TooLarge(
            "The content is longer than 64 KiB. A longer text is a document: POST /v1/documents cuts it into memories.",
            code="content_too_large",
        )
    return value


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
    return depth


def _json_within(limit: int, name: str) -> AfterValidator:
    def check(value: Any) -> Any:
        if value is None:
            return value
        if _depth(value) > MAX_METADATA_DEPTH:
            raise ValueError(f"is nested deeper than {MAX_METADATA_DEPTH} levels")
        if len(json.dumps(value, ensure_ascii=False).encode()) > limit:
            raise TooLarge(
                f"{name} is larger than {limit // 1024} KiB; keep large values elsewhere and store a reference.",
                code=f"{name}_too_large",
            )
        return value

    return AfterValidator(check)


def _is_number(value: Any) -> Any:
    # Without this a validator takes "0.5" and true for numbers.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("is not a number")
    return value


def _is_written_time(value: Any) -> Any:
    # Without this a validator takes numbers for seconds since 1970.
    if isinstance(value, datetime) or (isinstance(value, str) and RFC3339.fullmatch(value)):
        return value
    raise ValueError("is no time with a zone as RFC 3339 writes it, such as 2023-05-08T10:00:00Z")


def _in_calendar(value: datetime) -> datetime:
    if not OLDEST <= value <= NEWEST:
        raise ValueError("lies outside the years 1 to 9999")
    # RFC 3339 allows offsets up to a day, Postgres only up to 16 hours.
    return value.astimezone(UTC)


Content = Annotated[str, AfterValidator(not_blank), AfterValidator(_fits_content)]
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=256)]
LongText = Annotated[str, StringConstraints(max_length=4096)]
Words = Annotated[list[ShortText], Field(max_length=64)]
Metadata = Annotated[dict[str, Any], _json_within(MAX_METADATA_BYTES, "metadata")]
Value = Annotated[Any, _json_within(MAX_VALUE_BYTES, "value")]
Number = BeforeValidator(_is_number)
Flag = Annotated[bool, Field(strict=True)]
Fraction = Annotated[float, Number, Field(ge=0, le=1, allow_inf_nan=False)]
Time = Annotated[AwareDatetime, BeforeValidator(_is_written_time), AfterValidator(_in_calendar)]
