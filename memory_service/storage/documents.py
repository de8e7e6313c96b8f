"""Documents: what there is, their texts in every version, which memory is which span, and what waits to be read."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, delete, insert, select, text, update
from sqlalchemy.orm import Session

from memory_service.storage import erased_records
from memory_service.storage.tables import document, document_chunk, document_text, document_upload, namespace

_SHOWN = (*document.c, namespace.c.path.label("namespace"))
_WITH_NAMESPACE = document.join(
    namespace, (namespace.c.tenant_id == document.c.tenant_id) & (namespace.c.id == document.c.namespace_id)
)
SCOPE = ("user_id", "agent_id", "session_id")


def get_document(session: Session, tenant_id: UUID, document_id: UUID) -> RowMapping | None:
    """Return one document, archived ones included."""
    query = select(*_SHOWN).select_from(_WITH_NAMESPACE)
    query = query.where(
        document.c.tenant_id == tenant_id, namespace.c.tenant_id == tenant_id, document.c.id == document_id
    )
    return session.execute(query).mappings().one_or_none()


def list_documents(
    session: Session, tenant_id: UUID, *, namespace_id: UUID | None, before: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """Return live documents, newest first."""
    query = select(*_SHOWN).select_from(_WITH_NAMESPACE)
    query = query.where(
        document.c.tenant_id == tenant_id, namespace.c.tenant_id == tenant_id, document.c.archived_at.is_(None)
    )
    if namespace_id is not None:
        query = query.where(document.c.namespace_id == namespace_id)
    if before is not None:
        query = query.where(document.c.id < before)
    return session.execute(query.order_by(document.c.id.desc()).limit(limit)).mappings().all()


def find_by_external_id(session: Session, tenant_id: UUID, namespace_id: UUID, external_id: str) -> RowMapping | None:
    """Return the live document with an external_id."""
    query = select(document).where(
        document.c.tenant_id == tenant_id,
        document.c.namespace_id == namespace_id,
        document.c.external_id == external_id,
        document.c.archived_at.is_(None),
    )
    return session.execute(query).mappings().one_or_none()


def find_same(
    session: Session,
    tenant_id: UUID,
    namespace_id: UUID,
    scope: Mapping[str, str | None],
    *,
    file_hash: bytes | None = None,
    content_hash: bytes | None = None,
) -> RowMapping | None:
    """Return the oldest live document of a scope that was made of the same file, or has the same text."""
    query = select(document).where(
        document.c.tenant_id == tenant_id,
        document.c.namespace_id == namespace_id,
        document.c.archived_at.is_(None),
        *(document.c[name].is_not_distinct_from(scope[name]) for name in SCOPE),
    )
    if file_hash is not None:
        query = query.where(document.c.file_hash == file_hash)
    if content_hash is not None:
        query = query.where(document.c.content_hash == content_hash)
    return session.execute(query.order_by(document.c.id).limit(1)).mappings().one_or_none()


def lock_postings_of(session: Session, tenant_id: UUID, key: str) -> None:
    """Let one transaction at a time decide about the documents that a key stands for."""
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('document' || CAST(:tenant AS text) || :key, 0))"),
        {"tenant": str(tenant_id), "key": key},
    )


def lock_document(session: Session, tenant_id: UUID, document_id: UUID) -> RowMapping | None:
    """Return one document, locked for change."""
    query = select(document).where(document.c.tenant_id == tenant_id, document.c.id == document_id)
    return session.execute(query.with_for_update()).mappings().one_or_none()


def insert_document(session: Session, tenant_id: UUID, values: Mapping[str, Any]) -> None:
    """Store a new document."""
    session.execute(insert(document).values(tenant_id=tenant_id, **values))


def update_document(session: Session, tenant_id: UUID, document_id: UUID, values: Mapping[str, Any]) -> None:
    """Change a document."""
    session.execute(
        update(document).where(document.c.tenant_id == tenant_id, document.c.id == document_id).values(**values)
    )


def keep_text(
    session: Session, tenant_id: UUID, document_id: UUID, version: int, content: str, *, now: datetime
) -> None:
    """Store the text of a version; the texts before it stay, since older memories point into them."""
    session.execute(
        insert(document_text).values(
            tenant_id=tenant_id, document_id=document_id, version=version, content=content, created_at=now
        )
    )


def get_text(session: Session, tenant_id: UUID, document_id: UUID, version: int) -> str | None:
    """Return the text of a version."""
    query = select(document_text.c.content).where(
        document_text.c.tenant_id == tenant_id,
        document_text.c.document_id == document_id,
        document_text.c.version == version,
    )
    return session.scalar(query)


def keep_chunks(
    session: Session,
    tenant_id: UUID,
    document_id: UUID,
    version: int,
    chunks: Sequence[tuple[int, UUID, tuple[int, int]]],
) -> None:
    """Store which memory is which span of a version: (ordinal, memory, span)."""
    session.execute(
        text(
            """
            INSERT INTO document_chunk (tenant_id, document_id, version, ordinal, memory_id, span_from, span_to)
            SELECT :tenant, :document, :version, k.ordinal, k.memory_id, k.span_from, k.span_to
            FROM unnest(CAST(:ordinals AS integer[]), CAST(:memories AS uuid[]), CAST(:froms AS integer[]),
                CAST(:tos AS integer[])) AS k (ordinal, memory_id, span_from, span_to)
            """
        ),
        {
            "tenant": tenant_id,
            "document": document_id,
            "version": version,
            "ordinals": [ordinal for ordinal, _, _ in chunks],
            "memories": [memory_id for _, memory_id, _ in chunks],
            "froms": [span[0] for _, _, span in chunks],
            "tos": [span[1] for _, _, span in chunks],
        },
    )


def point_sources(session: Session, tenant_id: UUID, spans: Sequence[tuple[UUID, tuple[int, int]]]) -> None:
    """Let the sources of memories name where they stand in the present text; `document_chunk` keeps where they stood."""
    session.execute(
        text(
            """
            UPDATE source s SET span_from = k.span_from, span_to = k.span_to
            FROM unnest(CAST(:memories AS uuid[]), CAST(:froms AS integer[]), CAST(:tos AS integer[]))
                AS k (memory_id, span_from, span_to)
            WHERE s.tenant_id = :tenant AND s.memory_id = k.memory_id AND s.ordinal = 0
            """
        ),
        {
            "tenant": tenant_id,
            "memories": [memory_id for memory_id, _ in spans],
            "froms": [span[0] for _, span in spans],
            "tos": [span[1] for _, span in spans],
        },
    )


def chunks_of(session: Session, tenant_id: UUID, document_id: UUID, version: int) -> Sequence[RowMapping]:
    """Return the memories of a version as they are now, in the order of the text."""
    return (
        session.execute(
            text(
                """
                SELECT c.ordinal, c.memory_id, c.span_from, c.span_to, m.content, m.archived_at, m.superseded_by, m.version
                FROM document_chunk c JOIN memory m ON m.tenant_id = :tenant AND m.id = c.memory_id
                WHERE c.tenant_id = :tenant AND c.document_id = :document AND c.version = :version ORDER BY c.ordinal
                """
            ),
            {"tenant": tenant_id, "document": document_id, "version": version},
        )
        .mappings()
        .all()
    )


def memories_of(session: Session, tenant_id: UUID, document_id: UUID) -> list[UUID]:
    """Return every memory that any version of a document was cut into."""
    query = select(document_chunk.c.memory_id).distinct()
    query = query.where(document_chunk.c.tenant_id == tenant_id, document_chunk.c.document_id == document_id)
    return list(session.scalars(query.order_by(document_chunk.c.memory_id)))


def keep_upload(session: Session, tenant_id: UUID, values: Mapping[str, Any]) -> None:
    """Store what a job has to read."""
    session.execute(insert(document_upload).values(tenant_id=tenant_id, **values))


def get_upload(session: Session, tenant_id: UUID, job_id: UUID) -> RowMapping | None:
    """Return what a job has to read; None when it was read, or is gone."""
    query = select(document_upload).where(document_upload.c.tenant_id == tenant_id, document_upload.c.job_id == job_id)
    return session.execute(query).mappings().one_or_none()


def drop_upload(session: Session, tenant_id: UUID, job_id: UUID) -> None:
    """Remove what a job has read."""
    session.execute(
        delete(document_upload).where(document_upload.c.tenant_id == tenant_id, document_upload.c.job_id == job_id)
    )


def drop_uploads_of(session: Session, tenant_id: UUID, document_id: UUID) -> None:
    """Remove what waits to become a version of a document."""
    session.execute(
        delete(document_upload).where(
            document_upload.c.tenant_id == tenant_id, document_upload.c.document_id == document_id
        )
    )


def blank_spans(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> list[UUID]:
    """Take the words of memories out of the texts they were cut from; return the documents they belong to.

    Every character becomes a blank, so that the spans of other memories still point at what they say. Runs before the
    memories are deleted, and with them what says where they stood.
    """
    spans = session.execute(
        text(
            "SELECT document_id, version, span_from, span_to FROM document_chunk WHERE tenant_id = :tenant "
            "AND memory_id = ANY(CAST(:ids AS uuid[])) ORDER BY document_id, version, span_from"
        ),
        {"tenant": tenant_id, "ids": list(ids)},
    ).all()
    by_text: dict[tuple[UUID, int], list[tuple[int, int]]] = {}
    for row in spans:
        by_text.setdefault((row.document_id, row.version), []).append((row.span_from, row.span_to))
    touched = sorted({document_id for document_id, _ in by_text})
    for document_id in touched:
        lock_document(session, tenant_id, document_id)
    for (document_id, version), places in by_text.items():
        content = list(get_text(session, tenant_id, document_id, version) or "")
        for start, end in places:
            content[start:end] = " " * (end - start)
        session.execute(
            update(document_text)
            .where(
                document_text.c.tenant_id == tenant_id,
                document_text.c.document_id == document_id,
                document_text.c.version == version,
            )
            .values(content="".join(content))
        )
    return touched


def forget_empty(session: Session, tenant_id: UUID, documents: Sequence[UUID], *, now: datetime) -> None:
    """Erase documents of which no memory is left; of the others forget what would know their text again."""
    if not documents:
        return
    params = {"tenant": tenant_id, "documents": list(documents)}
    session.execute(
        text(
            """
            DELETE FROM document_upload u WHERE u.tenant_id = :tenant
            AND u.document_id = ANY(CAST(:documents AS uuid[])) AND NOT EXISTS (SELECT FROM document_chunk c
                WHERE c.tenant_id = :tenant AND c.document_id = u.document_id)
            """
        ),
        params,
    )
    empty = session.scalars(
        text(
            """
            DELETE FROM document d WHERE d.tenant_id = :tenant AND d.id = ANY(CAST(:documents AS uuid[]))
            AND NOT EXISTS (SELECT FROM document_chunk c WHERE c.tenant_id = :tenant AND c.document_id = d.id)
            RETURNING d.id
            """
        ),
        params,
    ).all()
    erased_records.bury(session, tenant_id, "document", empty, now=now)
    session.execute(
        text(
            "UPDATE document SET file_hash = NULL, content_hash = NULL, chunks = (SELECT count(*) FROM document_chunk c "
            "WHERE c.tenant_id = :tenant AND c.document_id = document.id AND c.version = document.version) "
            "WHERE tenant_id = :tenant AND id = ANY(CAST(:documents AS uuid[]))"
        ),
        params,
    )
