"""What plans change around memories: links, states of structures, questions for people."""

from collections.abc import Sequence
from typing import Any

from consolidation.planning import Ask, End, Join, Part, Put, Structure
from memory_service.lifecycle.applied_plan import AppliedPlan, PlanOutdated
from memory_service.storage import consolidated, memories, reviews, structure
from memory_service.storage.ids import new_id
from memory_service.storage.sql import Row


def join(applied: AppliedPlan, changes: Sequence[Join]) -> None:
    """Draw links that are not there yet.

    Raises:
        PlanOutdated: one of the ends was erased meanwhile.
    """
    ends = {end for change in changes for end in (change.source, change.target)}
    gone = ends - memories.existing(applied.session, applied.tenant_id, sorted(ends))
    if gone:
        raise PlanOutdated(gone)
    there = consolidated.drawn(applied.session, applied.tenant_id, [(c.source, c.target, c.type) for c in changes])
    fresh = list(
        {(c.source, c.target, c.type): c for c in changes if (c.source, c.target, c.type) not in there}.values()
    )
    rows = [(new_id(), c.source, c.target, c.type, c.weight, c.why.method) for c in fresh]
    applied.draw(rows)
    for change, row in zip(fresh, rows, strict=True):
        drawn = {"source": str(change.source), "type": change.type, "weight": change.weight}
        applied.keep(change, other_id=change.target, target_id=row[0], after=drawn)


def part(applied: AppliedPlan, changes: Sequence[Part]) -> None:
    """End links that still hold."""
    ended = consolidated.end_links(applied.session, applied.tenant_id, [c.link_id for c in changes], now=applied.now)
    was = {row["id"]: row for row in ended}
    for change in changes:
        row = was.get(change.link_id)
        if row is not None:
            applied.keep(change, target_id=change.link_id, other_id=row["target_id"], before=_edge(row))


def _edge(row: Row) -> dict[str, Any]:
    return {
        "source": str(row["source_id"]),
        "target": str(row["target_id"]),
        "type": row["type"],
        "weight": row["weight"],
        "method": row["derivation_method"],
    }


def put(applied: AppliedPlan, changes: Sequence[Put]) -> None:
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
            applied.session,
            applied.tenant_id,
            applied.namespace_id,
            kind,
            rows,
            changeset_id=applied.changeset_id,
            now=applied.now,
        )
        if left_out:
            raise PlanOutdated(left_out)
        for change in some.values():
            applied.keep(change, target_id=change.id, after={"structure": kind})


def end(applied: AppliedPlan, changes: Sequence[End]) -> None:
    """End states of structures."""
    for kind in Structure:
        some = [change for change in changes if change.structure is kind]
        structure.end(applied.session, applied.tenant_id, kind, [change.id for change in some], now=applied.now)
        for change in some:
            applied.keep(change, target_id=change.id, before={"structure": kind})


def ask(applied: AppliedPlan, changes: Sequence[Ask]) -> None:
    """Put questions to people, unless they were asked before."""
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
        applied.session,
        applied.tenant_id,
        applied.namespace_id,
        questions,
        changeset_id=applied.changeset_id,
        now=applied.now,
    )
    for change, review_id in zip(changes, asked, strict=True):
        if review_id is not None:
            applied.keep(change, target_id=review_id, other_id=change.memories[0].id)
