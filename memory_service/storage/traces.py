"""Traces: the stored record of each search. They hold queries, so they expire and erasure reaches them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from memory_service.storage.sql import to_jsonb

_INSERT = text(
    "INSERT INTO trace (tenant_id, id, namespaces, query, request, result, created_at, expires_at) VALUES (:tenant, :id, "
    "CAST(:namespaces AS text[]), :query, CAST(:request AS jsonb), CAST(:result AS jsonb), :now, :expires_at)"
)


def keep_trace(
    session: Session,
    tenant_id: UUID,
    search_id: UUID,
    *,
    namespaces: Sequence[str],
    query: str,
    request: Mapping[str, Any],
    result: Mapping[str, Any],
    now: datetime,
    expires_at: datetime,
) -> None:
    """Store one trace."""
    session.execute(
        _INSERT,
        {
            "tenant": tenant_id,
            "id": search_id,
            "namespaces": list(namespaces),
            "query": query,
            "request": to_jsonb(request),
            "result": to_jsonb(result),
            "now": now,
            "expires_at": expires_at,
        },
    )


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
