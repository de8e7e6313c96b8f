"""Take a supersede back: the old memory holds again as it did, and what took its place is archived."""

from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.errors import Conflict
from memory_service.lifecycle.archive import archive
from memory_service.lifecycle.completing import busy
from memory_service.lifecycle.correct import load_for_change
from memory_service.lifecycle.draft import identity_of
from memory_service.lifecycle.moments import not_before
from memory_service.storage import consolidated, lineage, memories, supersessions
from memory_service.storage.identities import free_identities, set_identities
from memory_service.storage.sql import Row
from memory_service.types import SourceKind, State

DOCUMENT: Final = SourceKind.DOCUMENT


def load_with_successor(
    session: Session, tenant_id: UUID, memory_id: UUID, *, if_match: Collection[int] | None = None
) -> tuple[Row, Row | None]:
    """Lock a memory together with what took its place, and return both; a successor need not be older or younger.

    Raises:
        Gone, NotFound, PreconditionFailed: as `load_for_change` says of the memory.
        Unavailable: another memory took its place while this waited for the locks.
    """
    # Locked one after the other they could be locked in another order than elsewhere, and two changes wait for each other.
    newer_id = supersessions.successor_of(session, tenant_id, memory_id)
    pair = [memory_id] if newer_id is None else [memory_id, newer_id]
    locked = memories.lock_memories(session, tenant_id, pair)
    found = load_for_change(session, tenant_id, memory_id, if_match=if_match)
    if found["superseded_by"] != newer_id:
        raise busy()
    return found, None if newer_id is None else locked.get(newer_id)


def reinstate(session: Session, tenant_id: UUID, memory_id: UUID, *, now: datetime) -> None:
    """Let a superseded memory hold again, with the end of validity and the external_id it had, and archive its successor.

    Both get a next version: nothing is taken out of a history, and the successor can be restored beside the old memory.
    What was changed in the old memory since it was superseded stays.

    Raises:
        Gone, NotFound: it is not there.
        Conflict: it is not superseded, or archived; its successor was superseded itself; a consolidation or a document did
            it, which is taken back as a whole; another memory holds its external_id; or its history does not reach back.
        Unavailable: another change came between.
    """
    found, newer = load_with_successor(session, tenant_id, memory_id)
    newer_id = found["superseded_by"]
    if newer_id is None or found["state"] == State.MERGED:
        raise Conflict(f"Memory {memory_id} is not superseded.", code="not_superseded")
    if found["archived_at"] is not None:
        raise Conflict(f"Memory {memory_id} is archived; restore it before you reinstate it.", code="archived")
    if newer is None:  # being erased; the erasure takes it out of `superseded_by`
        raise busy()
    edge = _edge(session, tenant_id, found, newer)
    before, closed = _around(session, tenant_id, found)
    now = not_before(now, [found, newer])
    external_id = before["external_id"] if found["external_id"] is None else found["external_id"]
    if external_id is not None:
        held = memories.find_by_external_ids(session, tenant_id, [(found["namespace_id"], external_id)])
        others = [row["id"] for row in held if row["id"] not in {memory_id, newer_id}]
        if others:
            raise Conflict(f"Memory {others[0]} holds external_id {external_id!r} now.", code="external_id_conflict")
    archive(session, tenant_id, [newer_id], now=now)
    memories.keep_versions(session, tenant_id, [memory_id], now=now)
    # An end that somebody has set since is theirs.
    ends = before["valid_to"] if found["valid_to"] == closed["valid_to"] else found["valid_to"]
    memories.update_memories(
        session,
        tenant_id,
        [memory_id],
        {"superseded_by": None, "valid_to": ends, "external_id": external_id},
        now=now,
    )
    wanted = [(memory_id, found["namespace_id"], identity_of(found), external_id)]
    set_identities(session, tenant_id, free_identities(session, tenant_id, wanted))
    if edge is not None:
        consolidated.end_links(session, tenant_id, [edge["id"]], now=now)


def _edge(session: Session, tenant_id: UUID, old: Row, newer: Row) -> Row | None:
    """Return the edge between the two where a caller's supersede drew it; none where it was erased or never imported."""
    if newer["superseded_by"] is not None:
        raise Conflict(
            f"Memory {newer['id']}, which took its place, was superseded by {newer['superseded_by']}; reinstate that first.",
            code="superseded_since",
        )
    edge = supersessions.edge_between(session, tenant_id, newer["id"], old["id"])
    if edge is not None and edge["changeset_id"] is not None:
        raise Conflict(
            f"Changeset {edge['changeset_id']} superseded it; revert that one.", code="superseded_by_changeset"
        )
    kinds = lineage.kinds_of_sources(session, tenant_id, [old["id"], newer["id"]])
    if kinds.get(old["id"]) == kinds.get(newer["id"]) == DOCUMENT:
        raise Conflict("A newer text of its document superseded it; post the earlier text.", code="part_of_document")
    return edge


def _around(session: Session, tenant_id: UUID, old: Row) -> tuple[Row, Row]:
    """Return the last version that was not superseded, and the one that superseding made of it."""
    versions = supersessions.around_supersession(session, tenant_id, old["id"])
    if versions is None:
        raise Conflict(
            f"The history of memory {old['id']} does not say what it was before it was superseded.",
            code="not_reversible",
        )
    return versions
