"""The hybrid query: the candidates of every channel, on request scored exactly in each, by one statement.

A channel contributes common table expressions that end in a relation of (memory_id, namespace_id, score); the tail joins
them into one row per candidate. A new channel is one more module of SQL and one more of pure scoring beside it.

The ranking scores what it brings anew, so a search asks for no scores. Why it is built so (docs/discussion/search.md has the
numbers): common terms only add to candidates that rarer terms, their own strongest postings or vectors found, or long posting
lists would be read for little; filters, validity and the moment of knowledge are applied where candidates are chosen, so a
minority of matching memories still fills its top k.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector
from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from memory_service.storage.driver import Pending, Question, in_driver_words, later
from retrieval.bm25 import MOST_IMPACT
from retrieval.keyword_channel import common_score, keyword_channel
from retrieval.keyword_plan import COMMON_AT_MOST, MOST_READ, NEWEST, STRONG, KeywordQuery
from retrieval.quantisation import sketch
from retrieval.reach import Reach, first_reach, further
from retrieval.scope import Scope, Shape, scope_params, shape_of
from retrieval.vector_channel import COARSE_ROWS, RANKED, brought, effort, found_by_index, vector_channel, vector_score

__all__ = ["Candidates", "KeywordQuery", "Scope", "candidates_asked", "find_candidates", "hybrid_query"]


ROUNDING = 1e-6  # in sums of impacts: who is level with a bound stays


@dataclass(frozen=True, slots=True)
class Candidates:
    """The candidates of a search in the order of their ids, with one raw score each per channel asked.

    Also in how many documents each term of the query stands.
    """

    ids: list[UUID]
    vector: list[float | None] | None
    keyword: list[float] | None
    document_frequency: dict[str, int]
    foremost: list[UUID] = field(default_factory=list)  # the best of each channel, in no order


def find_candidates(
    session: Session,
    scope: Scope,
    *,
    vector: NDArray[np.float32] | None,
    keyword: KeywordQuery | None,
    per_channel: int,
    scored: bool = True,
) -> Candidates:
    """Run the hybrid query.

    Where an index brings fewer rows than asked (a filter that few memories pass, a small share of live rows), the query is
    asked again without it: however large a namespace, as many are returned as there are. Where long texts take the places of
    the vector channel with several chunks each, it is asked again for more: their number hides no other memory.

    Args:
        session: a transaction of the searching tenant.
        scope: where to look, and as of when.
        vector: the query as float32[d], normalised; None when the vector channel is not asked.
        keyword: the query as terms; None when the keyword channel is not asked.
        per_channel: how many candidates each channel chooses; their union is returned.
        scored: look up the score in each channel also of what the other one chose.

    Returns:
        Candidates without order, each with its exact score in every channel asked where they are `scored`.
    """
    asked = candidates_asked(session, scope, vector=vector, keyword=keyword, per_channel=per_channel, scored=scored)
    return asked.result()


def candidates_asked(
    session: Session,
    scope: Scope,
    *,
    vector: NDArray[np.float32] | None,
    keyword: KeywordQuery | None,
    per_channel: int,
    scored: bool = True,
) -> Pending[Candidates]:
    """Ask for the candidates with the next statements of the session; see `find_candidates`."""
    indexed = vector is not None and bool(shape_of(scope, dimension=0, exact=False).own)

    def ask(reach: Reach, words: KeywordQuery | None) -> Question:
        statement, params = _hybrid(scope, vector=vector, keyword=words, reach=reach, scored=scored)
        if indexed and not reach.exact:
            later(session, _SETTINGS, {"effort": str(effort(reach.rows, scope.memories))})
        return later(session, _driver_words(statement), params)

    def read(rows: Sequence[Any]) -> Candidates:
        row = _Row(*rows[0])
        reach = None if vector is None else further(first, row.brought, by_index=row.found_by_index)
        while reach is not None:
            # Keywords bring no more the second time. Where scores are asked, one statement knows those of all candidates.
            wider = _Row(*ask(reach, keyword if scored else None).rows()[0])
            if not scored:
                wider = wider._replace(
                    ids=sorted({*(row.ids or ()), *(wider.ids or ())}),
                    foremost=sorted({*(row.foremost or ()), *(wider.foremost or ())}),
                    terms=row.terms,
                    frequencies=row.frequencies,
                )
            row, reach = wider, further(reach, wider.brought, by_index=wider.found_by_index)
        return _candidates(row, keyword, scored=scored, by_vector=vector is not None)

    first = first_reach(per_channel)
    return Pending(ask(first, keyword), read)


class _Row(NamedTuple):
    """The columns of the statement's one row."""

    ids: list[UUID] | None
    vector_scores: list[float | None] | None
    keyword_scores: list[float] | None
    brought: list[int]  # see `vector_channel.brought`; nothing without a vector
    found_by_index: int | None
    terms: list[int] | None
    frequencies: list[int] | None
    unread: int | None  # from this word on none was read
    foremost: list[UUID] | None


def _candidates(row: _Row, keyword: KeywordQuery | None, *, scored: bool, by_vector: bool) -> Candidates:
    frequency: dict[str, int] = {}
    if keyword is not None:
        counted = {
            keyword.rare[number - 1]: df for number, df in zip(row.terms or (), row.frequencies or (), strict=True)
        }
        frequency = dict(keyword.common) | dict(keyword.left_out) | counted
        if row.unread is not None:
            # Nobody counted what was not read: it is taken for as frequent as what was.
            usual = MOST_READ // row.unread
            frequency |= dict.fromkeys(keyword.rare[row.unread - 1 :], usual)
    return Candidates(
        ids=row.ids or [],
        vector=(row.vector_scores or []) if by_vector and scored else None,
        keyword=(row.keyword_scores or []) if keyword is not None and scored else None,
        document_frequency=frequency,
        foremost=row.foremost or [],
    )


# Filters are applied to what the index brings: let it bring more until enough pass. The order may then be a little off,
# which does not matter to rows that are sorted again.
_SETTINGS = (
    "SELECT set_config('hnsw.ef_search', %(effort)s, true), set_config('hnsw.iterative_scan', 'relaxed_order', true)"
)
_driver_words = lru_cache(maxsize=256)(in_driver_words)


def hybrid_query(
    scope: Scope,
    *,
    vector: NDArray[np.float32] | None,
    keyword: KeywordQuery | None,
    per_channel: int,
    exact: bool = False,
    scored: bool = True,
) -> tuple[TextClause, dict[str, Any]]:
    """Return the statement and its parameters, for those who read its plan."""
    reach = replace(first_reach(per_channel), exact=exact)
    statement, params = _hybrid(scope, vector=vector, keyword=keyword, reach=reach, scored=scored)
    return text(statement), params


def _hybrid(
    scope: Scope,
    *,
    vector: NDArray[np.float32] | None,
    keyword: KeywordQuery | None,
    reach: Reach,
    scored: bool,
) -> tuple[str, dict[str, Any]]:
    params = scope_params(scope) | {"foremost": reach.foremost}
    if keyword is not None:
        params |= _keyword_params(keyword, reach.wanted)
    if vector is not None:
        params |= {"vector": HalfVector(vector), "vector_rows": reach.rows, "vector_memories": reach.most}
        params |= {
            "sketch": sketch(vector),
            "coarse_rows": COARSE_ROWS * reach.rows,
            "coarse_memories": COARSE_ROWS * reach.most,
        }
    dimension = 0 if vector is None else len(vector)
    shape = shape_of(scope, dimension=dimension, exact=reach.exact, by_memory=reach.by_memory)
    words = None
    if keyword is not None:
        words = _Words(heads=bool(keyword.heads), common=bool(keyword.common), bounded=keyword.bounded)
    return _statement(shape, vector is not None, words, scored), params


@dataclass(frozen=True, slots=True)
class _Words:
    """What decides the text of the keyword channel."""

    heads: bool
    common: bool
    bounded: bool


# The best of what a channel chose, which bring the turns around them.
_FOREMOST = "(SELECT memory_id FROM {} ORDER BY score DESC, memory_id LIMIT :foremost)"


@lru_cache(maxsize=256)
def _statement(shape: Shape, by_vector: bool, words: _Words | None, scored: bool) -> str:
    """Return the statement of a shape; the candidates come as arrays in one row, in the order of their ids."""
    parts, candidates, foremost, joins = [], [], [], ""
    vector_part, keyword_part, rows, terms, frequencies = "NULL", "NULL", "NULL", "NULL", "NULL"
    by_index, unread = "NULL", "NULL"
    if words is not None:
        parts.append(keyword_channel(shape, heads=words.heads, common=words.common, bounded=words.bounded))
        candidates.append("SELECT memory_id, namespace_id FROM by_keyword")
        foremost.append(_FOREMOST.format("by_keyword"))
        joins += " LEFT JOIN by_keyword b ON b.memory_id = c.memory_id LEFT JOIN partial k ON k.memory_id = c.memory_id"
        keyword_part = f"coalesce(b.score, coalesce(k.score, 0) + {common_score('c', shape)})"
        terms = "(SELECT array_agg(number ORDER BY number) FROM frequency)"
        frequencies = "(SELECT array_agg(df ORDER BY number) FROM frequency)"
        unread = "(SELECT number FROM unread)" if words.bounded else "NULL"
    if by_vector:
        parts.append(vector_channel(shape))
        candidates.append("SELECT memory_id, namespace_id FROM by_vector")
        foremost += [_FOREMOST.format(ranked) for ranked in RANKED]
        joins += " LEFT JOIN by_vector v ON v.memory_id = c.memory_id"
        vector_part = f"coalesce(v.score, {vector_score(shape)})"
        rows = brought()
        by_index = found_by_index(shape)
    if not scored:
        vector_part, keyword_part, joins = "NULL", "NULL", ""
    return f"""
    WITH {",".join(parts)},
    scored AS (
        SELECT c.memory_id, {vector_part} AS vector_score, {keyword_part} AS keyword_score
        FROM ({" UNION ".join(candidates)}) c {joins}
    )
    SELECT array_agg(memory_id ORDER BY memory_id) AS ids,
        array_agg(CAST(vector_score AS float8) ORDER BY memory_id) AS vector_scores,
        array_agg(CAST(keyword_score AS float8) ORDER BY memory_id) AS keyword_scores,
        {rows} AS brought, {by_index} AS found_by_index, {terms} AS terms, {frequencies} AS frequencies,
        {unread} AS unread, (SELECT array_agg(memory_id) FROM ({" UNION ".join(foremost)}) f) AS foremost
    FROM scored
    """


def _keyword_params(keyword: KeywordQuery, per_channel: int) -> dict[str, Any]:
    idf = {t: float(np.log1p((max(keyword.documents, df) - df + 0.5) / (df + 0.5))) for t, df in keyword.common}
    rare = [(one, number) for number, t in enumerate(keyword.rare, start=1) for one in keyword.all_of(t)]
    bits = {t: 1 << place for place, t in enumerate(keyword.heads)}
    common = [(one, idf[t]) for t in idf for one in keyword.all_of(t)]
    params: dict[str, Any] = {
        "rare": [one for one, _ in rare],
        "rare_number": [number for _, number in rare],
        "common": [one for one, _ in common],
        "common_idf": [weight for _, weight in common],
        "common_bit": [bits.get(t, 0) for t in idf for _ in keyword.all_of(t)],
        # Of a term that chooses, texts that repeat it are read first, and not where they could not matter by this bound: a
        # rare word beside one that is repeated may be missed. The others may be repeated in any text.
        "all_common": sum(weight * (1 if t in bits else MOST_IMPACT) for t, weight in idf.items()) + ROUNDING,
        "documents": keyword.documents,
        "completed": max(keyword.completed, 4 * per_channel),
        "keyword_rows": per_channel,
    }
    if keyword.bounded:
        params |= {"most_read": MOST_READ, "most_of_one": COMMON_AT_MOST, "rare_terms": len(keyword.rare)}
    if keyword.heads:
        heads = [(one, idf[t], bits[t]) for t in keyword.heads for one in keyword.all_of(t)]
        params |= {
            "heads": [one for one, _, _ in heads],
            "head_idf": [weight for _, weight, _ in heads],
            "head_bit": [bit for _, _, bit in heads],
            "strong_rows": STRONG,
            "newest_rows": NEWEST,
        }
    return params
