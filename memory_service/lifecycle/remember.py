"""Remember: store drafts with sources, vectors and postings, findable when the transaction commits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.errors import Conflict
from memory_service.lifecycle.archive import expire
from memory_service.lifecycle.completing import busy
from memory_service.lifecycle.draft import Draft, Encoding, Outcome, Prepared, settled
from memory_service.lifecycle.moments import inverted_validity, not_before
from memory_service.lifecycle.redaction_notes import note_redacted
from memory_service.lifecycle.renew import name, renew
from memory_service.lifecycle.store import store_new
from memory_service.lifecycle.supersede import close_superseded, start_of_validity
from memory_service.storage import memories
from memory_service.storage.ids import new_id
from memory_service.storage.namespaces import Namespace, ensure_namespaces, find_namespaces
from memory_service.storage.presence import ErasedText, Key, look_up, stand_in_line
from memory_service.storage.redactions import redactors_in
from memory_service.storage.sql import Row
from memory_service.storage.supersessions import Replacement, link_superseded
from memory_service.types import OnConflict

ATTEMPTS = 8


@dataclass(slots=True)
class Present:
    """What is already stored under the keys of some drafts, and which of their texts were erased."""

    erased: Mapping[tuple[UUID, bytes], ErasedText] = field(default_factory=dict)
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

    def erased_as(self, namespace_id: UUID, item: Prepared) -> UUID | None:
        """Return the memory with which this text was erased, unless it was observed after that and so is said anew."""
        erased = self.erased.get((namespace_id, item.said_hash))
        observed_at = item.draft.observed_at
        if erased is None or (observed_at is not None and observed_at > erased.erased_at):
            return None
        return erased.memory_id


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with one draft; `id` is the new memory's or the one that is already there."""

    action: str  # create, supersede, update, name, skip, refuse, invert or forbid
    id: UUID
    old_id: UUID | None = None


def decide(namespace_id: UUID, item: Prepared, present: Present, *, now: datetime) -> Decision:
    """Choose between storing, skipping, superseding and refusing a draft. Pure but for the fresh id.

    One that would end before it takes the other's place is refused as well ("invert"), and so is a text that was erased
    ("forbid").
    """
    draft = item.draft
    if draft.external_id is not None:
        held = present.by_external.get((namespace_id, draft.external_id))
        if held is not None:
            held_id, held_hash = held
            same = held_hash is not None and held_hash == item.dedupe_hash
            if draft.on_conflict is OnConflict.ERROR:
                return Decision("refuse", held_id)
            if draft.on_conflict is OnConflict.UPDATE:
                erased = present.erased_as(namespace_id, item)
                return Decision("forbid", erased) if erased else Decision("update", held_id, old_id=held_id)
            if draft.on_conflict is OnConflict.SKIP or same:
                return Decision("skip", held_id)
            if draft.valid_to is not None and draft.valid_to < start_of_validity(draft, now=now):
                return Decision("invert", held_id)
            erased = present.erased_as(namespace_id, item)
            return Decision("forbid", erased) if erased else Decision("supersede", new_id(), old_id=held_id)
    duplicate = present.duplicate_of(namespace_id, item)
    if duplicate is not None:
        if draft.external_id is not None:
            # Without one so far, or it would have been found by it: who posted it will ask for it by this.
            return Decision("name", duplicate, old_id=duplicate)
        return Decision("skip", duplicate)
    erased = present.erased_as(namespace_id, item)
    return Decision("forbid", erased) if erased else Decision("create", new_id())


def remember(
    session: Session, tenant_id: UUID, items: Sequence[Prepared], *, encoding: Encoding, now: datetime
) -> list[Outcome]:
    """Store drafts in order; one that repeats what is there is skipped, and none fails its neighbours.

    A concurrent writer may store the same external_id or duplicate first. What lost against it is decided again over what is
    there by then, so neither writer sees an error. Those who lost once stand in line for their external_ids: of many who
    supersede the same memory at once, one more would lose with each that wins.

    Raises:
        Unavailable: other writers were first again and again; nothing was changed.
    """
    items = settled(items, redactors_in(session), encoding=encoding, now=now)
    outcomes: list[Outcome | None] = [
        Outcome("rejected", new_id(), problem=item.refusal) if item.refusal is not None else None for item in items
    ]
    for attempt in range(ATTEMPTS):
        if all(outcomes):
            break
        if attempt:
            lost = [item.draft for item, outcome in zip(items, outcomes, strict=True) if outcome is None]
            stand_in_line(session, tenant_id, {(d.namespace, d.external_id) for d in lost if d.external_id is not None})
        _remember(session, tenant_id, items, outcomes, encoding=encoding, now=now)
    if not all(outcomes):
        raise busy()
    done = [outcome for outcome in outcomes if outcome is not None]
    _note_redacted(session, tenant_id, items, done, now=now)
    return done


def _note_redacted(
    session: Session, tenant_id: UUID, items: Sequence[Prepared], outcomes: Sequence[Outcome], *, now: datetime
) -> None:
    changed = [
        (item, item.redactor, item.redactions)
        for item, outcome in zip(items, outcomes, strict=True)
        if item.redactor is not None and item.redactions and outcome.status in {"created", "superseded", "updated"}
    ]
    if not changed:
        return
    spaces = find_namespaces(session, tenant_id, {item.draft.namespace for item, _, _ in changed})
    noted = [(spaces[item.draft.namespace].id, redactor, counts) for item, redactor, counts in changed]
    note_redacted(session, tenant_id, noted, now=now)


def _remember(
    session: Session,
    tenant_id: UUID,
    items: Sequence[Prepared],
    outcomes: list[Outcome | None],
    *,
    encoding: Encoding,
    now: datetime,
) -> None:
    """Decide and store the drafts that have no outcome yet; those that lose against a concurrent writer get none."""
    waiting = [index for index, outcome in enumerate(outcomes) if outcome is None]
    namespaces, present = _load(session, tenant_id, [items[index] for index in waiting], encoding=encoding, now=now)
    pending: list[Pending] = []
    fresh: set[UUID] = set()
    for index in waiting:
        item = items[index]
        namespace = namespaces[item.draft.namespace]
        decision = decide(namespace.id, item, present, now=now)
        if decision.old_id in fresh:
            # It changes something of this very batch, which must be stored first.
            if not _apply(session, tenant_id, pending, outcomes, encoding=encoding, now=now):
                return
            pending, fresh = [], set()
        outcomes[index] = _outcome(decision, item.draft)
        if decision.action not in {"create", "supersede", "update", "name"}:
            continue
        pending.append(Pending(index, decision, item, namespace))
        fresh.add(decision.id)
        if decision.old_id is not None:
            present.drop(decision.old_id)
        present.add(namespace.id, decision.id, item.draft.external_id, item.dedupe_hash)
    _apply(session, tenant_id, pending, outcomes, encoding=encoding, now=now)


def _load(
    session: Session, tenant_id: UUID, items: Sequence[Prepared], *, encoding: Encoding, now: datetime
) -> tuple[dict[str, Namespace], Present]:
    keys = [Key(i.draft.namespace, i.draft.external_id, i.dedupe_hash, i.said_hash) for i in items]
    found = look_up(session, tenant_id, keys, now=now)
    missing = {key.path for key in keys} - found.namespaces.keys()
    if missing or found.due:
        ensure_namespaces(session, tenant_id, missing, now=now)
        # What has expired no longer counts as present, even before the sweep has come round.
        expire(session, tenant_id, found.due, now=now)
        found = look_up(session, tenant_id, keys, now=now)
    present = Present(erased=found.erased)
    for holder in found.holders:
        present.add(holder.namespace_id, holder.id, holder.external_id, holder.dedupe_hash)
    return found.namespaces, present


def _outcome(decision: Decision, draft: Draft) -> Outcome:
    match decision.action:
        case "create":
            return Outcome("created", decision.id)
        case "supersede":
            return Outcome("superseded", decision.id)
        case "update":
            return Outcome("updated", decision.id)
        case "name" if draft.on_conflict is OnConflict.UPDATE:
            return Outcome("updated", decision.id)
        case "skip" | "name":
            return Outcome("skipped", decision.id)
        case "invert":
            return Outcome("rejected", decision.id, problem=inverted_validity())
        case "forbid":
            return Outcome("rejected", decision.id, problem=text_erased())
        case _:
            detail = f"A live memory with this external_id exists: {decision.id}."
            return Outcome("rejected", decision.id, problem=Conflict(detail, code="external_id_conflict"))


def text_erased() -> Conflict:
    """Return the error for a text that was erased and must not come back by itself."""
    return Conflict(
        "This text was erased here. If it is being said anew, state when: with an observed_at after the erasure it is "
        "stored.",
        code="text_erased",
    )


@dataclass(frozen=True, slots=True)
class Pending:
    """A draft that is to be stored, and where its outcome stands."""

    index: int
    decision: Decision
    item: Prepared
    namespace: Namespace


def _apply(
    session: Session,
    tenant_id: UUID,
    pending: Sequence[Pending],
    outcomes: list[Outcome | None],
    *,
    encoding: Encoding,
    now: datetime,
) -> bool:
    """Store decided drafts; say whether all of them were. Those that were not lose their outcome.

    What replaces something is undone to a savepoint together with its neighbours when one of them loses: the old memories
    were changed by then. What replaces nothing needs none, since a memory that loses leaves nothing behind.
    """
    renewing = [p for p in pending if p.decision.action in {"update", "name"}]
    pending = [p for p in pending if p.decision.action not in {"update", "name"}]
    stored: dict[UUID, Row | None] = {}
    if any(p.decision.old_id is not None for p in pending):
        try:
            with session.begin_nested():
                stored = _replace(session, tenant_id, pending, encoding=encoding, now=now)
                if len(stored) < len(pending):
                    raise _Lost
        except _Lost:
            stored = {}
    elif pending:
        stored = _store(session, tenant_id, pending, {}, encoding=encoding, now=now)
    missed = _renew(session, tenant_id, renewing, outcomes, encoding=encoding, now=now)
    for p in pending:
        outcome = outcomes[p.index]
        if outcome is not None and stored.get(p.decision.id) is not None:
            outcomes[p.index] = replace(outcome, record=stored[p.decision.id])
    lost = ({p.decision.id for p in pending} - stored.keys()) | missed
    if lost:
        # Also of what was skipped as a copy of one that lost.
        outcomes[:] = [None if o is not None and o.memory_id in lost else o for o in outcomes]
    return not lost


def _renew(
    session: Session,
    tenant_id: UUID,
    pending: Sequence[Pending],
    outcomes: list[Outcome | None],
    *,
    encoding: Encoding,
    now: datetime,
) -> set[UUID]:
    """Apply decided updates and names; return the memories that could not be, because they hold another external_id by now."""
    updates, names = ([p for p in pending if p.decision.action == action] for action in ("update", "name"))
    made = renew(session, tenant_id, [(p.decision.id, p.item) for p in updates], encoding=encoding, now=now)
    made += name(session, tenant_id, [(p.decision.id, p.item) for p in names], encoding=encoding, now=now)
    for p, renewal in zip([*updates, *names], made, strict=True):
        if renewal.problem is not None:
            outcomes[p.index] = Outcome("rejected", p.decision.id, problem=renewal.problem)
    return {p.decision.id for p, renewal in zip([*updates, *names], made, strict=True) if not renewal.held}


class _Lost(Exception):
    """A concurrent writer was first."""


def _replace(
    session: Session, tenant_id: UUID, pending: Sequence[Pending], *, encoding: Encoding, now: datetime
) -> dict[UUID, Row | None]:
    olds = [p.decision.old_id for p in pending if p.decision.old_id is not None]
    now = not_before(now, memories.lock_memories(session, tenant_id, olds).values())
    replacements = [
        Replacement(old_id=p.decision.old_id, new_id=p.decision.id, valid_from=start_of_validity(p.item.draft, now=now))
        for p in pending
        if p.decision.old_id is not None
    ]
    close_superseded(session, tenant_id, replacements, now=now)
    starts = {r.new_id: r.valid_from for r in replacements}
    stored = _store(session, tenant_id, pending, starts, encoding=encoding, now=now)
    if len(stored) == len(pending):
        link_superseded(session, tenant_id, replacements, now=now)
    # The edge counts among the links of a record; let it be read again.
    return dict.fromkeys(stored)


def _store(
    session: Session,
    tenant_id: UUID,
    pending: Sequence[Pending],
    starts: Mapping[UUID, datetime],
    *,
    encoding: Encoding,
    now: datetime,
) -> dict[UUID, Row | None]:
    items = [(p.decision.id, p.item, p.namespace, starts.get(p.decision.id)) for p in pending]
    return store_new(session, tenant_id, items, encoding=encoding, now=now)
