"""Receipts of erasures: which memories went, how many rows of which tables, and whether anything is left; no text."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping, func, insert, select, text, update
from sqlalchemy.orm import Session

from memory_service.storage.sql import Sql
from memory_service.storage.tables import erasure, erasure_item, job, namespace

_FROM = erasure.outerjoin(
    namespace, (namespace.c.tenant_id == erasure.c.tenant_id) & (namespace.c.id == erasure.c.namespace_id)
).outerjoin(job, (job.c.tenant_id == erasure.c.tenant_id) & (job.c.id == erasure.c.job_id))
_SHOWN = (*erasure.c, namespace.c.path.label("namespace"), job.c.status.label("job_status"))


def open_erasure(
    session: Session,
    tenant_id: UUID,
    *,
    erasure_id: UUID,
    job_id: UUID,
    api_key_id: UUID | None,
    namespace_id: UUID | None,
    selected_by: str,
    selection_hash: bytes,
    now: datetime,
) -> None:
    """Begin the receipt of an erasure that a job is going to do."""
    session.execute(
        insert(erasure).values(
            tenant_id=tenant_id,
            id=erasure_id,
            namespace_id=namespace_id,
            job_id=job_id,
            api_key_id=api_key_id,
            selected_by=selected_by,
            selection_hash=selection_hash,
            status="open",
            counts={},
            remains={},
            created_at=now,
        )
    )


def add_items(
    session: Session, tenant_id: UUID, erasure_id: UUID, ids: Sequence[UUID], *, status: str, derived: bool
) -> None:
    """Write down what became of memories; what was written down before stays."""
    if ids:
        session.execute(
            text(
                "INSERT INTO erasure_item (tenant_id, erasure_id, memory_id, status, derived) "
                "SELECT :tenant, :erasure, k.id, :status, :derived FROM unnest(CAST(:ids AS uuid[])) AS k (id) "
                "ON CONFLICT DO NOTHING"
            ),
            {"tenant": tenant_id, "erasure": erasure_id, "ids": list(ids), "status": status, "derived": derived},
        )


def add_counts(session: Session, tenant_id: UUID, erasure_id: UUID, counts: Mapping[str, int]) -> None:
    """Add to the rows that went, by table; the caller holds the lease of the job, so nobody else adds."""
    where = (erasure.c.tenant_id == tenant_id, erasure.c.id == erasure_id)
    before = session.scalar(select(erasure.c.counts).where(*where)) or {}
    after = {name: before.get(name, 0) + counts.get(name, 0) for name in sorted({*before, *counts})}
    session.execute(update(erasure).where(*where).values(counts=after))


def close_erasure(
    session: Session, tenant_id: UUID, erasure_id: UUID, *, remains: Mapping[str, int], now: datetime
) -> None:
    """End a receipt with what the check found."""
    session.execute(
        update(erasure)
        .where(erasure.c.tenant_id == tenant_id, erasure.c.id == erasure_id)
        .values(
            status="failed" if remains else "succeeded", verified=not remains, remains=dict(remains), finished_at=now
        )
    )


def last_asked(session: Session, tenant_id: UUID, selections: Sequence[bytes]) -> dict[bytes, datetime]:
    """Return when selections were asked to be erased last, by their hashes; one whose job was cancelled is not meant."""
    query = (
        select(erasure.c.selection_hash, func.max(erasure.c.created_at).label("at"))
        .select_from(_FROM)
        .where(erasure.c.tenant_id == tenant_id, erasure.c.selection_hash.in_(selections))
        .where((erasure.c.status != "open") | (job.c.status != "cancelled"))
        .group_by(erasure.c.selection_hash)
    )
    return {bytes(row.selection_hash): row.at for row in session.execute(query)}


def get_erasure(session: Session, tenant_id: UUID, erasure_id: UUID) -> RowMapping | None:
    """Return one receipt with the state of its job, which is null once that has expired."""
    query = select(*_SHOWN).select_from(_FROM).where(erasure.c.tenant_id == tenant_id, erasure.c.id == erasure_id)
    return session.execute(query).mappings().one_or_none()


def list_erasures(
    session: Session, tenant_id: UUID, *, namespace_id: UUID | None, before: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """Return receipts, newest first."""
    query = select(*_SHOWN).select_from(_FROM).where(erasure.c.tenant_id == tenant_id)
    if namespace_id is not None:
        query = query.where(erasure.c.namespace_id == namespace_id)
    if before is not None:
        query = query.where(erasure.c.id < before)
    return session.execute(query.order_by(erasure.c.id.desc()).limit(limit)).mappings().all()


def list_items(
    session: Session, tenant_id: UUID, erasure_id: UUID, *, after: UUID | None, limit: int, status: str | None = None
) -> Sequence[RowMapping]:
    """Return what became of memories, in order of their ids."""
    item = erasure_item.c
    query = select(item.memory_id, item.status, item.derived).where(
        item.tenant_id == tenant_id, item.erasure_id == erasure_id
    )
    if status is not None:
        query = query.where(item.status == status)
    if after is not None:
        query = query.where(item.memory_id > after)
    return session.execute(query.order_by(item.memory_id).limit(limit)).mappings().all()


def item_counts(session: Session, tenant_id: UUID, erasure_id: UUID) -> Mapping[str, int]:
    """Return how many memories were erased, how many of these as derived, and how many were not there."""
    item = erasure_item.c
    row = session.execute(
        select(
            func.count().filter(item.status == "erased").label("erased"),
            func.count().filter(item.derived).label("derived"),
            func.count().filter(item.status == "absent").label("absent"),
        ).where(item.tenant_id == tenant_id, item.erasure_id == erasure_id)
    ).one()
    return {"erased": row.erased, "derived": row.derived, "absent": row.absent}


def selected(session: Session, tenant_id: UUID, *, where: Sql, limit: int) -> list[UUID]:
    """Return ids of memories that a condition on rows `m` selects, in order of id."""
    return [
        row.id
        for row in session.execute(
            text(
                f"SELECT m.id FROM memory m WHERE m.tenant_id = :tenant AND ({where.text}) ORDER BY m.id LIMIT :limit"
            ),
            {"tenant": tenant_id, "limit": limit, **where.params},
        )
    ]


def erased_ids(session: Session, tenant_id: UUID, erasure_id: UUID) -> list[UUID]:
    """Return the ids of all memories that an erasure has removed so far."""
    item = erasure_item.c
    query = select(item.memory_id).where(
        item.tenant_id == tenant_id, item.erasure_id == erasure_id, item.status == "erased"
    )
    return list(session.scalars(query.order_by(item.memory_id)))
