"""How much room KV memories take, how much they may, and how they are used."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import RowMapping, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from memory_service.activation.eviction import Held
from memory_service.storage.ids import new_id
from memory_service.storage.tables import kv_memory, kv_quota, namespace

_m = kv_memory.c
_q = kv_quota.c


def set_quota(session: Session, tenant_id: UUID, namespace_id: UUID | None, size: int | None, *, now: datetime) -> None:
    """Set how many bytes a tenant or one of its namespaces may keep; None takes the limit away."""
    if size is None:
        session.execute(
            delete(kv_quota).where(_q.tenant_id == tenant_id, _q.namespace_id.is_not_distinct_from(namespace_id))
        )
        return
    session.execute(
        insert(kv_quota)
        .values(tenant_id=tenant_id, id=new_id(), namespace_id=namespace_id, bytes=size, updated_at=now)
        .on_conflict_do_update(index_elements=["tenant_id", "namespace_id"], set_={"bytes": size, "updated_at": now})
    )


def quotas(session: Session, tenant_id: UUID) -> dict[UUID | None, int]:
    """Return the quotas of a tenant by namespace; None stands for the tenant as a whole."""
    rows = session.execute(select(_q.namespace_id, _q.bytes).where(_q.tenant_id == tenant_id))
    return {row.namespace_id: row.bytes for row in rows}


def quota_paths(session: Session, tenant_id: UUID) -> dict[str, int]:
    """Return the quotas of namespaces by their paths."""
    query = (
        select(namespace.c.path, _q.bytes)
        .join(namespace, (namespace.c.tenant_id == _q.tenant_id) & (namespace.c.id == _q.namespace_id))
        .where(_q.tenant_id == tenant_id)
        .order_by(namespace.c.path)
    )
    return {row.path: row.bytes for row in session.execute(query)}


def taken(session: Session, tenant_id: UUID, namespace_id: UUID | None = None) -> int:
    """Return how many bytes the records of a tenant, or of one namespace, take; those that are to be removed do not count."""
    query = select(func.coalesce(func.sum(_m.bytes), 0)).where(_m.tenant_id == tenant_id, _m.state == "live")
    if namespace_id is not None:
        query = query.where(_m.namespace_id == namespace_id)
    return int(session.scalar(query) or 0)


def held(session: Session, tenant_id: UUID, namespace_id: UUID | None = None) -> list[Held]:
    """Return what could make room."""
    query = select(_m.id, _m.bytes, _m.prefill_s, _m.heat, _m.heat_at).where(
        _m.tenant_id == tenant_id, _m.state == "live"
    )
    if namespace_id is not None:
        query = query.where(_m.namespace_id == namespace_id)
    return [Held(*row) for row in session.execute(query)]


@dataclass(frozen=True, slots=True)
class Loads:
    """That a record was loaded so many times up to a moment."""

    kv_memory_id: UUID
    count: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Lookups:
    """How many blocks look-ups of an engine asked for and found."""

    engine: str
    count: int
    asked: int
    found: int
    at: datetime


# The heat of before has cooled meanwhile. One statement adds to the record and to the engine.
_LOADED = text(
    """
    WITH k AS (
        SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:counts AS bigint[]), CAST(:ats AS timestamptz[])) AS k (id, n, at)
        ORDER BY id
    ), hit AS (
        UPDATE kv_memory m SET hits = m.hits + k.n, last_hit_at = greatest(m.last_hit_at, k.at),
            heat = m.heat * exp(-ln(2) * greatest(extract(epoch FROM k.at - m.heat_at), 0)
                / extract(epoch FROM CAST(:half_life AS interval))) + k.n,
            heat_at = greatest(m.heat_at, k.at)
        FROM k WHERE m.tenant_id = :tenant AND m.id = k.id
        RETURNING m.engine, k.n, k.n * m.n_tokens AS tokens, k.n * m.prefill_s AS saved, k.n * m.bytes AS bytes,
            k.at
    )
    INSERT INTO kv_usage (tenant_id, engine, lookups, asked_blocks, found_blocks, loads, loaded_tokens, loaded_bytes, saved_s,
        updated_at)
    SELECT :tenant, h.engine, 0, 0, 0, sum(h.n), sum(h.tokens), sum(h.bytes), sum(h.saved), max(h.at)
    FROM hit h GROUP BY h.engine
    ON CONFLICT (tenant_id, engine) DO UPDATE SET loads = kv_usage.loads + excluded.loads,
        loaded_tokens = kv_usage.loaded_tokens + excluded.loaded_tokens,
        loaded_bytes = kv_usage.loaded_bytes + excluded.loaded_bytes, saved_s = kv_usage.saved_s + excluded.saved_s,
        updated_at = greatest(kv_usage.updated_at, excluded.updated_at)
    """
)


def add_loads(session: Session, tenant_id: UUID, loads: Sequence[Loads], *, half_life: timedelta) -> None:
    """Count loads: of each record and of its engine."""
    session.execute(
        _LOADED,
        {
            "tenant": tenant_id,
            "half_life": half_life,
            "ids": [one.kv_memory_id for one in loads],
            "counts": [one.count for one in loads],
            "ats": [one.at for one in loads],
        },
    )


def add_lookups(session: Session, tenant_id: UUID, lookups: Sequence[Lookups]) -> None:
    """Count look-ups of engines."""
    session.execute(
        text(
            """
            INSERT INTO kv_usage (tenant_id, engine, lookups, asked_blocks, found_blocks, loads, loaded_tokens, saved_s,
                updated_at)
            SELECT :tenant, decode(k.engine, 'hex'), k.n, k.asked, k.found, 0, 0, 0, k.at
            FROM unnest(CAST(:engines AS text[]), CAST(:counts AS bigint[]), CAST(:asked AS bigint[]), CAST(:found AS bigint[]),
                CAST(:ats AS timestamptz[])) AS k (engine, n, asked, found, at) ORDER BY k.engine
            ON CONFLICT (tenant_id, engine) DO UPDATE SET lookups = kv_usage.lookups + excluded.lookups,
                asked_blocks = kv_usage.asked_blocks + excluded.asked_blocks,
                found_blocks = kv_usage.found_blocks + excluded.found_blocks,
                updated_at = greatest(kv_usage.updated_at, excluded.updated_at)
            """
        ),
        {
            "tenant": tenant_id,
            "engines": [one.engine for one in lookups],
            "counts": [one.count for one in lookups],
            "asked": [one.asked for one in lookups],
            "found": [one.found for one in lookups],
            "ats": [one.at for one in lookups],
        },
    )


def usage_by_engine(session: Session, tenant_id: UUID) -> Sequence[RowMapping]:
    """Return what every engine keeps and what it was spared, engines that keep nothing any more too."""
    return (
        session.execute(
            text(
                """
                SELECT encode(coalesce(k.engine, u.engine), 'hex') AS engine, k.model, coalesce(k.records, 0) AS records,
                    coalesce(k.bytes, 0) AS bytes, coalesce(k.tokens, 0) AS tokens, coalesce(u.lookups, 0) AS lookups,
                    coalesce(u.asked_blocks, 0) AS asked_blocks, coalesce(u.found_blocks, 0) AS found_blocks,
                    coalesce(u.loads, 0) AS loads, coalesce(u.loaded_tokens, 0) AS loaded_tokens,
                    coalesce(u.loaded_bytes, 0) AS loaded_bytes, coalesce(u.saved_s, 0) AS saved_s
                FROM (
                    SELECT m.engine, max(m.model) AS model, count(*) AS records, sum(m.bytes) AS bytes, sum(m.n_tokens) AS tokens
                    FROM kv_memory m WHERE m.tenant_id = :tenant AND m.state = 'live' GROUP BY m.engine
                ) k FULL JOIN (SELECT * FROM kv_usage u WHERE u.tenant_id = :tenant) u ON u.engine = k.engine
                ORDER BY 1
                """
            ),
            {"tenant": tenant_id},
        )
        .mappings()
        .all()
    )
