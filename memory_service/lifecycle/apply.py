"""Apply what a run planned as one changeset in one transaction.

A plan names the version of every memory that it read. Applying it locks those memories and compares: what changed meanwhile
makes the plan outdated, and nothing of it is applied. `lifecycle.revert` takes a changeset back.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from consolidation.planning import (
    Archive,
    Ask,
    Change,
    Derive,
    End,
    Join,
    Merge,
    Part,
    Plan,
    Put,
    Retier,
    Revise,
    Structure,
    Supersede,
    Tier,
    TwoVersions,
    name_of,
)
from consolidation.records import Ref
from memory_service.analysis.trust import flags_of, trust_of
from memory_service.lifecycle.completing import busy
from memory_service.lifecycle.draft import Encoding, Prepared, settled
from memory_service.lifecycle.moments import not_before
from memory_service.lifecycle.store import store_new
from memory_service.storage import changesets, consolidated, memories, reviews, search_index, structure
from memory_service.storage.changesets import ChangeRow
from memory_service.storage.ids import new_id
from memory_service.storage.namespaces import get_namespace
from memory_service.storage.precision import move_tiers
from memory_service.storage.redactions import redactors_in
from memory_service.storage.sql import Row
from memory_service.types import LinkType, PrecisionTier, State

CONSOLIDATION, REVIEW = "consolidation", "review"

# How long after a change a tier is due. A session is over when nothing more came for a while.
SESSION_IDLE = timedelta(minutes=30)
DAY = timedelta(days=1)
WEEK = timedelta(days=7)


class PlanOutdated(Exception):
    """Memories changed after a plan was made; it must be made anew."""

    def __init__(self, memory_ids: Collection[UUID]) -> None:
        """Keep which memories changed."""
        super().__init__(f"{len(memory_ids)} memories changed after the plan was made.")
        self.memory_ids = frozenset(memory_ids)


class EvidenceLost(Exception):
    """A plan would leave sources that no live memory leads to; it must not be applied."""

    def __init__(self, memory_ids: Collection[UUID]) -> None:
        """Keep which sources would be lost."""
        super().__init__(f"{len(memory_ids)} sources would no longer be reached from a live memory.")
        self.memory_ids = frozenset(memory_ids)


@dataclass(frozen=True, slots=True)
class Derived:
    """What derived memories need besides the plan: their vectors, made before the transaction."""

    encoding: Encoding
    prepared: Mapping[UUID, Prepared]


@dataclass(slots=True)
class _Run:
    """One application of a plan: where it writes, and what it has written so far."""

    session: Session
    tenant_id: UUID
    namespace_id: UUID
    changeset_id: UUID
    now: datetime
    rows: Mapping[UUID, Row]
    derived: Derived | None
    touched: set[UUID] = field(default_factory=set)  # memories that got a next version
    kept: list[ChangeRow] = field(default_factory=list)

    def keep(self, change: Change, **values: Any) -> None:
        """Note a change."""
        why = change.why
        self.kept.append(
            ChangeRow(name_of(change), why.step, why.reason, why.method, why.score, **values),
        )


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
    run = _Run(session, tenant_id, plan.namespace_id, new_id(), now, rows, derived)
    for kind_of_change, work in _WORK.items():
        some = [change for change in plan.changes if isinstance(change, kind_of_change)]
        if some:
            work(run, some)
    _consider(run, plan.considered, plan.settled)
    if not run.kept:
        return None
    lost = consolidated.unreached(session, tenant_id, sorted(run.touched))
    if lost:
        raise EvidenceLost(lost)
    versions = memories.versions_of(session, tenant_id, sorted(run.touched))
    changesets.keep_changeset(
        session,
        tenant_id,
        run.changeset_id,
        namespace_id=plan.namespace_id,
        kind=kind,
        job_id=job_id,
        counts=plan.counts(),
        usage=usage,
        now=now,
    )
    changesets.keep_changes(session, tenant_id, run.changeset_id, [_with_version(row, versions) for row in run.kept])
    return run.changeset_id


def _with_version(row: ChangeRow, versions: Mapping[UUID, int]) -> ChangeRow:
    """Say which version the memory has when all is done: a revert compares with it."""
    if row.memory_id is None or row.version_before is None:
        return row
    return replace(row, version_after=versions.get(row.memory_id, row.version_before))


def _consider(run: _Run, considered: Sequence[Ref], settled: Collection[Tier]) -> None:
    """Mark memories as done by the turn tier, note what the tiers above owe because of them, and what they have done."""
    consolidated.mark_considered(run.session, run.tenant_id, [ref.id for ref in considered])
    sessions = {run.rows[ref.id]["session_id"] for ref in considered} - {None}
    work = {(str(Tier.SESSION), session): SESSION_IDLE for session in sessions}
    if considered:
        work |= {(str(Tier.DAY), ""): DAY, (str(Tier.WEEK), ""): WEEK}
    consolidated.owe(run.session, run.tenant_id, run.namespace_id, work, now=run.now)
    consolidated.settle(run.session, run.tenant_id, run.namespace_id, sorted(settled))


def _next_versions(run: _Run, ids: Iterable[UUID]) -> list[UUID]:
    """Keep the present versions of memories that are about to change."""
    changing = sorted(set(ids))
    memories.keep_versions(run.session, run.tenant_id, changing, now=run.now)
    run.touched |= set(changing)
    return changing


def _derive(run: _Run, changes: Sequence[Derive]) -> None:
    if run.derived is None:
        raise ValueError("The plan derives memories, and nobody encoded them.")
    namespace = get_namespace(run.session, run.tenant_id, run.namespace_id)
    prepared = settled(
        [run.derived.prepared[change.id] for change in changes],
        redactors_in(run.session),
        encoding=run.derived.encoding,
        now=run.now,
    )
    items = [(change.id, item, namespace, None) for change, item in zip(changes, prepared, strict=True)]
    made = {
        change.id: {
            "derivation_method": change.why.method,
            "derivation_parents": [ref.id for ref in change.parents],
            "changeset_id": run.changeset_id,
            # What is derived is trusted no more than what it was made of.
            "trust": trust_of(run.rows[ref.id]["trust"] for ref in change.parents),
            "flags": list(flags_of(run.rows[ref.id]["flags"] for ref in change.parents)),
        }
        for change in changes
    }
    stored = store_new(run.session, run.tenant_id, items, encoding=run.derived.encoding, now=run.now, made=made)
    if len(stored) < len(items):
        raise busy()
    consolidated.add_spans(
        run.session, run.tenant_id, [(c.id, parent, span) for c in changes for parent, *span in c.spans], now=run.now
    )
    # By these edges an erasure finds what was made of a memory.
    _draw(
        run, [(new_id(), c.id, ref.id, LinkType.DERIVED_FROM, 1.0, c.why.method) for c in changes for ref in c.parents]
    )
    for change in changes:
        run.touched.add(change.id)
        run.keep(change, memory_id=change.id, version_before=0)


def _revise(run: _Run, changes: Sequence[Revise]) -> None:
    """Give computed fields new values: in place where the plan says so, else as the next version."""
    for in_place in (True, False):
        if not in_place:
            # The version that is kept holds what was computed in place: a revert goes back to it, and then undoes that.
            _next_versions(run, (change.memory.id for change in changes if not change.in_place))
        alike: dict[frozenset[str], list[dict[str, Any]]] = {}
        for change in changes:
            if change.in_place is not in_place:
                continue
            row = run.rows[change.memory.id]
            values = {**change.fields, "computed": sorted({*row["computed"], *(change.fields.keys() & _COMPUTED)})}
            alike.setdefault(frozenset(values), []).append({"id": change.memory.id, **values})
            # Where it makes a version, the version before keeps what was.
            before = {name: row[name] for name in values} if in_place else None
            run.keep(
                change,
                memory_id=change.memory.id,
                version_before=change.memory.version,
                before=before,
                after=values if in_place else None,
            )
        for rows in alike.values():
            names = sorted(rows[0].keys() - {"id"})
            same = [{"id": row["id"], **{name: row[name] for name in names}} for row in rows]
            consolidated.set_fields(run.session, run.tenant_id, same, now=None if in_place else run.now)


# Fields that `memory.computed` may name: what new content takes back and rules fill in again.
_COMPUTED = frozenset({"title", "context", "keywords", "tags", "entities", "language", "importance"})


def _supersede(run: _Run, changes: Sequence[Supersede]) -> None:
    """Close the validity of what another memory now says. Unlike a caller's supersede, both keep their external_id."""
    _next_versions(run, (change.old.id for change in changes))
    ended = []
    for change in changes:
        row = run.rows[change.old.id]
        ends = max(change.valid_from, row["valid_from"] or row["observed_at"])
        ended.append(
            {
                "id": change.old.id,
                "superseded_by": change.new.id,
                "valid_to": min(ends, row["valid_to"]) if row["valid_to"] else ends,
                "changeset_id": run.changeset_id,
            }
        )
    consolidated.set_fields(run.session, run.tenant_id, ended, now=run.now)
    links = [
        (new_id(), change.new.id, change.old.id, LinkType.SUPERSEDES, 1.0, change.why.method) for change in changes
    ]
    _draw(run, links)
    for change, link in zip(changes, links, strict=True):
        run.keep(
            change,
            memory_id=change.old.id,
            other_id=change.new.id,
            target_id=link[0],
            version_before=change.old.version,
        )


def _merge(run: _Run, changes: Sequence[Merge]) -> None:
    """Take duplicates out of the results; each leads to the memory that stays, and is a source of it."""
    ids = _next_versions(run, (change.duplicate.id for change in changes))
    search_index.close(run.session, run.tenant_id, ids, now=run.now)
    merged = [
        {
            "id": change.duplicate.id,
            "state": State.MERGED,
            "superseded_by": change.survivor.id,
            "archived_at": run.now,
            "changeset_id": run.changeset_id,
        }
        for change in changes
    ]
    consolidated.set_fields(run.session, run.tenant_id, merged, now=run.now)
    for change in changes:
        run.keep(
            change, memory_id=change.duplicate.id, other_id=change.survivor.id, version_before=change.duplicate.version
        )
    pairs = [(change.survivor.id, change.duplicate.id) for change in changes]
    consolidated.add_sources(run.session, run.tenant_id, pairs, now=run.now)
    run.touched |= {change.survivor.id for change in changes}


def _archive(run: _Run, changes: Sequence[Archive]) -> None:
    ids = _next_versions(run, (change.memory.id for change in changes))
    search_index.close(run.session, run.tenant_id, ids, now=run.now)
    values = {"state": State.ARCHIVED, "archived_at": run.now, "dedupe_hash": None, "changeset_id": run.changeset_id}
    memories.update_memories(run.session, run.tenant_id, ids, values, now=run.now)
    for change in changes:
        run.keep(change, memory_id=change.memory.id, version_before=change.memory.version)


def _retier(run: _Run, changes: Sequence[Retier]) -> None:
    """Keep vectors more coarsely. What should rise is left out: it has to be encoded, which the worker does by itself."""
    moves = [(change.memory_id, PrecisionTier[change.tier.upper()]) for change in changes]
    moved = set(move_tiers(run.session, run.tenant_id, moves, now=run.now).moved)
    for change in changes:
        if change.memory_id in moved:
            tiers = {"before": {"tier": change.before}, "after": {"tier": change.tier}}
            run.keep(change, other_id=change.memory_id, **tiers)


def _draw(run: _Run, rows: Sequence[tuple[UUID, UUID, UUID, str, float, str]]) -> None:
    consolidated.insert_links(
        run.session, run.tenant_id, run.namespace_id, rows, changeset_id=run.changeset_id, now=run.now
    )


def _join(run: _Run, changes: Sequence[Join]) -> None:
    ends = {end for change in changes for end in (change.source, change.target)}
    gone = ends - memories.existing(run.session, run.tenant_id, sorted(ends))
    if gone:
        raise PlanOutdated(gone)
    there = consolidated.drawn(run.session, run.tenant_id, [(c.source, c.target, c.type) for c in changes])
    fresh = list(
        {(c.source, c.target, c.type): c for c in changes if (c.source, c.target, c.type) not in there}.values()
    )
    rows = [(new_id(), c.source, c.target, c.type, c.weight, c.why.method) for c in fresh]
    _draw(run, rows)
    for change, row in zip(fresh, rows, strict=True):
        drawn = {"source": str(change.source), "type": change.type, "weight": change.weight}
        run.keep(change, other_id=change.target, target_id=row[0], after=drawn)


def _part(run: _Run, changes: Sequence[Part]) -> None:
    ended = consolidated.end_links(run.session, run.tenant_id, [c.link_id for c in changes], now=run.now)
    was = {row["id"]: row for row in ended}
    for change in changes:
        row = was.get(change.link_id)
        if row is not None:
            run.keep(change, target_id=change.link_id, other_id=row["target_id"], before=_edge(row))


def _edge(row: Row) -> dict[str, Any]:
    return {
        "source": str(row["source_id"]),
        "target": str(row["target_id"]),
        "type": row["type"],
        "weight": row["weight"],
        "method": row["derivation_method"],
    }


def _put(run: _Run, changes: Sequence[Put]) -> None:
    """Add states of structures, each structure at once.

    Raises:
        PlanOutdated: a memory that one of them is made of was erased meanwhile.
    """
    for kind in Structure:
        some = {change.id: change for change in changes if change.structure is kind}
        if not some:
            continue
        rows = {i: {"method": change.why.method, **change.values} for i, change in some.items()}
        left_out = structure.put_many(
            run.session, run.tenant_id, run.namespace_id, kind, rows, changeset_id=run.changeset_id, now=run.now
        )
        if left_out:
            raise PlanOutdated(left_out)
        for change in some.values():
            run.keep(change, target_id=change.id, after={"structure": kind})


def _end(run: _Run, changes: Sequence[End]) -> None:
    for kind in Structure:
        some = [change for change in changes if change.structure is kind]
        structure.end(run.session, run.tenant_id, kind, [change.id for change in some], now=run.now)
        for change in some:
            run.keep(change, target_id=change.id, before={"structure": kind})


def _ask(run: _Run, changes: Sequence[Ask]) -> None:
    questions = [
        reviews.Question(
            change.kind,
            change.proposal,
            tuple(ref.id for ref in change.memories),
            change.why.score,
            change.why.reason,
            change.why.method,
        )
        for change in changes
    ]
    asked = reviews.ask(
        run.session, run.tenant_id, run.namespace_id, questions, changeset_id=run.changeset_id, now=run.now
    )
    for change, review_id in zip(changes, asked, strict=True):
        if review_id is not None:
            run.keep(change, target_id=review_id, other_id=change.memories[0].id)


# In this order: what is derived may be linked, and what is merged or archived is so last.
_WORK: dict[type, Callable[[_Run, Any], None]] = {
    Derive: _derive, Revise: _revise, Supersede: _supersede, Merge: _merge, Archive: _archive, Retier: _retier, Part: _part,
    Join: _join, End: _end, Put: _put, Ask: _ask,
}  # fmt: skip
