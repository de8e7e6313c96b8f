"""The audit chain as it is stored: events, which are only ever added, and seals in order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, insert, select, text
from sqlalchemy.orm import Session

from memory_service.storage.ids import new_id
from memory_service.storage.tables import audit_event, audit_pending, audit_seal, namespace
from memory_service.types import Action

_WITH_SEAL = audit_event.outerjoin(
    audit_seal, (audit_seal.c.tenant_id == audit_event.c.tenant_id) & (audit_seal.c.event_id == audit_event.c.id)
)
_WITH_NAMESPACE = _WITH_SEAL.outerjoin(
    namespace, (namespace.c.tenant_id == audit_event.c.tenant_id) & (namespace.c.id == audit_event.c.namespace_id)
)


@dataclass(frozen=True, slots=True)
class Seal:
    """The place of an event in the chain."""

    seq: int
    event_id: UUID
    hash: bytes


def record(
    session: Session,
    tenant_id: UUID,
    action: Action,
    *,
    api_key_id: UUID | None,
    at: datetime,
    subject: str | None = None,
    subject_id: UUID | None = None,
    namespace_id: UUID | None = None,
    details: Mapping[str, Any] | None = None,
) -> UUID:
    """Write down, in the transaction that makes a change, that it was made; `details` holds ids, numbers and words of ours.

    Two inserts, and no lock that another transaction waits for: the chain is made later.
    """
    event_id = new_id()
    session.execute(
        insert(audit_event).values(
            tenant_id=tenant_id,
            id=event_id,
            at=at,
            api_key_id=api_key_id,
            action=action.value,
            subject=subject,
            subject_id=subject_id,
            namespace_id=namespace_id,
            details=dict(details or {}),
        )
    )
    session.execute(insert(audit_pending).values(tenant_id=tenant_id, event_id=event_id))
    return event_id


def lock_chain(session: Session, tenant_id: UUID) -> None:
    """Let one worker at a time seal events of a tenant."""
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"audit chain of {tenant_id}"}
    )


def last_seal(session: Session, tenant_id: UUID) -> Seal | None:
    """Return the end of the chain."""
    query = select(audit_seal).where(audit_seal.c.tenant_id == tenant_id).order_by(audit_seal.c.seq.desc()).limit(1)
    row = session.execute(query).one_or_none()
    return None if row is None else Seal(row.seq, row.event_id, row.hash)


def take_pending(session: Session, tenant_id: UUID, *, limit: int) -> Sequence[RowMapping]:
    """Take the oldest events that wait for their seal off the list, and return them in order."""
    statement = text(
        """
        WITH taken AS (
            DELETE FROM audit_pending p WHERE p.tenant_id = :tenant AND p.event_id IN (SELECT q.event_id
                FROM audit_pending q WHERE q.tenant_id = :tenant ORDER BY q.event_id LIMIT :limit)
            RETURNING p.event_id
        )
        SELECT e.* FROM taken JOIN audit_event e ON e.tenant_id = :tenant AND e.id = taken.event_id
        WHERE NOT EXISTS (SELECT FROM audit_seal s WHERE s.tenant_id = :tenant AND s.event_id = e.id) ORDER BY e.id
        """
    )
    return session.execute(statement, {"tenant": tenant_id, "limit": limit}).mappings().all()


def add_seals(session: Session, tenant_id: UUID, seals: Sequence[Seal]) -> None:
    """Lengthen the chain."""
    session.execute(
        text(
            "INSERT INTO audit_seal (tenant_id, seq, event_id, hash) SELECT :tenant, k.seq, k.event_id, k.hash "
            "FROM unnest(CAST(:seqs AS bigint[]), CAST(:events AS uuid[]), CAST(:hashes AS bytea[])) AS k (seq, event_id, hash)"
        ),
        {
            "tenant": tenant_id,
            "seqs": [s.seq for s in seals],
            "events": [s.event_id for s in seals],
            "hashes": [s.hash for s in seals],
        },
    )


def list_events(
    session: Session,
    tenant_id: UUID,
    *,
    action: str | None,
    actor: UUID | None,
    since: datetime | None,
    until: datetime | None,
    before: UUID | None,
    limit: int,
    namespace_id: UUID | None = None,
) -> Sequence[RowMapping]:
    """Return events with their seals, newest first."""
    event = audit_event.c
    query = (
        select(*event, audit_seal.c.seq, audit_seal.c.hash, namespace.c.path.label("namespace"))
        .select_from(_WITH_NAMESPACE)
        .where(event.tenant_id == tenant_id)
    )
    if action is not None:
        query = query.where(event.action == action)
    if actor is not None:
        query = query.where(event.api_key_id == actor)
    if namespace_id is not None:
        query = query.where(event.namespace_id == namespace_id)
    if since is not None:
        query = query.where(event.at >= since)
    if until is not None:
        query = query.where(event.at < until)
    if before is not None:
        query = query.where(event.id < before)
    return session.execute(query.order_by(event.id.desc()).limit(limit)).mappings().all()


def sealed(session: Session, tenant_id: UUID, *, after: int, limit: int) -> Sequence[RowMapping]:
    """Return seals in order, with what is there of their events: `id` is null where an event is gone."""
    statement = text(
        """
        SELECT s.seq, s.event_id, s.hash, e.id, e.at, e.api_key_id, e.action, e.subject, e.subject_id, e.namespace_id, e.details
        FROM audit_seal s LEFT JOIN audit_event e ON e.tenant_id = :tenant AND e.id = s.event_id
        WHERE s.tenant_id = :tenant AND s.seq > :after ORDER BY s.seq LIMIT :limit
        """
    )
    return session.execute(statement, {"tenant": tenant_id, "after": after, "limit": limit}).mappings().all()


def count_unsealed(session: Session, tenant_id: UUID) -> tuple[int, int]:
    """Return how many events have no seal, and how many of those no worker is going to seal."""
    row = session.execute(
        text(
            """
            SELECT count(*) AS unsealed, count(*) FILTER (WHERE NOT EXISTS (SELECT FROM audit_pending p
                WHERE p.tenant_id = :tenant AND p.event_id = e.id)) AS stray
            FROM audit_event e WHERE e.tenant_id = :tenant
            AND NOT EXISTS (SELECT FROM audit_seal s WHERE s.tenant_id = :tenant AND s.event_id = e.id)
            """
        ),
        {"tenant": tenant_id},
    ).one()
    return row.unsealed, row.stray


def hash_at(session: Session, tenant_id: UUID, seq: int) -> bytes | None:
    """Return the hash at a place of the chain."""
    return session.scalar(select(audit_seal.c.hash).where(audit_seal.c.tenant_id == tenant_id, audit_seal.c.seq == seq))
