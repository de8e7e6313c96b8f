"""What leaves with an export, page by page in the order of ids; the transaction sees one moment throughout."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from memory_service.storage.driver import in_driver_words, later
from memory_service.storage.sql import Row, Sql
from memory_service.storage.tables import STATE_COLUMNS

R = TypeVar("R", bound=Row)

_STATE: Final = ", ".join(f"m.{name}" for name in STATE_COLUMNS)
# The client knows no infinity; nothing says the same.
_ENDS: Final = "nullif({}, CAST('infinity' AS timestamptz)) AS known_to"
_RETENTION: Final = (
    "stability_days, difficulty, recall_count, last_recalled_at, spaced_uses, traces, traced_at, "
    "refreshed_at, forgotten_at"
)


def _page(session: Session, statement: str, params: Mapping[str, Any]) -> Sequence[RowMapping]:
    return session.execute(text(statement), dict(params)).mappings().all()


def namespaces_to_export(session: Session, tenant_id: UUID, paths: Sequence[str] | None) -> Sequence[RowMapping]:
    """Return namespaces in order of path: those named, or all."""
    chosen = "" if paths is None else "AND path = ANY(CAST(:paths AS text[]))"
    return _page(
        session,
        f"SELECT id, path, settings FROM namespace WHERE tenant_id = :tenant {chosen} ORDER BY path",
        {"tenant": tenant_id, "paths": list(paths or ())},
    )


def policies_of(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> Sequence[RowMapping]:
    """Return the policies in force in namespaces."""
    return _page(
        session,
        "SELECT namespace_id, kind, body FROM policy WHERE tenant_id = :tenant AND namespace_id = ANY(CAST(:ids AS uuid[])) "
        "AND known_to = 'infinity' ORDER BY namespace_id, kind",
        {"tenant": tenant_id, "ids": list(ids)},
    )


def page_of_memories(
    session: Session, tenant_id: UUID, namespace_id: UUID, *, where: Sql, after: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """Return the next memories of a namespace, every column that a bundle tells of."""
    beyond = "AND m.id > :after" if after is not None else ""
    return _page(
        session,
        f"SELECT m.id, {_STATE}, m.archived_at, m.extract, m.dedupe_hash IS NOT NULL AS deduplicated, m.surprise, "
        "m.enriched_version >= m.content_version AS enriched, m.consolidated_version >= m.content_version AS consolidated "
        f"FROM memory m WHERE m.tenant_id = :tenant AND m.namespace_id = :namespace {beyond} AND ({where.text}) "
        "ORDER BY m.id LIMIT :limit",
        {"tenant": tenant_id, "namespace": namespace_id, "after": after, "limit": limit, **where.params},
    )


def versions_of(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, list[RowMapping]]:
    """Return the past states of memories, the oldest first, each with the path of its namespace."""
    return _by_memory(
        _page(
            session,
            f"SELECT m.id AS memory_id, {_STATE}, m.known_to, n.path AS namespace FROM memory_version m "
            "JOIN namespace n ON n.tenant_id = :tenant AND n.id = m.namespace_id "
            "WHERE m.tenant_id = :tenant AND m.id = ANY(CAST(:ids AS uuid[])) ORDER BY m.id, m.version",
            {"tenant": tenant_id, "ids": list(ids)},
        )
    )


def sources_of(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, list[RowMapping]]:
    """Return the sources of memories in order."""
    return _by_memory(
        _page(
            session,
            "SELECT memory_id, ordinal, kind, ref, speaker, role, span_from, span_to, hash, created_at FROM source "
            "WHERE tenant_id = :tenant AND memory_id = ANY(CAST(:ids AS uuid[])) ORDER BY memory_id, ordinal",
            {"tenant": tenant_id, "ids": list(ids)},
        )
    )


def retention_of(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, RowMapping]:
    """Return how firmly memories hold."""
    rows = _page(
        session,
        f"SELECT memory_id, {_RETENTION} FROM retention WHERE tenant_id = :tenant AND memory_id = ANY(CAST(:ids AS uuid[]))",
        {"tenant": tenant_id, "ids": list(ids)},
    )
    return {row["memory_id"]: row for row in rows}


# By the driver itself, in binary form: a vector as text costs a hundred times as much to read.
_VECTORS: Final = in_driver_words(
    # While a namespace moves two shelves hold the same vectors.
    "SELECT DISTINCT ON (memory_id, version, chunk) memory_id, version, chunk, span_from, span_to, vector "
    "FROM embedding WHERE tenant_id = :tenant AND memory_id = ANY(CAST(:ids AS uuid[])) AND encoder_id = :encoder "
    "ORDER BY memory_id, version, chunk"
)


def vectors_of(session: Session, tenant_id: UUID, ids: Sequence[UUID], *, encoder_id: int) -> dict[UUID, list[Row]]:
    """Return the vectors of memories that are kept in half precision; what has faded has none to give away."""
    rows = later(session, _VECTORS, {"tenant": tenant_id, "ids": list(ids), "encoder": encoder_id}).mappings()
    return _by_memory(rows)


def page_of_links(
    session: Session, tenant_id: UUID, namespace_id: UUID, *, where: Sql, after: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """Return the next edges of a namespace, past ones included, of which both ends are exported."""
    beyond = "AND l.id > :after" if after is not None else ""
    chosen = "" if where.text == "true" else "AND " + " AND ".join(
        f"EXISTS (SELECT FROM memory m WHERE m.tenant_id = :tenant AND m.id = l.{end} AND ({where.text}))"
        for end in ("source_id", "target_id")
    )  # fmt: skip
    return _page(
        session,
        "SELECT l.id, l.source_id, l.target_id, l.type, l.weight, l.derivation_method, l.changeset_id, l.known_from, "
        f"{_ENDS.format('l.known_to')} FROM link l WHERE l.tenant_id = :tenant AND l.namespace_id = :namespace {beyond} "
        f"{chosen} ORDER BY l.id LIMIT :limit",
        {"tenant": tenant_id, "namespace": namespace_id, "after": after, "limit": limit, **where.params},
    )


def page_of_blocks(
    session: Session, tenant_id: UUID, namespace_id: UUID, *, after: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """Return the next core blocks of a namespace."""
    beyond = "AND id > :after" if after is not None else ""
    return _page(
        session,
        "SELECT id, label, user_id, agent_id, version, created_at FROM block "
        f"WHERE tenant_id = :tenant AND namespace_id = :namespace {beyond} ORDER BY id LIMIT :limit",
        {"tenant": tenant_id, "namespace": namespace_id, "after": after, "limit": limit},
    )


def block_versions_of(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, list[RowMapping]]:
    """Return the texts of core blocks, the oldest first."""
    found: dict[UUID, list[RowMapping]] = {}
    for row in _page(
        session,
        "SELECT block_id, version, value, description, max_characters, read_only, metadata, archived, operation, edited_by, "
        "known_from FROM block_version WHERE tenant_id = :tenant AND block_id = ANY(CAST(:ids AS uuid[])) "
        "ORDER BY block_id, version",
        {"tenant": tenant_id, "ids": list(ids)},
    ):
        found.setdefault(row["block_id"], []).append(row)
    return found


def documents_of(session: Session, tenant_id: UUID, namespace_id: UUID, *, after: UUID | None) -> RowMapping | None:
    """Return the next document of a namespace; one at a time, since its texts may be long."""
    beyond = "AND id > :after" if after is not None else ""
    rows = _page(
        session,
        "SELECT id, external_id, user_id, agent_id, session_id, title, mime_type, metadata, version, file_hash, content_hash, "
        f"observed_at, created_at, updated_at, archived_at FROM document WHERE tenant_id = :tenant {beyond} "
        "AND namespace_id = :namespace ORDER BY id LIMIT 1",
        {"tenant": tenant_id, "namespace": namespace_id, "after": after},
    )
    return rows[0] if rows else None


def text_versions(session: Session, tenant_id: UUID, document_id: UUID) -> list[int]:
    """Return the versions of a document of which there are texts."""
    return list(
        session.scalars(
            text(
                "SELECT version FROM document_text WHERE tenant_id = :tenant AND document_id = :document ORDER BY version"
            ),
            {"tenant": tenant_id, "document": document_id},
        )
    )


def text_of(session: Session, tenant_id: UUID, document_id: UUID, version: int) -> RowMapping:
    """Return one text of a document."""
    return (
        session.execute(
            text(
                "SELECT content, created_at FROM document_text "
                "WHERE tenant_id = :tenant AND document_id = :document AND version = :version"
            ),
            {"tenant": tenant_id, "document": document_id, "version": version},
        )
        .mappings()
        .one()
    )


def chunks_of(session: Session, tenant_id: UUID, document_id: UUID, version: int) -> Sequence[RowMapping]:
    """Return which memory is which span of a text."""
    return _page(
        session,
        "SELECT ordinal, memory_id, span_from, span_to FROM document_chunk WHERE tenant_id = :tenant "
        "AND document_id = :document AND version = :version ORDER BY ordinal",
        {"tenant": tenant_id, "document": document_id, "version": version},
    )


def _by_memory(rows: Sequence[R]) -> dict[UUID, list[R]]:
    found: dict[UUID, list[R]] = {}
    for row in rows:
        found.setdefault(row["memory_id"], []).append(row)
    return found
