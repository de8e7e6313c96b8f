"""The keyword channel in SQL: BM25 in two phases, bounded however large the namespace.

A channel is common table expressions that end in a relation of (memory_id, namespace_id, score).
"""

from retrieval.scope import Shape, archive, inside, live, records

_COLUMNS = "p.memory_id, p.namespace_id, p.version, p.impact, p.known_from, p.known_to"


def keyword_channel(shape: Shape, *, heads: bool) -> str:
    """Return the expressions of the channel; `by_keyword` is the last.

    `hit` are the postings of rare terms, all of them. `head` are the strongest and newest postings of terms with too many;
    they only choose candidates, whose score is then completed by look-ups.
    """
    chosen = "hit"
    if shape.reads_records:
        chosen = f"(SELECT h.* FROM hit h {records('h', shape)} WHERE {live('h', shape)} AND ({shape.where}))"
    # Document frequencies count what is known, whatever the filter: a rare word stays rare inside a filter. With the archive
    # they also count earlier texts of a memory; they may be off by half without cost.
    known = "true" if shape.archived else live("p", shape)
    head, chosen_by = "", "SELECT memory_id, namespace_id, score FROM partial ORDER BY score DESC, memory_id"
    if heads:
        head = f"""
    head AS MATERIALIZED (
        SELECT t.idf, p.memory_id, p.namespace_id, p.impact
        FROM unnest(CAST(:heads AS text[]), CAST(:head_idf AS float8[])) AS t (term, idf)
        CROSS JOIN unnest(CAST(:namespaces AS uuid[])) AS n (id)
        CROSS JOIN LATERAL ({_head(shape, strong=True)} UNION ALL {_head(shape, strong=False)}) p
    ),
    promise AS MATERIALIZED (
        SELECT memory_id, any_value(namespace_id) AS namespace_id, sum(known) AS score, sum(known + promised) AS promise,
            sum(known + promised - met) AS apart
        FROM (
            SELECT memory_id, namespace_id, score AS known, CAST(0 AS float8) AS promised, CAST(0 AS float8) AS met
            FROM partial
            UNION ALL SELECT memory_id, namespace_id, 0, idf * impact, idf FROM head
        ) x GROUP BY memory_id
    ),"""
        # Who could not reach the present last place even if every common term stood in it once is not completed.
        chosen_by = """
            SELECT memory_id, namespace_id, score FROM promise
            WHERE apart + :all_common >= coalesce(
                (SELECT promise FROM promise ORDER BY promise DESC OFFSET :keyword_rows - 1 LIMIT 1), 0)
            ORDER BY promise DESC, memory_id"""
    # Words are numbered: grouping by a number costs a third of grouping by text. The terms of one word share a number; a
    # memory is in one language and holds one of them, as a rule, so that counting rows counts memories.
    return f"""
    hit AS MATERIALIZED (
        SELECT t.number, {_COLUMNS}
        FROM unnest(CAST(:rare AS text[]), CAST(:rare_number AS integer[])) AS t (term, number)
        JOIN posting p ON p.tenant_id = :tenant AND {inside("p", shape)} AND p.term = t.term
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
    ),{head}
    promising AS ({chosen_by} LIMIT :completed),
    by_keyword AS (
        SELECT p.memory_id, p.namespace_id, p.score + {common_score("p", shape)} AS score
        FROM promising p ORDER BY 3 DESC, p.memory_id LIMIT :keyword_rows
    )
    """


def _head(shape: Shape, *, strong: bool) -> str:
    """Return some postings of the term `t` in the namespace `n`: those of impact above 1, strongest first, or the newest.

    In a short text an impact above 1 means that the term is repeated. All texts that say it once are alike to BM25.
    """
    comparison, order = (">", "p.impact DESC, p.memory_id DESC") if strong else ("<=", "p.memory_id DESC")
    return f"""(
        SELECT p.memory_id, p.namespace_id, p.impact FROM posting p {records("p", shape)}
        WHERE p.tenant_id = :tenant AND p.namespace_id = n.id AND p.term = t.term AND p.impact {comparison} 1
            AND {live("p", shape)} AND ({shape.where})
        ORDER BY {order} LIMIT :{"strong" if strong else "newest"}_rows
    )"""


def common_score(alias: str, shape: Shape) -> str:
    """Return what the common terms add to one candidate, by point look-ups."""
    return f"""coalesce((
        SELECT sum(t.idf * o.impact) FROM unnest(CAST(:common AS text[]), CAST(:common_idf AS float8[])) AS t (term, idf)
        JOIN posting o ON o.tenant_id = :tenant AND o.namespace_id = {alias}.namespace_id AND o.term = t.term
            AND o.memory_id = {alias}.memory_id {archive("o", shape)} WHERE {live("o", shape)}
    ), 0)"""
