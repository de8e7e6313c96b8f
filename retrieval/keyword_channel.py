"""The keyword channel in SQL: BM25 in two phases, bounded however large the namespace.

A channel is common table expressions that end in a relation of (memory_id, namespace_id, score).
"""

from retrieval.bm25 import MOST_IMPACT
from retrieval.scope import Shape, archive, inside, live, records

_COMMON = "CAST(:common AS text[]), CAST(:common_idf AS float8[])"
_COMMON_TERMS = f"unnest({_COMMON}) AS t (term, idf)"
_COMMON_BITS = f"unnest({_COMMON}, CAST(:common_bit AS integer[])) AS t (term, idf, bit)"
_COLUMNS = "p.memory_id, p.namespace_id, p.version, p.impact, p.known_from, p.known_to"


def keyword_channel(shape: Shape, *, heads: bool, common: bool, bounded: bool = False) -> str:
    """Return the expressions of the channel; `by_keyword` is the last.

    `hit` are the postings of rare terms, all of them where they are not `bounded`. `head` are the strongest and newest postings
    of terms with too many; they only choose candidates, whose score is then completed by look-ups.

    Args:
        shape: what decides the text of the statement.
        heads: some common terms choose candidates as well.
        common: there are common terms, that only add to the score of candidates where they do not choose.
        bounded: there may be so many postings of rare terms that they are counted while they are read.
    """
    chosen = "hit"
    if shape.reads_records:
        chosen = f"(SELECT h.* FROM hit h {records('h', shape)} WHERE {live('h', shape)} AND ({shape.where}))"
    # Document frequencies count what is known, whatever the filter: a rare word stays rare inside a filter. With the archive
    # they also count earlier texts of a memory; they may be off by half without cost.
    known = live("p", shape) if not shape.archived else "p.known_from <= :at" if shape.as_known else "true"
    completed = f"completed AS ({_PARTIAL} {_BEST_FIRST} LIMIT :keyword_rows)"
    if common:
        completed = (
            _heads(shape) if heads else f"promise AS ({_PARTIAL}), least AS (SELECT 0 AS score),"
        ) + _completed(shape)
    # Words are numbered: grouping by a number costs a third of grouping by text. The terms of one word share a number; a
    # memory is in one language and holds one of them, as a rule, so that counting rows counts memories.
    return f"""
    {_hit(shape, known, bounded=bounded)},
    frequency AS MATERIALIZED (SELECT number, count(*) AS df FROM hit GROUP BY number),
    rarity AS MATERIALIZED (
        SELECT number, ln(1 + (greatest(:documents, df) - df + CAST(0.5 AS float8)) / (df + CAST(0.5 AS float8))) AS idf
        FROM frequency
    ),
    partial AS MATERIALIZED (
        SELECT h.memory_id, {_space(shape, "h.namespace_id")} AS namespace_id, sum(r.idf * h.impact) AS score
        FROM {chosen} h JOIN rarity r ON r.number = h.number GROUP BY h.memory_id
    ),
    {completed},
    by_keyword AS (
        SELECT memory_id, namespace_id, score FROM completed ORDER BY score DESC, memory_id LIMIT :keyword_rows
    )
    """


def _hit(shape: Shape, known: str, *, bounded: bool) -> str:
    """Return the expressions that read the postings of rare terms; `hit` is the last.

    Where they are `bounded`, `unread` is the first word that was not read to its end, if there is one: it counts as not read.
    """
    terms = "unnest(CAST(:rare AS text[]), CAST(:rare_number AS integer[])) AS t (term, number)"
    wanted = f"p.tenant_id = :tenant AND {inside('p', shape)} AND p.term = t.term"
    if not bounded:
        return f"""hit AS MATERIALIZED (
        SELECT t.number, {_COLUMNS} FROM {terms} JOIN posting p ON {wanted} AND {known}
    )"""
    # Term after term in the order given, because a subquery with a limit is asked for each: reading ends with the outer limit. The
    # inner one keeps a term that became common since they were counted from using up the room of all others.
    return f"""read AS MATERIALIZED (
        SELECT t.number, p.* FROM {terms}
        CROSS JOIN LATERAL (SELECT {_COLUMNS} FROM posting p WHERE {wanted} AND {known} LIMIT :most_of_one) p
        LIMIT :most_read + 1
    ),
    unread AS MATERIALIZED (SELECT max(number) AS number FROM read HAVING count(*) > :most_read),
    hit AS MATERIALIZED (
        SELECT * FROM read WHERE number < coalesce((SELECT number FROM unread), CAST(:rare_terms AS integer) + 1)
    )"""


# What rare terms found. `apart` is the score but for what common terms that chose a memory would add if they stood
# in it once, `met` tells by a bit for each which of them did.
_PARTIAL = "SELECT memory_id, namespace_id, score, score AS apart, 0 AS met FROM partial"
_BEST_FIRST = "ORDER BY score DESC, memory_id"


def _space(shape: Shape, column: str) -> str:
    """Return the namespace of the rows of one memory; where one is searched, it need not be looked up."""
    return "CAST(:namespace AS uuid)" if shape.alone else f"any_value({column})"


def _last(column: str, of: str) -> str:
    """Return what the last place asked has."""
    return f"coalesce((SELECT {column} FROM {of} ORDER BY {column} DESC OFFSET :keyword_rows - 1 LIMIT 1), 0)"


def _heads(shape: Shape) -> str:
    """Return the expressions that choose by common terms, too; they end in `promise`.

    `least` is what the last place asked has at least: what the best by rare terms have with the common ones. Postings that
    could not lift a memory so far, were every other common term in it once, are not read.
    """
    return f"""
    best AS (
        SELECT p.score + {common_score("p", shape)} AS score FROM ({_PARTIAL} {_BEST_FIRST} LIMIT 2 * :keyword_rows) p
    ),
    least AS MATERIALIZED (SELECT {_last("score", "best")} AS score),
    head AS MATERIALIZED (
        SELECT t.idf, t.bit, p.memory_id, p.namespace_id, p.impact
        FROM least CROSS JOIN unnest(CAST(:heads AS text[]), CAST(:head_idf AS float8[]), CAST(:head_bit AS integer[]))
            AS t (term, idf, bit)
        CROSS JOIN unnest(CAST(:namespaces AS uuid[])) AS n (id)
        CROSS JOIN LATERAL ({_head(shape, strong=True)} UNION ALL {_head(shape, strong=False)}) p
    ),
    promise AS MATERIALIZED (
        SELECT memory_id, {_space(shape, "namespace_id")} AS namespace_id, sum(score) AS score, sum(apart) AS apart,
            bit_or(met) AS met
        FROM (
            SELECT p.* FROM ({_PARTIAL}) p, least WHERE p.score + :all_common * {MOST_IMPACT} >= least.score
            UNION ALL SELECT memory_id, namespace_id, idf * impact, idf * (impact - 1), bit FROM head
        ) x GROUP BY memory_id
    ),"""


def _completed(shape: Shape) -> str:
    """Return the expressions that add to each memory the common terms that have not chosen it; `completed` is the last.

    Who could not reach the last place asked even if every common term stood in it once is left out: the last place first by
    what memories promise, then by what the most promising have.
    """
    return f"""
    promising AS MATERIALIZED (
        SELECT *, row_number() OVER (ORDER BY score DESC, memory_id) AS place FROM promise
        WHERE apart + :all_common >= greatest((SELECT score FROM least), {_last("score", "promise")})
        ORDER BY score DESC, memory_id LIMIT :completed
    ),
    first AS MATERIALIZED (
        SELECT p.memory_id, p.namespace_id, p.score + {common_score("p", shape, unmet=True)} AS score
        FROM promising p WHERE place <= 2 * :keyword_rows
    ),
    rest AS MATERIALIZED (
        SELECT * FROM promising WHERE place > 2 * :keyword_rows AND apart + :all_common >= {_last("score", "first")}
        ORDER BY memory_id
    ),
    completed AS (
        SELECT * FROM first
        UNION ALL SELECT memory_id, {_space(shape, "namespace_id")}, sum(score) FROM (
            SELECT memory_id, namespace_id, score FROM rest
            UNION ALL SELECT r.memory_id, r.namespace_id, t.idf * o.impact
            FROM {_COMMON_BITS} JOIN rest r ON t.bit & r.met = 0
            CROSS JOIN LATERAL (
                SELECT o.impact FROM posting o {archive("o", shape)}
                WHERE o.tenant_id = :tenant AND o.namespace_id = r.namespace_id AND o.term = t.term
                    AND o.memory_id = r.memory_id AND {live("o", shape)} OFFSET 0
            ) o
        ) x GROUP BY memory_id
    )"""


def _head(shape: Shape, *, strong: bool) -> str:
    """Return some postings of the term `t` in the namespace `n`: those of impact above 1, strongest first, or the newest.

    In a short text an impact above 1 means that the term is repeated. All texts that say it once are alike to BM25.
    """
    order = "p.impact DESC, p.memory_id DESC" if strong else "p.memory_id DESC"
    wanted = "p.impact > 1 AND p.impact >= 1 + (least.score - :all_common) / t.idf"
    if not strong:
        wanted = "p.impact <= 1 AND least.score <= :all_common"
    return f"""(
        SELECT p.memory_id, p.namespace_id, p.impact FROM posting p {records("p", shape)}
        WHERE p.tenant_id = :tenant AND p.namespace_id = n.id AND p.term = t.term AND {wanted}
            AND {live("p", shape)} AND ({shape.where})
        ORDER BY {order} LIMIT :{"strong" if strong else "newest"}_rows
    )"""


def common_score(alias: str, shape: Shape, *, unmet: bool = False) -> str:
    """Return what the common terms add to one candidate, by point look-ups; `unmet`: those that have not chosen it."""
    terms, which = (_COMMON_BITS, f"AND t.bit & {alias}.met = 0") if unmet else (_COMMON_TERMS, "")
    return f"""coalesce((
        SELECT sum(t.idf * o.impact) FROM {terms}
        JOIN posting o ON o.tenant_id = :tenant AND o.namespace_id = {alias}.namespace_id AND o.term = t.term
            AND o.memory_id = {alias}.memory_id {archive("o", shape)} WHERE {live("o", shape)} {which}
    ), 0)"""
