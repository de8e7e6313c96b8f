"""The hybrid query: every candidate of every channel, scored exactly in each, by one statement.

A channel contributes common table expressions that end in a relation of (memory_id, namespace_id, score); the tail joins
them into one row per candidate. A new channel is one more function here and one more module of pure scoring beside it.

What is measured and why it is built so (docs/discussion/search.md has the numbers): a vector score must be looked up for
candidates that only the keyword channel found, or recall falls by five points; common terms only add to candidates that
rarer terms or vectors found, or long posting lists would be read for little; filters, validity and the moment of knowledge
are applied where candidates are chosen, so a minority of matching memories still fills its top k.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector
from sqlalchemy import text
from sqlalchemy.orm import Session

from memory_service.storage.memories import AS_KNOWN
from memory_service.storage.sql import Sql

# Of the memories that rarer terms found, this many are completed by common terms before the cut.
COMPLETED = 400


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

    @property
    def reads_records(self) -> bool:
        """Say whether choosing candidates needs more than the search tables hold."""
        return self.archived or self.where.text != "true"


@dataclass(frozen=True, slots=True)
class KeywordQuery:
    """The terms of a query: rarer ones choose candidates, common ones (with their document frequency) add to them."""

    rare: tuple[str, ...]
    common: tuple[tuple[str, int], ...]
    documents: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """One memory with its raw score per channel; None where the channel was not asked."""

    memory_id: UUID
    vector: float | None
    keyword: float | None


@dataclass(frozen=True, slots=True)
class Candidates:
    """The candidates of a search, and in how many documents each term of the query stands."""

    rows: tuple[Candidate, ...]
    document_frequency: dict[str, int]
    exhausted: bool  # the vector channel had fewer rows than it was asked for


def _live(alias: str, scope: Scope) -> str:
    """Return the condition that an embedding or posting counts at the moment of the search."""
    live = f"{alias}.known_from <= :at AND {alias}.known_to > :at"
    if scope.archived:
        return f"(({live}) OR (m.state = 'archived' AND {alias}.version = m.content_version))"
    return live


def _records(alias: str, scope: Scope) -> str:
    """Return the join to the records, where the conditions of the search need them."""
    if not scope.reads_records:
        return ""
    records = AS_KNOWN if scope.as_known else "memory"
    return f"JOIN {records} m ON m.tenant_id = :tenant AND m.id = {alias}.memory_id"


def _vector_channel(scope: Scope) -> str:
    return f"""
    scan AS (
        SELECT e.memory_id, e.namespace_id, e.chunk, -(e.vector <#> :vector) AS score
        FROM embedding e {_records("e", scope)}
        WHERE e.tenant_id = :tenant AND e.shelf = :shelf AND e.namespace_id = ANY(CAST(:namespaces AS uuid[]))
            AND e.encoder_id = :encoder AND {_live("e", scope)} AND ({scope.where.text})
        OFFSET 0
    ),
    nearest AS (SELECT * FROM scan ORDER BY score DESC, memory_id, chunk LIMIT :vector_rows),
    by_vector AS (
        SELECT memory_id, any_value(namespace_id) AS namespace_id, max(score) AS score FROM nearest GROUP BY memory_id
    )
    """


def _keyword_channel(scope: Scope) -> str:
    chosen = "hit"
    if scope.reads_records:
        chosen = f"(SELECT h.* FROM hit h {_records('h', scope)} WHERE {_live('h', scope)} AND ({scope.where.text}))"
    # Document frequencies count what is known, whatever the filter: a rare word stays rare inside a filter.
    known = "true" if scope.archived else _live("p", scope)
    # Terms are numbered: grouping by a number costs a third of grouping by text.
    return f"""
    hit AS MATERIALIZED (
        SELECT t.number, p.memory_id, p.namespace_id, p.version, p.impact, p.known_from, p.known_to
        FROM unnest(CAST(:rare AS text[])) WITH ORDINALITY AS t (term, number)
        JOIN posting p ON p.tenant_id = :tenant AND p.namespace_id = ANY(CAST(:namespaces AS uuid[])) AND p.term = t.term
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
        SELECT p.memory_id, p.namespace_id, p.score + {_common_score("p", scope)} AS score
        FROM promising p ORDER BY 3 DESC, p.memory_id LIMIT :keyword_rows
    )
    """


def _common_score(alias: str, scope: Scope) -> str:
    """Return what the common terms add to one candidate, by point look-ups."""
    live = "true" if scope.archived else _live("o", scope)
    return f"""coalesce((
        SELECT sum(t.idf * o.impact) FROM unnest(CAST(:common AS text[]), CAST(:common_idf AS float8[])) AS t (term, idf)
        JOIN posting o ON o.tenant_id = :tenant AND o.namespace_id = {alias}.namespace_id AND o.term = t.term
            AND o.memory_id = {alias}.memory_id AND {live}
    ), 0)"""


def _vector_score(scope: Scope) -> str:
    """Return the vector score of a candidate that the vector channel itself did not choose."""
    live = "true" if scope.archived else _live("e", scope)
    return f"""(
        SELECT max(-(e.vector <#> :vector)) FROM embedding e
        WHERE e.tenant_id = :tenant AND e.shelf = :shelf AND e.namespace_id = c.namespace_id
            AND e.encoder_id = :encoder AND e.memory_id = c.memory_id AND {live}
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
    rows = session.execute(statement, params).all()
    frequency: dict[str, int] = {}
    if rows and keyword is not None:
        counted = rows[0].frequencies or {}
        frequency = dict(keyword.common) | {keyword.rare[int(number) - 1]: int(df) for number, df in counted.items()}
    scanned = rows[0].scanned if rows and vector is not None else 0
    return Candidates(
        rows=tuple(Candidate(row.memory_id, row.vector_score, row.keyword_score) for row in rows),
        document_frequency=frequency,
        exhausted=scanned < params.get("vector_rows", 0),
    )


def hybrid_query(
    scope: Scope, *, vector: NDArray[np.float32] | None, keyword: KeywordQuery | None, per_channel: int
) -> tuple[Any, dict[str, Any]]:
    """Return the statement and its parameters; the plan test reads it, too."""
    parts, candidates, params = [], [], _scope_params(scope)
    vector_score, keyword_score, joins, scanned, frequencies = "NULL", "NULL", "", "0", "NULL"
    if keyword is not None:
        parts.append(_keyword_channel(scope))
        candidates.append("SELECT memory_id, namespace_id FROM by_keyword")
        joins += " LEFT JOIN by_keyword b ON b.memory_id = c.memory_id LEFT JOIN partial k ON k.memory_id = c.memory_id"
        keyword_score = f"coalesce(b.score, coalesce(k.score, 0) + {_common_score('c', scope)})"
        frequencies = "(SELECT jsonb_object_agg(number, df) FROM frequency)"
        params |= _keyword_params(keyword, per_channel)
    if vector is not None:
        parts.append(_vector_channel(scope))
        candidates.append("SELECT memory_id, namespace_id FROM by_vector")
        joins += " LEFT JOIN by_vector v ON v.memory_id = c.memory_id"
        vector_score = f"coalesce(v.score, {_vector_score(scope)})"
        scanned = "(SELECT count(*) FROM nearest)"
        # Chunks of one memory share a place: ask for half as many rows again as memories.
        params |= {"vector": HalfVector(vector), "vector_rows": per_channel + per_channel // 2}
    statement = f"""
    WITH {",".join(parts)}
    SELECT c.memory_id, {vector_score} AS vector_score, {keyword_score} AS keyword_score,
        {scanned} AS scanned, {frequencies} AS frequencies
    FROM ({" UNION ".join(candidates)}) c {joins}
    """
    return text(statement), params


def _scope_params(scope: Scope) -> dict[str, Any]:
    return {
        "tenant": scope.tenant_id,
        "namespaces": list(scope.namespace_ids),
        "shelf": scope.shelf,
        "encoder": scope.encoder_id,
        "at": scope.at,
        "known": scope.at,
        **scope.where.params,
    }


def _keyword_params(keyword: KeywordQuery, per_channel: int) -> dict[str, Any]:
    idf = [float(np.log1p((max(keyword.documents, df) - df + 0.5) / (df + 0.5))) for _, df in keyword.common]
    return {
        "rare": list(keyword.rare),
        "common": [term for term, _ in keyword.common],
        "common_idf": idf,
        "documents": keyword.documents,
        "completed": max(COMPLETED, 4 * per_channel),
        "keyword_rows": per_channel,
    }


@dataclass(frozen=True, slots=True)
class Corpus:
    """What a search must know of its namespaces before it encodes the query."""

    documents: int
    speakers: tuple[str, ...]
    common: dict[str, int]


def describe_corpus(session: Session, tenant_id: UUID, namespace_ids: Sequence[UUID], terms: Sequence[str]) -> Corpus:
    """Return how many documents the namespaces hold, who speaks in them, and which of the terms are common."""
    row = session.execute(
        text(
            """
            SELECT
                (SELECT coalesce(sum(n.folded_docs), 0) FROM namespace n
                 WHERE n.tenant_id = :tenant AND n.id = ANY(CAST(:namespaces AS uuid[])))
                + (SELECT coalesce(sum(d.docs), 0) FROM corpus_delta d
                   WHERE d.tenant_id = :tenant AND d.namespace_id = ANY(CAST(:namespaces AS uuid[]))) AS documents,
                ARRAY(SELECT DISTINCT s.name FROM speaker s
                      WHERE s.tenant_id = :tenant AND s.namespace_id = ANY(CAST(:namespaces AS uuid[]))
                      ORDER BY s.name LIMIT 200) AS speakers,
                (SELECT jsonb_object_agg(t.term, t.df) FROM (
                    SELECT term, sum(df) AS df FROM term_stat WHERE tenant_id = :tenant
                    AND namespace_id = ANY(CAST(:namespaces AS uuid[])) AND term = ANY(CAST(:terms AS text[]))
                    GROUP BY term) t) AS common
            """
        ),
        {"tenant": tenant_id, "namespaces": list(namespace_ids), "terms": list(terms)},
    ).one()
    common = {term: int(df) for term, df in (row.common or {}).items()}
    return Corpus(documents=max(0, int(row.documents)), speakers=tuple(row.speakers), common=common)
