"""Apply what a run planned as one changeset in one transaction.

A plan names the version of every memory that it read. Applying it locks those memories and compares: what changed meanwhile
makes the plan outdated, and nothing of it is applied. `lifecycle.revert` takes a changeset back.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from consolidation.planning import (
    Archive,
    Ask,
    Derive,
    End,
    Join,
    Merge,
    Part,
    Plan,
    Put,
    Retier,
    Revise,
    Supersede,
    Tier,
    TwoVersions,
)
from consolidation.records import Ref
from memory_service.lifecycle.applied_graph import ask, end, join, part, put
from memory_service.lifecycle.applied_memories import archive, derive, merge, retier, revise, supersede
from memory_service.lifecycle.applied_plan import AppliedPlan, Derived, PlanOutdated
from memory_service.lifecycle.moments import not_before
from memory_service.storage import changesets, consolidated, memories
from memory_service.storage.changesets import ChangeRow
from memory_service.storage.ids import new_id

CONSOLIDATION, REVIEW = "consolidation", "review"

# How long after a change a tier is due. A session is over when nothing more came for a while.
SESSION_IDLE = timedelta(minutes=30)
DAY = timedelta(days=1)
WEEK = timedelta(days=7)


class EvidenceLost(Exception):
    """A plan would leave sources that no live memory leads to; it must not be applied."""

    def __init__(self, memory_ids: Collection[UUID]) -> None:
        """Keep which sources would be lost."""
        super().__init__(f"{len(memory_ids)} sources would no longer be reached from a live memory.")
        self.memory_ids = frozenset(memory_ids)


def apply(
    session: Session,
    tenant_id: UUID,
    plan: Plan,
    *,
    now: datetime,
    kind: str = CONSOLIDATION,
    job_id: UUID | None = None,
    usage: Mapping[str, Any] | None = None,
    derived: Derived | None = None,
) -> UUID | None:
    """Apply a plan and return its changeset; None when it changes nothing.

    Args:
        session: a transaction of the tenant; everything happens in it or nothing.
        tenant_id: whose namespace it is.
        plan: what to change.
        now: the moment of the change.
        kind: who wanted it: a run, or a person who answered a question.
        job_id: the job it belongs to.
        usage: what a model cost.
        derived: vectors of the memories that the plan derives.

    Raises:
        PlanOutdated: a memory it rests on changed or is gone.
        EvidenceLost: a merged source would no longer be reached from a live memory.
        Unavailable: another run is at this namespace (at the edge of the transaction).
    """
    changesets.lock_namespace(session, plan.namespace_id)
    try:
        reads = plan.reads()
    except TwoVersions as two:
        raise PlanOutdated([two.memory_id]) from two
    rows = memories.lock_memories(session, tenant_id, sorted(reads))
    outdated = {i for i, version in reads.items() if i not in rows or rows[i]["version"] != version}
    if outdated:
        raise PlanOutdated(outdated)
    now = not_before(now, rows.values())
    applied = AppliedPlan(session, tenant_id, plan.namespace_id, new_id(), now, rows, derived)
    for kind_of_change, work in _WORK.items():
        some = [change for change in plan.changes if isinstance(change, kind_of_change)]
        if some:
            work(applied, some)
    _consider(applied, plan.considered, plan.settled)
    if not applied.kept:
        return None
    lost = consolidated.unreached(session, tenant_id, sorted(applied.touched))
    if lost:
        raise EvidenceLost(lost)
    versions = memories.versions_of(session, tenant_id, sorted(applied.touched))
    changesets.keep_changeset(
        session,
        tenant_id,
        applied.changeset_id,
        namespace_id=plan.namespace_id,
        kind=kind,
        job_id=job_id,
        counts=plan.counts(),
        usage=usage,
        now=now,
    )
    changesets.keep_changes(
        session, tenant_id, applied.changeset_id, [_with_version(row, versions) for row in applied.kept]
    )
    return applied.changeset_id


def _with_version(row: ChangeRow, versions: Mapping[UUID, int]) -> ChangeRow:
    """Say which version the memory has when all is done: a revert compares with it."""
    if row.memory_id is None or row.version_before is None:
        return row
    return replace(row, version_after=versions.get(row.memory_id, row.version_before))


def _consider(applied: AppliedPlan, considered: Sequence[Ref], settled: Collection[Tier]) -> None:
    """Mark memories as done by the turn tier, note what the tiers above owe because of them, and what they have done."""
    consolidated.mark_considered(applied.session, applied.tenant_id, [ref.id for ref in considered])
    sessions = {applied.rows[ref.id]["session_id"] for ref in considered} - {None}
    work = {(str(Tier.SESSION), session): SESSION_IDLE for session in sessions}
    if considered:
        work |= {(str(Tier.DAY), ""): DAY, (str(Tier.WEEK), ""): WEEK}
    consolidated.owe(applied.session, applied.tenant_id, applied.namespace_id, work, now=applied.now)
    consolidated.settle(applied.session, applied.tenant_id, applied.namespace_id, sorted(settled))


# In this order: what is derived may be linked, and what is merged or archived is so last.
_WORK: dict[type, Callable[[AppliedPlan, Any], None]] = {
    Derive: derive, Revise: revise, Supersede: supersede, Merge: merge, Archive: archive, Retier: retier, Part: part,
    Join: join, End: end, Put: put, Ask: ask,
}  # fmt: skip
