"""What the record of a candidate must satisfy: the filter, valid time, the window."""

from datetime import datetime

from memory_service.storage.filter_sql import compile_filter
from memory_service.storage.sql import Sql, all_of
from retrieval.request import RecallRequest


def conditions(request: RecallRequest, *, at: datetime) -> Sql:
    """Return what a candidate's record must satisfy: the filter, valid time, the window."""
    parts = []
    if request.filter is not None:
        compiled = compile_filter(request.filter, at=at)
        if compiled.text.lower() not in {"true", "(true)"}:
            parts.append(compiled)
    if request.as_of.valid is not None:
        # True at that moment: begun (or first observed) by then, and not yet ended.
        parts.append(
            Sql(
                "coalesce(m.valid_from, m.observed_at) <= :valid_at AND (m.valid_to IS NULL OR m.valid_to > :valid_at)",
                {"valid_at": request.as_of.valid},
            )
        )
    if request.window is not None:
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
    return all_of(*parts) if parts else Sql("true")
