"""What hangs on memories, by table: counted before an erasure, and looked for once more after it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

_IDS: Final = "ANY(CAST(:ids AS uuid[]))"
# Ids in a text that quotes them: found by how they look, so that one pass over the text does, however many are looked for.
QUOTED: Final = "'[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}', 'g'"


def _by(table: str, *columns: str) -> str:
    """Return a count of the rows of a table that name one of the memories in one of some columns."""
    named = " OR ".join(f"t.{column} = {_IDS}" for column in columns)
    return f"SELECT count(*) FROM {table} t WHERE t.tenant_id = :tenant AND ({named})"


_QUOTING_ANSWERS: Final = f"""
    SELECT count(*) FROM idempotency_key t WHERE t.tenant_id = :tenant AND EXISTS (SELECT FROM
        regexp_matches(encode(t.body, 'escape'), {QUOTED}) AS f (found) WHERE CAST(f.found[1] AS uuid) = {_IDS})
"""
_QUOTING_RESULTS: Final = f"""
    SELECT count(*) FROM job t WHERE t.tenant_id = :tenant AND t.result IS NOT NULL AND EXISTS (SELECT FROM
        regexp_matches(CAST(t.result AS text), {QUOTED}) AS f (found) WHERE CAST(f.found[1] AS uuid) = {_IDS})
"""
_SHOWN_IN_TRACES: Final = f"""
    SELECT count(*) FROM trace t WHERE t.tenant_id = :tenant AND EXISTS (SELECT FROM
        jsonb_array_elements(t.result -> 'results') r WHERE CAST(r ->> 'memory_id' AS uuid) = {_IDS})
"""

# Rows that go, or lose what they say of the memories (`trace`, `job`).
_COUNTS: Final[Mapping[str, str]] = {
    "memory": _by("memory", "id"),
    "memory_version": _by("memory_version", "id"),
    "source": _by("source", "memory_id"),
    "embedding": _by("embedding", "memory_id"),
    "embedding_coarse": _by("embedding_coarse", "memory_id"),
    "link": _by("link", "source_id", "target_id"),
    "time_mention": _by("time_mention", "memory_id"),
    "fact": _by("fact", "memory_id"),
    "mention": _by("mention", "memory_id"),
    "retention": _by("retention", "memory_id"),
    "recall": _by("recall", "memory_id"),
    "feedback": _by("feedback", "memory_id"),
    "change": _by("change", "memory_id"),
    "review": _by("review", "memory_id", "other_id"),
    "document_chunk": _by("document_chunk", "memory_id"),
    "dead_letter": f"""
        SELECT count(DISTINCT t.dead_letter_id) FROM dead_letter_memory t
        WHERE t.tenant_id = :tenant AND t.memory_id = {_IDS}
    """,
    # A plan goes with any of its memories.
    "kv_plan": f"""
        SELECT count(DISTINCT t.plan_id) FROM kv_plan_source t WHERE t.tenant_id = :tenant AND t.memory_id = {_IDS}
    """,
    "kv_plan_source": _by("kv_plan_source", "memory_id"),
    "kv_memory": f"""
        SELECT count(DISTINCT t.kv_memory_id) FROM kv_source t WHERE t.tenant_id = :tenant AND t.memory_id = {_IDS}
    """,
    "kv_source": _by("kv_source", "memory_id"),
    "kv_block": f"""
        SELECT count(*) FROM kv_block t WHERE t.tenant_id = :tenant AND t.kv_memory_id IN (SELECT s.kv_memory_id
            FROM kv_source s WHERE s.tenant_id = :tenant AND s.memory_id = {_IDS})
    """,
    # Cubes are made anew without them; every version that learned one of them loses its weights at once.
    "parametric_memory": f"""
        SELECT count(DISTINCT t.parametric_memory_id) FROM parametric_pair t WHERE t.tenant_id = :tenant AND t.memory_id = {_IDS}
    """,
    "parametric_version": f"""
        SELECT count(*) FROM parametric_version t WHERE t.tenant_id = :tenant AND t.weights IS NOT NULL AND EXISTS (
            SELECT FROM parametric_pair p WHERE p.tenant_id = :tenant AND p.parametric_memory_id = t.parametric_memory_id
                AND p.version = ANY (t.lineage) AND p.memory_id = {_IDS})
    """,
    "parametric_pair": _by("parametric_pair", "memory_id"),
    # That they are erased is still told, by their ids.
    "webhook_delivery": f"""
        SELECT count(*) FROM webhook_delivery t
        WHERE t.tenant_id = :tenant AND t.subject_id = {_IDS} AND t.event <> 'memory.erased'
    """,
    "trace": _SHOWN_IN_TRACES,
    "idempotency_key": _QUOTING_ANSWERS,
    "job": _QUOTING_RESULTS,
}
# What goes with the last memory that it is about; afterwards nothing tells that it was about one of these.
_LAST: Final[Mapping[str, str]] = {
    "document": f"""
        SELECT count(*) FROM document t WHERE t.tenant_id = :tenant AND t.id IN (SELECT c.document_id FROM document_chunk c
            WHERE c.tenant_id = :tenant AND c.memory_id = {_IDS})
        AND NOT EXISTS (SELECT FROM document_chunk o WHERE o.tenant_id = :tenant AND o.document_id = t.id
            AND NOT o.memory_id = {_IDS})
    """,
    "saved_query": f"""
        SELECT count(*) FROM saved_query t WHERE t.tenant_id = :tenant AND t.id IN (SELECT r.saved_query_id
            FROM saved_query_memory r WHERE r.tenant_id = :tenant AND r.memory_id = {_IDS})
        AND NOT EXISTS (SELECT FROM saved_query_memory o WHERE o.tenant_id = :tenant AND o.saved_query_id = t.id
            AND NOT o.memory_id = {_IDS})
    """,
}
_POSTINGS: Final = f"""
    SELECT count(*) FROM memory m JOIN posting p ON p.tenant_id = :tenant AND p.namespace_id = m.namespace_id
        AND p.memory_id = m.id WHERE m.tenant_id = :tenant AND m.id = {_IDS}
"""
# A gist goes with what it is the gist of, also where no memory of its own is among those erased.
_STRUCTURES: Final = f"""
    WITH made AS (
        SELECT DISTINCT s.structure, s.structure_id FROM structure_member s
        WHERE s.tenant_id = :tenant AND s.memory_id = {_IDS}
    ), hit AS (
        SELECT made.structure, made.structure_id FROM made
        UNION
        SELECT 'gist', g.id FROM made JOIN gist g ON g.tenant_id = :tenant AND g.target_id = made.structure_id
    )
    SELECT hit.structure, count(*) AS hit, count(*) FILTER (WHERE EXISTS (SELECT FROM structure_member o
        WHERE o.tenant_id = :tenant AND o.structure_id = hit.structure_id AND o.known_to = 'infinity'
        AND NOT o.memory_id = {_IDS})) AS others
    FROM hit GROUP BY hit.structure ORDER BY hit.structure
"""
# Afterwards the tombstone says in which namespace a memory was.
_LEFT: Final[Mapping[str, str]] = {
    "posting": f"""
        SELECT count(*) FROM tombstone b JOIN posting p ON p.tenant_id = :tenant AND p.namespace_id = b.namespace_id
            AND p.memory_id = b.id WHERE b.tenant_id = :tenant AND b.id = {_IDS}
    """,
    "structure_member": _by("structure_member", "memory_id"),
    "gist": f"""
        SELECT count(*) FROM gist t WHERE t.tenant_id = :tenant AND EXISTS (SELECT FROM jsonb_array_elements(t.spans) s
            WHERE CAST(s ->> 0 AS uuid) = {_IDS})
    """,
    "profile": f"""
        SELECT count(*) FROM profile t WHERE t.tenant_id = :tenant AND EXISTS (SELECT FROM jsonb_array_elements(t.lines) l,
            jsonb_array_elements_text(l -> 'memory_ids') i WHERE CAST(i AS uuid) = {_IDS})
    """,
}


def count(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> dict[str, int]:
    """Return how many rows of each table would go, or be emptied, with some memories; postings are counted apart."""
    found = _counted(session, tenant_id, ids, {**_COUNTS, **_LAST})
    return found | {name: hit for name, (hit, _) in structures(session, tenant_id, ids).items()}


def count_postings(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> int:
    """Return how many postings some memories have. It reads all postings of their namespaces."""
    return int(session.scalar(text(_POSTINGS), {"tenant": tenant_id, "ids": list(ids)}) or 0)


def structures(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> dict[str, tuple[int, int]]:
    """Return how many episodes, topics and the like are made of some memories, and how many of those of others, too."""
    rows = session.execute(text(_STRUCTURES), {"tenant": tenant_id, "ids": list(ids)})
    return {row.structure: (row.hit, row.others) for row in rows}


def left(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> dict[str, int]:
    """Return what is still there of erased memories, by table; nothing when the erasure is whole."""
    return _counted(session, tenant_id, ids, {**_COUNTS, **_LEFT})


def _counted(session: Session, tenant_id: UUID, ids: Sequence[UUID], statements: Mapping[str, str]) -> dict[str, int]:
    params: dict[str, Any] = {"tenant": tenant_id, "ids": list(ids)}
    found = {name: int(session.scalar(text(statement), params) or 0) for name, statement in statements.items()}
    return {name: number for name, number in found.items() if number}
