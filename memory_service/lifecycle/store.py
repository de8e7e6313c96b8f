"""Store decided drafts: rows, sources, vectors, postings and counts, in one transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.analysis.traits import traits
from memory_service.analysis.trust import Trust, hidden, judge
from memory_service.lifecycle.completing import completed
from memory_service.lifecycle.draft import DEFAULT_IMPORTANCE, Draft, Encoding, Prepared
from memory_service.storage import search_index
from memory_service.storage.insertion import SourceRow, insert_memories
from memory_service.storage.languages import note_languages
from memory_service.storage.namespaces import Namespace
from memory_service.storage.sql import Row
from memory_service.types import Extract, PayloadType, SourceKind, State

# A role names who spoke; the kind of a source follows from it unless the caller says otherwise.
KIND_OF_ROLE = {
    "user": SourceKind.USER,
    "assistant": SourceKind.ASSISTANT,
    "tool": SourceKind.TOOL,
    "system": SourceKind.SYSTEM,
}


def store_new(
    session: Session,
    tenant_id: UUID,
    items: Sequence[tuple[UUID, Prepared, Namespace, datetime | None]],
    *,
    encoding: Encoding,
    now: datetime,
    made: Mapping[UUID, Mapping[str, Any]] | None = None,
) -> dict[UUID, Row | None]:
    """Insert decided memories: (id, draft, namespace, start of validity where it replaces another).

    `made` says of derived ones how they were made: derivation_method, derivation_parents, changeset_id.

    Returns those that were stored; one is missing when a concurrent transaction took its external_id or stored its duplicate
    first. A memory stored by itself comes with its record, as the outside sees it.
    """
    rows = [memory_row(tenant_id, i, p, n, start, now=now) | dict((made or {}).get(i, {})) for i, p, n, start in items]
    sources = [_source_row(i, p) for i, p, _, _ in items]
    complete = completed([(p.draft.content, p.chunks, n.encoders) for _, p, n, _ in items], encoding)
    embeddings = [
        search_index.EmbeddingRow(
            namespace_id=namespace.id,
            encoder_id=encoder_id,
            memory_id=memory_id,
            version=1,
            chunk=number,
            span=chunk.span,
            expires_at=item.draft.expires_at,
            vector=chunk.vector,
        )
        for (memory_id, item, namespace, _), by_encoder in zip(items, complete, strict=True)
        for encoder_id, chunks in by_encoder.items()
        for number, chunk in enumerate(chunks)
    ]
    new = {(namespace.id, item.language) for _, item, namespace, _ in items if item.language not in namespace.languages}
    note_languages(session, tenant_id, sorted(new))
    alone = len(items) == 1
    stored = insert_memories(session, tenant_id, rows, sources, embeddings, now=now, read_back=alone)
    return {
        i: _record(row, source, n, stored[i]) if alone else None
        for row, source, (i, _, n, _) in zip(rows, sources, items, strict=True)
        if i in stored
    }


def _record(row: dict[str, Any], source: SourceRow, namespace: Namespace, kept: Row) -> Row:
    """Return a memory as `memories.get_record` would read it back: JSON as the database keeps it, the rest as it was sent."""
    return {
        **row,
        "metadata": kept["metadata"],
        "value": kept["value"],
        "namespace": namespace.path,
        "source_kind": source.kind,
        "source_ref": source.ref,
        "source_speaker": None if "speaker" in row["computed"] else row["speaker"],
        "source_role": None if "role" in row["computed"] else row["role"],
        "span_from": source.span[0],
        "span_to": source.span[1],
        "source_hash": row["content_hash"],
        "links_count": 0,
        "retention_policy": namespace.retention_policy,
    }


def memory_row(
    tenant_id: UUID, memory_id: UUID, item: Prepared, namespace: Namespace, start: datetime | None, *, now: datetime
) -> dict[str, Any]:
    """Return every column of a new memory."""
    draft: Draft = item.draft
    extract = draft.extract or Extract(namespace.settings.get("extract", Extract.RULES))
    trust = trust_in(draft)
    computed = {
        "importance": draft.importance is None,
        "speaker": item.speaker != draft.speaker,
        "role": item.role != draft.role,
    }
    return {
        "tenant_id": tenant_id,
        "id": memory_id,
        "namespace_id": namespace.id,
        "user_id": draft.user_id,
        "agent_id": draft.agent_id,
        "session_id": draft.session_id,
        "external_id": draft.external_id,
        "payload_type": PayloadType.PLAINTEXT,
        "memory_type": draft.memory_type,
        "state": State.FROZEN if draft.pinned else State.ACTIVATED,
        "version": 1,
        "content": draft.content,
        "title": draft.title,
        "context": draft.context,
        "keywords": list(draft.keywords),
        "tags": list(draft.tags),
        "entities": list(draft.entities),
        "metadata": draft.metadata,
        "value": draft.value,
        "importance": DEFAULT_IMPORTANCE if draft.importance is None else draft.importance,
        "confidence": draft.confidence,
        "pinned": draft.pinned,
        "language": draft.language,
        "speaker": item.speaker,
        "role": item.role,
        "observed_at": item.observed_at,
        "valid_from": draft.valid_from or start,
        "valid_to": draft.valid_to,
        "expires_at": draft.expires_at,
        "created_at": now,
        "updated_at": now,
        "superseded_by": None,
        "derivation_method": "verbatim",
        "derivation_parents": [],
        "changeset_id": None,
        "content_hash": item.content_hash,
        "dedupe_hash": item.dedupe_hash,
        "content_version": 1,
        "archived_at": None,
        "extract": extract,
        "enriched_version": 1 if extract is Extract.NONE else 0,
        "computed": [name for name, worked_out in computed.items() if worked_out],
        "terms": list(item.terms),
        "traits": traits(draft.content, item.language).pack(),
        "trust": trust.value,
        "flags": list(trust.flags),
        "redactions": dict(item.redactions) if item.redactions else None,
    }


def kind_of(draft: Draft) -> SourceKind:
    """Return what kind of source a draft comes from: as the caller says, else as the role does."""
    return draft.source_kind or KIND_OF_ROLE.get((draft.role or "").lower(), SourceKind.USER)


def trust_in(draft: Draft) -> Trust:
    """Return how far a new memory may be trusted."""
    own = judge(draft.content, kind_of(draft))
    return hidden(own) if draft.hides_instructions else own


def _source_row(memory_id: UUID, item: Prepared) -> SourceRow:
    draft = item.draft
    return SourceRow(memory_id, kind_of(draft), draft.source_ref, draft.source_span or (0, len(draft.content)))
