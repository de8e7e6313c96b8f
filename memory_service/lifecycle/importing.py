"""Import memories as they were elsewhere: decide about each, then store those that are new, whole."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import numpy as np
from sqlalchemy.orm import Session

from memory_service.analysis.memory_terms import language_of, memory_terms
from memory_service.analysis.traits import traits
from memory_service.analysis.trust import judge
from memory_service.bundle.records import MemoryRecord, StateRecord
from memory_service.bundle.spans import LiveText, live_texts
from memory_service.errors import MemoryServiceError, Unavailable
from memory_service.lifecycle.correct import correct
from memory_service.lifecycle.draft import Chunk, Encoding, content_hash, identity_of, said_hash
from memory_service.storage import imported, memories
from memory_service.storage.encoders import EncoderRow
from memory_service.storage.identities import free_identities
from memory_service.storage.imported import Present, VectorRow, Whole
from memory_service.storage.imports import LineOutcome
from memory_service.storage.namespaces import Namespace, ensure_namespaces
from memory_service.types import Extract

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


def outcome_json(row: Any) -> dict[str, Any]:
    """Return what became of one line, as jobs and lists tell it; lines count from 1, and the header is the first."""
    return {
        "line": row["ordinal"],
        "kind": row["kind"],
        "status": row["status"],
        "id": row["item_id"],
        "code": row["code"],
        "detail": row["detail"],
    }


def told(refusal: MemoryServiceError) -> str:
    """Return in one sentence what a rule refuses, with the place; never what stands there."""
    where = refusal.errors[0].pointer if refusal.errors else ""
    return f"{where}: {refusal.detail}" if where else refusal.detail


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


def look_up(session: Session, wanted: Importing, lines: Sequence[Line], *, now: datetime) -> Known:
    """Return what is there under the keys of records, having made the namespaces that are not."""
    records: list[MemoryRecord] = [line.record for line in lines]
    tenant_id = wanted.tenant_id
    paths = {state.namespace for record in records for state in record.states()}
    namespaces = ensure_namespaces(session, tenant_id, paths, now=now)
    ids = [record.id for record in records]
    said = {
        (namespaces[state.namespace].id, said_hash(state.user_id, content_hash(state.content)))
        for record in records
        for state in record.states()
    }
    keys = [(namespaces[r.namespace].id, r.external_id) for r in records if r.external_id is not None and not r.closed]
    holders = memories.find_by_external_ids(session, tenant_id, keys)
    parents = sorted({parent for record in records for parent in record.derivation.parents})
    successors = sorted({record.superseded_by for record in records if record.superseded_by is not None})
    return Known(
        namespaces=namespaces,
        rows=imported.present_memories(session, tenant_id, ids),
        erased=imported.erased_memories(session, tenant_id, ids),
        erased_texts=imported.erased_texts(session, tenant_id, sorted(said)),
        holders={(row["namespace_id"], row["external_id"]): row["id"] for row in holders},
        parents=imported.lineage_above(session, tenant_id, parents),
        successors=imported.successors_above(session, tenant_id, successors),
    )


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


@dataclass(frozen=True, slots=True)
class Encoded:
    """A memory to import with the vectors of each of its texts, by the version that brought the text."""

    chunks: Mapping[int, tuple[Chunk, ...]]
    encoders: tuple[int, ...]  # under which they were made


def texts_of(record: MemoryRecord, left_out: frozenset[int] = frozenset()) -> list[LiveText]:
    """Return the texts by which a memory is or was found."""
    return list(live_texts([state for state in record.states() if state.version not in left_out]))


def encode(
    decided: Sequence[tuple[Line, Decision]],
    wanted: Importing,
    namespaces: Mapping[str, Namespace],
    open_encoding: Callable[[], Encoding],
) -> dict[int, Encoded]:
    """Return the vectors of what is to be stored, by line; no connection is held meanwhile.

    Those of the bundle are taken where they were made by the same encoder and are whole; only the rest is encoded.
    """
    found: dict[int, dict[int, tuple[Chunk, ...]]] = {}
    encoders: dict[int, tuple[int, ...]] = {}
    missing: list[tuple[int, int, str, tuple[int, ...]]] = []
    for line, decision in decided:
        if decision.action not in {"create", "revise"}:
            continue
        under = encoders[line.ordinal] = namespaces[line.record.namespace].encoders
        usable = decision.action == "create" and wanted.encoder.id in under
        brought = _brought(line.record, wanted) if usable else {}
        found[line.ordinal] = brought
        for text in texts_of(line.record, decision.left_out):
            lacking = tuple(one for one in under if text.version not in brought or one != wanted.encoder.id)
            if lacking:
                missing.append((line.ordinal, text.version, text.said.content, lacking))
    if missing:
        chunks = open_encoding().chunks_under([(content, lacking) for _, _, content, lacking in missing])
        for (ordinal, version, _, _), made in zip(missing, chunks, strict=True):
            found[ordinal][version] = (*found[ordinal].get(version, ()), *made)
    return {ordinal: Encoded(chunks, encoders[ordinal]) for ordinal, chunks in found.items()}


def _brought(record: MemoryRecord, wanted: Importing) -> dict[int, tuple[Chunk, ...]]:
    """Return the vectors that a record brings along, by version; those of a text of which one is unusable are left."""
    if not wanted.same_encoder:
        return {}
    length_of = {text.version: len(text.said.content) for text in live_texts(record.states())}
    chunks: dict[int, dict[int, Chunk]] = {}
    bad: set[int] = set()
    for one in record.embeddings:
        vector = one.numbers()
        start, end = one.span
        length = length_of.get(one.version, -1)
        if vector is None or len(vector) != wanted.encoder.dimension or not 0 <= start < end <= length:
            bad.add(one.version)
            continue
        chunks.setdefault(one.version, {})[one.chunk] = Chunk((start, end), vector, wanted.encoder.id)
    return {
        version: tuple(found[place] for place in sorted(found))
        for version, found in chunks.items()
        if version not in bad and sorted(found) == list(range(len(found)))
    }


def apply(
    session: Session,
    wanted: Importing,
    lines: Sequence[Line],
    encoded: Mapping[int, Encoded],
    open_encoding: Callable[[], Encoding],
    *,
    now: datetime,
) -> tuple[list[LineOutcome], list[MemoryRecord]]:
    """Decide again over what is there by now, and store; return the outcomes and what was created.

    A line has no outcome yet when a concurrent transaction came first; its turn comes again.
    """
    known = look_up(session, wanted, lines, now=now)
    outcomes: list[LineOutcome] = []
    creating: list[tuple[Line, Decision]] = []
    for line, decision in decide_all(lines, known, wanted, now=now):
        made = encoded.get(line.ordinal)
        # A namespace that began to change its encoder meanwhile needs other vectors: the turn of such a line comes again.
        whole = made is not None and set(known.namespaces[line.record.namespace].encoders) <= set(made.encoders)
        if decision.action == "create":
            if whole:
                creating.append((line, decision))
        elif decision.action == "revise":
            if whole:
                outcomes.append(_revise(session, wanted, line, encoded[line.ordinal], open_encoding, now=now))
        else:
            status = "skipped" if decision.action == "skip" else "rejected"
            outcomes.append(LineOutcome(line.ordinal, status, str(line.record.id), decision.code, decision.detail))
    inserted = _create(session, wanted, creating, encoded, known.namespaces) if creating else set()
    created = [(line, decision) for line, decision in creating if line.record.id in inserted]
    outcomes += [
        LineOutcome(line.ordinal, "created", str(line.record.id), decision.code, decision.detail)
        for line, decision in created
    ]
    return outcomes, [line.record for line, _ in created]


def _create(
    session: Session,
    wanted: Importing,
    creating: Sequence[tuple[Line, Decision]],
    encoded: Mapping[int, Encoded],
    namespaces: Mapping[str, Namespace],
) -> set[UUID]:
    identities = [
        (r.id, namespaces[r.namespace].id, identity_of(r.model_dump()), r.external_id)
        for r in (line.record for line, _ in creating)
        if r.deduplicated
    ]
    free = free_identities(session, wanted.tenant_id, identities)
    rows = _Rows(wanted, namespaces, free)
    for line, decision in creating:
        rows.add(line.record, decision.left_out, encoded[line.ordinal])
    return imported.insert_whole(session, wanted.tenant_id, rows.whole())


@dataclass(slots=True)
class _Rows:
    """Rows of new memories, gathered table by table."""

    wanted: Importing
    namespaces: Mapping[str, Namespace]
    identities: Mapping[UUID, bytes]
    memories: list[dict[str, Any]] = field(default_factory=list)
    versions: list[dict[str, Any]] = field(default_factory=list)
    sources: list[dict[str, Any]] = field(default_factory=list)
    postings: list[dict[str, Any]] = field(default_factory=list)
    vectors: list[VectorRow] = field(default_factory=list)
    retention: list[dict[str, Any]] = field(default_factory=list)
    languages: list[tuple[UUID, str]] = field(default_factory=list)

    @property
    def encoders(self) -> dict[UUID, tuple[int, ...]]:
        """Return under which encoders each namespace is written."""
        return {one.id: one.encoders for one in self.namespaces.values()}

    def whole(self) -> Whole:
        """Return what was gathered."""
        return Whole(
            self.memories, self.versions, self.sources, self.postings, self.vectors, self.retention, self.languages
        )

    def add(self, record: MemoryRecord, left_out: frozenset[int], encoded: Encoded) -> None:
        """Gather the rows of one memory."""
        namespace_id = self.namespaces[record.namespace].id
        kind = next((source.kind for source in record.sources if source.ordinal == 0), None)
        for text in texts_of(record, left_out):
            terms = self._found_by(namespace_id, record.id, text, encoded.chunks.get(text.version, ()))
        language = language_of(record.content, record.language)
        if language not in self.namespaces[record.namespace].languages:
            self.languages.append((namespace_id, language))
        seen = record.content_version if record.enriched or record.extract is Extract.NONE else 0
        self.memories.append(
            {
                "tenant_id": self.wanted.tenant_id,
                "id": record.id,
                **self._state(record, kind),
                "content_hash": content_hash(record.content),
                "dedupe_hash": self.identities.get(record.id),
                "archived_at": record.archived_at,
                "extract": record.extract,
                "enriched_version": seen,
                "terms": terms,
                "traits": traits(record.content, language).pack(),
                "consolidated_version": record.content_version if record.consolidated else 0,
                "surprise": record.surprise,
            }
        )
        self.versions += [
            {"id": record.id, **self._state(version, kind), "known_to": version.known_to}
            for version in record.versions
            if version.version not in left_out
        ]
        self.sources += [
            {
                "memory_id": record.id,
                "ordinal": source.ordinal,
                "kind": source.kind,
                "ref": source.ref,
                "speaker": source.speaker,
                "role": source.role,
                "span_from": source.span[0] if source.span else None,
                "span_to": source.span[1] if source.span else None,
                "hash": bytes.fromhex(source.hash),
                "created_at": source.created_at,
            }
            for source in record.sources
        ]
        held = record.retention.model_dump() if record.retention else {}
        self.retention.append({"memory_id": record.id, "namespace_id": namespace_id, **held})

    def _state(self, state: StateRecord, kind: str | None) -> dict[str, Any]:
        values = state.model_dump(
            exclude={
                "namespace", "derivation", "type", "id", "known_to", "archived_at", "extract", "deduplicated", "enriched",
                "consolidated", "surprise", "sources", "versions", "retention", "embeddings",
            }
        )  # fmt: skip
        values |= {
            "namespace_id": self.namespaces[state.namespace].id,
            "derivation_method": state.derivation.method,
            "derivation_parents": state.derivation.parents,
            "changeset_id": state.derivation.changeset_id,
        }
        if not self.wanted.trusted:
            # Nobody's text is trusted more for having been carried here.
            own = judge(state.content, kind)
            values |= {
                "trust": min(state.trust, own.value),
                "flags": list(dict.fromkeys([*state.flags, *own.flags])),
            }
        return values

    def _found_by(self, namespace_id: UUID, memory_id: UUID, text: LiveText, chunks: Sequence[Chunk]) -> list[str]:
        """Gather postings and vectors of one text; return its terms."""
        said = text.said
        encoders = self.encoders[namespace_id]
        language = language_of(said.content, said.language)
        terms = list(
            memory_terms(
                said.content,
                language=language,
                speaker=said.speaker,
                observed_at=said.observed_at,
                title=said.title,
                context=said.context,
                computed=said.computed,
            )
        )
        span = {"known_from": text.known_from, "known_to": text.known_to}
        place = {"namespace_id": namespace_id, "memory_id": memory_id, "version": text.version}
        if terms:
            self.postings.append({**place, "terms": terms, **span})
        self.vectors += [
            VectorRow(
                namespace_id, encoder_id, memory_id, text.version, number, chunk.span, text.known_from, text.known_to,
                np.asarray(chunk.vector, dtype=np.float32),
            )
            for encoder_id in encoders
            for number, chunk in enumerate(one for one in chunks if one.encoder_id == encoder_id)
        ]  # fmt: skip
        return terms


# What a new version takes over, as PATCH would; what rules worked out they will work out again.
_REVISED: Final = (
    "content", "memory_type", "user_id", "agent_id", "session_id", "external_id", "title", "context", "keywords", "tags",
    "entities", "metadata", "value", "importance", "confidence", "pinned", "language", "observed_at", "valid_from", "valid_to",
    "expires_at",
)  # fmt: skip


def _revise(
    session: Session,
    wanted: Importing,
    line: Line,
    encoded: Encoded,
    open_encoding: Callable[[], Encoding],
    *,
    now: datetime,
) -> LineOutcome:
    """Give a memory that is there the state of the bundle as its next version; its own history stays."""
    record: MemoryRecord = line.record
    changes = {name: getattr(record, name) for name in _REVISED if name not in record.computed}
    before = imported.present_memories(session, wanted.tenant_id, [record.id])[record.id]

    def revise(encoding: Encoding | None) -> None:
        with session.begin_nested():
            correct(
                session,
                wanted.tenant_id,
                record.id,
                changes,
                chunks=encoded.chunks.get(record.content_version, ()),
                encoding=encoding,
                if_match=None,
                now=now,
            )

    try:
        try:
            revise(None)
        except Unavailable:
            # A policy came since it was encoded: rare enough that the encoder is loaded for it only then.
            revise(open_encoding())
    except MemoryServiceError as error:
        return LineOutcome(line.ordinal, "rejected", str(record.id), error.specific_code, error.detail)
    after = imported.present_memories(session, wanted.tenant_id, [record.id])[record.id]
    if after.version == before.version:
        return LineOutcome(line.ordinal, "skipped", str(record.id), "present", "It says the same.")
    return LineOutcome(line.ordinal, "updated", str(record.id), "new_version", f"It is at version {after.version} now.")
