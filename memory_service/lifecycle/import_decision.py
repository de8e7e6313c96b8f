"""What becomes of a memory that is imported: create, revise, skip or reject, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from memory_service.bundle.records import MemoryRecord, StateRecord
from memory_service.lifecycle.draft import content_hash, said_hash
from memory_service.storage.encoders import EncoderRow
from memory_service.storage.imported import Present
from memory_service.storage.namespaces import Namespace

SKEW: Final = timedelta(minutes=5)  # by which the clock of another machine may be ahead


class OnPresent(StrEnum):
    """What happens when a memory is there already, and is not the same."""

    SKIP = "skip"
    ERROR = "error"
    NEW_VERSION = "new_version"


@dataclass(frozen=True, slots=True)
class Importing:
    """One import: how it decides, and where its vectors come from."""

    tenant_id: UUID
    job_id: UUID
    encoder: EncoderRow
    on_conflict: OnPresent = OnPresent.SKIP
    trusted: bool = False  # the key may do as administrators do: trust is taken as it is stated, and policies are
    same_encoder: bool = False  # vectors of the bundle are those that our encoder would make


@dataclass(frozen=True, slots=True)
class Line:
    """A record and where it stands."""

    ordinal: int
    record: Any


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with a memory: create, revise, skip or reject; why, and which past versions to leave out."""

    action: str
    code: str | None = None
    detail: str | None = None
    left_out: frozenset[int] = frozenset()


@dataclass(slots=True)
class Known:
    """What is stored under the keys of some records; what is decided is noted here, too."""

    namespaces: Mapping[str, Namespace]
    rows: dict[UUID, Present] = field(default_factory=dict)
    erased: set[UUID] = field(default_factory=set)
    erased_texts: Mapping[tuple[UUID, bytes], datetime] = field(default_factory=dict)
    holders: dict[tuple[UUID, str], UUID] = field(default_factory=dict)
    parents: dict[UUID, set[UUID]] = field(default_factory=dict)
    successors: dict[UUID, set[UUID]] = field(default_factory=dict)

    def forgotten(self, state: StateRecord) -> bool:
        """Say whether a text was erased here after it was observed."""
        key = (
            self.namespaces[state.namespace].id,
            said_hash(state.user_id, content_hash(state.content)),
        )
        erased_at = self.erased_texts.get(key)
        return erased_at is not None and state.observed_at <= erased_at


def leads_back(edges: Mapping[UUID, set[UUID]], start: UUID, targets: Sequence[UUID]) -> bool:
    """Say whether one of the targets leads back to where an edge to it would start.

    >>> a, b, c = (UUID(int=i) for i in range(3))
    >>> leads_back({a: {b}}, b, [a]), leads_back({a: {b}}, c, [a])
    (True, False)
    """
    seen: set[UUID] = set()
    waiting = list(targets)
    while waiting:
        here = waiting.pop()
        if here == start:
            return True
        if here not in seen:
            seen.add(here)
            waiting += edges.get(here, ())
    return False


def decide(record: MemoryRecord, known: Known, wanted: Importing, *, now: datetime) -> Decision:
    """Choose what becomes of a memory. Pure."""
    if record.id in known.erased:
        return Decision("reject", "erased", "A memory with this id was erased here; it stays away.")
    latest = max(record.updated_at, *(version.known_to for version in record.versions), record.updated_at)
    if latest > now + SKEW:
        return Decision("reject", "time_in_future", "It was changed in the future.")
    present = known.rows.get(record.id)
    if present is not None:
        return _about_present(record, present, known, wanted)
    if known.forgotten(record):
        return Decision(
            "reject",
            "text_erased",
            "Its text was erased here after it was observed; it stays away until it is said anew.",
        )
    first = next((version for version in record.states() if version.version == 1), None)
    origin = next((source for source in record.sources if source.ordinal == 0), None)
    if first is not None and origin is not None and bytes.fromhex(origin.hash) != content_hash(first.content):
        return Decision("reject", "source_mismatch", "The hash of its source is not that of its first version.")
    if leads_back(known.parents, record.id, record.derivation.parents):
        return Decision("reject", "cycle", "It would be made of what was made of it.")
    if record.superseded_by and leads_back(known.successors, record.id, [record.superseded_by]):
        return Decision("reject", "cycle", "It would have taken the place of what took its place.")
    if record.external_id is not None and not record.closed:
        holder = known.holders.get((known.namespaces[record.namespace].id, record.external_id))
        if holder is not None:
            action = "skip" if wanted.on_conflict is OnPresent.SKIP else "reject"
            return Decision(action, "external_id_conflict", f"Memory {holder} holds its external_id.")
    left_out = frozenset(version.version for version in record.versions if known.forgotten(version))
    if left_out:
        return Decision(
            "create", "versions_left_out", f"{len(left_out)} past versions say what was erased here.", left_out
        )
    return Decision("create")


def _about_present(record: MemoryRecord, present: Present, known: Known, wanted: Importing) -> Decision:
    same_place = present.namespace_id == known.namespaces[record.namespace].id
    same_text = present.content_hash == content_hash(record.content)
    if same_place and same_text and present.version == record.version:
        return Decision("skip", "present", "This very version is there.")
    detail = f"It is there at version {present.version}, in the bundle at {record.version}."
    if wanted.on_conflict is OnPresent.SKIP:
        return Decision("skip", "differs", detail)
    if wanted.on_conflict is OnPresent.ERROR:
        return Decision("reject", "memory_conflict", detail)
    if not same_place:
        return Decision(
            "reject", "memory_conflict", "It is there in another namespace; a new version stays where it is."
        )
    if known.forgotten(record):
        return Decision("reject", "text_erased", "Its text was erased here after it was observed.")
    return Decision("revise")


def decide_all(lines: Sequence[Line], known: Known, wanted: Importing, *, now: datetime) -> list[tuple[Line, Decision]]:
    """Decide about records in order; a later one sees what became of those before it. Pure but for `known`."""
    decided = []
    for line in lines:
        record: MemoryRecord = line.record
        decision = decide(record, known, wanted, now=now)
        decided.append((line, decision))
        if decision.action != "create":
            continue
        namespace_id = known.namespaces[record.namespace].id
        known.rows[record.id] = Present(record.version, content_hash(record.content), namespace_id)
        known.parents[record.id] = set(record.derivation.parents)
        if record.superseded_by is not None:
            known.successors[record.id] = {record.superseded_by}
        if record.external_id is not None and not record.closed:
            known.holders[namespace_id, record.external_id] = record.id
    return decided
