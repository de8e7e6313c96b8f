"""Webhooks: whom a tenant wants told of what, and how their receivers are doing."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, delete, func, insert, literal, select, update
from sqlalchemy.orm import Session

from memory_service.storage.tables import webhook

_w = webhook.c
# The secrets are read by whoever signs, and by nobody else.
_SHOWN = tuple(column for column in _w if column.name not in {"secret", "former_secret"})


def create(session: Session, tenant_id: UUID, webhook_id: UUID, values: Mapping[str, Any], *, now: datetime) -> None:
    """Store a webhook."""
    session.execute(
        insert(webhook).values(tenant_id=tenant_id, id=webhook_id, created_at=now, updated_at=now, **values)
    )


def get(session: Session, tenant_id: UUID, webhook_id: UUID, *, lock: bool = False) -> RowMapping | None:
    """Return a webhook without its secrets, locked for a change when asked."""
    query = select(*_SHOWN).where(_w.tenant_id == tenant_id, _w.id == webhook_id)
    return session.execute(query.with_for_update() if lock else query).mappings().one_or_none()


def for_sending(session: Session, tenant_id: UUID, webhook_id: UUID) -> RowMapping | None:
    """Return a webhook with its secrets, if it is active."""
    query = select(*_w).where(_w.tenant_id == tenant_id, _w.id == webhook_id, _w.active)
    return session.execute(query).mappings().one_or_none()


def is_as_read(session: Session, tenant_id: UUID, webhook_id: UUID, *, updated_at: datetime) -> bool:
    """Say whether a webhook is active still and nobody has changed it since it was read."""
    query = select(literal(1)).where(
        _w.tenant_id == tenant_id, _w.id == webhook_id, _w.active, _w.updated_at == updated_at
    )
    return session.scalar(query) is not None


def count(session: Session, tenant_id: UUID) -> int:
    """Return how many webhooks a tenant has."""
    return session.scalar(select(func.count()).where(_w.tenant_id == tenant_id)) or 0


def list_webhooks(
    session: Session, tenant_id: UUID, *, namespace: str | None, before: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """Return webhooks, the newest first; of a namespace those that are told of it alone."""
    query = select(*_SHOWN).where(_w.tenant_id == tenant_id)
    if namespace is not None:
        query = query.where(_w.namespace == namespace)
    if before is not None:
        query = query.where(_w.id < before)
    return session.execute(query.order_by(_w.id.desc()).limit(limit)).mappings().all()


def change(session: Session, tenant_id: UUID, webhook_id: UUID, values: Mapping[str, Any], *, now: datetime) -> None:
    """Change columns of a webhook."""
    session.execute(
        update(webhook).where(_w.tenant_id == tenant_id, _w.id == webhook_id).values(updated_at=now, **values)
    )


def rotate(
    session: Session, tenant_id: UUID, webhook_id: UUID, secret: bytes, *, former_until: datetime, now: datetime
) -> None:
    """Sign with another secret from now on, and until a moment with the present one, too."""
    values = {"former_secret": _w.secret, "former_until": former_until, "secret": secret}
    change(session, tenant_id, webhook_id, values, now=now)


def remove(session: Session, tenant_id: UUID, webhook_id: UUID) -> None:
    """Delete a webhook.

    Its deliveries may be millions: they are shown and sent to nobody any more, and go with the purge.
    """
    session.execute(delete(webhook).where(_w.tenant_id == tenant_id, _w.id == webhook_id))


def note_success(session: Session, tenant_id: UUID, webhook_id: UUID) -> None:
    """Note that a receiver answers again."""
    session.execute(
        update(webhook)
        .where(_w.tenant_id == tenant_id, _w.id == webhook_id, _w.failures > 0)
        .values(failures=0, failing_since=None, retry_at=None)
    )


def note_failure(session: Session, tenant_id: UUID, webhook_id: UUID, *, now: datetime) -> RowMapping | None:
    """Count a failure of a receiver; return how many there were in a row and since when, None when it is deleted."""
    statement = (
        update(webhook)
        .where(_w.tenant_id == tenant_id, _w.id == webhook_id)
        .values(failures=_w.failures + 1, failing_since=func.coalesce(_w.failing_since, now))
        .returning(_w.failures, _w.failing_since)
    )
    return session.execute(statement).mappings().one_or_none()


def pause(session: Session, tenant_id: UUID, webhook_id: UUID, *, until: datetime | None) -> None:
    """Leave a receiver alone until a moment; None ends the pause."""
    session.execute(update(webhook).where(_w.tenant_id == tenant_id, _w.id == webhook_id).values(retry_at=until))


def disable(session: Session, tenant_id: UUID, webhook_id: UUID, *, reason: str, now: datetime) -> None:
    """Ask a receiver no more; what waits for it waits on."""
    change(session, tenant_id, webhook_id, {"active": False, "disabled_reason": reason}, now=now)
