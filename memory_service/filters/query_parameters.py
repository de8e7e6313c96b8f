"""Filters as query parameters: the common ones by name, for addresses that a person can type."""

from collections.abc import Mapping, Sequence

from memory_service.filters.operands import below, comparison, refuse, refuse_size
from memory_service.filters.parse import MAX_TERMS, resolve_field
from memory_service.filters.syntax import Filter, Operator, all_of

METADATA_PREFIX = "metadata."

# Given once it must equal, given several times it must be one of these.
EQUALITY_PARAMETERS = frozenset(
    {"user_id", "agent_id", "session_id", "run_id", "external_id", "memory_type", "payload_type", "state"}
    | {"tags", "speaker", "role"}
)
TIME_PARAMETERS: dict[str, tuple[str, Operator]] = {
    f"{verb}_{word}": (f"{verb}_at", operator)
    for verb in ("created", "updated", "observed")
    for word, operator in (("after", Operator.GT), ("before", Operator.LT))
}


def is_filter_parameter(name: str) -> bool:
    """Say whether a query parameter is part of the filter (and not, say, `limit` or `cursor`)."""
    return name in EQUALITY_PARAMETERS or name in TIME_PARAMETERS or name.startswith(METADATA_PREFIX)


def filter_from_query(parameters: Mapping[str, Sequence[str]]) -> Filter:
    """Turn query parameters into a filter: all of them must hold.

    A repeated parameter means one of these; `tags=a` finds memories that have the tag a. `…_after` and `…_before`
    exclude the moment itself. `metadata.<path>` compares with a string.

    Args:
        parameters: every value of every parameter, as given in the address.

    Raises:
        InvalidFilter: an unknown parameter or an unfit value; pointers are `/<parameter>`.
    """
    if len(parameters) > MAX_TERMS:
        refuse_size("", f"A filter has at most {MAX_TERMS} terms.")
    return all_of([_parameter(name, list(values)) for name, values in parameters.items() if values])


def _parameter(name: str, values: list[str]) -> Filter:
    pointer = below("", name)
    if name in TIME_PARAMETERS:
        field, operator = TIME_PARAMETERS[name]
        if len(values) > 1:
            refuse(pointer, f"'{name}' is given once.")
        if " " in values[0]:
            refuse(pointer, "A '+' in an address means a blank: write the zone as Z, or '+' as %2B.")
        return comparison(resolve_field(field, pointer=pointer), operator, values[0], pointer=pointer)
    if not is_filter_parameter(name):
        refuse(pointer, "There is no such filter parameter; POST /v1/memories/query takes the whole grammar.")
    field_found = resolve_field(name, pointer=pointer)
    if len(values) == 1:
        return comparison(field_found, Operator.EQ, values[0], pointer=pointer)
    return comparison(field_found, Operator.IN, values, pointer=pointer)
