"""The precision of vectors: move memories between half precision, eight bits and signs.

Each vector lies in one place: in `embedding` in half precision, else in `embedding_coarse`. The tier of a memory is that of
its present text. Going down takes its earlier versions along and needs nothing else; going up needs the present text to be
encoded again, because the lost bits are kept nowhere: who has no encoder leaves a note on the record, and a worker finds it.
Both lock the record and write it, so residents notice. While a namespace changes its encoder nothing in it rises: the bits are
lost under both, and what is found by two kinds of vectors must lie in one precision.
"""

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

from memory_service.storage.driver import fetch
from memory_service.types import PrecisionTier
from retrieval.quantisation import quantise, sketch

_HEADER = 2  # halfvec_send writes the dimension and a reserved number before the values, 16 bits each

Vectors = Mapping[tuple[UUID, int], NDArray[np.float32]]  # (memory, content version) → float32[chunks, d]


@dataclass(frozen=True, slots=True)
class Moved:
    """What a call of `move_tiers` did."""

    moved: tuple[UUID, ...]
    unencoded: tuple[
        UUID, ...
    ]  # they should rise, and no vectors of their present text were given: noted on the record


def move_tiers(
    session: Session,
    tenant_id: UUID,
    moves: Sequence[tuple[UUID, PrecisionTier]],
    *,
    now: datetime,
    vectors: Vectors | None = None,
) -> Moved:
    """Move memories to other tiers; what is there already, or gone, is left alone, so a call may be repeated.

    Args:
        session: a transaction of the tenant; the records stay locked until it ends.
        tenant_id: whose memories.
        moves: each memory once, with the tier it should have; some thousands together at most.
        now: since when they have it.
        vectors: unit vectors of the present texts of memories that rise, in the order of their chunks.

    Raises:
        ValueError: a memory is named twice.
    """
    wanted = dict(moves)
    if len(wanted) < len(moves):
        raise ValueError("name each memory once")
    given = vectors or {}
    down: dict[UUID, PrecisionTier] = {}
    up: dict[UUID, PrecisionTier] = {}
    versions: dict[UUID, int] = {}
    for row in _lock(session, tenant_id, list(wanted)):
        tier, have = wanted[row["id"]], row["precision_tier"]
        if tier > have:
            down[row["id"]] = tier
        elif tier < have:
            up[row["id"]] = tier
            versions[row["id"]] = row["content_version"]
    _lower(session, tenant_id, down)
    risen = _raise(session, tenant_id, up, {i: given[i, v] for i, v in versions.items() if (i, v) in given})
    moved = down | {i: up[i] for i in risen}
    _note(session, tenant_id, moved, now=now)
    waiting = {i: tier for i, tier in up.items() if i not in risen}
    _want(session, tenant_id, waiting | dict.fromkeys(wanted.keys() - waiting.keys()))
    return Moved(tuple(sorted(moved)), tuple(sorted(up.keys() - risen)))


def _lock(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> Sequence[RowMapping]:
    """Lock records as every change of what a memory is found by does, in id order."""
    return (
        session.execute(
            text(
                "SELECT id, content_version, precision_tier FROM memory WHERE tenant_id = :tenant "
                "AND id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR NO KEY UPDATE"
            ),
            {"tenant": tenant_id, "ids": list(ids)},
        )
        .mappings()
        .all()
    )


def _note(session: Session, tenant_id: UUID, moved: Mapping[UUID, PrecisionTier], *, now: datetime) -> None:
    if moved:
        session.execute(
            text(
                "UPDATE memory m SET precision_tier = k.tier, precision_since = :now "
                "FROM unnest(CAST(:ids AS uuid[]), CAST(:tiers AS smallint[])) AS k (id, tier) "
                "WHERE m.tenant_id = :tenant AND m.id = k.id"
            ),
            {"tenant": tenant_id, "ids": list(moved), "tiers": [int(t) for t in moved.values()], "now": now},
        )


def _want(session: Session, tenant_id: UUID, wanted: Mapping[UUID, PrecisionTier | None]) -> None:
    """Note to which tier locked memories should rise once somebody can encode them; None takes an earlier note back."""
    session.execute(
        text(
            "UPDATE memory m SET precision_wanted = k.tier "
            "FROM unnest(CAST(:ids AS uuid[]), CAST(:tiers AS smallint[])) AS k (id, tier) "
            "WHERE m.tenant_id = :tenant AND m.id = k.id AND m.precision_wanted IS DISTINCT FROM k.tier"
        ),
        {"tenant": tenant_id, "ids": list(wanted), "tiers": [None if t is None else int(t) for t in wanted.values()]},
    )


def want_half(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> None:
    """Note that memories should have half precision again, because they were of use; those that have it are left alone.

    Comes before anything of the same memories is locked elsewhere, as every change of a record does, and in id order.
    """
    session.execute(
        text(
            "WITH k AS MATERIALIZED (SELECT id FROM memory WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[])) "
            "AND precision_tier > 0 AND precision_wanted IS DISTINCT FROM 0 ORDER BY id FOR NO KEY UPDATE) "
            "UPDATE memory m SET precision_wanted = 0 FROM k WHERE m.tenant_id = :tenant AND m.id = k.id"
        ),
        {"tenant": tenant_id, "ids": list(ids)},
    )


_HALVES = """
    SELECT DISTINCT ON (e.memory_id, e.encoder_id, e.version, e.chunk) e.memory_id, e.encoder_id, e.version, e.chunk,
        halfvec_send(e.vector)
    FROM embedding e WHERE e.tenant_id = %(tenant)s AND e.memory_id = ANY(%(ids)s::uuid[])
    ORDER BY e.memory_id, e.encoder_id, e.version, e.chunk, e.shelf
"""
# While a namespace moves two shelves hold the same vectors; the shared one, which comes first, is up to date.
_LOWER = """
    WITH k AS MATERIALIZED (SELECT * FROM unnest(%(ids)s::uuid[], %(tiers)s::smallint[]) AS k (memory_id, tier)),
    code AS MATERIALIZED (
        SELECT * FROM unnest(%(memories)s::uuid[], %(encoders)s::smallint[], %(versions)s::integer[],
            %(chunks)s::smallint[], %(codes)s::bytea[]) AS c (memory_id, encoder_id, version, chunk, code)
    ),
    gone AS (
        DELETE FROM embedding e WHERE e.tenant_id = %(tenant)s AND e.memory_id = ANY(%(ids)s::uuid[])
        RETURNING e.*
    )
    INSERT INTO embedding_coarse (tenant_id, namespace_id, memory_id, known_from, known_to, version, span_from, span_to,
        encoder_id, chunk, tier, sketch, code)
    SELECT DISTINCT ON (g.memory_id, g.encoder_id, g.version, g.chunk) g.tenant_id, g.namespace_id, g.memory_id,
        g.known_from, g.known_to, g.version, g.span_from, g.span_to, g.encoder_id, g.chunk, k.tier,
        binary_quantize(g.vector), c.code
    FROM gone g JOIN k ON k.memory_id = g.memory_id LEFT JOIN code c ON c.memory_id = g.memory_id
        AND c.encoder_id = g.encoder_id AND c.version = g.version AND c.chunk = g.chunk
    ORDER BY g.memory_id, g.encoder_id, g.version, g.chunk, g.shelf
    ON CONFLICT DO NOTHING
"""
_FORGET_CODES = """
    UPDATE embedding_coarse SET tier = 2, code = NULL WHERE tenant_id = %(tenant)s AND tier = 1
        AND memory_id = ANY(%(ids)s::uuid[])
"""


def _lower(session: Session, tenant_id: UUID, down: Mapping[UUID, PrecisionTier]) -> None:
    """Keep fewer bytes of every version of locked memories."""
    if not down:
        return
    params: dict[str, Any] = {"tenant": tenant_id, "ids": list(down), "tiers": [int(tier) for tier in down.values()]}
    coded = [i for i, tier in down.items() if tier is PrecisionTier.INT8]
    halves = fetch(session, _HALVES, {"tenant": tenant_id, "ids": coded}) if coded else []
    # Several encoders may differ in their dimension: one vector at a time.
    codes = [quantise(np.frombuffer(row[4], ">f2")[_HEADER:].astype(np.float32)).tobytes() for row in halves]
    for place, name in enumerate(("memories", "encoders", "versions", "chunks")):
        params[name] = [row[place] for row in halves]
    params["codes"] = codes
    session.connection().exec_driver_sql(_LOWER, params)
    binary = [i for i, tier in down.items() if tier is PrecisionTier.BINARY]
    if binary:
        session.connection().exec_driver_sql(_FORGET_CODES, {"tenant": tenant_id, "ids": binary})


def settle_tiers(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> None:
    """Bring what was just added in half precision to the tiers of its memories."""
    rows = _lock(session, tenant_id, ids)
    _lower(session, tenant_id, {r["id"]: PrecisionTier(r["precision_tier"]) for r in rows if r["precision_tier"] > 0})


_CHUNKS = """
    SELECT k.memory_id, count(*) FROM embedding_coarse k JOIN memory m ON m.tenant_id = k.tenant_id AND m.id = k.memory_id
        AND m.content_version = k.version JOIN namespace n ON n.tenant_id = m.tenant_id AND n.id = m.namespace_id
        AND n.encoder_id = k.encoder_id
    WHERE k.tenant_id = %(tenant)s AND m.tenant_id = %(tenant)s AND n.tenant_id = %(tenant)s
        AND k.memory_id = ANY(%(ids)s::uuid[]) GROUP BY 1
"""
_NEW = """
    SELECT * FROM unnest(%(memories)s::uuid[], %(chunks)s::smallint[], %(vectors)b::halfvec[], %(codes)s::bytea[],
        %(sketches)s::text[]) AS v (memory_id, chunk, vector, code, sketch)
"""
_PRESENT = """
    k.tenant_id = %(tenant)s AND k.memory_id = v.memory_id AND k.chunk = v.chunk AND m.tenant_id = %(tenant)s
    AND m.id = k.memory_id AND k.version = m.content_version AND n.tenant_id = %(tenant)s AND n.id = m.namespace_id
    AND k.encoder_id = n.encoder_id
"""
# Like every new vector they begin on the shared shelf.
_TO_HALF = f"""
    WITH v AS MATERIALIZED ({_NEW}),
    gone AS (
        DELETE FROM embedding_coarse k USING v, memory m, namespace n WHERE {_PRESENT} RETURNING k.*, v.vector
    )
    INSERT INTO embedding (tenant_id, shelf, namespace_id, encoder_id, memory_id, version, chunk, span_from, span_to,
        known_from, known_to, vector)
    SELECT g.tenant_id, c.shelf, g.namespace_id, g.encoder_id, g.memory_id, g.version, g.chunk, g.span_from, g.span_to,
        g.known_from, g.known_to, g.vector
    FROM gone g JOIN encoder c ON c.id = g.encoder_id ON CONFLICT DO NOTHING
"""
_TO_INT8 = f"""
    WITH v AS MATERIALIZED ({_NEW})
    UPDATE embedding_coarse k SET tier = 1, code = v.code, sketch = CAST(v.sketch AS bit varying)
    FROM v, memory m, namespace n WHERE {_PRESENT}
"""


def _raise(
    session: Session, tenant_id: UUID, up: Mapping[UUID, PrecisionTier], given: Mapping[UUID, NDArray[np.float32]]
) -> set[UUID]:
    """Put vectors of the present texts of locked memories in the place of what was kept of them; return which rose."""
    if not given:
        return set()
    # Another chunker would cut the text elsewhere, and the spans that are kept would be wrong.
    counted = dict(fetch(session, _CHUNKS, {"tenant": tenant_id, "ids": list(given)}))
    right = [i for i, vectors in given.items() if counted.get(i) == len(vectors)]
    for statement, tier in ((_TO_HALF, PrecisionTier.HALF), (_TO_INT8, PrecisionTier.INT8)):
        rows = [(i, chunk, one) for i in right if up[i] is tier for chunk, one in enumerate(given[i])]
        if rows:
            params = {
                "tenant": tenant_id,
                "memories": [row[0] for row in rows],
                "chunks": [row[1] for row in rows],
                "vectors": [HalfVector(row[2]) for row in rows],
                "codes": [quantise(row[2]).tobytes() for row in rows],
                "sketches": [sketch(row[2]) for row in rows],
            }
            session.connection().exec_driver_sql(statement, params)
    return set(right)


def reopen(session: Session, tenant_id: UUID, ids: Sequence[UUID], *, now: datetime, end: str) -> None:
    """Give the present version of memories what is kept of their last one, as `search_index.reopen` does in half precision.

    Args:
        session: the transaction.
        tenant_id: whose memories.
        ids: which; those in half precision are left alone.
        now: from when they are found again.
        end: an expression over `memory m` for until when.
    """
    session.execute(
        text(
            "INSERT INTO embedding_coarse (tenant_id, namespace_id, memory_id, known_from, known_to, version, span_from, "
            "span_to, encoder_id, chunk, tier, sketch, code) SELECT k.tenant_id, k.namespace_id, k.memory_id, :now, "
            f"{end}, m.version, k.span_from, k.span_to, k.encoder_id, k.chunk, k.tier, k.sketch, k.code "
            "FROM memory m JOIN embedding_coarse k ON k.tenant_id = :tenant AND k.memory_id = m.id "
            "AND k.version = m.content_version WHERE m.tenant_id = :tenant AND m.id = ANY(CAST(:ids AS uuid[])) "
            "AND m.precision_tier > 0"
        ),
        {"tenant": tenant_id, "ids": list(ids), "now": now},
    )


def rising(
    session: Session, tenant_id: UUID, namespace_id: UUID, *, encoder_id: int, after: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """Return (id, content, content_version, precision_wanted, start) of memories that wait to rise, in id order.

    `start` is the character from which they are encoded: behind the name of who speaks.
    """
    return (
        session.execute(
            text(
                "SELECT m.id, m.content, m.content_version, m.precision_wanted, "
                "coalesce((SELECT min(e.span_from) FROM embedding_coarse e WHERE e.tenant_id = :tenant "
                "AND e.namespace_id = m.namespace_id AND e.encoder_id = :encoder AND e.memory_id = m.id "
                "AND e.version = m.content_version), 0) AS start FROM memory m "
                "JOIN namespace n ON n.tenant_id = :tenant AND n.id = m.namespace_id AND n.encoder_id = :encoder "
                "AND n.also_encoder_id IS NULL "
                "WHERE m.tenant_id = :tenant AND m.namespace_id = :namespace AND m.precision_wanted IS NOT NULL "
                "AND m.archived_at IS NULL AND m.id > :after ORDER BY m.id LIMIT :limit"
            ),
            {
                "tenant": tenant_id,
                "namespace": namespace_id,
                "encoder": encoder_id,
                "after": after or UUID(int=0),
                "limit": limit,
            },
        )
        .mappings()
        .all()
    )
