"""Namespaces that change their encoder: how far each is, and the vectors that are made and dropped on the way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector
from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from memory_service.storage import precision
from memory_service.storage.sql import to_jsonb

_SHOWN = """
    SELECT r.*, n.path AS namespace, n.shelf, n.encoder_id, n.also_encoder_id FROM reindex r
    JOIN namespace n ON n.tenant_id = :tenant AND n.id = r.namespace_id WHERE r.tenant_id = :tenant
"""


def find_reindex(session: Session, tenant_id: UUID, namespace_id: UUID) -> RowMapping | None:
    """Return how far a namespace is; None where it never changed its encoder."""
    params = {"tenant": tenant_id, "namespace": namespace_id}
    return session.execute(text(f"{_SHOWN} AND r.namespace_id = :namespace"), params).mappings().one_or_none()


def list_reindexes(
    session: Session,
    tenant_id: UUID,
    *,
    encoder_id: int,
    namespace_id: UUID | None = None,
    after: str | None = None,
    limit: int,
) -> Sequence[RowMapping]:
    """Return the namespaces that were moved, or are being moved, to an encoder, in the order of their paths."""
    conditions = "" if namespace_id is None else " AND r.namespace_id = :namespace"
    conditions += "" if after is None else " AND n.path > :after"
    params = {"tenant": tenant_id, "to": encoder_id, "namespace": namespace_id, "after": after, "limit": limit}
    statement = f"{_SHOWN} AND r.to_encoder_id = :to{conditions} ORDER BY n.path LIMIT :limit"
    return session.execute(text(statement), params).mappings().all()


def lock_namespaces(session: Session, tenant_id: UUID, ids: Sequence[UUID] | None) -> Sequence[RowMapping]:
    """Lock namespaces, all of the tenant for None, and return what decides whether their encoder can change."""
    some = "" if ids is None else "AND id = ANY(CAST(:ids AS uuid[]))"
    statement = (
        "SELECT id, path, encoder_id, also_encoder_id, shelf, moving_to FROM namespace "
        f"WHERE tenant_id = :tenant {some} ORDER BY id FOR NO KEY UPDATE"
    )
    return session.execute(text(statement), {"tenant": tenant_id, "ids": list(ids or ())}).mappings().all()


def begin(
    session: Session, tenant_id: UUID, namespaces: Sequence[RowMapping], *, to: int, job_id: UUID, now: datetime
) -> None:
    """Let texts of locked namespaces be written under another encoder, too."""
    params = {
        "tenant": tenant_id,
        "ids": [one["id"] for one in namespaces],
        "from": [one["encoder_id"] for one in namespaces],
        "shelves": [one["shelf"] for one in namespaces],
        "to": to,
        "job": job_id,
        "now": now,
    }
    session.execute(
        text("UPDATE namespace SET also_encoder_id = :to WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))"),
        params,
    )
    session.execute(
        text(
            "INSERT INTO reindex (tenant_id, namespace_id, from_encoder_id, to_encoder_id, from_shelf, state, job_id, "
            "started_at) SELECT :tenant, b.id, b.encoder, CAST(:to AS smallint), b.shelf, 'backfilling', :job, :now "
            "FROM unnest(CAST(:ids AS uuid[]), CAST(:from AS smallint[]), CAST(:shelves AS smallint[])) "
            "AS b (id, encoder, shelf) ON CONFLICT (tenant_id, namespace_id) DO UPDATE SET "
            "from_encoder_id = excluded.from_encoder_id, to_encoder_id = excluded.to_encoder_id, "
            "from_shelf = excluded.from_shelf, state = 'backfilling', job_id = excluded.job_id, waits_for = NULL, "
            "comparison = NULL, started_at = excluded.started_at, ready_at = NULL, turned_at = NULL, finished_at = NULL"
        ),
        params,
    )


def change(session: Session, tenant_id: UUID, namespace_id: UUID, **values: Any) -> None:
    """Change columns of how far a namespace is; `comparison` may be any JSON."""
    if values.get("comparison") is not None:
        values["comparison"] = to_jsonb(values["comparison"])
    casts = {"comparison": "CAST(:comparison AS jsonb)", "waits_for": "CAST(:waits_for AS text[])"}
    named = ", ".join(f"{name} = {casts.get(name, f':{name}')}" for name in values)
    session.execute(
        text(f"UPDATE reindex SET {named} WHERE tenant_id = :tenant AND namespace_id = :namespace"),
        {"tenant": tenant_id, "namespace": namespace_id, **values},
    )


def serve(
    session: Session, tenant_id: UUID, namespace_id: UUID, *, encoder_id: int, also: int | None, shelf: int | None
) -> None:
    """Let searches of a namespace use an encoder, on a shelf or on the shared one of the encoder."""
    session.execute(
        text(
            "UPDATE namespace n SET encoder_id = c.id, also_encoder_id = CAST(:also AS smallint), "
            "shelf = coalesce(CAST(:shelf AS smallint), c.shelf) FROM encoder c "
            "WHERE n.tenant_id = :tenant AND n.id = :namespace AND c.id = :encoder"
        ),
        {"tenant": tenant_id, "namespace": namespace_id, "encoder": encoder_id, "also": also, "shelf": shelf},
    )


# Every transaction that has read `namespace` holds a lock on it until it ends, and everybody may see who does: so `CREATE INDEX
# CONCURRENTLY` knows for whom to wait, too.
_READERS = text(
    "SELECT DISTINCT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND granted "
    "AND relation = CAST('namespace' AS regclass) AND pid <> pg_backend_pid() "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def readers(session: Session) -> set[str]:
    """Return the transactions under way that may have read namespaces as they were before."""
    return set(session.scalars(_READERS))


@dataclass(frozen=True, slots=True)
class Text:
    """A text by which a memory is or was found, and whether the new encoder has seen it."""

    memory_id: UUID
    version: int
    content: str | None  # None: the version is kept no more, and there is nothing to encode
    filled: bool
    start: int = 0  # from which character it is encoded


@dataclass(frozen=True, slots=True)
class Direction:
    """From which encoder to which a namespace goes, and where the old vectors lie."""

    namespace_id: UUID
    old: int
    new: int
    shelf: int

    def params(self, tenant_id: UUID) -> dict[str, Any]:
        """Return the parameters by which the statements below are bound."""
        return {
            "tenant": tenant_id,
            "namespace": self.namespace_id,
            "old": self.old,
            "new": self.new,
            "own": self.shelf,
        }


def direction_of(row: RowMapping) -> Direction:
    """Return the direction of a namespace, from `find_reindex`."""
    return Direction(row["namespace_id"], row["from_encoder_id"], row["to_encoder_id"], row["from_shelf"])


_OLD = """
    SELECT DISTINCT e.memory_id, e.version FROM embedding e WHERE e.tenant_id = :tenant AND e.shelf IN (0, 1, :own)
        AND e.namespace_id = :namespace AND e.encoder_id = :old AND (e.memory_id, e.version) > (:memory, :version)
"""
_OLD_COARSE = """
    SELECT DISTINCT k.memory_id, k.version FROM embedding_coarse k WHERE k.tenant_id = :tenant
        AND k.namespace_id = :namespace AND k.encoder_id = :old AND (k.memory_id, k.version) > (:memory, :version)
"""
_FILLED = """
    EXISTS (SELECT FROM embedding b WHERE b.tenant_id = :tenant AND b.shelf IN (0, 1) AND b.namespace_id = :namespace
        AND b.encoder_id = :new AND b.memory_id = x.memory_id AND b.version = x.version)
    OR EXISTS (SELECT FROM embedding_coarse b WHERE b.tenant_id = :tenant AND b.namespace_id = :namespace
        AND b.encoder_id = :new AND b.memory_id = x.memory_id AND b.version = x.version)
"""
_CONTENT = """
    CASE WHEN m.content_version = x.version THEN m.content ELSE (
        SELECT v.content FROM memory_version v WHERE v.tenant_id = :tenant AND v.id = x.memory_id AND v.version = x.version
    ) END
"""
_START = """
    SELECT min(e.span_from) FROM (
        SELECT b.span_from FROM embedding b WHERE b.tenant_id = :tenant AND b.shelf IN (0, 1, :own)
            AND b.namespace_id = :namespace AND b.encoder_id = :old AND b.memory_id = x.memory_id AND b.version = x.version
        UNION ALL
        SELECT b.span_from FROM embedding_coarse b WHERE b.tenant_id = :tenant AND b.namespace_id = :namespace
            AND b.encoder_id = :old AND b.memory_id = x.memory_id AND b.version = x.version
    ) e
"""
# Both halves are cut before they are joined, so that a batch of a large namespace costs what a batch costs.
_NEXT = text(
    f"""
    SELECT x.memory_id, x.version, {_CONTENT} AS content, ({_FILLED}) AS filled, ({_START}) AS start FROM (
        SELECT memory_id, version FROM (
            ({_OLD} ORDER BY 1, 2 LIMIT :limit) UNION ({_OLD_COARSE} ORDER BY 1, 2 LIMIT :limit)
        ) u ORDER BY 1, 2 LIMIT :limit
    ) x JOIN memory m ON m.tenant_id = :tenant AND m.id = x.memory_id ORDER BY x.memory_id, x.version
    """
)
_COUNT = text(f"SELECT count(*) FROM (({_OLD}) UNION ({_OLD_COARSE})) x")
_FIRST = {"memory": UUID(int=0), "version": 0}


def count_texts(session: Session, tenant_id: UUID, direction: Direction) -> int:
    """Return how many texts of a namespace have vectors under the old encoder."""
    return int(session.execute(_COUNT, direction.params(tenant_id) | _FIRST).scalar_one())


def next_texts(
    session: Session, tenant_id: UUID, direction: Direction, *, after: tuple[UUID, int] | None, limit: int
) -> list[Text]:
    """Return the next texts of a namespace in the order of their memories."""
    place = _FIRST if after is None else {"memory": after[0], "version": after[1]}
    rows = session.execute(_NEXT, direction.params(tenant_id) | place | {"limit": limit})
    return [Text(row.memory_id, row.version, row.content, row.filled, row.start) for row in rows]


_LACKING = text(
    f"SELECT EXISTS (SELECT FROM (({_OLD}) UNION ({_OLD_COARSE})) x JOIN memory m ON m.tenant_id = :tenant "
    f"AND m.id = x.memory_id WHERE NOT ({_FILLED}) AND {_CONTENT} <> '')"
)


def is_lacking(session: Session, tenant_id: UUID, direction: Direction) -> bool:
    """Say whether a text of a namespace is found by the old encoder and not by the new one."""
    return bool(session.execute(_LACKING, direction.params(tenant_id) | _FIRST).scalar_one())


@dataclass(frozen=True, slots=True)
class Filling:
    """One chunk of one text under the new encoder."""

    memory_id: UUID
    version: int
    chunk: int
    span: tuple[int, int]
    vector: NDArray[np.float32]


# Known over the same time as under the old encoder, which the locked records keep from changing meanwhile.
_FILL = """
    WITH old AS MATERIALIZED (
        SELECT memory_id, version, min(known_from) AS known_from, max(known_to) AS known_to FROM (
            SELECT e.memory_id, e.version, e.known_from, e.known_to FROM embedding e WHERE e.tenant_id = %(tenant)s
                AND e.shelf IN (0, 1, %(own)s) AND e.namespace_id = %(namespace)s AND e.encoder_id = %(old)s
                AND e.memory_id = ANY(%(memory)s::uuid[])
            UNION ALL
            SELECT k.memory_id, k.version, k.known_from, k.known_to FROM embedding_coarse k WHERE k.tenant_id = %(tenant)s
                AND k.namespace_id = %(namespace)s AND k.encoder_id = %(old)s AND k.memory_id = ANY(%(memory)s::uuid[])
        ) x GROUP BY 1, 2
    )
    INSERT INTO embedding (tenant_id, shelf, namespace_id, encoder_id, memory_id, version, chunk, span_from, span_to,
        known_from, known_to, vector)
    SELECT %(tenant)s, c.shelf, %(namespace)s, c.id, f.memory_id, f.version, f.chunk, f.span_from, f.span_to,
        old.known_from, old.known_to, f.vector
    FROM unnest(%(memory)s::uuid[], %(version)s::integer[], %(chunk)s::smallint[], %(start)s::integer[], %(end)s::integer[],
        %(vector)b::halfvec[]) AS f (memory_id, version, chunk, span_from, span_to, vector)
    JOIN old ON old.memory_id = f.memory_id AND old.version = f.version JOIN encoder c ON c.id = %(new)s
    WHERE NOT EXISTS (SELECT FROM embedding b WHERE b.tenant_id = %(tenant)s AND b.shelf IN (0, 1)
        AND b.namespace_id = %(namespace)s AND b.encoder_id = %(new)s AND b.memory_id = f.memory_id
        AND b.version = f.version)
    AND NOT EXISTS (SELECT FROM embedding_coarse b WHERE b.tenant_id = %(tenant)s AND b.namespace_id = %(namespace)s
        AND b.encoder_id = %(new)s AND b.memory_id = f.memory_id AND b.version = f.version)
    ON CONFLICT DO NOTHING
"""


def lock_memories(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> None:
    """Lock records, as everybody does first who changes what they are found by."""
    session.execute(
        text(
            "SELECT id FROM memory WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR NO KEY UPDATE"
        ),
        {"tenant": tenant_id, "ids": list(ids)},
    )


def fill(session: Session, tenant_id: UUID, direction: Direction, rows: Sequence[Filling]) -> None:
    """Add vectors of locked memories; what was erased or written under the new encoder meanwhile is left alone."""
    if not rows:
        return
    session.connection().exec_driver_sql(
        _FILL,
        direction.params(tenant_id)
        | {
            "memory": [row.memory_id for row in rows],
            "version": [row.version for row in rows],
            "chunk": [row.chunk for row in rows],
            "start": [row.span[0] for row in rows],
            "end": [row.span[1] for row in rows],
            "vector": [HalfVector(row.vector) for row in rows],
        },
    )
    precision.settle_tiers(session, tenant_id, sorted({row.memory_id for row in rows}))


def drop_some(session: Session, tenant_id: UUID, namespace_id: UUID, encoder_id: int, *, limit: int) -> int:
    """Delete vectors of a namespace under an encoder that are on shared shelves; return of how many memories.

    The memories are locked, so that a change that is under way does not copy what is being deleted.
    """
    ids = session.scalars(
        text(
            "SELECT DISTINCT memory_id FROM (("
            "SELECT e.memory_id FROM embedding e WHERE e.tenant_id = :tenant AND e.shelf IN (0, 1) "
            "AND e.namespace_id = :namespace AND e.encoder_id = :encoder ORDER BY e.memory_id LIMIT :limit) UNION ("
            "SELECT k.memory_id FROM embedding_coarse k WHERE k.tenant_id = :tenant "
            "AND k.namespace_id = :namespace AND k.encoder_id = :encoder ORDER BY k.memory_id LIMIT :limit)) x "
            "ORDER BY memory_id LIMIT :limit"
        ),
        {"tenant": tenant_id, "namespace": namespace_id, "encoder": encoder_id, "limit": limit},
    ).all()
    params = {"tenant": tenant_id, "ids": list(ids), "namespace": namespace_id, "encoder": encoder_id}
    lock_memories(session, tenant_id, ids)
    for table, shared in (("embedding", "AND shelf IN (0, 1)"), ("embedding_coarse", "")):
        session.execute(
            text(
                f"DELETE FROM {table} WHERE tenant_id = :tenant {shared} AND namespace_id = :namespace "
                "AND encoder_id = :encoder AND memory_id = ANY(CAST(:ids AS uuid[]))"
            ),
            params,
        )
    return len(ids)


def drop_shelf(session: Session, namespace_id: UUID, *, lock_timeout_ms: int) -> bool:
    """Drop the own shelf that a namespace has left, once: its number may be another's by the next time.

    It needs the table of memories alone for an instant, and fails else.
    """
    session.execute(text("SELECT set_config('lock_timeout', :lock, true)"), {"lock": f"{lock_timeout_ms}ms"})
    return bool(session.execute(text("SELECT drop_shelf(:namespace)"), {"namespace": namespace_id}).scalar_one())


def count_by_encoder(session: Session, tenant_id: UUID) -> Mapping[int, tuple[int, int]]:
    """Return how many namespaces of the tenant each encoder serves, and how many memories those hold."""
    rows = session.execute(
        text(
            "SELECT n.encoder_id, count(*) AS namespaces, coalesce(sum(n.folded_docs), 0) + coalesce(sum(("
            "SELECT sum(d.docs) FROM corpus_delta d WHERE d.tenant_id = :tenant AND d.namespace_id = n.id)), 0) AS memories "
            "FROM namespace n WHERE n.tenant_id = :tenant GROUP BY n.encoder_id"
        ),
        {"tenant": tenant_id},
    )
    return {row.encoder_id: (row.namespaces, int(row.memories)) for row in rows}


def recent_queries(session: Session, tenant_id: UUID, path: str, *, limit: int) -> list[str]:
    """Return what was asked of a namespace alone, the newest first, each once."""
    rows = session.scalars(
        text(
            "SELECT query FROM trace WHERE tenant_id = :tenant AND namespaces = CAST(:paths AS text[]) "
            "ORDER BY id DESC LIMIT :looked_at"
        ),
        {"tenant": tenant_id, "paths": [path], "looked_at": 10 * limit},
    )
    return list(dict.fromkeys(rows))[:limit]
