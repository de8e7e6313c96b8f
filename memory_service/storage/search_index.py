"""What makes a memory findable: embeddings and postings, each known over a span of time."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector
from sqlalchemy import text
from sqlalchemy.orm import Session

from memory_service.storage import precision
from memory_service.storage.ids import new_id
from retrieval.bm25 import DEFAULT_PARAMETERS

# What one term adds to the BM25 score of a document before its idf. It depends on the document alone, so it is worked out
# once, at write time: tf (k1 + 1) / (tf + k1 (1 - b + b max(1, length / pivot))).
IMPACT = (
    "count(*) * (CAST(:k1 AS float8) + 1) / (count(*) + CAST(:k1 AS float8) * (1 - CAST(:b AS float8) + "
    "CAST(:b AS float8) * greatest(1, {} / CAST(:pivot AS float8))))"
)
IMPACT_PARAMS = asdict(DEFAULT_PARAMETERS)

VECTOR_TABLES = ("embedding", "embedding_coarse")  # in half precision, and in fewer bytes

# Where the live span of a memory changed just now ends; that of an archived one is empty.
_END = (
    "CASE WHEN m.archived_at IS NULL THEN greatest(coalesce(m.expires_at, 'infinity'), m.updated_at) "
    "ELSE m.updated_at END"
)


@dataclass(frozen=True, slots=True)
class EmbeddingRow:
    """One chunk of one memory: its span in the content and its vector (float32[d], normalised)."""

    namespace_id: UUID
    encoder_id: int
    memory_id: UUID
    version: int
    chunk: int
    span: tuple[int, int]
    expires_at: datetime | None
    vector: NDArray[np.float32]


# Vectors begin on the shared shelf of their encoder, whatever the size of the namespace: an insert into the index of a large
# one takes milliseconds, which a worker pays later (consolidation/shelving.py). They travel in binary (hence the driver's own
# placeholders): 384 numbers as text would cost more than the insert.
INSERT_EMBEDDINGS = """
    INSERT INTO embedding (tenant_id, shelf, namespace_id, encoder_id, memory_id, version, chunk, span_from, span_to,
        known_from, known_to, vector)
    SELECT %(tenant)s, c.shelf, e.namespace_id, e.encoder_id, e.memory_id, e.version, e.chunk, e.span_from, e.span_to,
        %(now)s, coalesce(e.expires_at, 'infinity'), e.vector
    FROM unnest(%(namespace)s::uuid[], %(encoder)s::smallint[], %(memory)s::uuid[],
        %(version)s::integer[], %(chunk)s::smallint[], %(start)s::integer[], %(end)s::integer[],
        %(expires)s::timestamptz[], %(vector)b::halfvec[])
        AS e (namespace_id, encoder_id, memory_id, version, chunk, span_from, span_to, expires_at, vector)
    JOIN encoder c ON c.id = e.encoder_id
"""


def embedding_params(tenant_id: UUID, rows: Sequence[EmbeddingRow], *, now: datetime) -> dict[str, object]:
    """Return the parameters of ``INSERT_EMBEDDINGS``."""
    return {
        "tenant": tenant_id,
        "now": now,
        "namespace": [r.namespace_id for r in rows],
        "encoder": [r.encoder_id for r in rows],
        "memory": [r.memory_id for r in rows],
        "version": [r.version for r in rows],
        "chunk": [r.chunk for r in rows],
        "start": [r.span[0] for r in rows],
        "end": [r.span[1] for r in rows],
        "expires": [r.expires_at for r in rows],
        "vector": [HalfVector(r.vector) for r in rows],
    }


def insert_embeddings(session: Session, tenant_id: UUID, rows: Sequence[EmbeddingRow], *, now: datetime) -> None:
    """Insert vectors as half precision, live from now until the memory expires."""
    session.connection().exec_driver_sql(INSERT_EMBEDDINGS, embedding_params(tenant_id, rows, now=now))


def count_in(session: Session, tenant_id: UUID, deltas: Sequence[tuple[UUID, int]]) -> None:
    """Record how many documents each namespace gained or lost; a worker folds the rows.

    Args:
        session: the transaction of the change.
        tenant_id: whose namespaces.
        deltas: (namespace, documents); one row each, so that writers never wait for one another.
    """
    if deltas:
        session.execute(
            text(
                "INSERT INTO corpus_delta (tenant_id, namespace_id, id, docs) SELECT :tenant, * "
                "FROM unnest(CAST(:namespaces AS uuid[]), CAST(:ids AS uuid[]), CAST(:docs AS integer[]))"
            ),
            {
                "tenant": tenant_id,
                "namespaces": [d[0] for d in deltas],
                "ids": [new_id() for _ in deltas],
                "docs": [d[1] for d in deltas],
            },
        )


def close(session: Session, tenant_id: UUID, ids: Sequence[UUID], *, now: datetime) -> None:
    """End the live span of everything these memories are found by; a search as of earlier still finds them."""
    params = {"tenant": tenant_id, "ids": list(ids), "now": now}
    for table in VECTOR_TABLES:
        session.execute(
            text(
                f"UPDATE {table} e SET known_to = :now FROM memory m WHERE m.tenant_id = :tenant "
                "AND m.id = ANY(CAST(:ids AS uuid[])) AND e.tenant_id = :tenant AND e.memory_id = m.id "
                "AND e.version = m.content_version AND e.known_to > :now"
            ),
            params,
        )
    session.execute(
        text(
            "UPDATE posting p SET known_to = :now FROM memory m, unnest(m.terms) AS t (term) WHERE m.tenant_id = :tenant "
            "AND m.id = ANY(CAST(:ids AS uuid[])) AND p.tenant_id = :tenant AND p.namespace_id = m.namespace_id "
            "AND p.term = t.term AND p.memory_id = m.id AND p.version = m.content_version AND p.known_to > :now"
        ),
        params,
    )
    _count(session, tenant_id, ids, sign=-1)


def reopen(session: Session, tenant_id: UUID, ids: Sequence[UUID], *, now: datetime) -> None:
    """Make memories findable from now on by what they say now: copy their last embeddings and post their terms.

    Runs after the memories got their next version; sets ``content_version`` to it. What is archived gets an empty live span:
    only a search that includes the archive finds it.
    """
    params = {"tenant": tenant_id, "ids": list(ids), "now": now}
    session.execute(
        text(
            "INSERT INTO embedding (tenant_id, shelf, namespace_id, encoder_id, memory_id, version, chunk, span_from, "
            "span_to, known_from, known_to, vector) SELECT DISTINCT ON (e.memory_id, e.encoder_id, e.chunk) e.tenant_id, c.shelf, "
            "e.namespace_id, e.encoder_id, e.memory_id, "
            f"m.version, e.chunk, e.span_from, e.span_to, :now, {_END}, e.vector "
            "FROM memory m JOIN embedding e ON e.tenant_id = :tenant AND e.memory_id = m.id "
            "AND e.version = m.content_version JOIN encoder c ON c.id = e.encoder_id "
            # While a namespace moves two shelves hold the same vectors.
            "WHERE m.tenant_id = :tenant AND m.id = ANY(CAST(:ids AS uuid[])) AND m.precision_tier = 0 "
            "ORDER BY e.memory_id, e.encoder_id, e.chunk"
        ),
        params,
    )
    precision.reopen(session, tenant_id, ids, now=now, end=_END)
    session.execute(
        text(
            "UPDATE memory SET enriched_version = CASE WHEN enriched_version >= content_version THEN version "
            "ELSE enriched_version END, content_version = version "
            "WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))"
        ),
        params,
    )
    post_terms(session, tenant_id, ids)
    _count(session, tenant_id, ids, sign=1)


def post_terms(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> None:
    """Insert the postings of the present content of memories."""
    session.execute(
        text(
            "INSERT INTO posting (tenant_id, namespace_id, term, memory_id, version, impact, known_from, known_to) "
            f"SELECT m.tenant_id, m.namespace_id, t.term, m.id, m.content_version, {IMPACT.format('cardinality(m.terms)')}, "
            f"m.updated_at, {_END} "
            "FROM memory m, unnest(m.terms) AS t (term) WHERE m.tenant_id = :tenant AND m.id = ANY(CAST(:ids AS uuid[])) "
            "GROUP BY m.tenant_id, m.namespace_id, t.term, m.id"
        ),
        {"tenant": tenant_id, "ids": list(ids), **IMPACT_PARAMS},
    )


def set_content_version(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> None:
    """Say that the present version of memories is the one their vectors and postings were made of, in half precision."""
    session.execute(
        text(
            "UPDATE memory SET content_version = version, precision_tier = 0, precision_wanted = NULL "
            "WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))"
        ),
        {"tenant": tenant_id, "ids": list(ids)},
    )


def count_again(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> None:
    """Count those of the memories that are live again, having been closed."""
    _count(session, tenant_id, ids, sign=1)


def count_out(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> None:
    """Take those of the memories that are still live out of the document counts."""
    _count(session, tenant_id, ids, sign=-1)


def _count(session: Session, tenant_id: UUID, ids: Sequence[UUID], *, sign: int) -> None:
    rows = session.execute(
        text(
            "SELECT namespace_id, count(*) AS docs FROM memory WHERE tenant_id = :tenant AND archived_at IS NULL "
            "AND id = ANY(CAST(:ids AS uuid[])) GROUP BY namespace_id ORDER BY namespace_id"
        ),
        {"tenant": tenant_id, "ids": list(ids)},
    )
    count_in(session, tenant_id, [(r.namespace_id, sign * r.docs) for r in rows])


def set_expiry(session: Session, tenant_id: UUID, ids: Sequence[UUID], *, now: datetime) -> None:
    """Let the live spans of memories end when the memories expire."""
    params = {"tenant": tenant_id, "ids": list(ids), "now": now}
    for table in (*VECTOR_TABLES, "posting"):
        extra = "" if table in VECTOR_TABLES else "AND x.namespace_id = m.namespace_id AND x.term = ANY(m.terms)"
        session.execute(
            text(
                f"UPDATE {table} x SET known_to = greatest(coalesce(m.expires_at, 'infinity'), :now) FROM memory m "
                "WHERE m.tenant_id = :tenant AND m.id = ANY(CAST(:ids AS uuid[])) AND x.tenant_id = :tenant AND x.memory_id = m.id "
                f"AND x.version = m.content_version AND x.known_to > :now {extra}"
            ),
            params,
        )
