"""Import what stands around memories: namespaces, policies, edges, documents and their texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from consolidation.retention.policy import RetentionPolicy
from consolidation.retention.policy_form import merged, to_json
from memory_service.bundle.records import (
    BlockRecord,
    DocumentRecord,
    DocumentTextRecord,
    LinkRecord,
    NamespaceRecord,
    PolicyRecord,
)
from memory_service.lifecycle.draft import content_hash, said_hash
from memory_service.lifecycle.erased_here import erased_here
from memory_service.lifecycle.fading import owe_sweep
from memory_service.lifecycle.import_decision import SKEW, Importing, Line, OnPresent
from memory_service.redaction.policy import read_redaction
from memory_service.storage import documents, imported, imports, memories, namespace_settings, policies
from memory_service.storage.ids import new_id
from memory_service.storage.imports import LineOutcome, blanked
from memory_service.storage.namespaces import Namespace, ensure_namespaces, get_namespace
from retrieval.fusion_policy import read_fusion


def _namespace(session: Session, wanted: Importing, path: str, *, now: datetime) -> Namespace:
    made = ensure_namespaces(session, wanted.tenant_id, [path], now=now)
    return made[path]


def _differs(line: Line, item: str | None, wanted: Importing, detail: str) -> LineOutcome:
    """Return what becomes of something that is there and says something else; only `new_version` goes on."""
    if wanted.on_conflict is OnPresent.ERROR:
        return LineOutcome(line.ordinal, "rejected", item, "conflict", detail)
    return LineOutcome(line.ordinal, "skipped", item, "differs", detail)


def import_namespaces(
    session: Session, wanted: Importing, lines: Sequence[Line], *, now: datetime
) -> list[LineOutcome]:
    """Make namespaces, and give them their settings where they have none of their own."""
    outcomes = []
    for line in lines:
        record: NamespaceRecord = line.record
        settings = record.settings.model_dump(mode="json", exclude_none=True)
        present = namespace_settings.get_namespace(session, wanted.tenant_id, record.path)
        if present is not None and present["settings"] == settings:
            outcomes.append(LineOutcome(line.ordinal, "skipped", None, "present", "It is there."))
            continue
        own = present is not None and present["settings"]
        if own and wanted.on_conflict is not OnPresent.NEW_VERSION:
            outcomes.append(_differs(line, None, wanted, "The namespace has settings of its own."))
            continue
        if present is None:
            _namespace(session, wanted, record.path, now=now)
        if settings:
            namespace_settings.change_settings(session, wanted.tenant_id, record.path, settings)
        outcomes.append(LineOutcome(line.ordinal, "created" if present is None else "updated"))
    return outcomes


@dataclass(frozen=True, slots=True)
class _Policy:
    """A policy as it was read: whole, and the first thing that is wrong with it."""

    body: dict[str, Any]
    wrong: str = ""
    retention: RetentionPolicy | None = None


def _retention(said: Mapping[str, Any]) -> _Policy:
    policy, wrong = merged(said)
    return _Policy(to_json(policy), f"{wrong[0].pointer} {wrong[0].detail}" if wrong else "", policy)


def _fusion(said: Mapping[str, Any]) -> _Policy:
    policy, wrong = read_fusion(said)
    return _Policy(policy.to_json(), " ".join(wrong[0]) if wrong else "")


def _redaction(said: Mapping[str, Any]) -> _Policy:
    policy, wrong = read_redaction(said)
    return _Policy(policy.to_json(), " ".join(wrong[0]) if wrong else "")


_READ: Final = {policies.RETENTION: _retention, policies.FUSION: _fusion, policies.REDACTION: _redaction}


def import_policies(session: Session, wanted: Importing, lines: Sequence[Line], *, now: datetime) -> list[LineOutcome]:
    """Put policies in force where the namespace has none; only an administrator's key may, as over PUT /v1/policies."""
    outcomes = []
    for line in lines:
        record: PolicyRecord = line.record
        read = _READ[record.kind](record.policy)
        if read.wrong:
            detail = read.wrong
            outcomes.append(LineOutcome(line.ordinal, "rejected", None, "invalid_policy", detail[:300]))
            continue
        namespace = _namespace(session, wanted, record.namespace, now=now)
        policies.lock(session, wanted.tenant_id, namespace.id)
        present = policies.in_force(session, wanted.tenant_id, namespace.id, record.kind)
        if present is not None and _READ[record.kind](present["body"]).body == read.body:
            outcomes.append(LineOutcome(line.ordinal, "skipped", None, "present", "It is in force."))
        elif not wanted.trusted:
            detail = "Policies need a key with the scope admin."
            outcomes.append(LineOutcome(line.ordinal, "rejected", None, "forbidden", detail))
        elif present is not None and wanted.on_conflict is not OnPresent.NEW_VERSION:
            outcomes.append(_differs(line, None, wanted, "The namespace has another policy."))
        else:
            policy_id = new_id()
            policies.put(session, wanted.tenant_id, namespace.id, record.kind, policy_id, read.body, now=now)
            if read.retention is not None:
                owe_sweep(session, wanted.tenant_id, namespace.id, replace(read.retention, id=policy_id), now=now)
            outcomes.append(LineOutcome(line.ordinal, "created" if present is None else "updated"))
    return outcomes


def import_blocks(session: Session, wanted: Importing, lines: Sequence[Line], *, now: datetime) -> list[LineOutcome]:
    """Store core blocks with their texts where nothing is at their address and they were not erased here."""
    erased = erased_here(session, wanted.tenant_id, lines)
    outcomes = []
    for line in lines:
        record: BlockRecord = line.record
        item, last = str(record.id), record.versions[-1]
        if line.ordinal in erased:
            outcomes.append(LineOutcome(line.ordinal, "rejected", item, "erased", erased[line.ordinal]))
            continue
        namespace = _namespace(session, wanted, record.namespace, now=now)
        if max(last.known_from, record.created_at) > now + SKEW:
            detail = "It was changed in the future."
            outcomes.append(LineOutcome(line.ordinal, "rejected", item, "time_in_future", detail))
            continue
        values = {
            "id": record.id,
            "namespace_id": namespace.id,
            **{name: getattr(record, name) for name in ("label", "user_id", "agent_id", "created_at")},
            "version": last.version,
            "updated_at": last.known_from,
        }
        texts = [version.model_dump() for version in record.versions]
        there = imported.insert_block(session, wanted.tenant_id, values, texts)
        if there is None:
            outcomes.append(LineOutcome(line.ordinal, "created", item))
        elif there == record.id and imported.block_position(session, wanted.tenant_id, there) == (
            namespace.id,
            last.version,
            last.known_from,
        ):
            outcomes.append(LineOutcome(line.ordinal, "skipped", item, "present", "This very version is there."))
        else:
            outcomes.append(_differs(line, item, wanted, f"Block {there} is there and says something else."))
    return outcomes


def import_links(session: Session, wanted: Importing, lines: Sequence[Line], *, now: datetime) -> list[LineOutcome]:
    """Draw edges between memories that are there."""
    ends = {end for line in lines for end in (line.record.source_id, line.record.target_id)}
    there = memories.existing(session, wanted.tenant_id, sorted(ends))
    outcomes, rows, drawing = [], [], []
    for line in lines:
        record: LinkRecord = line.record
        if not {record.source_id, record.target_id} <= there:
            detail = "One of its memories is not here."
            outcomes.append(LineOutcome(line.ordinal, "rejected", str(record.id), "memory_not_found", detail))
        elif record.known_from > now + SKEW:
            detail = "It was drawn in the future."
            outcomes.append(LineOutcome(line.ordinal, "rejected", str(record.id), "time_in_future", detail))
        else:
            drawing.append(line)
            rows.append(
                {
                    "id": record.id,
                    "source_id": record.source_id,
                    "target_id": record.target_id,
                    "type": record.link_type,
                    "weight": record.weight,
                    "derivation_method": record.method,
                    "changeset_id": record.changeset_id,
                    "known_from": record.known_from,
                    "known_to": record.known_to,
                }
            )
    drawn = imported.insert_links(session, wanted.tenant_id, rows)
    for line in drawing:
        if line.record.id in drawn:
            drawn.discard(line.record.id)
            outcomes.append(LineOutcome(line.ordinal, "created", str(line.record.id)))
        else:
            outcomes.append(LineOutcome(line.ordinal, "skipped", str(line.record.id), "present", "This edge is there."))
    return outcomes


def import_documents(session: Session, wanted: Importing, lines: Sequence[Line], *, now: datetime) -> list[LineOutcome]:
    """Store documents that were not erased here; their texts come on lines of their own."""
    erased = erased_here(session, wanted.tenant_id, lines)
    outcomes = []
    for line in lines:
        record: DocumentRecord = line.record
        item = str(record.id)
        if line.ordinal in erased:
            outcomes.append(LineOutcome(line.ordinal, "rejected", item, "erased", erased[line.ordinal]))
            continue
        namespace = _namespace(session, wanted, record.namespace, now=now)
        present = documents.lock_document(session, wanted.tenant_id, record.id)
        if present is not None:
            same = (present["version"], present["namespace_id"]) == (record.version, namespace.id)
            if same and present["updated_at"] == record.updated_at:
                outcomes.append(LineOutcome(line.ordinal, "skipped", item, "present", "This very version is there."))
            else:
                outcomes.append(_differs(line, item, wanted, "Another version of this document is there."))
            continue
        if record.updated_at > now + SKEW:
            outcomes.append(
                LineOutcome(line.ordinal, "rejected", item, "time_in_future", "It was changed in the future.")
            )
            continue
        held = None
        if record.external_id is not None and record.archived_at is None:
            held = documents.find_by_external_id(session, wanted.tenant_id, namespace.id, record.external_id)
        if held is not None:
            outcomes.append(_differs(line, item, wanted, f"Document {held['id']} holds its external_id."))
            continue
        values: dict[str, Any] = record.model_dump(exclude={"type", "namespace", "file_hash", "content_hash"})
        hashes = {"file_hash": record.file_hash, "content_hash": record.content_hash}
        values |= {name: bytes.fromhex(value) if value else None for name, value in hashes.items()}
        values |= {"namespace_id": namespace.id, "characters": 0, "chunks": 0, "job_id": wanted.job_id}
        documents.insert_document(session, wanted.tenant_id, values)
        outcomes.append(LineOutcome(line.ordinal, "created", item))
    return outcomes


def import_texts(session: Session, wanted: Importing, lines: Sequence[Line], *, now: datetime) -> list[LineOutcome]:
    """Store texts of documents that this import brought, without the spans whose words were erased here."""
    named = sorted({line.record.document_id for line in lines})
    erased = imports.refused_as_erased(session, wanted.tenant_id, wanted.job_id, named, kind="document")
    outcomes = []
    for line in lines:
        record: DocumentTextRecord = line.record
        item = str(record.document_id)
        document = documents.lock_document(session, wanted.tenant_id, record.document_id)
        if document is None and record.document_id in erased:
            detail = "Its document was erased here; it stays away."
            outcomes.append(LineOutcome(line.ordinal, "rejected", item, "erased", detail))
        elif document is None or record.version > document["version"]:
            detail = "There is no such version of a document here."
            outcomes.append(LineOutcome(line.ordinal, "rejected", item, "document_not_found", detail))
        elif documents.get_text(session, wanted.tenant_id, record.document_id, record.version) is not None:
            outcomes.append(LineOutcome(line.ordinal, "skipped", item, "present", "A text of this version is there."))
        elif document["job_id"] != wanted.job_id:
            outcomes.append(_differs(line, item, wanted, "The document is another one here."))
        else:
            outcomes.append(_store_text(session, wanted, line, document, now=now))
    return outcomes


def _store_text(session: Session, wanted: Importing, line: Line, document: Any, *, now: datetime) -> LineOutcome:
    record: DocumentTextRecord = line.record
    named = sorted({chunk.memory_id for chunk in record.chunks})
    there = memories.existing(session, wanted.tenant_id, named)
    erased = _erased_spans(session, wanted, record, document, there)
    content = blanked(record.content, [chunk.span for chunk in record.chunks if chunk.memory_id in erased])
    kept = [chunk for chunk in record.chunks if chunk.memory_id in there]
    documents.keep_text(
        session, wanted.tenant_id, record.document_id, record.version, content, now=min(record.created_at, now)
    )
    documents.keep_chunks(
        session,
        wanted.tenant_id,
        record.document_id,
        record.version,
        [(chunk.ordinal, chunk.memory_id, (chunk.span[0], chunk.span[1])) for chunk in kept],
    )
    values: dict[str, Any] = {}
    if record.version == document["version"]:
        values |= {"characters": len(content), "chunks": len(kept)}
    if erased:
        # A text of which a part may not come back is not known again as what it was.
        values |= {"file_hash": None, "content_hash": None}
    if values:
        documents.update_document(session, wanted.tenant_id, record.document_id, values)
    if erased:
        detail = f"{len(erased)} spans that were erased here are blank."
        return LineOutcome(line.ordinal, "created", str(record.document_id), "spans_left_out", detail)
    return LineOutcome(line.ordinal, "created", str(record.document_id))


def _erased_spans(
    session: Session, wanted: Importing, record: DocumentTextRecord, document: Any, there: set[UUID]
) -> set[UUID]:
    """Return the memories of a text whose words were erased here, by id or by what they say."""
    absent = [chunk for chunk in record.chunks if chunk.memory_id not in there]
    ids = sorted({chunk.memory_id for chunk in absent})
    erased = imported.erased_memories(session, wanted.tenant_id, ids)
    erased |= imports.refused_as_erased(session, wanted.tenant_id, wanted.job_id, ids)
    namespace = get_namespace(session, wanted.tenant_id, document["namespace_id"])
    said = {
        chunk.memory_id: (
            namespace.id,
            said_hash(document["user_id"], content_hash(record.content[chunk.span[0] : chunk.span[1]])),
        )
        for chunk in absent
    }
    gone = imported.erased_texts(session, wanted.tenant_id, sorted(set(said.values())))
    return erased | {memory_id for memory_id, key in said.items() if key in gone}
