"""What the record of a candidate must satisfy: the filter, valid time, the window."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from memory_service.filters import And, Compare
from memory_service.storage.filter_sql import compile_filter
from memory_service.storage.sql import Sql, all_of
from retrieval.request import RecallRequest


@dataclass(frozen=True, slots=True)
class Condition:
    """One of the conditions of a search, by itself."""

    part: str  # filter, valid or window
    text: str  # for people: "user_id eq 1"; "" where it is too long to say
    sql: Sql


def conditions(request: RecallRequest, *, at: datetime) -> Sql:
    """Return what a candidate's record must satisfy: the filter, valid time, the window."""
    parts = []
    if request.filter is not None:
        compiled = compile_filter(request.filter, at=at)
        if compiled.text.lower() not in {"true", "(true)"}:
            parts.append(compiled)
    parts += _valid(request) + _window(request)
    return all_of(*parts) if parts else Sql("true")


def conditions_apart(request: RecallRequest, *, at: datetime) -> list[Condition]:
    """Return the same conditions one by one, those that the filter joins with AND apart as well."""
    node = request.filter
    terms = () if node is None else node.terms if isinstance(node, And) else (node,)
    apart = [
        Condition(
            "filter", _said(term) if isinstance(term, Compare) else "", compile_filter(term, at=at, prefix=f"p{n}_")
        )
        for n, term in enumerate(terms)
    ]
    apart += [
        Condition("valid", f"true at {_text(request.as_of.valid)}", all_of(*sql)) for sql in [_valid(request)] if sql
    ]
    apart += [Condition("window", "inside the window", all_of(*sql)) for sql in [_window(request)] if sql]
    return apart


def _said(term: Compare) -> str:
    name = ".".join((term.field.name, *term.field.path)) if term.field.path else term.field.name
    return f"{name} {term.operator.value} {_text(term.operand)}"[:200]


def _text(operand: Any) -> str:
    """Return an operand as a filter writes it."""
    if isinstance(operand, tuple):
        return f"[{', '.join(map(_text, operand))}]"
    if isinstance(operand, bool):
        return str(operand).lower()
    if isinstance(operand, datetime):
        return operand.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(operand)


def _valid(request: RecallRequest) -> list[Sql]:
    if request.as_of.valid is None:
        return []
    # True at that moment: begun (or first observed) by then, and not yet ended.
    return [
        Sql(
            "coalesce(m.valid_from, m.observed_at) <= :valid_at AND (m.valid_to IS NULL OR m.valid_to > :valid_at)",
            {"valid_at": request.as_of.valid},
        )
    ]


def _window(request: RecallRequest) -> list[Sql]:
    if request.window is None:
        return []
    parts = []
    start, end = request.window.start, request.window.end
    # A memory without validity is an event of the moment it was observed.
    if end is not None:
        parts.append(Sql("coalesce(m.valid_from, m.observed_at) <= :window_end", {"window_end": end}))
    if start is not None:
        parts.append(
            Sql(
                "CASE WHEN m.valid_from IS NULL AND m.valid_to IS NULL THEN m.observed_at >= :window_start "
                "ELSE m.valid_to IS NULL OR m.valid_to > :window_start END",
                {"window_start": start},
            )
        )
    return parts
