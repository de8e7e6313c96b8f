"""The vector channel in SQL: exact on shared shelves, through an index on shelves of their own.

What is young in a large namespace still lies on the shared shelf, so such a namespace is searched on both. What has faded
lies in `embedding_coarse`, found by how many signs differ from those of the query.

A channel is common table expressions that end in a relation of (memory_id, namespace_id, score).
"""

from math import log2

from retrieval.scope import Shape, archive, inside, live, on_shelves, records

# What the index collects per search beyond the rows asked for: at 1M memories this costs a millisecond and brings recall
# from .96 to .98. pgvector allows 1,000.
EFFORT = 4
# A million vectors of realistic spread gave .94 of the exact fifty with 200, .9698 with 400 and .979 with 500; a hundred
# thousand gave .987 with 200, .993 with 332 and .996 with 500, which took 5.0, 7.5 and 10.2 ms.
EFFORT_PER_DOUBLING = 50
SMALLEST = 1_000  # memories, from which doublings are counted
MOST_EFFORT = 1000
# Sketches scatter: of 2,760 and 3,733 real turns the 75 with the fewest other signs held .97 of the true ten, 150 .98, 300 .997.
COARSE_ROWS = 2  # times the rows asked in half precision, and beside them: one kind never crowds out the other


def effort(rows: int, memories: int) -> int:
    """Return how many candidates an index search keeps to return so many rows of so many memories.

    >>> effort(45, 50_000), effort(45, 100_000), effort(45, 1_000_000), effort(45, 10_000_000)
    (282, 332, 498, 664)
    >>> effort(300, 50_000), effort(3000, 50_000)
    (1000, 1000)
    """
    doublings = max(0.0, log2(max(memories, 1) / SMALLEST))
    return min(MOST_EFFORT, max(round(EFFORT_PER_DOUBLING * doublings), EFFORT * rows))


def vector_channel(shape: Shape) -> str:
    """Return the expressions of the channel; `by_vector` is the last.

    `nearest` and `coarse` are chunks, or memories by their nearest chunk where the shape says so. They are cut before it is
    known whose they are: `brought` says of how many memories they are, so that who asked can tell whether that is enough.
    """
    return f"""{", ".join([_exact(shape), *(_own(shelf, shape) for shelf in shape.own), _coarse(shape)])},
    nearest AS ({_nearest(shape)}),
    by_distance AS ({_memories("nearest", "-min(distance)", "vector")}),
    by_sketch AS ({_memories("coarse", _ESTIMATE.format("min(differing)"), "coarse")}),
    by_vector AS (
        SELECT memory_id, any_value(namespace_id) AS namespace_id, max(score) AS score
        FROM (SELECT * FROM by_distance UNION ALL SELECT * FROM by_sketch) x GROUP BY memory_id
    )
    """


# A sketch is a guess, and the best of many guesses look better than they are: what is exact stands apart.
RANKED = ("by_distance", "by_sketch")
"""The relations of (memory_id, namespace_id, score) whose scores compare with each other."""


def _nearest(shape: Shape) -> str:
    shelves = ("scan", *(f"own_{shelf}" for shelf in shape.own))
    if shape.by_memory:
        every = " UNION ALL ".join(f"SELECT * FROM {name}" for name in shelves)
        return f"""
        SELECT memory_id, any_value(namespace_id) AS namespace_id, min(distance) AS distance FROM ({every}) x
        GROUP BY memory_id ORDER BY min(distance), memory_id LIMIT :vector_rows"""
    if not shape.own:
        return "SELECT memory_id, namespace_id, chunk, distance FROM scan ORDER BY distance, memory_id, chunk LIMIT :vector_rows"
    # While a namespace moves two shelves hold the same vectors: they count once. Each shelf's best are distinct, so
    # together they fill the rows asked.
    best = " UNION ALL ".join(
        f"(SELECT * FROM {name} ORDER BY distance, memory_id, chunk LIMIT :vector_rows)" for name in shelves
    )
    return f"""
        SELECT memory_id, any_value(namespace_id) AS namespace_id, chunk, min(distance) AS distance FROM ({best}) x
        GROUP BY memory_id, chunk ORDER BY min(distance), memory_id, chunk LIMIT :vector_rows"""


def _memories(chunks: str, score: str, kind: str) -> str:
    return f"""
        SELECT memory_id, any_value(namespace_id) AS namespace_id, {score} AS score FROM {chunks}
        GROUP BY memory_id ORDER BY score DESC, memory_id LIMIT :{kind}_memories"""


def brought() -> str:
    """Return how many rows `nearest` has and of how many memories they are, and the same of `coarse`."""
    counts = (
        f"(SELECT {n} FROM {of})" for of in ("nearest", "coarse") for n in ("count(*)", "count(DISTINCT memory_id)")
    )
    return f"ARRAY[{', '.join(counts)}]"


def found_by_index(shape: Shape) -> str:
    """Return how many rows the poorest index search brought; NULL when no index was asked."""
    if shape.exact or not shape.own:
        return "NULL"
    return f"least({', '.join(f'(SELECT count(*) FROM own_{shelf})' for shelf in shape.own)})"


def _exact(shape: Shape) -> str:
    # OFFSET 0 keeps the order apart from the scan, so that no index is ever asked for it.
    return f"""
    scan AS (
        SELECT e.memory_id, e.namespace_id, e.chunk, e.vector <#> :vector AS distance
        FROM embedding e {records("e", shape)}
        WHERE e.tenant_id = :tenant AND {on_shelves("e", shape.shared)} AND {inside("e", shape)}
            AND e.encoder_id = :encoder AND {live("e", shape)} AND ({shape.where})
        OFFSET 0
    )"""


def _own(shelf: int, shape: Shape) -> str:
    # The expression is the index's: a column without a fixed dimension cannot be indexed itself.
    distance = f"(CAST(e.vector AS halfvec({int(shape.dimension)}))) <#> :vector"
    rows = f"""
        SELECT e.memory_id, e.namespace_id, e.chunk, {distance} AS distance
        FROM embedding e {records("e", shape)}
        WHERE e.tenant_id = :tenant AND e.shelf = {int(shelf)} AND e.namespace_id = :own_{int(shelf)}
            AND e.encoder_id = :encoder AND {live("e", shape)} AND ({shape.where})
    """
    if shape.exact:
        return f"own_{shelf} AS ({rows} OFFSET 0)"
    return f"own_{shelf} AS MATERIALIZED ({rows} ORDER BY {distance} LIMIT :vector_rows)"


# How near a text is by its sketch: `quantisation.cosine_of_sketches`.
_ESTIMATE = "cos(pi() * {} / length(CAST(:sketch AS bit varying)))"
_DIFFERING = "CAST(e.sketch <~> CAST(:sketch AS bit varying) AS float8)"


def _coarse(shape: Shape) -> str:
    space, differing, last = "e.namespace_id", _DIFFERING, "ORDER BY differing, e.memory_id, e.chunk"
    if shape.by_memory:
        space, differing = "any_value(e.namespace_id) AS namespace_id", f"min({_DIFFERING})"
        last = "GROUP BY e.memory_id ORDER BY differing, e.memory_id"
    return f"""
    coarse AS (
        SELECT e.memory_id, {space}, {differing} AS differing
        FROM embedding_coarse e {records("e", shape)}
        WHERE e.tenant_id = :tenant AND {inside("e", shape)} AND e.encoder_id = :encoder
            AND {live("e", shape)} AND ({shape.where})
        {last} LIMIT :coarse_rows
    )"""


def vector_score(shape: Shape) -> str:
    """Return the vector score of a candidate `c` that the vector channel itself did not choose."""
    return f"""greatest((
        SELECT max(-(e.vector <#> :vector)) FROM embedding e {archive("e", shape)}
        WHERE e.tenant_id = :tenant AND {on_shelves("e", (*shape.shared, *shape.own))} AND e.namespace_id = c.namespace_id
            AND e.encoder_id = :encoder AND e.memory_id = c.memory_id AND {live("e", shape)}
    ), (
        SELECT {_ESTIMATE.format("differing")} FROM (
            SELECT min({_DIFFERING}) AS differing FROM embedding_coarse e {archive("e", shape)}
            WHERE e.tenant_id = :tenant AND e.namespace_id = c.namespace_id
                AND e.encoder_id = :encoder AND e.memory_id = c.memory_id AND {live("e", shape)}
        ) x
    ))"""
