"""The kinds of values a request may carry: those of every record (`memory_service.values`), and filters."""

from typing import Annotated, Any

from pydantic import AfterValidator

from memory_service.errors import InvalidFilter, TooLarge
from memory_service.filters import EVERYTHING, Filter, Not, parse_filter
from memory_service.values import (
    MAX_BATCH_BYTES,
    MAX_BATCH_ITEMS,
    MAX_CONTENT_BYTES,
    MAX_METADATA_BYTES,
    MAX_VALUE_BYTES,
    Content,
    Flag,
    Fraction,
    LongText,
    Metadata,
    Number,
    ShortText,
    Time,
    Value,
    Words,
    is_blank,
    not_blank,
)

__all__ = [
    "MAX_BATCH_BYTES",
    "MAX_BATCH_ITEMS",
    "MAX_CONTENT_BYTES",
    "MAX_METADATA_BYTES",
    "MAX_VALUE_BYTES",
    "Content",
    "Flag",
    "Fraction",
    "LongText",
    "Metadata",
    "Number",
    "RawFilter",
    "ShortText",
    "Time",
    "Value",
    "Words",
    "is_blank",
    "not_blank",
    "selects_everything",
]


def _filter(value: Any) -> Any:
    try:
        parse_filter(value, pointer="/filter")
    except InvalidFilter as error:
        if error.specific_code == "filter_too_large":
            raise TooLarge(error.detail, errors=error.errors, code=error.specific_code) from error
        raise
    return value


def selects_everything(raw: dict[str, Any] | None) -> bool:
    """Say whether a filter that was found valid compares nothing; what is true of every memory is not looked through.

    >>> selects_everything({}), selects_everything({"AND": [{}]}), selects_everything({"OR": [{}, {"user_id": "ada"}]})
    (True, True, True)
    >>> selects_everything({"NOT": {"NOT": {}}}), selects_everything({"user_id": "ada"})
    (True, False)
    """
    return raw is not None and _everything(parse_filter(raw))


def _everything(node: Filter) -> bool:
    while isinstance(node, Not) and isinstance(node.term, Not):
        node = node.term.term
    return node == EVERYTHING


RawFilter = Annotated[dict[str, Any], AfterValidator(_filter)]
