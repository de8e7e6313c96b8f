"""What plans change of memories: new ones, fields, what is superseded, merged, archived, kept more coarsely."""

from collections.abc import Sequence
from typing import Any, Final

from consolidation.planning import Archive, Derive, Merge, Retier, Revise, Supersede
from memory_service.analysis.trust import flags_of, trust_of
from memory_service.lifecycle.applied_plan import AppliedPlan
from memory_service.lifecycle.completing import busy
from memory_service.lifecycle.draft import settled
from memory_service.lifecycle.store import store_new
from memory_service.storage import consolidated, memories, search_index
from memory_service.storage.ids import new_id
from memory_service.storage.namespaces import get_namespace
from memory_service.storage.precision import move_tiers
from memory_service.storage.redactions import redactors_in
from memory_service.types import LinkType, PrecisionTier, State

# Fields that `memory.computed` may name: what new content takes back and rules fill in again.
_COMPUTED: Final = frozenset({"title", "context", "keywords", "tags", "entities", "language", "importance"})


def derive(applied: AppliedPlan, changes: Sequence[Derive]) -> None:
    """Store new memories, with spans in their parents and links to them.

    Raises:
        ValueError: nobody encoded them.
        Unavailable: one of them is being written by somebody else.
    """
    if applied.derived is None:
        raise ValueError("The plan derives memories, and nobody encoded them.")
    namespace = get_namespace(applied.session, applied.tenant_id, applied.namespace_id)
    prepared = settled(
        [applied.derived.prepared[change.id] for change in changes],
        redactors_in(applied.session),
        encoding=applied.derived.encoding,
        now=applied.now,
    )
    items = [(change.id, item, namespace, None) for change, item in zip(changes, prepared, strict=True)]
    made = {
        change.id: {
            "derivation_method": change.why.method,
            "derivation_parents": [ref.id for ref in change.parents],
            "changeset_id": applied.changeset_id,
            # What is derived is trusted no more than what it was made of.
            "trust": trust_of(applied.rows[ref.id]["trust"] for ref in change.parents),
            "flags": list(flags_of(applied.rows[ref.id]["flags"] for ref in change.parents)),
        }
        for change in changes
    }
    stored = store_new(
        applied.session, applied.tenant_id, items, encoding=applied.derived.encoding, now=applied.now, made=made
    )
    if len(stored) < len(items):
        raise busy()
    consolidated.add_spans(
        applied.session,
        applied.tenant_id,
        [(c.id, parent, span) for c in changes for parent, *span in c.spans],
        now=applied.now,
    )
    # By these edges an erasure finds what was made of a memory.
    applied.draw(
        [(new_id(), c.id, ref.id, LinkType.DERIVED_FROM, 1.0, c.why.method) for c in changes for ref in c.parents]
    )
    for change in changes:
        applied.touched.add(change.id)
        applied.keep(change, memory_id=change.id, version_before=0)


def revise(applied: AppliedPlan, changes: Sequence[Revise]) -> None:
    """Give computed fields new values: in place where the plan says so, else as the next version."""
    for in_place in (True, False):
        if not in_place:
            # The version that is kept holds what was computed in place: a revert goes back to it, and then undoes that.
            applied.next_versions(change.memory.id for change in changes if not change.in_place)
        alike: dict[frozenset[str], list[dict[str, Any]]] = {}
        for change in changes:
            if change.in_place is not in_place:
                continue
            row = applied.rows[change.memory.id]
            values = {**change.fields, "computed": sorted({*row["computed"], *(change.fields.keys() & _COMPUTED)})}
            alike.setdefault(frozenset(values), []).append({"id": change.memory.id, **values})
            # Where it makes a version, the version before keeps what was.
            before = {name: row[name] for name in values} if in_place else None
            applied.keep(
                change,
                memory_id=change.memory.id,
                version_before=change.memory.version,
                before=before,
                after=values if in_place else None,
            )
        for rows in alike.values():
            names = sorted(rows[0].keys() - {"id"})
            same = [{"id": row["id"], **{name: row[name] for name in names}} for row in rows]
            consolidated.set_fields(applied.session, applied.tenant_id, same, now=None if in_place else applied.now)


def supersede(applied: AppliedPlan, changes: Sequence[Supersede]) -> None:
    """Close the validity of what another memory now says. Unlike a caller's supersede, both keep their external_id."""
    applied.next_versions(change.old.id for change in changes)
    ended = []
    for change in changes:
        row = applied.rows[change.old.id]
        ends = max(change.valid_from, row["valid_from"] or row["observed_at"])
        ended.append(
            {
                "id": change.old.id,
                "superseded_by": change.new.id,
                "valid_to": min(ends, row["valid_to"]) if row["valid_to"] else ends,
                "changeset_id": applied.changeset_id,
            }
        )
    consolidated.set_fields(applied.session, applied.tenant_id, ended, now=applied.now)
    links = [
        (new_id(), change.new.id, change.old.id, LinkType.SUPERSEDES, 1.0, change.why.method) for change in changes
    ]
    applied.draw(links)
    for change, link in zip(changes, links, strict=True):
        applied.keep(
            change,
            memory_id=change.old.id,
            other_id=change.new.id,
            target_id=link[0],
            version_before=change.old.version,
        )


def merge(applied: AppliedPlan, changes: Sequence[Merge]) -> None:
    """Take duplicates out of the results; each leads to the memory that stays, and is a source of it."""
    ids = applied.next_versions(change.duplicate.id for change in changes)
    search_index.close(applied.session, applied.tenant_id, ids, now=applied.now)
    merged = [
        {
            "id": change.duplicate.id,
            "state": State.MERGED,
            "superseded_by": change.survivor.id,
            "archived_at": applied.now,
            "changeset_id": applied.changeset_id,
        }
        for change in changes
    ]
    consolidated.set_fields(applied.session, applied.tenant_id, merged, now=applied.now)
    for change in changes:
        applied.keep(
            change, memory_id=change.duplicate.id, other_id=change.survivor.id, version_before=change.duplicate.version
        )
    pairs = [(change.survivor.id, change.duplicate.id) for change in changes]
    consolidated.add_sources(applied.session, applied.tenant_id, pairs, now=applied.now)
    applied.touched |= {change.survivor.id for change in changes}


def archive(applied: AppliedPlan, changes: Sequence[Archive]) -> None:
    """Take memories out of the results; what they say may be said anew."""
    ids = applied.next_versions(change.memory.id for change in changes)
    search_index.close(applied.session, applied.tenant_id, ids, now=applied.now)
    values = {
        "state": State.ARCHIVED,
        "archived_at": applied.now,
        "dedupe_hash": None,
        "changeset_id": applied.changeset_id,
    }
    memories.update_memories(applied.session, applied.tenant_id, ids, values, now=applied.now)
    for change in changes:
        applied.keep(change, memory_id=change.memory.id, version_before=change.memory.version)


def retier(applied: AppliedPlan, changes: Sequence[Retier]) -> None:
    """Keep vectors more coarsely. What should rise is left out: it has to be encoded, which the worker does by itself."""
    moves = [(change.memory_id, PrecisionTier[change.tier.upper()]) for change in changes]
    moved = set(move_tiers(applied.session, applied.tenant_id, moves, now=applied.now).moved)
    for change in changes:
        if change.memory_id in moved:
            tiers = {"before": {"tier": change.before}, "after": {"tier": change.tier}}
            applied.keep(change, other_id=change.memory_id, **tiers)
