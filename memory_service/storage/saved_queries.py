"""Saved queries: questions with the memories that a good answer holds. A change of the ranking is measured by them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from memory_service.storage.ids import new_id
from memory_service.storage.sql import to_jsonb

MOST = 500  # saved queries one round of learning is measured by, the newest


class QuerySource(StrEnum):
    """Who saved a query."""

    CALLER = "caller"
    FEEDBACK = "feedback"


def query_hash(query: str, where: Mapping[str, Any] | None) -> bytes:
    """Return what makes two questions the same: their words and their filter."""
    return hashlib.sha256(json.dumps([query, where], sort_keys=True, ensure_ascii=False).encode()).digest()


# A caller's word counts for more than feedback: once saved by hand, a query stays so.
_SAVE = text(
    """
    INSERT INTO saved_query (tenant_id, id, namespace_id, query, filter, hash, source, created_at)
    VALUES (:tenant, :id, :namespace, :query, CAST(:filter AS jsonb), :hash, :source, :now)
    ON CONFLICT (tenant_id, namespace_id, hash) DO UPDATE
        SET source = CASE WHEN saved_query.source = 'caller' THEN 'caller' ELSE excluded.source END
    RETURNING id, source
    """
)
_ADD = text(
    "INSERT INTO saved_query_memory (tenant_id, saved_query_id, memory_id) "
    "SELECT :tenant, :query, m.id FROM memory m WHERE m.tenant_id = :tenant AND m.namespace_id = :namespace "
    "AND m.id = ANY(CAST(:memories AS uuid[])) ON CONFLICT DO NOTHING"
)


def save_query(
    session: Session,
    tenant_id: UUID,
    namespace_id: UUID,
    query: str,
    relevant: Sequence[UUID],
    *,
    where: Mapping[str, Any] | None,
    source: QuerySource,
    now: datetime,
) -> UUID:
    """Save a question and what is relevant to it, or add to what was saved; return its id.

    What a caller saves replaces what was relevant before; feedback adds to what grew from feedback, and leaves alone what a
    caller saved.
    """
    row = session.execute(
        _SAVE,
        {
            "tenant": tenant_id,
            "id": new_id(),
            "namespace": namespace_id,
            "query": query,
            "filter": to_jsonb(where) if where is not None else None,
            "hash": query_hash(query, where),
            "source": source.value,
            "now": now,
        },
    ).one()
    params = {"tenant": tenant_id, "query": row.id, "namespace": namespace_id, "memories": list(relevant)}
    if source is QuerySource.CALLER:
        session.execute(
            text("DELETE FROM saved_query_memory WHERE tenant_id = :tenant AND saved_query_id = :query"), params
        )
    if source.value == row.source:
        session.execute(_ADD, params)
    return UUID(str(row.id))


def take_back(
    session: Session, tenant_id: UUID, namespace_id: UUID, query: str, where: Mapping[str, Any] | None, memory_id: UUID
) -> None:
    """Make a memory no longer relevant to a query that grew from feedback; one without any is dropped."""
    session.execute(
        text(
            "DELETE FROM saved_query_memory r USING saved_query q WHERE q.tenant_id = :tenant "
            "AND q.namespace_id = :namespace AND q.hash = :hash AND q.source = 'feedback' "
            "AND r.tenant_id = :tenant AND r.saved_query_id = q.id AND r.memory_id = :memory"
        ),
        {
            "tenant": tenant_id,
            "namespace": namespace_id,
            "hash": query_hash(query, where),
            "memory": memory_id,
        },
    )
    session.execute(
        text(
            "DELETE FROM saved_query q WHERE q.tenant_id = :tenant AND q.namespace_id = :namespace AND q.hash = :hash "
            "AND NOT EXISTS (SELECT FROM saved_query_memory r WHERE r.tenant_id = :tenant AND r.saved_query_id = q.id)"
        ),
        {"tenant": tenant_id, "namespace": namespace_id, "hash": query_hash(query, where)},
    )


_SHOWN = """
    SELECT q.id, n.path AS namespace, q.query, q.filter, q.source, q.created_at,
        ARRAY(SELECT r.memory_id FROM saved_query_memory r WHERE r.tenant_id = :tenant AND r.saved_query_id = q.id
              ORDER BY r.memory_id) AS relevant
    FROM saved_query q JOIN namespace n ON n.tenant_id = :tenant AND n.id = q.namespace_id
    WHERE q.tenant_id = :tenant
"""


def list_saved_queries(
    session: Session,
    tenant_id: UUID,
    *,
    namespace_id: UUID | None,
    before: UUID | None = None,
    limit: int = MOST,
) -> Sequence[RowMapping]:
    """Return saved queries with what is relevant to them, the newest first."""
    conditions = ""
    if namespace_id is not None:
        conditions += " AND q.namespace_id = :namespace"
    if before is not None:
        conditions += " AND q.id < :before"
    params = {"tenant": tenant_id, "namespace": namespace_id, "before": before, "limit": limit}
    return session.execute(text(f"{_SHOWN}{conditions} ORDER BY q.id DESC LIMIT :limit"), params).mappings().all()


def get_saved_query(session: Session, tenant_id: UUID, query_id: UUID) -> RowMapping | None:
    """Return one saved query."""
    params = {"tenant": tenant_id, "id": query_id}
    return session.execute(text(f"{_SHOWN} AND q.id = :id"), params).mappings().one_or_none()


def delete_saved_query(session: Session, tenant_id: UUID, query_id: UUID) -> bool:
    """Remove a saved query; False when there was none."""
    params = {"tenant": tenant_id, "id": query_id}
    found = session.execute(text("DELETE FROM saved_query WHERE tenant_id = :tenant AND id = :id RETURNING id"), params)
    return found.one_or_none() is not None
