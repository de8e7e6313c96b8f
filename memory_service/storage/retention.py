"""How firmly memories hold, when they were recalled, and when each has to be looked at again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from consolidation.retention.holding import Holding, holding_of
from memory_service.storage.ids import new_id
from memory_service.storage.sql import to_jsonb


@dataclass(frozen=True, slots=True)
class RecallRow:
    """One memory recalled by one search; `useful` is None until somebody says."""

    memory_id: UUID
    trace_id: UUID
    rank: int
    score: float
    useful: bool | None
    cited: bool | None
    held_before: Mapping[str, Any] | None = None  # what a judgement changed, so that it can be taken back


_LOCK = text(
    """
    SELECT r.memory_id, m.memory_type, m.created_at, m.importance, m.pinned, m.surprise, s.kind AS source_kind, r.stability_days,
        r.difficulty, r.recall_count, r.last_recalled_at, r.refreshed_at, r.spaced_uses, r.traces, r.traced_at,
        CAST(n.retention_policy AS text) AS retention_policy
    FROM retention r
    JOIN memory m ON m.tenant_id = :tenant AND m.id = r.memory_id
    JOIN namespace n ON n.tenant_id = :tenant AND n.id = m.namespace_id
    LEFT JOIN source s ON s.tenant_id = :tenant AND s.memory_id = m.id AND s.ordinal = 0
    WHERE r.tenant_id = :tenant AND r.memory_id = ANY(CAST(:ids AS uuid[]))
    ORDER BY r.memory_id FOR UPDATE OF r
    """
)


_MISSING = text(
    """
    INSERT INTO retention (tenant_id, memory_id, namespace_id)
    SELECT m.tenant_id, m.id, m.namespace_id FROM memory m
    WHERE m.tenant_id = :tenant AND m.id = ANY(CAST(:ids AS uuid[])) ON CONFLICT DO NOTHING
    """
)


def lock_holdings(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, tuple[Holding, str | None]]:
    """Return how firmly memories hold, and the policy of each as its namespace keeps it; no one else can change it meanwhile.

    In order of id: two searches that found the same memories in another order must not wait for each other.
    """
    params = {"tenant": tenant_id, "ids": list(ids)}
    rows = session.execute(_LOCK, params).mappings().all()
    if len(rows) < len(set(ids)):
        # Restored from a bundle or written by another way than `insert_memories`.
        session.execute(_MISSING, params)
        rows = session.execute(_LOCK, params).mappings().all()
    return {row["memory_id"]: (holding_of(row), row["retention_policy"]) for row in rows}


def keep_holdings(session: Session, tenant_id: UUID, holdings: Mapping[UUID, Holding], *, now: datetime) -> None:
    """Store how firmly memories hold by now, and have the next sweep look at them."""
    if not holdings:
        return
    ids = list(holdings)
    held = [holdings[i] for i in ids]
    session.execute(
        text(
            """
            UPDATE retention r SET stability_days = k.stability, difficulty = k.difficulty, recall_count = k.recalls,
                last_recalled_at = k.recalled_at, spaced_uses = k.uses, traced_at = k.traced_at,
                traces = CAST(k.traces AS float8[]), due_at = least(r.due_at, :now)
            FROM unnest(CAST(:ids AS uuid[]), CAST(:stabilities AS float8[]), CAST(:difficulties AS float8[]),
                CAST(:recalls AS integer[]), CAST(:recalled AS timestamptz[]), CAST(:uses AS float8[]),
                CAST(:traces AS text[]), CAST(:traced AS timestamptz[]))
                AS k (memory_id, stability, difficulty, recalls, recalled_at, uses, traces, traced_at)
            WHERE r.tenant_id = :tenant AND r.memory_id = k.memory_id
            """
        ),
        {
            "tenant": tenant_id,
            "now": now,
            "ids": ids,
            "stabilities": [one.stability_days for one in held],
            "difficulties": [one.difficulty for one in held],
            "recalls": [one.recall_count for one in held],
            "recalled": [one.last_recalled_at for one in held],
            "uses": [one.spaced_uses for one in held],
            # An array of arrays would be unnested into one; as text each keeps its own.
            "traces": [_array(one.traces) for one in held],
            "traced": [one.traced_at for one in held],
        },
    )


def _array(numbers: Sequence[float] | None) -> str | None:
    return None if numbers is None else "{" + ",".join(map(repr, numbers)) + "}"


def keep_recalls(session: Session, tenant_id: UUID, rows: Sequence[RecallRow], *, now: datetime) -> None:
    """Store that memories were recalled."""
    if rows:
        session.execute(
            text(
                "INSERT INTO recall (tenant_id, memory_id, id, trace_id, rank, score, useful, cited, recalled_at, held_before) "
                "VALUES (:tenant, :memory, :id, :trace, :rank, :score, :useful, :cited, :now, CAST(:before AS jsonb))"
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
                    "before": None if row.held_before is None else to_jsonb(row.held_before),
                }
                for row in rows
            ],
        )


_SINCE_JUDGED = text(
    """
    SELECT r.id, r.trace_id, r.useful, r.recalled_at, r.held_before FROM recall r
    WHERE r.tenant_id = :tenant AND r.memory_id = :memory AND r.id >= (
        SELECT j.id FROM recall j
        WHERE j.tenant_id = :tenant AND j.memory_id = :memory AND j.trace_id = :trace AND j.useful IS NOT NULL
        ORDER BY j.id LIMIT 1)
    ORDER BY r.id
    """
)


def recalls_since_judged(session: Session, tenant_id: UUID, memory_id: UUID, trace_id: UUID) -> Sequence[RowMapping]:
    """Return the recalls of a memory from the first judgement of a search's result on, in order; none without one."""
    params = {"tenant": tenant_id, "memory": memory_id, "trace": trace_id}
    return session.execute(_SINCE_JUDGED, params).mappings().all()


def drop_judgements(session: Session, tenant_id: UUID, memory_id: UUID, trace_id: UUID) -> None:
    """Delete what was said of one result of a search; that it was found and reinforced stays."""
    session.execute(
        text(
            "DELETE FROM recall WHERE tenant_id = :tenant AND memory_id = :memory AND trace_id = :trace "
            "AND useful IS NOT NULL"
        ),
        {"tenant": tenant_id, "memory": memory_id, "trace": trace_id},
    )


def keep_held_before(
    session: Session, tenant_id: UUID, memory_id: UUID, befores: Mapping[UUID, Mapping[str, Any]]
) -> None:
    """Store anew how firmly a memory held before its recalls, by their ids, where that was kept at all."""
    if befores:
        session.execute(
            text(
                """
                UPDATE recall r SET held_before = CAST(k.held_before AS jsonb)
                FROM unnest(CAST(:ids AS uuid[]), CAST(:befores AS text[])) AS k (id, held_before)
                WHERE r.tenant_id = :tenant AND r.memory_id = :memory AND r.id = k.id AND r.held_before IS NOT NULL
                """
            ),
            {
                "tenant": tenant_id,
                "memory": memory_id,
                "ids": list(befores),
                "befores": [to_jsonb(before) for before in befores.values()],
            },
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


_MOST_RECALLS = 500


def recalls_of(session: Session, tenant_id: UUID, memory_id: UUID) -> list[tuple[datetime, bool | None]]:
    """Return when a memory was recalled and whether that was of use, oldest first; of very many, the latest."""
    rows = session.execute(
        text(
            "SELECT recalled_at, useful FROM recall WHERE tenant_id = :tenant AND memory_id = :memory "
            "ORDER BY id DESC LIMIT :limit"
        ),
        {"tenant": tenant_id, "memory": memory_id, "limit": _MOST_RECALLS},
    )
    return [(row.recalled_at, row.useful) for row in rows][::-1]
