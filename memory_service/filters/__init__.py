"""Filters: one grammar for query parameters, lists, searches and set-based changes; pure, it never sees a database."""

from memory_service.filters.operands import MAX_LIST
from memory_service.filters.parse import MAX_DEPTH, MAX_TERMS, parse_filter
from memory_service.filters.query_parameters import filter_from_query, is_filter_parameter
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
    "EVERYTHING",
    "FIELDS",
    "MAX_DEPTH",
    "MAX_LIST",
    "MAX_TERMS",
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
    "filter_from_query",
    "is_filter_parameter",
    "mentions",
    "parse_filter",
]
