"""Forget gently and take it back: archive and restore, one memory or many, always as a new version."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.errors import Conflict
from memory_service.lifecycle.draft import identity_of
from memory_service.lifecycle.moments import not_before
from memory_service.storage import consolidated, memories, search_index
from memory_service.storage.identities import free_identities, set_identities
from memory_service.storage.sql import Row, Sql
from memory_service.types import State

# What was merged leads elsewhere no more once it has another fate.
LEADS_ON = Sql("CASE WHEN m.state = 'merged' THEN NULL ELSE m.superseded_by END")


def archive(session: Session, tenant_id: UUID, ids: Sequence[UUID], *, now: datetime) -> list[UUID]:
    """Archive memories; those that are archived already are left as they are. Return the ids that changed."""
    rows = memories.lock_memories(session, tenant_id, ids)
    now = not_before(now, rows.values())
    changed = [i for i, row in rows.items() if row["state"] != State.ARCHIVED]
    if not changed:
        return []
    memories.keep_versions(session, tenant_id, changed, now=now)
    search_index.close(session, tenant_id, changed, now=now)
    memories.update_memories(
        session,
        tenant_id,
        changed,
        # Its duplicate hash goes, so that the same text may be remembered anew.
        {"state": State.ARCHIVED, "archived_at": now, "dedupe_hash": None, "superseded_by": LEADS_ON},
        now=now,
    )
    return changed


def restore(session: Session, tenant_id: UUID, ids: Sequence[UUID], *, now: datetime) -> list[UUID]:
    """Restore archived or expired memories; live ones are left as they are. Return the ids that changed.

    Raises:
        Conflict: another live memory took over an external_id meanwhile.
    """
    rows = memories.lock_memories(session, tenant_id, ids)
    now = not_before(now, rows.values())
    # What no sweep has marked yet ends first: counted out once, and in its history.
    if expire(session, tenant_id, ids, now=now):
        rows = memories.lock_memories(session, tenant_id, ids)
    changed = [
        i for i, r in rows.items() if r["archived_at"] is not None or (r["expires_at"] and r["expires_at"] <= now)
    ]
    if not changed:
        return []
    _check_external_ids(session, tenant_id, {i: rows[i] for i in changed})
    memories.keep_versions(session, tenant_id, changed, now=now)
    memories.update_memories(
        session,
        tenant_id,
        changed,
        {
            "state": Sql("CASE WHEN m.pinned THEN 'frozen' ELSE 'activated' END"),
            "archived_at": None,
            "superseded_by": LEADS_ON,
            # What has expired would expire again at once.
            "expires_at": Sql("CASE WHEN m.expires_at <= :now THEN NULL ELSE m.expires_at END"),
        },
        now=now,
    )
    # What was replaced meanwhile may be said anew; the others count as duplicates again.
    wanted = [
        (i, rows[i]["namespace_id"], identity_of(rows[i]), rows[i]["external_id"])
        for i in changed
        if rows[i]["superseded_by"] is None or rows[i]["state"] == State.MERGED
    ]
    set_identities(session, tenant_id, free_identities(session, tenant_id, wanted))
    search_index.reopen(session, tenant_id, changed, now=now)
    # Whoever restores what a run merged does not want the next one to merge it again.
    merged = [(rows[i]["superseded_by"], i) for i in changed if rows[i]["state"] == State.MERGED]
    consolidated.mark_considered(session, tenant_id, [i for _, i in merged])
    consolidated.drop_sources(session, tenant_id, merged)
    return changed


def _check_external_ids(session: Session, tenant_id: UUID, back: Mapping[UUID, Row]) -> None:
    """Look whether memories that come back can have their external ids.

    Raises:
        Conflict: two of them had the same one, or another live memory took it over meanwhile.
    """
    keys = [(row["namespace_id"], row["external_id"]) for row in back.values() if row["external_id"] is not None]
    if len(set(keys)) < len(keys):
        twice = next(external for at, (_, external) in enumerate(keys) if keys[at] in keys[:at])
        raise Conflict(
            f"Two of these memories held external_id {twice!r}; only one of them can have it back.",
            code="external_id_conflict",
        )
    taken = [row for row in memories.find_by_external_ids(session, tenant_id, keys) if row["id"] not in back]
    if taken:
        raise Conflict(
            f"Memory {taken[0]['id']} now holds external_id {taken[0]['external_id']!r}; change or archive it first.",
            code="external_id_conflict",
        )


def expire(session: Session, tenant_id: UUID, ids: Sequence[UUID], *, now: datetime) -> list[UUID]:
    """Record that memories have reached their end; searches left them out from that very moment."""
    if not ids:
        return []
    rows = memories.lock_memories(session, tenant_id, ids)
    now = not_before(now, rows.values())
    changed = [
        i
        for i, r in rows.items()
        if r["expires_at"] and r["expires_at"] <= now and r["state"] not in {State.EXPIRED, State.ARCHIVED}
    ]
    if changed:
        search_index.count_out(session, tenant_id, changed)
        memories.keep_versions(session, tenant_id, changed, now=now)
        memories.update_memories(
            session,
            tenant_id,
            changed,
            {
                "state": State.EXPIRED,
                "archived_at": Sql("m.expires_at"),
                "dedupe_hash": None,
                "superseded_by": LEADS_ON,
            },
            now=now,
        )
    return changed


def pin(session: Session, tenant_id: UUID, ids: Sequence[UUID], *, pinned: bool, now: datetime) -> list[UUID]:
    """Pin memories (they do not fade) or let them go again; return the ids that changed."""
    rows = memories.lock_memories(session, tenant_id, ids)
    now = not_before(now, rows.values())
    changed = [i for i, row in rows.items() if row["pinned"] is not pinned]
    if changed:
        memories.keep_versions(session, tenant_id, changed, now=now)
        live = "frozen" if pinned else "activated"
        state = Sql("CASE WHEN m.archived_at IS NULL THEN CAST(:live AS text) ELSE m.state END", {"live": live})
        memories.update_memories(session, tenant_id, changed, {"pinned": pinned, "state": state}, now=now)
    return changed
