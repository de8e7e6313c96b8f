"""Documents: take a file in, and make each of its chunks a memory; a changed document changes only what it must."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.analysis.documents import Chunk, Comparison, Extracted, Kind, compare
from memory_service.analysis.documents.cutting import title_of
from memory_service.errors import Conflict
from memory_service.lifecycle.archive import archive
from memory_service.lifecycle.draft import Draft, Encoding, Prepared, content_hash
from memory_service.lifecycle.moments import not_before
from memory_service.lifecycle.posted_documents import Posted
from memory_service.lifecycle.redacted_documents import Taken, taken
from memory_service.lifecycle.redaction_notes import note_redacted
from memory_service.lifecycle.remember import remember, text_erased
from memory_service.lifecycle.supersede import close_superseded
from memory_service.storage import documents, jobs, memories
from memory_service.storage.ids import new_id
from memory_service.storage.namespaces import Namespace, ensure_namespaces
from memory_service.storage.redactions import redactors_in
from memory_service.storage.sql import Row
from memory_service.storage.supersessions import Replacement, link_superseded
from memory_service.types import JobStatus, MemoryType, SourceKind

READ: Final = "document"  # the kind of job
STORED_AT_ONCE: Final = 500  # chunks in one statement


@dataclass(frozen=True, slots=True)
class Received:
    """What became of a posted file: the job that reads it, or that has nothing to do, and its document."""

    job_id: UUID
    document_id: UUID
    unchanged: bool


def receive(
    session: Session,
    tenant_id: UUID,
    given: Taken,
    *,
    now: datetime,
    job_ttl: timedelta,
) -> Received:
    """Store a file for a job to read; one that is there already makes a job that has succeeded.

    Raises:
        InvalidRequest: a redaction policy refuses something in it.
        Unreadable: it has to be read now, and cannot be.
    """
    given = taken(given, redactors_in(session).by_path.get(given.posted.namespace))
    posted, file = given.posted, given.file
    made = ensure_namespaces(session, tenant_id, [posted.namespace], now=now)
    namespace = made[posted.namespace]
    digest = hashlib.sha256(file).digest()
    known, same = _known(session, tenant_id, namespace, posted, digest)
    if same and known["external_id"] is None and posted.external_id is not None:
        documents.update_document(session, tenant_id, known["id"], {"external_id": posted.external_id})
    document_id = known["id"] if known is not None else new_id()
    job_id = jobs.create_job(
        session,
        tenant_id,
        kind=READ,
        namespace_id=namespace.id,
        payload={"document_id": str(document_id)},
        status=JobStatus.SUCCEEDED if same else JobStatus.QUEUED,
        now=now,
        ttl=job_ttl,
        items=[{"document_id": str(document_id), "status": "unchanged"}] if same else [],
    )
    if not same:
        documents.keep_upload(
            session,
            tenant_id,
            {
                "job_id": job_id,
                "namespace_id": namespace.id,
                "document_id": document_id,
                "request": {
                    **posted.to_json(),
                    "kind": given.kind.value,
                    "hides_instructions": given.hides_instructions,
                },
                "file": file,
                "created_at": now,
            },
        )
        if given.redactor is not None:
            note_redacted(session, tenant_id, [(namespace.id, given.redactor, given.counts)], now=now, of="documents")
    return Received(job_id, document_id, same)


def _known(
    session: Session, tenant_id: UUID, namespace: Namespace, posted: Posted, file_hash: bytes
) -> tuple[Any, bool]:
    """Return the document that a file belongs to, None for a new one, and whether the file is what it was made of."""
    if posted.external_id is not None:
        held = documents.find_by_external_id(session, tenant_id, namespace.id, posted.external_id)
        if held is not None:
            return held, held["file_hash"] == file_hash
    same = documents.find_same(session, tenant_id, namespace.id, posted.scope, file_hash=file_hash)
    if same is not None and (posted.external_id is None or same["external_id"] is None):
        return same, True
    return None, False


@dataclass(frozen=True, slots=True)
class Present:
    """A document as it is stored, to compare a new version with: its chunks, and what they said in its text."""

    row: Row
    memory_ids: tuple[UUID, ...]
    spans: tuple[tuple[int, int], ...]
    texts: tuple[str, ...]


def load_present(
    session: Session, tenant_id: UUID, namespace_id: UUID, posted: Posted, found: Extracted
) -> Present | None:
    """Return the document that a new text belongs to: that of its external_id, or one with the very same text."""
    row = None
    if posted.external_id is not None:
        row = documents.find_by_external_id(session, tenant_id, namespace_id, posted.external_id)
    if row is None:
        same = documents.find_same(
            session, tenant_id, namespace_id, posted.scope, content_hash=content_hash(found.text)
        )
        if same is not None and (posted.external_id is None or same["external_id"] is None):
            row = same
    if row is None:
        return None
    text = documents.get_text(session, tenant_id, row["id"], row["version"]) or ""
    chunks = documents.chunks_of(session, tenant_id, row["id"], row["version"])
    spans = tuple((chunk["span_from"], chunk["span_to"]) for chunk in chunks)
    return Present(row, tuple(c["memory_id"] for c in chunks), spans, tuple(text[start:end] for start, end in spans))


@dataclass(frozen=True, slots=True)
class Plan:
    """What a new version of a document changes; places are those of `chunks` and of `present`."""

    document_id: UUID
    posted: Posted
    found: Extracted
    chunks: tuple[Chunk, ...]
    present: Present | None
    comparison: Comparison

    @property
    def unchanged(self) -> bool:
        """Say whether the document has this very text."""
        return self.present is not None and self.present.row["content_hash"] == content_hash(self.found.text)

    @property
    def new(self) -> list[int]:
        """Return the places of the chunks that become memories."""
        return sorted([*self.comparison.added, *(new for _, new in self.comparison.replaced)])

    def drafts(self) -> list[Draft]:
        """Return the drafts of the new chunks, in order."""
        posted, text = self.posted, self.found.text
        title = posted.title or self.found.title
        return [
            Draft(
                content=text[chunk.start : chunk.end],
                namespace=posted.namespace,
                memory_type=MemoryType.SEMANTIC,
                user_id=posted.user_id,
                agent_id=posted.agent_id,
                session_id=posted.session_id,
                title=title_of(chunk, title),
                tags=posted.tags,
                metadata=posted.metadata,
                importance=posted.importance,
                confidence=posted.confidence,
                language=posted.language,
                observed_at=posted.observed_at,
                source_kind=SourceKind.DOCUMENT,
                source_ref=str(self.document_id),
                source_span=(chunk.start, chunk.end),
                extract=posted.extract,
                deduplicate=False,
                hides_instructions=self.found.hides_instructions,
            )
            for place in self.new
            for chunk in [self.chunks[place]]
        ]


def plan(
    posted: Posted, found: Extracted, chunks: Sequence[Chunk], present: Present | None, *, document_id: UUID
) -> Plan:
    """Decide what a text changes. Pure."""
    texts = [found.text[chunk.start : chunk.end] for chunk in chunks]
    comparison = compare(present.texts if present else (), texts)
    known = present.row["id"] if present else document_id
    return Plan(known, posted, found, tuple(chunks), present, comparison)


class Outdated(Exception):
    """The document changed since the plan was made."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What a document became."""

    document_id: UUID
    status: str  # created, changed, unchanged or outdated
    version: int
    memory_ids: tuple[UUID, ...] = ()  # new ones
    superseded: int = 0
    archived: int = 0
    refused: int = 0  # texts that were erased before

    def to_json(self) -> dict[str, Any]:
        """Return it as the outcome of a job."""
        return {
            "document_id": str(self.document_id),
            "status": self.status,
            "version": self.version,
            "added": len(self.memory_ids) - self.superseded,
            "superseded": self.superseded,
            "archived": self.archived,
            "refused": self.refused,
        }


def store(
    session: Session,
    tenant_id: UUID,
    planned: Plan,
    prepared: Sequence[Prepared],
    namespace: Namespace,
    *,
    job_id: UUID,
    file_hash: bytes,
    kind: Kind,
    encoding: Encoding | None,
    now: datetime,
) -> Stored:
    """Make a plan true, in one transaction: all of the document or nothing.

    Args:
        session: the transaction.
        tenant_id: whose document.
        planned: what changes.
        prepared: the new chunks in order, encoded.
        namespace: where.
        job_id: the job that reads it; of two versions the one that was posted last wins.
        file_hash: SHA-256 of the file.
        kind: what kind of file it is.
        encoding: how texts become vectors; only needed where there are new chunks.
        now: the moment of the change.

    Raises:
        Outdated: another job changed the document since the plan was made.
        Conflict: every chunk was erased before (code `text_erased`).
    """
    text = planned.found.text
    key = planned.posted.external_id or content_hash(text).hex()
    documents.lock_postings_of(session, tenant_id, f"{namespace.id}/{key}")
    present = load_present(session, tenant_id, namespace.id, planned.posted, planned.found)
    if _position(present) != _position(planned.present):
        raise Outdated
    if planned.present is not None:
        row = documents.lock_document(session, tenant_id, planned.document_id)
        assert row is not None
        if planned.unchanged or row["job_id"] > job_id:
            if planned.unchanged:
                documents.update_document(session, tenant_id, row["id"], {"file_hash": file_hash})
            return Stored(row["id"], "unchanged" if planned.unchanged else "outdated", row["version"])
        olds = [planned.present.memory_ids[old] for old, _ in planned.comparison.replaced]
        now = not_before(now, [row, *memories.lock_memories(session, tenant_id, olds).values()])
    replacing = {new for _, new in planned.comparison.replaced}
    start = planned.posted.observed_at or now
    prepared = [
        replace(item, draft=replace(item.draft, valid_from=start)) if place in replacing else item
        for place, item in zip(planned.new, prepared, strict=True)
    ]
    stored = _remember(session, tenant_id, prepared, encoding=encoding, now=now)
    if planned.new and not stored and not planned.comparison.kept:
        raise text_erased()
    by_place = dict(zip(planned.new, stored, strict=True)) if stored else {}
    fresh = {place: memory_id for place, memory_id in by_place.items() if memory_id is not None}
    superseded, archived = _retire(session, tenant_id, planned, fresh, start=start, now=now)
    for old, new in planned.comparison.kept:
        assert planned.present is not None
        fresh.setdefault(new, planned.present.memory_ids[old])
    version = _keep(
        session, tenant_id, planned, fresh, namespace, job_id=job_id, file_hash=file_hash, kind=kind, now=now
    )
    made = tuple(memory_id for memory_id in stored if memory_id is not None)
    status = "created" if planned.present is None else "changed"
    return Stored(planned.document_id, status, version, made, superseded, archived, len(planned.new) - len(made))


def _position(present: Present | None) -> tuple[UUID, int, int] | None:
    return (present.row["id"], present.row["version"], len(present.memory_ids)) if present else None


def _remember(
    session: Session, tenant_id: UUID, prepared: Sequence[Prepared], *, encoding: Encoding | None, now: datetime
) -> list[UUID | None]:
    """Store the chunks; None stands for one whose text was erased."""
    found: list[UUID | None] = []
    for start in range(0, len(prepared), STORED_AT_ONCE):
        assert encoding is not None
        outcomes = remember(session, tenant_id, prepared[start : start + STORED_AT_ONCE], encoding=encoding, now=now)
        found += [outcome.memory_id if outcome.status == "created" else None for outcome in outcomes]
    return found if any(found) else []


def _retire(
    session: Session, tenant_id: UUID, planned: Plan, fresh: Mapping[int, UUID], *, start: datetime, now: datetime
) -> tuple[int, int]:
    """Let new chunks supersede those they are versions of, and archive what is gone; return how many of each."""
    present = planned.present
    if present is None:
        return 0, 0
    olds = [present.memory_ids[old] for old, _ in planned.comparison.replaced]
    rows = memories.lock_memories(session, tenant_id, olds)
    replacements = [
        Replacement(old_id=present.memory_ids[old], new_id=fresh[new], valid_from=start)
        for old, new in planned.comparison.replaced
        # What somebody archived or replaced by hand stays as they left it.
        if new in fresh
        and (row := rows.get(present.memory_ids[old])) is not None
        and row["archived_at"] is None
        and row["superseded_by"] is None
    ]
    if replacements:
        close_superseded(session, tenant_id, replacements, now=now)
        link_superseded(session, tenant_id, replacements, now=now)
    gone = [present.memory_ids[old] for old in planned.comparison.gone]
    return len(replacements), len(archive(session, tenant_id, gone, now=now)) if gone else 0


def _keep(
    session: Session,
    tenant_id: UUID,
    planned: Plan,
    memory_of: Mapping[int, UUID],
    namespace: Namespace,
    *,
    job_id: UUID,
    file_hash: bytes,
    kind: Kind,
    now: datetime,
) -> int:
    """Store the document, its text and which memory is which span of it; return the version."""
    posted, text, present = planned.posted, planned.found.text, planned.present
    # A text of which a part may not come back is not kept as it is.
    refused = [chunk for place, chunk in enumerate(planned.chunks) if place not in memory_of]
    shown = list(text)
    for chunk in refused:
        shown[chunk.start : chunk.end] = " " * (chunk.end - chunk.start)
    version = present.row["version"] + 1 if present else 1
    values: dict[str, Any] = {
        "title": posted.title or planned.found.title,
        "mime_type": kind.value,
        "metadata": posted.metadata,
        "version": version,
        "file_hash": None if refused else file_hash,
        "content_hash": None if refused else content_hash(text),
        "characters": len(text),
        "chunks": len(memory_of),
        "job_id": job_id,
        "observed_at": posted.observed_at or now,
        "updated_at": now,
    }
    if present is None:
        scope = {**posted.scope, "external_id": posted.external_id, "namespace_id": namespace.id}
        documents.insert_document(session, tenant_id, {"id": planned.document_id, **scope, **values, "created_at": now})
    else:
        if posted.external_id is not None:
            values["external_id"] = posted.external_id
        documents.update_document(session, tenant_id, planned.document_id, values)
    documents.keep_text(session, tenant_id, planned.document_id, version, "".join(shown), now=now)
    spans = [
        (place, memory_of[place], (c.start, c.end)) for place, c in enumerate(planned.chunks) if place in memory_of
    ]
    documents.keep_chunks(session, tenant_id, planned.document_id, version, spans)
    if present is not None:
        moved = [
            (present.memory_ids[old], (planned.chunks[new].start, planned.chunks[new].end))
            for old, new in planned.comparison.kept
            if present.spans[old] != (planned.chunks[new].start, planned.chunks[new].end)
        ]
        documents.point_sources(session, tenant_id, moved)
    return version


def archive_document(session: Session, tenant_id: UUID, row: Row, *, now: datetime) -> list[UUID]:
    """Archive a document with every memory made of it; return those that changed.

    Raises:
        Conflict: it is archived already.
    """
    if row["archived_at"] is not None:
        raise Conflict("This document is archived already.", code="archived")
    documents.drop_uploads_of(session, tenant_id, row["id"])
    documents.update_document(session, tenant_id, row["id"], {"archived_at": now, "updated_at": now})
    return archive(session, tenant_id, documents.memories_of(session, tenant_id, row["id"]), now=now)
