"""Take a changeset back.

Every memory that the changeset touched gets a next version that equals the one before, unless somebody changed it since.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from consolidation.planning import (
    Structure,
)
from memory_service.errors import Conflict, FieldError, NotFound
from memory_service.lifecycle.draft import identity_of
from memory_service.lifecycle.moments import not_before
from memory_service.storage import changesets, consolidated, memories, reviews, search_index, structure
from memory_service.storage.identities import free_identities, set_identities
from memory_service.storage.ids import new_id
from memory_service.storage.sql import Row
from memory_service.types import LinkType, State


@dataclass(frozen=True, slots=True)
class Reverted:
    """What became of a revert: memories put back, and those left alone because they changed since."""

    changeset_id: UUID
    memory_ids: tuple[UUID, ...]
    conflicts: tuple[UUID, ...]


def revert(
    session: Session, tenant_id: UUID, changeset_id: UUID, *, skip_conflicts: bool = False, now: datetime
) -> Reverted:
    """Put back what a changeset changed; the histories of memories and edges go on, nothing is deleted from them.

    Raises:
        NotFound: there is no such changeset.
        Conflict: it was reverted before, or (unless `skip_conflicts`) memories that it touched have changed since: the errors
            name them, and nothing is reverted.
    """
    head = changesets.get_changeset(session, tenant_id, changeset_id)
    if head is None:
        raise NotFound(f"There is no changeset {changeset_id}.", code="changeset_not_found")
    changesets.lock_namespace(session, head["namespace_id"])
    if not changesets.mark_reverted(session, tenant_id, changeset_id, now=now):
        raise Conflict("This changeset was reverted before.", code="already_reverted")
    changes = changesets.changes_of(session, tenant_id, changeset_id)
    ids = sorted({c["memory_id"] for c in changes if c["memory_id"] is not None})
    rows = memories.lock_memories(session, tenant_id, ids)
    now = not_before(now, rows.values())
    conflicts = _changed_since(session, tenant_id, changes, rows)
    if conflicts and not skip_conflicts:
        raise Conflict(
            f"{len(conflicts)} memories of this changeset have changed since; they were left as they are, and so was the rest. "
            "Ask for `on_conflict: skip` to revert the others.",
            errors=tuple(FieldError(f"/memories/{i}", "It has changed since.") for i in conflicts),
            code="changed_since",
        )
    going = [c for c in changes if c["memory_id"] is None or c["memory_id"] not in conflicts]
    put_back = _put_memories_back(session, tenant_id, going, rows, now=now)
    _put_structures_back(
        session, tenant_id, head["namespace_id"], going, changeset_id=changeset_id, at=head["created_at"], now=now
    )
    _put_edges_back(session, tenant_id, head["namespace_id"], going, changeset_id=changeset_id, now=now)
    reviews.withdraw(session, tenant_id, changeset_id, now=now)
    reviews.reopen(session, tenant_id, changeset_id)
    return Reverted(changeset_id, tuple(put_back), tuple(conflicts))


def _changed_since(session: Session, tenant_id: UUID, changes: Sequence[Row], rows: Mapping[UUID, Row]) -> list[UUID]:
    """Return memories that are no longer what the changeset left, in their version or in computed values; erased ones are none."""
    changed: set[UUID] = set()
    wanted: list[tuple[UUID, UUID, str]] = []
    derived: list[UUID] = []
    left = {c["memory_id"]: c["version_after"] for c in changes if c["version_after"] is not None}
    later = {i: version for i, version in left.items() if i in rows and rows[i]["version"] != version}
    # A later changeset that was reverted has left a newer version, and no change.
    differing = later.keys() - consolidated.as_they_were(session, tenant_id, later)
    for change in changes:
        row = rows.get(change["memory_id"])
        if row is None:
            continue
        newer = row["id"] in differing
        # A later change of the same changeset made a version: that version says whether it is still as it was left.
        in_place = change["version_after"] == change["version_before"]
        after = (change["after"] or {}) if in_place else {}
        if newer or any(_differs(row, name, value) for name, value in after.items()):
            changed.add(row["id"])
        if change["change"] == "derive":
            derived.append(row["id"])
        if change["change"] == "merge" and row["external_id"] is not None:
            wanted.append((row["id"], row["namespace_id"], row["external_id"]))
    held = memories.find_by_external_ids(session, tenant_id, [(namespace, name) for _, namespace, name in wanted])
    taken = {(row["namespace_id"], row["external_id"]) for row in held}
    changed |= {i for i, namespace, name in wanted if (namespace, name) in taken}
    # What was merged into a derived memory would be lost with it.
    changed |= consolidated.survivors(session, tenant_id, derived)
    return sorted(changed)


def _differs(row: Row, name: str, value: Any) -> bool:
    present = row[name]
    return bool((list(present) if isinstance(present, list | tuple) else present) != value)


def _put_memories_back(
    session: Session, tenant_id: UUID, changes: Sequence[Row], rows: Mapping[UUID, Row], *, now: datetime
) -> list[UUID]:
    """Give touched memories a version that equals the one before, archive what was derived, undo what was computed in place."""
    versioned: dict[UUID, int] = {}
    derived: list[UUID] = []
    computed: list[dict[str, Any]] = []
    found_again: list[UUID] = []
    second_sources: list[tuple[UUID, UUID]] = []
    for change in changes:
        row = rows.get(change["memory_id"])
        if row is None or change["version_before"] is None:
            continue
        if change["change"] == "derive":
            derived.append(row["id"])
        elif change["change"] == "revise" and change["before"] is not None:
            computed.append({"id": row["id"], **change["before"]})
        if change["change"] != "derive" and change["after"] is None:
            versioned[row["id"]] = change["version_before"]
        if change["change"] in {"merge", "archive"}:
            found_again.append(row["id"])
        if change["change"] == "merge":
            second_sources.append((change["other_id"], row["id"]))
    changing = sorted({*versioned, *derived})
    memories.keep_versions(session, tenant_id, changing, now=now)
    consolidated.put_back(session, tenant_id, versioned, now=now)
    for values in computed:
        consolidated.set_fields(session, tenant_id, [values], now=None)
    # What was derived may have parents that are live again: it leaves the results, and stays in the history.
    search_index.close(session, tenant_id, derived, now=now)
    gone = {"state": State.ARCHIVED, "archived_at": now, "dedupe_hash": None}
    if derived:
        memories.update_memories(session, tenant_id, derived, gone, now=now)
    if found_again:
        search_index.reopen(session, tenant_id, found_again, now=now)
        consolidated.mark_considered(session, tenant_id, found_again)
        archived = [rows[i] for i in found_again if rows[i]["dedupe_hash"] is None]
        wanted = [(row["id"], row["namespace_id"], identity_of(row), row["external_id"]) for row in archived]
        set_identities(session, tenant_id, free_identities(session, tenant_id, wanted))
    consolidated.drop_sources(session, tenant_id, second_sources)
    return sorted({*changing, *(values["id"] for values in computed)})


def _put_structures_back(
    session: Session,
    tenant_id: UUID,
    namespace_id: UUID,
    changes: Sequence[Row],
    *,
    changeset_id: UUID,
    at: datetime,
    now: datetime,
) -> None:
    """Let structures be what they were before a changeset, where no later one has built on them."""
    # Gists come last: they are of the others.
    for kind in sorted(Structure, key=lambda one: one is Structure.GIST):
        put = [c["target_id"] for c in changes if c["change"] == "put" and c["after"]["structure"] == kind]
        ended = [c["target_id"] for c in changes if c["change"] == "end" and c["before"]["structure"] == kind]
        if not put and not ended:
            continue
        makers = structure.makers(session, tenant_id, kind, [*put, *ended])
        mine = [i for i in put if makers.get(i) == changeset_id]
        earlier = structure.until(session, tenant_id, kind, [*mine, *(i for i in ended if i not in makers)], at)
        structure.end(session, tenant_id, kind, mine, now=now)
        free = structure.unclaimed(session, tenant_id, namespace_id, kind, earlier)
        # They are again what their own changeset made, so that it can be reverted, too.
        for maker, ids in _by_maker(structure.makers_until(session, tenant_id, kind, list(free), at)).items():
            some = {i: free[i] for i in ids}
            structure.put_many(session, tenant_id, namespace_id, kind, some, changeset_id=maker, now=now)


def _put_edges_back(
    session: Session, tenant_id: UUID, namespace_id: UUID, changes: Sequence[Row], *, changeset_id: UUID, now: datetime
) -> None:
    """End the edges that were drawn and draw those that were ended, as new ones: an ended edge stays in the history."""
    drawn = [c["target_id"] for c in changes if c["change"] in {"join", "supersede"}]
    # One that a later changeset ended, and that was drawn again when that was reverted, has another id.
    joined = [(UUID(c["after"]["source"]), c["other_id"], c["after"]["type"]) for c in changes if c["change"] == "join"]
    drawn += consolidated.drawn_by(session, tenant_id, changeset_id, joined)
    derived = [c["memory_id"] for c in changes if c["change"] == "derive"]
    drawn += consolidated.links_from(session, tenant_id, derived, LinkType.DERIVED_FROM)
    consolidated.end_links(session, tenant_id, drawn, now=now)
    parted = {c["target_id"]: c["before"] for c in changes if c["change"] == "part"}
    ends = [UUID(edge[end]) for edge in parted.values() for end in ("source", "target")]
    there = memories.existing(session, tenant_id, ends)
    for maker, ids in _by_maker(consolidated.in_force(session, tenant_id, list(parted))).items():
        again = [
            (new_id(), UUID(e["source"]), UUID(e["target"]), e["type"], e["weight"], e["method"])
            for e in (parted[i] for i in ids)
            if UUID(e["source"]) in there and UUID(e["target"]) in there
        ]
        # A later run may have drawn one again.
        known = consolidated.drawn(session, tenant_id, [edge[1:4] for edge in again])
        again = [edge for edge in again if edge[1:4] not in known]
        consolidated.insert_links(session, tenant_id, namespace_id, again, changeset_id=maker, now=now)


def _by_maker(makers: Mapping[UUID, UUID | None]) -> dict[UUID | None, list[UUID]]:
    found: dict[UUID | None, list[UUID]] = {}
    for id, maker in makers.items():
        found.setdefault(maker, []).append(id)
    return found
