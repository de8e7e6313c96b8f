"""Fusion weights of a namespace: every proposal with what became of it, and when which factors were in force."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, func, insert, select, text, update
from sqlalchemy.orm import Session

from memory_service.storage.ids import new_id
from memory_service.storage.tables import fusion_weights, namespace

_t = fusion_weights.c
_FOREVER = text("'infinity'")


class WeightsStatus(StrEnum):
    """What became of a proposal."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    REVERTED = "reverted"


@dataclass(frozen=True, slots=True)
class InForce:
    """The factors that searches of a namespace use now."""

    id: UUID
    factors: dict[str, float]
    replaced: UUID | None  # what was in force before


def in_force(session: Session, tenant_id: UUID, namespace_id: UUID) -> InForce | None:
    """Return the factors in force; None where nothing was learned or all of it was reverted."""
    query = select(_t.id, _t.factors, _t.replaced).where(
        _t.tenant_id == tenant_id, _t.namespace_id == namespace_id, _t.known_to == _FOREVER
    )
    row = session.execute(query).one_or_none()
    return InForce(row.id, row.factors, row.replaced) if row else None


def lock(session: Session, tenant_id: UUID, namespace_id: UUID) -> None:
    """Let one transaction at a time decide over the weights of a namespace."""
    session.execute(
        select(namespace.c.id)
        .where(namespace.c.tenant_id == tenant_id, namespace.c.id == namespace_id)
        .with_for_update(key_share=True)
    )


def keep_decision(
    session: Session,
    tenant_id: UUID,
    namespace_id: UUID,
    factors: Mapping[str, float],
    *,
    accepted: bool,
    reason: str,
    evaluation: Mapping[str, Any],
    replaced: UUID | None,
    now: datetime,
) -> UUID:
    """Store a decision; accepted factors take the place of those in force. A refused proposal is known for no time."""
    if accepted:
        _end(session, tenant_id, namespace_id, now=now)
    weights_id = new_id()
    session.execute(
        insert(fusion_weights).values(
            tenant_id=tenant_id,
            id=weights_id,
            namespace_id=namespace_id,
            factors=dict(factors),
            status=(WeightsStatus.ACCEPTED if accepted else WeightsStatus.REFUSED).value,
            reason=reason,
            evaluation=dict(evaluation),
            replaced=replaced,
            decided_at=now,
            known_from=now,
            known_to=_FOREVER if accepted else now,
        )
    )
    return weights_id


def _end(
    session: Session, tenant_id: UUID, namespace_id: UUID, *, now: datetime, status: WeightsStatus | None = None
) -> None:
    statement = update(fusion_weights).where(
        _t.tenant_id == tenant_id, _t.namespace_id == namespace_id, _t.known_to == _FOREVER
    )
    changes: dict[str, Any] = {"known_to": func.greatest(_t.known_from, now)}
    if status is not None:
        changes["status"] = status.value
    session.execute(statement.values(**changes))


def revert(session: Session, tenant_id: UUID, namespace_id: UUID, *, now: datetime) -> bool:
    """Go back to the factors before those in force; False when there are none in force."""
    lock(session, tenant_id, namespace_id)
    current = in_force(session, tenant_id, namespace_id)
    if current is None:
        return False
    _end(session, tenant_id, namespace_id, now=now, status=WeightsStatus.REVERTED)
    before = get_weights(session, tenant_id, current.replaced) if current.replaced else None
    if before is not None:
        keep_decision(
            session,
            tenant_id,
            namespace_id,
            before["factors"],
            accepted=True,
            reason=f"back to {before['id']}",
            evaluation={},
            replaced=before["replaced"],
            now=now,
        )
    return True


_SHOWN = (*(c for c in fusion_weights.c if c.name != "namespace_id"), namespace.c.path.label("namespace"))
_WITH_NAMESPACE = fusion_weights.join(
    namespace, (namespace.c.tenant_id == _t.tenant_id) & (namespace.c.id == _t.namespace_id)
)


def get_weights(session: Session, tenant_id: UUID, weights_id: UUID) -> RowMapping | None:
    """Return the factors of one proposal, and what they replaced."""
    query = select(_t.id, _t.factors, _t.replaced).where(_t.tenant_id == tenant_id, _t.id == weights_id)
    return session.execute(query).mappings().one_or_none()


def list_weights(
    session: Session, tenant_id: UUID, *, namespace_id: UUID | None, before: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """Return proposals and what became of them, the newest first."""
    shown = [c for c in _SHOWN if c.name != "known_to"]
    # The client knows no infinity; nothing says the same.
    ends = func.nullif(_t.known_to, _FOREVER).label("known_to")
    query = select(*shown, ends).select_from(_WITH_NAMESPACE).where(_t.tenant_id == tenant_id)
    if namespace_id is not None:
        query = query.where(_t.namespace_id == namespace_id)
    if before is not None:
        query = query.where(_t.id < before)
    return session.execute(query.order_by(_t.id.desc()).limit(limit)).mappings().all()


def last_decision(session: Session, tenant_id: UUID, namespace_id: UUID) -> datetime | None:
    """Return when the weights of a namespace were decided on last."""
    query = select(func.max(_t.decided_at)).where(_t.tenant_id == tenant_id, _t.namespace_id == namespace_id)
    last: datetime | None = session.scalar(query)
    return last
