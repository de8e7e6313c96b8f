"""How firmly memories hold, and when they were recalled."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from consolidation.retention import Strength
from memory_service.storage.ids import new_id


@dataclass(frozen=True, slots=True)
class RecallRow:
    """One memory recalled by one search; `useful` is None until somebody says."""

    memory_id: UUID
    trace_id: UUID
    rank: int
    score: float
    useful: bool | None
    cited: bool | None


def keep_strength(
    session: Session, tenant_id: UUID, memory_id: UUID, strength: Strength, *, recalled_at: datetime | None
) -> None:
    """Store the strength of a memory; a recall also counts."""
    session.execute(
        text(
            """
            INSERT INTO retention (tenant_id, memory_id, stability_days, difficulty, recall_count, last_recalled_at)
            VALUES (:tenant, :memory, :stability, :difficulty, :recalls, :recalled_at)
            ON CONFLICT (tenant_id, memory_id) DO UPDATE SET stability_days = excluded.stability_days,
                difficulty = excluded.difficulty, recall_count = retention.recall_count + excluded.recall_count,
                last_recalled_at = coalesce(excluded.last_recalled_at, retention.last_recalled_at)
            """
        ),
        {
            "tenant": tenant_id,
            "memory": memory_id,
            "stability": strength.stability_days,
            "difficulty": strength.difficulty,
            "recalls": int(recalled_at is not None),
            "recalled_at": recalled_at,
        },
    )


def keep_recalls(session: Session, tenant_id: UUID, rows: Sequence[RecallRow], *, now: datetime) -> None:
    """Store that memories were recalled."""
    if rows:
        session.execute(
            text(
                "INSERT INTO recall (tenant_id, memory_id, id, trace_id, rank, score, useful, cited, recalled_at) "
                "VALUES (:tenant, :memory, :id, :trace, :rank, :score, :useful, :cited, :now)"
            ),
            [
                {
                    "tenant": tenant_id,
                    "memory": row.memory_id,
                    "id": new_id(),
                    "trace": row.trace_id,
                    "rank": row.rank,
                    "score": row.score,
                    "useful": row.useful,
                    "cited": row.cited,
                    "now": now,
                }
                for row in rows
            ],
        )


def list_recalls(
    session: Session, tenant_id: UUID, memory_id: UUID, *, before: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """Return the recalls of one memory, newest first."""
    return (
        session.execute(
            text(
                "SELECT id, trace_id, rank, score, useful, cited, recalled_at FROM recall WHERE tenant_id = :tenant "
                "AND memory_id = :memory AND (CAST(:before AS uuid) IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit"
            ),
            {"tenant": tenant_id, "memory": memory_id, "before": before, "limit": limit},
        )
        .mappings()
        .all()
    )
