"""What memories were made of and what took their place, as it is stored."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, RowMapping, text
from sqlalchemy.orm import Session


def ancestry(session: Session, tenant_id: UUID, ids: Sequence[UUID], *, limit: int) -> Sequence[RowMapping]:
    """Return memories with their parents, what was made of them, what they superseded and what superseded them."""
    return (
        session.execute(
            text(
                """
                SELECT m.id, m.version, m.state, m.created_at, m.derivation_method, m.derivation_parents, m.superseded_by,
                    ARRAY(SELECT o.id FROM memory o JOIN link l ON l.tenant_id = :tenant AND l.source_id = m.id
                        AND l.type = 'supersedes' AND l.target_id = o.id WHERE o.tenant_id = :tenant) AS predecessors,
                    -- Also what was made and taken back: it is archived, and says still what it was made of.
                    ARRAY(SELECT DISTINCT l.source_id FROM link l WHERE l.tenant_id = :tenant AND l.target_id = m.id
                        AND l.type = 'derived_from' ORDER BY l.source_id LIMIT :limit) AS children
                FROM memory m WHERE m.tenant_id = :tenant AND m.id = ANY(CAST(:ids AS uuid[])) ORDER BY m.id LIMIT :limit
                """
            ),
            {"tenant": tenant_id, "ids": list(ids), "limit": limit},
        )
        .mappings()
        .all()
    )


def made_of(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> list[UUID]:
    """Return what goes with memories when they are erased: duplicates merged into them, and all that was derived, however far."""
    statement = text(
        """
        WITH RECURSIVE made AS (
            SELECT CAST(k.id AS uuid) AS id FROM unnest(CAST(:ids AS uuid[])) AS k (id)
            UNION
            SELECT x.id FROM made JOIN LATERAL (
                SELECT m.id FROM memory m WHERE m.tenant_id = :tenant AND m.superseded_by = made.id AND m.state = 'merged'
                UNION ALL
                SELECT l.source_id FROM link l WHERE l.tenant_id = :tenant AND l.target_id = made.id AND l.type = 'derived_from'
            ) x ON true
        )
        SELECT id FROM made WHERE NOT id = ANY(CAST(:ids AS uuid[])) ORDER BY id
        """
    )
    return [row.id for row in session.execute(statement, {"tenant": tenant_id, "ids": list(ids)})]


def kinds_of_sources(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return the kind of the first source of memories."""
    rows = session.execute(
        text(
            "SELECT memory_id, kind FROM source "
            "WHERE tenant_id = :tenant AND memory_id = ANY(CAST(:ids AS uuid[])) ORDER BY memory_id, ordinal DESC"
        ),
        {"tenant": tenant_id, "ids": list(ids)},
    )
    return {row.memory_id: row.kind for row in rows}


def sources_of(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    """Return the sources of memories, in order."""
    return session.execute(
        text(
            "SELECT memory_id, ordinal, kind, ref, speaker, role, span_from, span_to, hash FROM source "
            "WHERE tenant_id = :tenant AND memory_id = ANY(CAST(:ids AS uuid[])) ORDER BY memory_id, ordinal"
        ),
        {"tenant": tenant_id, "ids": list(ids)},
    ).all()
