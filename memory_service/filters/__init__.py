"""Filters: one grammar for query parameters, lists, searches and set-based changes; pure, it never sees a database."""

from memory_service.filters.operands import MAX_LIST
from memory_service.filters.parse import MAX_DEPTH, MAX_TERMS, parse_filter
from memory_service.filters.query_parameters import (
    EQUALITY_PARAMETERS,
    PARAMETER_NAMES,
    TIME_PARAMETERS,
    field_of_parameter,
    filter_from_query,
    is_filter_parameter,
)
from memory_service.filters.syntax import (
    EVERYTHING,
    FIELDS,
    And,
    Compare,
    Field,
    FieldKind,
    Filter,
    Not,
    Operator,
    Or,
    all_of,
    any_of,
    mentions,
)

__all__ = [
    "EQUALITY_PARAMETERS",
    "EVERYTHING",
    "FIELDS",
    "MAX_DEPTH",
    "MAX_LIST",
    "MAX_TERMS",
    "PARAMETER_NAMES",
    "TIME_PARAMETERS",
    "And",
    "Compare",
    "Field",
    "FieldKind",
    "Filter",
    "Not",
    "Operator",
    "Or",
    "all_of",
    "any_of",
    "field_of_parameter",
    "filter_from_query",
    "is_filter_parameter",
    "mentions",
    "parse_filter",
]
