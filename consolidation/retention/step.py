"""The step that lets memories fade: load what is due, plan, and settle when each is due again."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from consolidation.planning import Change
from consolidation.retention.forgetting import Fading, plan_retention
from consolidation.retention.policy import RetentionPolicy
from memory_service.lifecycle.fading import settle
from memory_service.storage import consolidated, fading

PAGE: Final = 1_000  # memories of one sweep; what is due beyond is left to the next


@dataclass(frozen=True, slots=True)
class Faded:
    """What a sweep read, and what it plans."""

    rows: tuple[Fading, ...]
    policy: RetentionPolicy
    changes: tuple[Change, ...]


def load_faded(
    session: Session,
    tenant_id: UUID,
    namespace_id: UUID,
    *,
    leaving: Collection[UUID],
    surviving: Collection[UUID] = (),
    now: datetime,
) -> Faded:
    """Read memories that may have crossed a threshold, and plan what becomes of them.

    `leaving` are those that the same run takes out of the results, `surviving` those into which it merges others. A memory
    that merged ones lead to is held as if it were pinned: without it they would be lost.
    """
    policy = fading.policy_of(session, tenant_id, namespace_id)
    rows = fading.load_fading(session, tenant_id, namespace_id, now=now, limit=PAGE)
    held = consolidated.survivors(session, tenant_id, [row.ref.id for row in rows]) | set(surviving)
    kept = [
        replace(row, holding=replace(row.holding, pinned=True)) if row.ref.id in held else row
        for row in rows
        if row.ref.id not in leaving
    ]
    return Faded(tuple(kept), policy, tuple(plan_retention(kept, policy, now=now)))


def settle_faded(
    session: Session, tenant_id: UUID, namespace_id: UUID, faded: Faded, *, now: datetime, job_ttl: timedelta
) -> Sequence[UUID]:
    """Note when each memory is due again; return the jobs that erase what the operator's policy wants erased."""
    return settle(session, tenant_id, namespace_id, faded.rows, faded.policy, now=now, job_ttl=job_ttl).erasures
