"""Filters as query parameters: the common ones by name, for addresses that a person can type."""

import json
import math
import re
from collections.abc import Mapping, Sequence

from memory_service.filters.operands import MAX_INTEGER, below, comparison, refuse, refuse_size
from memory_service.filters.parse import MAX_TERMS, resolve_field
from memory_service.filters.syntax import (
    ALIASES,
    FIELDS,
    Field,
    FieldKind,
    Filter,
    Operator,
    all_of,
    any_of,
    count_terms,
)

METADATA_PREFIX = "metadata."

# Given once it must equal, given several times it must be one of these.
EQUALITY_PARAMETERS = (
    *("user_id", "agent_id", "session_id", "run_id", "external_id", "memory_type", "payload_type", "state"),
    *("tags", "keywords", "entities", "speaker", "role", "importance", "confidence", "pinned"),
    *("created_at", "updated_at", "observed_at", "valid_from", "valid_to"),
)
TIME_PARAMETERS: dict[str, tuple[str, Operator]] = {
    f"{verb}_{word}": (f"{verb}_at", operator)
    for verb in ("created", "updated", "observed")
    for word, operator in (("after", Operator.GT), ("before", Operator.LT))
}
PARAMETER_NAMES = (*EQUALITY_PARAMETERS, *TIME_PARAMETERS, f"{METADATA_PREFIX}<path>")
"""What `is_filter_parameter` says yes to, for people to read."""

JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
LONGEST_NUMBER = 40  # characters; more digits than any number of 64 bits has
WORDS = {"true": True, "false": False}


def is_filter_parameter(name: str) -> bool:
    """Say whether a query parameter is part of the filter (and not, say, `limit` or `cursor`)."""
    return name in EQUALITY_PARAMETERS or name in TIME_PARAMETERS or name.startswith(METADATA_PREFIX)


def field_of_parameter(name: str) -> Field:
    """Return the field that a parameter of a name of its own (not `metadata.<path>`) is about."""
    column = TIME_PARAMETERS[name][0] if name in TIME_PARAMETERS else ALIASES.get(name, name)
    return FIELDS[column]


def filter_from_query(parameters: Mapping[str, Sequence[str]]) -> Filter:
    """Turn query parameters into a filter: all of them must hold.

    A repeated parameter means one of these; `tags=a` finds memories that have the tag a. `…_after` and `…_before`
    exclude the moment itself. `metadata.<path>` compares with the text and, where that is a JSON number or boolean,
    with that value as well: an address has no types.

    Args:
        parameters: every value of every parameter, as given in the address.

    Raises:
        InvalidFilter: an unknown parameter or an unfit value; pointers are `/<parameter>`.
    """
    if len(parameters) > MAX_TERMS:
        refuse_size("", f"A filter has at most {MAX_TERMS} terms.")
    made = all_of([_parameter(name, list(values)) for name, values in parameters.items() if values])
    if count_terms(made) > MAX_TERMS:
        refuse_size("", f"A filter has at most {MAX_TERMS} terms; a number or boolean of metadata counts as two here.")
    return made


def _parameter(name: str, values: list[str]) -> Filter:
    pointer = below("", name)
    if name in TIME_PARAMETERS:
        column, operator = TIME_PARAMETERS[name]
        if len(values) > 1:
            refuse(pointer, f"'{name}' is given once.")
        _refuse_blank_zone(values, pointer)
        return comparison(resolve_field(column, pointer=pointer), operator, values[0], pointer=pointer)
    if not is_filter_parameter(name):
        refuse(pointer, "There is no such filter parameter; POST /v1/memories/query takes the whole grammar.")
    field = resolve_field(name, pointer=pointer)
    if field.kind is FieldKind.JSON:
        meant = [value for text in values if (value := _typed(text)) is not text]
        return any_of([_one_of(field, each, pointer) for each in (values, meant) if each])
    if field.kind is FieldKind.TIME:
        _refuse_blank_zone(values, pointer)
    if field.kind in (FieldKind.NUMBER, FieldKind.BOOLEAN):
        return _one_of(field, [_typed(text) for text in values], pointer)
    return _one_of(field, values, pointer)


def _one_of(field: Field, values: Sequence[object], pointer: str) -> Filter:
    if len(values) == 1:
        return comparison(field, Operator.EQ, values[0], pointer=pointer)
    return comparison(field, Operator.IN, list(values), pointer=pointer)


def _refuse_blank_zone(values: Sequence[str], pointer: str) -> None:
    if any(" " in value for value in values):
        refuse(pointer, "A '+' in an address means a blank: write the zone as Z, or '+' as %2B.")


def _typed(text: str) -> object:
    """Return the number or boolean that a text is in JSON, else the text itself.

    >>> [_typed(text) for text in ("5", "-0.5e1", "true", "True", "05", "1e999", "NaN", "9" * 19)]
    [5, -5.0, True, 'True', '05', '1e999', 'NaN', '9999999999999999999']
    """
    if text in WORDS:
        return WORDS[text]
    if len(text) > LONGEST_NUMBER or not JSON_NUMBER.fullmatch(text):
        return text
    number: int | float = json.loads(text)
    fits = -MAX_INTEGER <= number < MAX_INTEGER if isinstance(number, int) else math.isfinite(number)
    return number if fits else text
