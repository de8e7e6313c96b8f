"""Insert whole memories as they were elsewhere: ids, versions, sources, what they are found by and for how long."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector
from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from memory_service.storage import search_index
from memory_service.storage.languages import note_languages
from memory_service.storage.search_index import IMPACT, IMPACT_PARAMS
from memory_service.storage.sql import to_jsonb
from memory_service.storage.tables import STATE_COLUMNS, block, block_version, memory

_STATE: Final = ", ".join(STATE_COLUMNS)
# What the database fills in is left to it, but for whether consolidation has seen the memory.
_MEMORY: Final = ", ".join(
    column.name for column in memory.c if column.server_default is None or column.name == "consolidated_version"
)
_RETENTION: Final = (
    "stability_days, difficulty, recall_count, last_recalled_at, spaced_uses, traces, traced_at, "
    "refreshed_at, forgotten_at"
)


@dataclass(frozen=True, slots=True)
class VectorRow:
    """One chunk of one text of a memory, found over a span of time."""

    namespace_id: UUID
    encoder_id: int
    memory_id: UUID
    version: int
    chunk: int
    span: tuple[int, int]
    known_from: datetime
    known_to: datetime | None
    vector: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Whole:
    """Rows of memories and of all that hangs on them, by table, each with the names of its columns."""

    memories: Sequence[Mapping[str, Any]]
    versions: Sequence[Mapping[str, Any]]
    sources: Sequence[Mapping[str, Any]]
    postings: Sequence[Mapping[str, Any]]  # one for each text: its terms, and when it is found by them
    vectors: Sequence[VectorRow]
    retention: Sequence[Mapping[str, Any]]
    languages: Sequence[tuple[UUID, str]]


def insert_whole(session: Session, tenant_id: UUID, whole: Whole) -> set[UUID]:
    """Insert memories that are not there; return those that were inserted.

    One whose id, external_id or identity a concurrent transaction took first is left out with all that hangs on it.
    """
    params = {"tenant": tenant_id}
    inserted = set(
        session.scalars(
            text(
                f"INSERT INTO memory ({_MEMORY}) SELECT {_MEMORY} "
                "FROM jsonb_populate_recordset(CAST(NULL AS memory), CAST(:rows AS jsonb)) ON CONFLICT DO NOTHING RETURNING id"
            ),
            {"rows": to_jsonb(list(whole.memories))},
        )
    )

    def of_these(rows: Sequence[Mapping[str, Any]], name: str = "memory_id") -> str:
        return to_jsonb([row for row in rows if row[name] in inserted])

    session.execute(
        text(
            f"INSERT INTO memory_version (tenant_id, id, {_STATE}, known_to) SELECT :tenant, id, {_STATE}, known_to "
            "FROM jsonb_populate_recordset(CAST(NULL AS memory_version), CAST(:rows AS jsonb))"
        ),
        params | {"rows": of_these(whole.versions, "id")},
    )
    session.execute(text(_SOURCES), params | {"rows": of_these(whole.sources)})
    session.execute(text(_POSTINGS), params | IMPACT_PARAMS | {"rows": of_these(whole.postings)})
    _insert_vectors(session, tenant_id, [v for v in whole.vectors if v.memory_id in inserted])
    session.execute(text(_RETAINED), params | {"rows": of_these(whole.retention)})
    session.execute(text(_SPEAKERS), params | {"ids": list(inserted)})
    live: dict[UUID, int] = {}
    for row in whole.memories:
        if row["id"] in inserted and row["archived_at"] is None:
            live[row["namespace_id"]] = live.get(row["namespace_id"], 0) + 1
    search_index.count_in(session, tenant_id, sorted(live.items()))
    note_languages(session, tenant_id, sorted(set(whole.languages)))
    return inserted


_SOURCES: Final = """
    INSERT INTO source (tenant_id, memory_id, ordinal, kind, ref, speaker, role, span_from, span_to, hash, created_at)
    SELECT :tenant, memory_id, ordinal, kind, ref, speaker, role, span_from, span_to, hash, created_at
    FROM jsonb_populate_recordset(CAST(NULL AS source), CAST(:rows AS jsonb))
"""
_POSTINGS: Final = f"""
    INSERT INTO posting (tenant_id, namespace_id, term, memory_id, version, impact, known_from, known_to)
    SELECT :tenant, r.namespace_id, t.term, r.memory_id, r.version, {IMPACT.format("cardinality(r.terms)")}, r.known_from,
        coalesce(r.known_to, 'infinity')
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (namespace_id uuid, memory_id uuid, version integer, terms text[],
        known_from timestamptz, known_to timestamptz) CROSS JOIN LATERAL unnest(r.terms) AS t (term)
    GROUP BY r.namespace_id, t.term, r.memory_id, r.version, r.terms, r.known_from, r.known_to
"""
# In binary: hundreds of numbers as text would cost more than the insert.
_VECTORS: Final = """
    INSERT INTO embedding (tenant_id, shelf, namespace_id, encoder_id, memory_id, version, chunk, span_from, span_to,
        known_from, known_to, vector)
    SELECT %(tenant)s, c.shelf, e.namespace_id, c.id, e.memory_id, e.version, e.chunk, e.span_from, e.span_to,
        e.known_from, coalesce(e.known_to, 'infinity'), e.vector
    FROM unnest(%(namespace)s::uuid[], %(encoder)s::smallint[], %(memory)s::uuid[], %(version)s::integer[], %(chunk)s::smallint[],
        %(start)s::integer[], %(end)s::integer[], %(known_from)s::timestamptz[], %(known_to)s::timestamptz[],
        %(vector)b::halfvec[])
        AS e (namespace_id, encoder_id, memory_id, version, chunk, span_from, span_to, known_from, known_to, vector)
    JOIN encoder c ON c.id = e.encoder_id
"""
_RETAINED: Final = f"""
    INSERT INTO retention (tenant_id, memory_id, namespace_id, {_RETENTION})
    SELECT :tenant, memory_id, namespace_id, stability_days, difficulty, coalesce(recall_count, 0), last_recalled_at,
        coalesce(spaced_uses, 0), traces, traced_at, refreshed_at, forgotten_at
    FROM jsonb_populate_recordset(CAST(NULL AS retention), CAST(:rows AS jsonb))
"""
_SPEAKERS: Final = """
    INSERT INTO speaker (tenant_id, namespace_id, name)
    SELECT DISTINCT CAST(:tenant AS uuid), m.namespace_id, m.speaker FROM memory m
    WHERE m.tenant_id = :tenant AND m.id = ANY(CAST(:ids AS uuid[])) AND m.speaker IS NOT NULL ORDER BY 2, 3
    ON CONFLICT DO NOTHING
"""


def _insert_vectors(session: Session, tenant_id: UUID, rows: Sequence[VectorRow]) -> None:
    if not rows:
        return
    session.connection().exec_driver_sql(
        _VECTORS,
        {
            "tenant": tenant_id,
            "encoder": [r.encoder_id for r in rows],
            "namespace": [r.namespace_id for r in rows],
            "memory": [r.memory_id for r in rows],
            "version": [r.version for r in rows],
            "chunk": [r.chunk for r in rows],
            "start": [r.span[0] for r in rows],
            "end": [r.span[1] for r in rows],
            "known_from": [r.known_from for r in rows],
            "known_to": [r.known_to for r in rows],
            "vector": [HalfVector(r.vector) for r in rows],
        },
    )


@dataclass(frozen=True, slots=True)
class Present:
    """A memory that has an id of the bundle already."""

    version: int
    content_hash: bytes
    namespace_id: UUID


def present_memories(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, Present]:
    """Return those of the memories that are there."""
    rows = session.execute(
        text(
            "SELECT id, version, content_hash, namespace_id FROM memory "
            "WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))"
        ),
        {"tenant": tenant_id, "ids": list(ids)},
    )
    return {row.id: Present(row.version, bytes(row.content_hash), row.namespace_id) for row in rows}


def erased_memories(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> set[UUID]:
    """Return those of the memories that were erased here."""
    return set(
        session.scalars(
            text("SELECT id FROM tombstone WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))"),
            {"tenant": tenant_id, "ids": list(ids)},
        )
    )


def erased_texts(
    session: Session, tenant_id: UUID, keys: Sequence[tuple[UUID, bytes]]
) -> dict[tuple[UUID, bytes], datetime]:
    """Return when texts were erased, by namespace and hash (`lifecycle.draft.said_hash`)."""
    if not keys:
        return {}
    rows = session.execute(
        text(
            "SELECT e.namespace_id, e.hash, e.erased_at "
            "FROM unnest(CAST(:namespaces AS uuid[]), CAST(:hashes AS bytea[])) AS k (namespace_id, hash) "
            "JOIN erased_text e ON e.tenant_id = :tenant AND e.namespace_id = k.namespace_id AND e.hash = k.hash"
        ),
        {"tenant": tenant_id, "namespaces": [k[0] for k in keys], "hashes": [k[1] for k in keys]},
    )
    return {(row.namespace_id, bytes(row.hash)): row.erased_at for row in rows}


def lineage_above(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, set[UUID]]:
    """Return what memories lead to, and what that leads to, however far: parents, and what took their place."""
    if not ids:
        return {}
    rows = session.execute(
        text(
            """
            WITH RECURSIVE above AS (
                SELECT CAST(k.id AS uuid) AS id FROM unnest(CAST(:ids AS uuid[])) AS k (id)
                UNION
                SELECT p.id FROM above JOIN memory m ON m.tenant_id = :tenant AND m.id = above.id
                    CROSS JOIN LATERAL unnest(m.derivation_parents) AS p (id)
            )
            SELECT m.id, m.derivation_parents FROM above JOIN memory m ON m.tenant_id = :tenant AND m.id = above.id
            """
        ),
        {"tenant": tenant_id, "ids": list(ids)},
    )
    return {row.id: set(row.derivation_parents) for row in rows}


def successors_above(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, set[UUID]]:
    """Return what took the place of memories, and of that, however far."""
    if not ids:
        return {}
    rows = session.execute(
        text(
            """
            WITH RECURSIVE above AS (
                SELECT CAST(k.id AS uuid) AS id FROM unnest(CAST(:ids AS uuid[])) AS k (id)
                UNION
                SELECT m.superseded_by FROM above JOIN memory m ON m.tenant_id = :tenant AND m.id = above.id
                WHERE m.superseded_by IS NOT NULL
            )
            SELECT m.id, m.superseded_by FROM above JOIN memory m ON m.tenant_id = :tenant AND m.id = above.id
            WHERE m.superseded_by IS NOT NULL
            """
        ),
        {"tenant": tenant_id, "ids": list(ids)},
    )
    return {row.id: {row.superseded_by} for row in rows}


def insert_links(session: Session, tenant_id: UUID, rows: Sequence[Mapping[str, Any]]) -> set[UUID]:
    """Insert edges whose ends are there and of which there is no equal one; return those that were inserted."""
    return set(
        session.scalars(
            text(
                """
                INSERT INTO link (tenant_id, id, namespace_id, source_id, target_id, type, weight, derivation_method,
                    changeset_id, known_from, known_to)
                SELECT :tenant, r.id, a.namespace_id, r.source_id, r.target_id, r.type, r.weight, r.derivation_method,
                    r.changeset_id, r.known_from, coalesce(r.known_to, 'infinity')
                FROM jsonb_populate_recordset(CAST(NULL AS link), CAST(:rows AS jsonb)) r
                JOIN memory a ON a.tenant_id = :tenant AND a.id = r.source_id
                JOIN memory b ON b.tenant_id = :tenant AND b.id = r.target_id
                WHERE r.known_to IS NOT NULL OR NOT EXISTS (SELECT FROM link l WHERE l.tenant_id = :tenant
                    AND l.source_id = r.source_id AND l.target_id = r.target_id AND l.type = r.type
                    AND l.known_to = 'infinity')
                ORDER BY r.id ON CONFLICT DO NOTHING RETURNING id
                """
            ),
            {"tenant": tenant_id, "rows": to_jsonb(list(rows))},
        )
    )


def insert_block(
    session: Session, tenant_id: UUID, values: Mapping[str, Any], versions: Sequence[Mapping[str, Any]]
) -> UUID | None:
    """Insert a core block with its texts; return the block that is there already under its id or at its address instead."""
    there: UUID | None = session.scalar(
        text(
            "SELECT id FROM block WHERE tenant_id = :tenant AND (id = :id OR namespace_id = :namespace AND label = :label "
            "AND user_id IS NOT DISTINCT FROM CAST(:user AS text) AND agent_id IS NOT DISTINCT FROM CAST(:agent AS text)) "
            "ORDER BY id <> :id LIMIT 1"
        ),
        {
            "tenant": tenant_id,
            "id": values["id"],
            "namespace": values["namespace_id"],
            "label": values["label"],
            "user": values["user_id"],
            "agent": values["agent_id"],
        },
    )
    if there is not None:
        return there
    session.execute(insert(block).values(tenant_id=tenant_id, **values))
    session.execute(
        insert(block_version), [{"tenant_id": tenant_id, "block_id": values["id"], **version} for version in versions]
    )
    return None


def block_position(session: Session, tenant_id: UUID, block_id: UUID) -> tuple[UUID, int, datetime] | None:
    """Return the namespace, the version and the last change of a core block."""
    row = session.execute(
        text("SELECT namespace_id, version, updated_at FROM block WHERE tenant_id = :tenant AND id = :id"),
        {"tenant": tenant_id, "id": block_id},
    ).one_or_none()
    return None if row is None else (row.namespace_id, row.version, row.updated_at)
