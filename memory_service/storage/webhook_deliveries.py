"""The outbox: messages that wait for a webhook, and what became of them.

Triggers of the database fill it, in the transaction of the change that a message tells of (migration 0025).

Whoever locks several rows does so in one order, or two of them would wait for each other: the webhook before its deliveries,
and deliveries by their ids.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, RowMapping, Uuid, cast, delete, func, insert, literal, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from memory_service.storage.ids import new_id
from memory_service.storage.tables import namespace, webhook, webhook_delivery

PENDING, DELIVERED, DEAD = "pending", "delivered", "dead"
ERASED = "memory.erased"
TRIES_KEPT = 20

_d = webhook_delivery.c
_WITH_NAMESPACE = webhook_delivery.outerjoin(
    namespace, (namespace.c.tenant_id == _d.tenant_id) & (namespace.c.id == _d.namespace_id)
)
_SHOWN = (*_d, namespace.c.path.label("namespace"))


def ping(session: Session, tenant_id: UUID, webhook_id: UUID, *, event: str, now: datetime) -> UUID:
    """Put a message into the outbox that tells of nothing but the webhook itself; return the delivery's id."""
    delivery_id = new_id()
    session.execute(
        insert(webhook_delivery).values(
            tenant_id=tenant_id, id=delivery_id, webhook_id=webhook_id, event_id=new_id(), event=event,
            subject_id=webhook_id, details={}, occurred_at=now, status=PENDING, attempts=0, due_at=now, tries=[],
        )
    )  # fmt: skip
    return delivery_id


def get(session: Session, tenant_id: UUID, webhook_id: UUID, delivery_id: UUID) -> RowMapping | None:
    """Return one delivery."""
    query = select(*_SHOWN).select_from(_WITH_NAMESPACE)
    query = query.where(_d.tenant_id == tenant_id, _d.webhook_id == webhook_id, _d.id == delivery_id)
    return session.execute(query).mappings().one_or_none()


def list_deliveries(
    session: Session,
    tenant_id: UUID,
    webhook_id: UUID,
    *,
    status: str | None,
    event: str | None,
    before: UUID | None,
    limit: int,
) -> Sequence[RowMapping]:
    """Return deliveries of a webhook, the newest first."""
    query = select(*_SHOWN).select_from(_WITH_NAMESPACE)
    query = query.where(_d.tenant_id == tenant_id, _d.webhook_id == webhook_id)
    if status is not None:
        query = query.where(_d.status == status)
    if event is not None:
        query = query.where(_d.event == event)
    if before is not None:
        query = query.where(_d.id < before)
    return session.execute(query.order_by(_d.id.desc()).limit(limit)).mappings().all()


def claim(
    session: Session, tenant_id: UUID, webhook_id: UUID, *, now: datetime, lease: timedelta, limit: int
) -> Sequence[RowMapping]:
    """Take due messages to send them, the oldest first, and count the attempt.

    Whoever takes them and dies gives them back when the lease ends: they are sent again, not lost.
    """
    due = (
        select(_d.id)
        .where(_d.tenant_id == tenant_id, _d.webhook_id == webhook_id, _d.status == PENDING, _d.due_at <= now)
        .order_by(_d.due_at, _d.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        # Once: a plan may run a subquery for every row, and each time it would take others.
        .cte("due")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    taken = session.scalars(
        update(webhook_delivery)
        .where(_d.tenant_id == tenant_id, _d.id == due.c.id)
        .values(due_at=now + lease, attempts=_d.attempts + 1)
        .returning(_d.id)
    ).all()
    if not taken:
        return ()
    query = select(*_SHOWN).select_from(_WITH_NAMESPACE).where(_d.tenant_id == tenant_id, _d.id.in_(taken))
    return session.execute(query.order_by(_d.occurred_at, _d.id)).mappings().all()


def is_taken(session: Session, tenant_id: UUID, delivery_id: UUID, *, attempts: int) -> bool:
    """Say whether a message is there still, and in the hands of whoever took it for this attempt."""
    return session.scalar(select(_d.id).where(*_of_attempt(tenant_id, delivery_id, attempts))) is not None


def lock(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> None:
    """Lock deliveries that are to be changed, in the order in which everybody does."""
    query = select(_d.id).where(_d.tenant_id == tenant_id, _d.id.in_(ids)).order_by(_d.id)
    session.execute(query.with_for_update()).all()


def _of_attempt(tenant_id: UUID, delivery_id: UUID, attempts: int) -> tuple[ColumnElement[bool], ...]:
    # A lease may end, and a person may have the message sent anew: what became of this attempt says nothing of the next.
    return (_d.tenant_id == tenant_id, _d.id == delivery_id, _d.status == PENDING, _d.attempts == attempts)


def give_back(session: Session, tenant_id: UUID, taken: Mapping[UUID, int], *, now: datetime) -> None:
    """Put back messages that were taken and not sent; the attempt does not count.

    Args:
        session: an open session.
        tenant_id: whose.
        taken: ids, and which attempt each was taken for.
        now: when.
    """
    for delivery_id, attempts in taken.items():
        session.execute(
            update(webhook_delivery)
            .where(*_of_attempt(tenant_id, delivery_id, attempts))
            .values(due_at=now, attempts=func.greatest(_d.attempts - 1, 0))
        )


def finish(
    session: Session, tenant_id: UUID, delivery_id: UUID, *, attempts: int, status: str, attempt: Mapping[str, Any],
    now: datetime, due_at: datetime | None = None,
) -> None:  # fmt: skip
    """Write down what became of an attempt; one that is to be repeated stays pending until `due_at`.

    Args:
        session: an open session.
        tenant_id: whose.
        delivery_id: which message.
        attempts: which attempt it was; nothing is written where the message is not in that one any more.
        status: what the message is from now on.
        attempt: what is kept of the attempt.
        now: when.
        due_at: when it is tried again.
    """
    kept = func.jsonb_path_query_array(_d.tries, text(f"'$[last - {TRIES_KEPT - 2} to last]'"))
    session.execute(
        update(webhook_delivery)
        .where(*_of_attempt(tenant_id, delivery_id, attempts))
        .values(
            status=status,
            due_at=due_at or _d.due_at,
            finished_at=None if status == PENDING else now,
            tries=kept.op("||")(literal([dict(attempt)], JSONB)),
        )
    )


def again(session: Session, tenant_id: UUID, webhook_id: UUID, delivery_id: UUID, *, now: datetime) -> bool:
    """Send a message again, now and with all attempts anew; False says that there is none."""
    # What is being sent is written down under this lock; who has a message sent again ends the webhook's pause next.
    w = webhook.c
    session.execute(select(w.id).where(w.tenant_id == tenant_id, w.id == webhook_id).with_for_update()).all()
    statement = (
        update(webhook_delivery)
        .where(_d.tenant_id == tenant_id, _d.webhook_id == webhook_id, _d.id == delivery_id)
        .values(status=PENDING, due_at=now, attempts=0, finished_at=None)
        .returning(_d.id)
    )
    return session.execute(statement).one_or_none() is not None


def contents_of(session: Session, tenant_id: UUID, wanted: Sequence[tuple[UUID, int]]) -> dict[tuple[UUID, int], str]:
    """Return what memories say in some of their versions; an erased one says nothing."""
    rows = session.execute(
        text(
            """
            SELECT k.id, k.version, coalesce(m.content, v.content) AS content
            FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS integer[])) AS k (id, version)
            LEFT JOIN memory m ON m.tenant_id = :tenant AND m.id = k.id AND m.version = k.version
            LEFT JOIN memory_version v ON v.tenant_id = :tenant AND v.id = k.id AND v.version = k.version
            """
        ),
        {"tenant": tenant_id, "ids": [one[0] for one in wanted], "versions": [one[1] for one in wanted]},
    )
    return {(row.id, row.version): row.content for row in rows if row.content is not None}


def forget_memories(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> None:
    """Drop messages about memories that are being erased, sent or not; that they are erased is still told."""
    about = (_d.tenant_id == tenant_id, _d.subject_id == func.any(cast(list(ids), ARRAY(Uuid))), _d.event != ERASED)
    session.execute(select(_d.id).where(*about).order_by(_d.id).with_for_update()).all()
    session.execute(delete(webhook_delivery).where(*about))
