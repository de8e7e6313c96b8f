"""Remember: store drafts with sources, vectors and postings, findable when the transaction commits."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from memory_service.errors import Conflict
from memory_service.lifecycle.archive import expire
from memory_service.lifecycle.draft import Encoding, Outcome, Prepared
from memory_service.lifecycle.moments import inverted_validity, not_before
from memory_service.lifecycle.store import store_new
from memory_service.lifecycle.supersede import close_superseded, start_of_validity
from memory_service.storage import memories
from memory_service.storage.ids import new_id
from memory_service.storage.namespaces import Namespace, ensure_namespaces
from memory_service.storage.supersessions import Replacement, link_superseded
from memory_service.types import OnConflict


@dataclass(slots=True)
class Present:
    """What is already stored under the keys of some drafts."""

    by_external: dict[tuple[UUID, str], tuple[UUID, bytes | None]] = field(default_factory=dict)
    by_hash: dict[tuple[UUID, bytes], list[tuple[UUID, str | None]]] = field(default_factory=dict)
    hash_of: dict[UUID, tuple[UUID, bytes]] = field(default_factory=dict)

    def add(self, namespace_id: UUID, memory_id: UUID, external_id: str | None, dedupe_hash: bytes | None) -> None:
        """Note a memory that is there, or will be."""
        if external_id is not None:
            self.by_external[namespace_id, external_id] = (memory_id, dedupe_hash)
        if dedupe_hash is not None and memory_id not in self.hash_of:
            self.by_hash.setdefault((namespace_id, dedupe_hash), []).append((memory_id, external_id))
            self.hash_of[memory_id] = (namespace_id, dedupe_hash)

    def drop(self, memory_id: UUID) -> None:
        """Forget a memory that is superseded: its text may be said anew."""
        key = self.hash_of.pop(memory_id, None)
        if key is not None:
            self.by_hash[key] = [entry for entry in self.by_hash[key] if entry[0] != memory_id]

    def duplicate_of(self, namespace_id: UUID, item: Prepared) -> UUID | None:
        """Return a stored memory with the same content and scope and no different external_id."""
        if item.dedupe_hash is None:
            return None
        for memory_id, external_id in self.by_hash.get((namespace_id, item.dedupe_hash), ()):
            if external_id is None or item.draft.external_id is None or external_id == item.draft.external_id:
                return memory_id
        return None


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with one draft; `id` is the new memory's or the one that is already there."""

    action: str  # create, supersede, skip, refuse or invert
    id: UUID
    old_id: UUID | None = None


def decide(namespace_id: UUID, item: Prepared, present: Present, *, now: datetime) -> Decision:
    """Choose between storing, skipping, superseding and refusing a draft. Pure but for the fresh id.

    One that would end before it takes the other's place is refused as well ("invert").
    """
    draft = item.draft
    if draft.external_id is not None:
        held = present.by_external.get((namespace_id, draft.external_id))
        if held is not None:
            held_id, held_hash = held
            same = held_hash is not None and held_hash == item.dedupe_hash
            if draft.on_conflict is OnConflict.ERROR:
                return Decision("refuse", held_id)
            if draft.on_conflict is OnConflict.SKIP or same:
                return Decision("skip", held_id)
            if draft.valid_to is not None and draft.valid_to < start_of_validity(draft, now=now):
                return Decision("invert", held_id)
            return Decision("supersede", new_id(), old_id=held_id)
    duplicate = present.duplicate_of(namespace_id, item)
    if duplicate is not None:
        return Decision("skip", duplicate)
    return Decision("create", new_id())


def remember(
    session: Session, tenant_id: UUID, items: Sequence[Prepared], *, encoding: Encoding, now: datetime
) -> list[Outcome]:
    """Store drafts in order; one that repeats what is there is skipped, and none fails its neighbours.

    A concurrent writer may store the same external_id or duplicate first. The losing statement is undone to a savepoint
    and decided again over what is there by then, so neither writer sees an error.
    """
    for attempt in (1, 2, 3):
        try:
            with session.begin_nested():
                return _remember(session, tenant_id, items, encoding=encoding, now=now)
        except IntegrityError as error:
            if getattr(error.orig, "sqlstate", None) != "23505" or attempt == 3:
                raise
    raise AssertionError("unreachable")


def _remember(
    session: Session, tenant_id: UUID, items: Sequence[Prepared], *, encoding: Encoding, now: datetime
) -> list[Outcome]:
    namespaces = ensure_namespaces(
        session,
        tenant_id,
        (item.draft.namespace for item in items),
        encoder_id=encoding.encoder_id,
        shelf=encoding.shelf,
        now=now,
    )
    present = _load(session, tenant_id, items, namespaces, now=now)
    outcomes: list[Outcome] = []
    pending: list[tuple[Decision, Prepared, Namespace]] = []
    fresh: set[UUID] = set()
    for item in items:
        namespace = namespaces[item.draft.namespace]
        decision = decide(namespace.id, item, present, now=now)
        outcomes.append(_outcome(decision))
        if decision.action not in {"create", "supersede"}:
            continue
        if decision.old_id in fresh:
            # It replaces something of this very batch, which must be stored first.
            _apply(session, tenant_id, pending, encoding=encoding, now=now)
            pending, fresh = [], set()
        pending.append((decision, item, namespace))
        fresh.add(decision.id)
        if decision.old_id is not None:
            present.drop(decision.old_id)
        present.add(namespace.id, decision.id, item.draft.external_id, item.dedupe_hash)
    _apply(session, tenant_id, pending, encoding=encoding, now=now)
    return outcomes


def _load(
    session: Session, tenant_id: UUID, items: Sequence[Prepared], namespaces: dict[str, Namespace], *, now: datetime
) -> Present:
    externals = {
        (namespaces[i.draft.namespace].id, i.draft.external_id) for i in items if i.draft.external_id is not None
    }
    hashes = {(namespaces[i.draft.namespace].id, i.dedupe_hash) for i in items if i.dedupe_hash is not None}
    if externals or hashes:
        # What has expired no longer counts as present, even before the sweep has come round.
        due = memories.expired_ids(session, tenant_id, {n.id for n in namespaces.values()}, now=now)
        expire(session, tenant_id, due, now=now)
    present = Present()
    for row in memories.find_by_external_ids(session, tenant_id, externals):
        present.add(row["namespace_id"], row["id"], row["external_id"], row["dedupe_hash"])
    for row in memories.find_duplicates(session, tenant_id, hashes):
        present.add(row["namespace_id"], row["id"], row["external_id"], row["dedupe_hash"])
    return present


def _outcome(decision: Decision) -> Outcome:
    match decision.action:
        case "create":
            return Outcome("created", decision.id)
        case "supersede":
            return Outcome("superseded", decision.id)
        case "skip":
            return Outcome("skipped", decision.id)
        case "invert":
            return Outcome("rejected", decision.id, problem=inverted_validity())
        case _:
            detail = f"A live memory with this external_id exists: {decision.id}."
            return Outcome("rejected", decision.id, problem=Conflict(detail, code="external_id_conflict"))


def _apply(
    session: Session,
    tenant_id: UUID,
    pending: Sequence[tuple[Decision, Prepared, Namespace]],
    *,
    encoding: Encoding,
    now: datetime,
) -> None:
    if not pending:
        return
    replaced = [decision.old_id for decision, _, _ in pending if decision.old_id is not None]
    if replaced:
        now = not_before(now, memories.lock_memories(session, tenant_id, replaced).values())
    replacements = [
        Replacement(old_id=d.old_id, new_id=d.id, valid_from=start_of_validity(item.draft, now=now))
        for d, item, _ in pending
        if d.old_id is not None
    ]
    if replacements:
        close_superseded(session, tenant_id, replacements, now=now)
    starts = {r.new_id: r.valid_from for r in replacements}
    store_new(
        session,
        tenant_id,
        [(d.id, item, namespace, starts.get(d.id)) for d, item, namespace in pending],
        encoding=encoding,
        now=now,
    )
    if replacements:
        link_superseded(session, tenant_id, replacements, now=now)
