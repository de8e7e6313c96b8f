"""The hybrid query: every candidate of every channel, scored exactly in each, by one statement.

A channel contributes common table expressions that end in a relation of (memory_id, namespace_id, score); the tail joins
them into one row per candidate. A new channel is one more function here and one more module of pure scoring beside it.

What is measured and why it is built so (docs/discussion/search.md has the numbers): a vector score must be looked up for
candidates that only the keyword channel found, or recall falls by five points; common terms only add to candidates that
rarer terms or vectors found, or long posting lists would be read for little; filters, validity and the moment of knowledge
are applied where candidates are chosen, so a minority of matching memories still fills its top k.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector
from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from memory_service.storage.memories import AS_KNOWN
from memory_service.storage.sql import Sql

# Of the memories that rarer terms found, this many are completed by common terms before the cut.
COMPLETED = 200


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a search looks, and as of when."""

    tenant_id: UUID
    namespace_ids: tuple[UUID, ...]
    shelf: int
    encoder_id: int
    at: datetime  # system time: what was known then
    as_known: bool = False  # the state of records is read as of `at` too, not as it is now
    archived: bool = False  # archived memories are candidates as well
    where: Sql = field(default_factory=lambda: Sql("true"))


@dataclass(frozen=True, slots=True)
class KeywordQuery:
    """The words of a query: rarer ones choose candidates, common ones (with their document frequency) add to them."""

    rare: tuple[str, ...]
    common: tuple[tuple[str, int], ...]
    documents: int
    # All terms of a word where it has several, by the one above: they count as one, for its rarity and in its score.
    alternatives: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def all_of(self, term: str) -> tuple[str, ...]:
        """Return all terms by which memories may hold a word."""
        return self.alternatives.get(term, (term,))


@dataclass(frozen=True, slots=True)
class Candidates:
    """The candidates of a search in the order of their ids, with one raw score each per channel asked.

    Also in how many documents each term of the query stands, and whether the vector channel had fewer rows than asked.
    """

    ids: list[UUID]
    vector: list[float | None] | None
    keyword: list[float] | None
    document_frequency: dict[str, int]
    exhausted: bool


@dataclass(frozen=True, slots=True)
class _Shape:
    """What decides the text of the statement; everything else is a parameter."""

    as_known: bool
    archived: bool
    where: str
    alone: bool  # one namespace: equality is cheaper than a list, row by row

    @property
    def reads_records(self) -> bool:
        """Say whether choosing candidates needs more than the search tables hold."""
        return self.archived or self.where != "true"


def _live(alias: str, shape: _Shape) -> str:
    """Return the condition that an embedding or posting counts at the moment of the search."""
    live = f"{alias}.known_from <= :at AND {alias}.known_to > :at"
    if shape.archived:
        return f"(({live}) OR (m.state = 'archived' AND {alias}.version = m.content_version))"
    return live


def _inside(alias: str, shape: _Shape) -> str:
    """Return the condition that a row lies in the namespaces searched."""
    if shape.alone:
        return f"{alias}.namespace_id = :namespace"
    return f"{alias}.namespace_id = ANY(CAST(:namespaces AS uuid[]))"


def _records(alias: str, shape: _Shape) -> str:
    """Return the join to the records, where the conditions of the search need them."""
    if not shape.reads_records:
        return ""
    records = AS_KNOWN if shape.as_known else "memory"
    return f"JOIN {records} m ON m.tenant_id = :tenant AND m.id = {alias}.memory_id"


def _archive(alias: str, shape: _Shape) -> str:
    """Return the join by which a look-up tells the present text of an archived memory from its earlier ones."""
    return _records(alias, shape) if shape.archived else ""


def _vector_channel(shape: _Shape) -> str:
    return f"""
    scan AS (
        SELECT e.memory_id, e.namespace_id, e.chunk, e.vector <#> :vector AS distance
        FROM embedding e {_records("e", shape)}
        WHERE e.tenant_id = :tenant AND e.shelf = :shelf AND {_inside("e", shape)}
            AND e.encoder_id = :encoder AND {_live("e", shape)} AND ({shape.where})
        OFFSET 0
    ),
    nearest AS (SELECT * FROM scan ORDER BY distance, memory_id, chunk LIMIT :vector_rows),
    by_vector AS (
        SELECT memory_id, any_value(namespace_id) AS namespace_id, -min(distance) AS score FROM nearest GROUP BY memory_id
    )
    """


def _keyword_channel(shape: _Shape) -> str:
    chosen = "hit"
    if shape.reads_records:
        chosen = f"(SELECT h.* FROM hit h {_records('h', shape)} WHERE {_live('h', shape)} AND ({shape.where}))"
    # Document frequencies count what is known, whatever the filter: a rare word stays rare inside a filter. With the archive
    # they also count earlier texts of a memory; they may be off by half without cost.
    known = "true" if shape.archived else _live("p", shape)
    # Words are numbered: grouping by a number costs a third of grouping by text. The terms of one word share a number; a
    # memory is in one language and holds one of them, as a rule, so that counting rows counts memories.
    return f"""
    hit AS MATERIALIZED (
        SELECT t.number, p.memory_id, p.namespace_id, p.version, p.impact, p.known_from, p.known_to
        FROM unnest(CAST(:rare AS text[]), CAST(:rare_number AS integer[])) AS t (term, number)
        JOIN posting p ON p.tenant_id = :tenant AND {_inside("p", shape)} AND p.term = t.term
            AND {known}
    ),
    frequency AS MATERIALIZED (SELECT number, count(*) AS df FROM hit GROUP BY number),
    rarity AS MATERIALIZED (
        SELECT number, ln(1 + (greatest(:documents, df) - df + CAST(0.5 AS float8)) / (df + CAST(0.5 AS float8))) AS idf
        FROM frequency
    ),
    partial AS (
        SELECT h.memory_id, any_value(h.namespace_id) AS namespace_id, sum(r.idf * h.impact) AS score
        FROM {chosen} h JOIN rarity r ON r.number = h.number GROUP BY h.memory_id
    ),
    promising AS (SELECT * FROM partial ORDER BY score DESC, memory_id LIMIT :completed),
    by_keyword AS (
        SELECT p.memory_id, p.namespace_id, p.score + {_common_score("p", shape)} AS score
        FROM promising p ORDER BY 3 DESC, p.memory_id LIMIT :keyword_rows
    )
    """


def _common_score(alias: str, shape: _Shape) -> str:
    """Return what the common terms add to one candidate, by point look-ups."""
    return f"""coalesce((
        SELECT sum(t.idf * o.impact) FROM unnest(CAST(:common AS text[]), CAST(:common_idf AS float8[])) AS t (term, idf)
        JOIN posting o ON o.tenant_id = :tenant AND o.namespace_id = {alias}.namespace_id AND o.term = t.term
            AND o.memory_id = {alias}.memory_id {_archive("o", shape)} WHERE {_live("o", shape)}
    ), 0)"""


def _vector_score(shape: _Shape) -> str:
    """Return the vector score of a candidate that the vector channel itself did not choose."""
    return f"""(
        SELECT max(-(e.vector <#> :vector)) FROM embedding e {_archive("e", shape)}
        WHERE e.tenant_id = :tenant AND e.shelf = :shelf AND e.namespace_id = c.namespace_id
            AND e.encoder_id = :encoder AND e.memory_id = c.memory_id AND {_live("e", shape)}
    )"""


def find_candidates(
    session: Session,
    scope: Scope,
    *,
    vector: NDArray[np.float32] | None,
    keyword: KeywordQuery | None,
    per_channel: int,
) -> Candidates:
    """Run the hybrid query.

    Args:
        session: a transaction of the searching tenant.
        scope: where to look, and as of when.
        vector: the query as float32[d], normalised; None when the vector channel is not asked.
        keyword: the query as terms; None when the keyword channel is not asked.
        per_channel: how many candidates each channel chooses; their union is returned.

    Returns:
        Candidates without order, each with its exact score in every channel asked.
    """
    statement, params = hybrid_query(scope, vector=vector, keyword=keyword, per_channel=per_channel)
    row = session.execute(statement, params).one()
    ids = row.ids or []
    frequency: dict[str, int] = {}
    if keyword is not None:
        counted = {
            keyword.rare[number - 1]: df for number, df in zip(row.terms or (), row.frequencies or (), strict=True)
        }
        frequency = dict(keyword.common) | counted
    return Candidates(
        ids=ids,
        vector=(row.vector_scores or []) if vector is not None else None,
        keyword=(row.keyword_scores or []) if keyword is not None else None,
        document_frequency=frequency,
        exhausted=(row.scanned or 0) < params.get("vector_rows", 0),
    )


def hybrid_query(
    scope: Scope, *, vector: NDArray[np.float32] | None, keyword: KeywordQuery | None, per_channel: int
) -> tuple[TextClause, dict[str, Any]]:
    """Return the statement and its parameters; the plan test reads it, too."""
    params = _scope_params(scope)
    if keyword is not None:
        params |= _keyword_params(keyword, per_channel)
    if vector is not None:
        # Chunks of one memory share a place: ask for half as many rows again as memories.
        params |= {"vector": HalfVector(vector), "vector_rows": per_channel + per_channel // 2}
    shape = _Shape(scope.as_known, scope.archived, scope.where.text, alone=len(scope.namespace_ids) == 1)
    return _statement(shape, vector is not None, keyword is not None), params


@lru_cache(maxsize=256)
def _statement(shape: _Shape, by_vector: bool, by_keyword: bool) -> TextClause:
    """Return the statement of a shape; the candidates come as arrays in one row, in the order of their ids."""
    parts, candidates, joins = [], [], ""
    vector_score, keyword_score, scanned, terms, frequencies = "NULL", "NULL", "NULL", "NULL", "NULL"
    if by_keyword:
        parts.append(_keyword_channel(shape))
        candidates.append("SELECT memory_id, namespace_id FROM by_keyword")
        joins += " LEFT JOIN by_keyword b ON b.memory_id = c.memory_id LEFT JOIN partial k ON k.memory_id = c.memory_id"
        keyword_score = f"coalesce(b.score, coalesce(k.score, 0) + {_common_score('c', shape)})"
        terms = "(SELECT array_agg(number ORDER BY number) FROM frequency)"
        frequencies = "(SELECT array_agg(df ORDER BY number) FROM frequency)"
    if by_vector:
        parts.append(_vector_channel(shape))
        candidates.append("SELECT memory_id, namespace_id FROM by_vector")
        joins += " LEFT JOIN by_vector v ON v.memory_id = c.memory_id"
        vector_score = f"coalesce(v.score, {_vector_score(shape)})"
        scanned = "(SELECT count(*) FROM nearest)"
    return text(f"""
    WITH {",".join(parts)},
    scored AS (
        SELECT c.memory_id, {vector_score} AS vector_score, {keyword_score} AS keyword_score
        FROM ({" UNION ".join(candidates)}) c {joins}
    )
    SELECT array_agg(memory_id ORDER BY memory_id) AS ids,
        array_agg(CAST(vector_score AS float8) ORDER BY memory_id) AS vector_scores,
        array_agg(CAST(keyword_score AS float8) ORDER BY memory_id) AS keyword_scores,
        {scanned} AS scanned, {terms} AS terms, {frequencies} AS frequencies
    FROM scored
    """)


def _scope_params(scope: Scope) -> dict[str, Any]:
    return {
        "tenant": scope.tenant_id,
        "namespaces": list(scope.namespace_ids),
        "namespace": scope.namespace_ids[0],
        "shelf": scope.shelf,
        "encoder": scope.encoder_id,
        "at": scope.at,
        "known": scope.at,
        **scope.where.params,
    }


def _keyword_params(keyword: KeywordQuery, per_channel: int) -> dict[str, Any]:
    idf = {t: float(np.log1p((max(keyword.documents, df) - df + 0.5) / (df + 0.5))) for t, df in keyword.common}
    rare = [(one, number) for number, t in enumerate(keyword.rare, start=1) for one in keyword.all_of(t)]
    common = [(one, idf[t]) for t in idf for one in keyword.all_of(t)]
    return {
        "rare": [one for one, _ in rare],
        "rare_number": [number for _, number in rare],
        "common": [one for one, _ in common],
        "common_idf": [weight for _, weight in common],
        "documents": keyword.documents,
        "completed": max(COMPLETED, 4 * per_channel),
        "keyword_rows": per_channel,
    }


_VECTORS = text(
    """
    SELECT DISTINCT ON (e.memory_id) e.memory_id, e.vector FROM embedding e
    WHERE e.tenant_id = :tenant AND e.shelf = :shelf AND e.namespace_id = ANY(CAST(:namespaces AS uuid[]))
        AND e.encoder_id = :encoder AND e.memory_id = ANY(CAST(:ids AS uuid[]))
    ORDER BY e.memory_id, e.version DESC, e.chunk
    """
)


def vectors_of(session: Session, scope: Scope, ids: Sequence[UUID]) -> dict[UUID, NDArray[np.float32]]:
    """Return the latest vector of each memory (of its first chunk), float32[d]."""
    rows = session.execute(_VECTORS, {**_scope_params(scope), "ids": list(ids)})
    return {row.memory_id: row.vector.to_numpy().astype(np.float32) for row in rows}
