"""Renew: what is posted again under an external_id becomes the next version of the memory that holds it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from memory_service.errors import Conflict, MemoryServiceError, Unavailable
from memory_service.lifecycle.archive import restore
from memory_service.lifecycle.correct import Correction, correct_locked
from memory_service.lifecycle.draft import Draft, Encoding, Prepared
from memory_service.lifecycle.moments import inverted_validity
from memory_service.storage import memories
from memory_service.storage.database import translate_errors
from memory_service.types import OnConflict, State

# What a correction may change; who said it and where it comes from stay those of the first version.
CHANGEABLE: Final = frozenset(
    {
        "content", "memory_type", "user_id", "agent_id", "session_id", "title", "context", "keywords", "tags", "entities",
        "metadata", "value", "importance", "confidence", "pinned", "language", "observed_at", "valid_from", "valid_to",
        "expires_at",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Renewal:
    """What became of one update; `held` is false when a concurrent change made it another memory's, or no longer this one's."""

    held: bool
    problem: MemoryServiceError | None = None


def changes_of(draft: Draft) -> dict[str, Any]:
    """Return the fields that a draft names and their values, as a correction takes them.

    >>> changes_of(Draft("tea", tags=("a",), given=frozenset({"content", "tags", "namespace", "observed_at"})))
    {'content': 'tea', 'tags': ['a']}
    """
    changes = {}
    for name in sorted(draft.given & CHANGEABLE):
        value = getattr(draft, name)
        if value is None and name == "observed_at":
            continue  # Every memory was observed at some time.
        changes[name] = list(value) if isinstance(value, tuple) else value
    return changes


def renew(
    session: Session, tenant_id: UUID, items: Sequence[tuple[UUID, Prepared]], *, encoding: Encoding, now: datetime
) -> list[Renewal]:
    """Give memories the fields that drafts name, each as a new version; what a draft does not name stays.

    All are locked first, in order of id, so that two that only renew never wait for each other. A memory stands there once.
    """
    if not items:
        return []
    rows = memories.lock_memories(session, tenant_id, sorted({memory_id for memory_id, _ in items}))
    found = [_renewal(rows.get(memory_id), item) for memory_id, item in items]
    wanted = [
        Correction(memory_id, changes_of(item.draft), item.chunks, item.redactions)
        for (memory_id, item), renewal in zip(items, found, strict=True)
        if renewal.held and renewal.problem is None
    ]
    _correct(session, tenant_id, rows, wanted, again={c.memory_id for c in wanted}, encoding=encoding, now=now)
    return found


def name(
    session: Session, tenant_id: UUID, items: Sequence[tuple[UUID, Prepared]], *, encoding: Encoding, now: datetime
) -> list[Renewal]:
    """Give memories that have no external_id the one under which the same is posted again.

    A draft that is to update on conflict gives them what else it names, too; of others nothing else changes. If another
    memory takes one of the external_ids at the same time, none is given.

    Raises:
        Unavailable: the database is down.
    """
    if not items:
        return []
    rows = memories.lock_memories(session, tenant_id, sorted({memory_id for memory_id, _ in items}))
    found = [_nameless(rows.get(memory_id), item) for memory_id, item in items]
    wanted = [
        Correction(memory_id, _named(item.draft), item.chunks, item.redactions)
        for (memory_id, item), renewal in zip(items, found, strict=True)
        if renewal.held and renewal.problem is None
    ]
    updated = {memory_id for memory_id, item in items if _updates(item.draft)}
    try:
        with session.begin_nested(), translate_errors():
            _correct(session, tenant_id, rows, wanted, again=updated, encoding=encoding, now=now)
    except (Conflict, Unavailable) as error:
        if isinstance(error, Unavailable) and error.code != "busy":
            raise
        return [Renewal(held=False)] * len(items)
    return found


def _correct(
    session: Session,
    tenant_id: UUID,
    rows: Mapping[UUID, RowMapping],
    wanted: Sequence[Correction],
    *,
    again: Collection[UUID],
    encoding: Encoding,
    now: datetime,
) -> None:
    """Correct locked memories; of those said again by themselves, what was merged stands by itself again."""
    if not wanted:
        return
    rows = {correction.memory_id: rows[correction.memory_id] for correction in wanted}
    alone = [memory_id for memory_id, row in rows.items() if memory_id in again and row["state"] == State.MERGED]
    if alone:
        restore(session, tenant_id, alone, now=now)
        rows |= memories.lock_memories(session, tenant_id, alone)
    correct_locked(session, tenant_id, rows, wanted, encoding=encoding, now=now)


def _nameless(row: RowMapping | None, item: Prepared) -> Renewal:
    """Say whether a memory, locked, still is what a draft repeats, and still has no external_id. Pure."""
    if row is None or row["external_id"] is not None or row["dedupe_hash"] != item.dedupe_hash:
        return Renewal(held=False)
    return Renewal(held=True, problem=_fault(row, _named(item.draft)))


def _named(draft: Draft) -> dict[str, Any]:
    return {**(changes_of(draft) if _updates(draft) else {}), "external_id": draft.external_id}


def _updates(draft: Draft) -> bool:
    return draft.on_conflict is OnConflict.UPDATE


def _renewal(row: RowMapping | None, item: Prepared) -> Renewal:
    """Decide whether a memory, locked, takes what a draft says. Pure."""
    if row is None or row["external_id"] != item.draft.external_id:
        return Renewal(held=False)
    if row["archived_at"] is not None and row["state"] != State.MERGED:
        return Renewal(held=False)
    return Renewal(held=True, problem=_fault(row, changes_of(item.draft)))


def _fault(row: RowMapping, changes: Mapping[str, Any]) -> MemoryServiceError | None:
    begins, ends = (changes.get(name, row[name]) for name in ("valid_from", "valid_to"))
    return inverted_validity() if begins is not None and ends is not None and ends < begins else None
