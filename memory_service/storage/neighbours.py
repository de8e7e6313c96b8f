"""The turns around a turn: memories of the same session, just before and after."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from memory_service.storage.memories import get_records
from memory_service.storage.sql import Row


def neighbours_of(
    session: Session, tenant_id: UUID, ids: Sequence[UUID], *, distance: int, now: datetime
) -> dict[UUID, list[Row]]:
    """Return for each memory up to `distance` live memories before and after it in its session, in order."""
    rows = session.execute(
        text(
            """
            SELECT k.id AS of_id, b.id FROM unnest(CAST(:ids AS uuid[])) AS k (id)
            JOIN memory m ON m.tenant_id = :tenant AND m.id = k.id AND m.session_id IS NOT NULL
            CROSS JOIN LATERAL (
                (SELECT p.id FROM memory p WHERE p.tenant_id = :tenant AND p.session_id = m.session_id
                    AND p.namespace_id = m.namespace_id AND p.id < m.id AND p.archived_at IS NULL
                    AND (p.expires_at IS NULL OR p.expires_at > :now) ORDER BY p.id DESC LIMIT :distance)
                UNION ALL
                (SELECT f.id FROM memory f WHERE f.tenant_id = :tenant AND f.session_id = m.session_id
                    AND f.namespace_id = m.namespace_id AND f.id > m.id AND f.archived_at IS NULL
                    AND (f.expires_at IS NULL OR f.expires_at > :now) ORDER BY f.id LIMIT :distance)
            ) b
            """
        ),
        {"tenant": tenant_id, "ids": list(ids), "distance": distance, "now": now},
    ).all()
    records = get_records(session, tenant_id, {row.id for row in rows}) if rows else {}
    nearby: dict[UUID, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row.id):
        nearby.setdefault(row.of_id, []).append(records[row.id])
    return nearby
