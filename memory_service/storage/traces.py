"""Traces: the stored record of each search. They hold queries, so they expire and erasure reaches them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from memory_service.storage.driver import committing_with, in_driver_words
from memory_service.storage.sql import to_jsonb

_INSERT_SQL: Final = (
    "INSERT INTO trace (tenant_id, id, namespaces, query, request, result, created_at, expires_at) VALUES (:tenant, :id, "
    "CAST(:namespaces AS text[]), :query, CAST(:request AS jsonb), CAST(:result AS jsonb), :now, :expires_at)"
)
_INSERT: Final = text(_INSERT_SQL)
_INSERT_OF_DRIVER: Final = in_driver_words(_INSERT_SQL)


@dataclass(frozen=True, slots=True)
class Trace:
    """What is kept of one search."""

    id: UUID
    namespaces: Sequence[str]
    query: str
    request: Mapping[str, Any]
    result: Mapping[str, Any]
    now: datetime
    expires_at: datetime


def keep_trace(session: Session, tenant_id: UUID, trace: Trace) -> None:
    """Store one trace."""
    session.execute(_INSERT, _params(tenant_id, trace))


@contextmanager
def ending_with_trace(session: Session, tenant_id: UUID, trace: Trace) -> Iterator[None]:
    """Store one trace and commit, in one message, while the caller works on; nothing may follow in the session."""
    with committing_with(session, _INSERT_OF_DRIVER, _params(tenant_id, trace)):
        yield


def _params(tenant_id: UUID, trace: Trace) -> dict[str, Any]:
    return {
        "tenant": tenant_id,
        "id": trace.id,
        "namespaces": list(trace.namespaces),
        "query": trace.query,
        "request": to_jsonb(trace.request),
        "result": to_jsonb(trace.result),
        "now": trace.now,
        "expires_at": trace.expires_at,
    }


def get_trace(session: Session, tenant_id: UUID, search_id: UUID) -> RowMapping | None:
    """Return one trace."""
    return (
        session.execute(
            text(
                "SELECT id, namespaces, query, request, result, created_at, expires_at FROM trace "
                "WHERE tenant_id = :tenant AND id = :id"
            ),
            {"tenant": tenant_id, "id": search_id},
        )
        .mappings()
        .one_or_none()
    )
