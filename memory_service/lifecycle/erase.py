"""Erase: remove a memory and all that holds its text, leaving a tombstone by which its id is answered with 410."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.storage import erased_rows, erasure, lineage, memories


def erase(session: Session, tenant_id: UUID, ids: Sequence[UUID], *, now: datetime) -> list[UUID]:
    """Erase memories of one tenant with all that was made of them, and return the ids that were there.

    Made of a memory are those derived from it, and it stands for the duplicates that were merged into it.

    Versions, sources, vectors, postings, times, links, retention, recalls and feedback go with the record, and
    saved queries that nothing else is relevant to; traces that showed it lose its
    text and score; answers kept for replay that quote it are dropped. So are speakers, counted terms, entities and names that
    nothing else uses. The tombstone
    keeps id, namespace, a hash of the content and the time; a hash of every wording keeps it from being stored again unless
    it is observed after this (`remember.decide`).
    """
    found = list(take(session, tenant_id, ids))
    if found:
        erasure.bury(session, tenant_id, found, now=now)
        erasure.remove(session, tenant_id, found, now=now)
    return found


def remove_counted(session: Session, tenant_id: UUID, ids: Sequence[UUID], *, now: datetime) -> dict[str, int]:
    """Erase memories that `take` has locked, and return how many rows of which tables went with them, for a receipt."""
    if not ids:
        return {}
    counts = erased_rows.count(session, tenant_id, ids)
    erasure.bury(session, tenant_id, ids, now=now)
    postings = erasure.remove(session, tenant_id, ids, now=now)
    return {**counts, **({"posting": postings} if postings else {})}


def take(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> Mapping[UUID, Any]:
    """Lock memories and all that was made of them, and return their rows."""
    found, wanted = list[UUID](), sorted({*ids, *lineage.made_of(session, tenant_id, ids)})
    rows: Mapping[UUID, Any] = {}
    while len(found) < len(wanted):
        found = wanted
        rows = memories.lock_memories(session, tenant_id, wanted)
        # While we waited for the locks, a run may have merged others into these or made others of them; now none can.
        wanted = sorted({*found, *lineage.made_of(session, tenant_id, found)})
    return rows
