"""Whole new memories: the row and everything that hangs on it, in one statement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from memory_service.storage.driver import later
from memory_service.storage.search_index import (
    IMPACT,
    IMPACT_PARAMS,
    INSERT_EMBEDDINGS,
    EmbeddingRow,
    embedding_params,
)
from memory_service.storage.sql import Row, to_jsonb
from memory_service.storage.tables import memory

_GIVEN = ", ".join(column.name for column in memory.c if column.server_default is None)
# A row that says nothing of its trust is trusted; an absent key of a record would be null.
_DEFAULTS = {"trust": "1", "flags": "'{}'"}
_READ = ", ".join(f"coalesce({n}, {_DEFAULTS[n]})" if n in _DEFAULTS else n for n in _GIVEN.split(", "))
_IMPACT = IMPACT
for _name in IMPACT_PARAMS:
    _IMPACT = _IMPACT.replace(f":{_name}", f"%({_name})s")

# Equal in Python may be another value there: 1 and True.
_NEVER_COMMON = frozenset(column.name for column in memory.c if isinstance(column.type, JSONB))

# A memory whose key a concurrent transaction took first is left out, with all that would hang on it: everything else joins
# `new`. Parts of one statement see one moment, and foreign keys are checked at its end.
_INSERT = f"""
    WITH new AS (
        INSERT INTO memory ({_GIVEN})
        SELECT {_READ} FROM jsonb_populate_recordset(
            jsonb_populate_record(CAST(NULL AS memory), CAST(%(common)s AS jsonb)), CAST(%(rows)s AS jsonb))
        ON CONFLICT DO NOTHING
        RETURNING id, namespace_id, version, terms, updated_at, expires_at, speaker, role, content_hash, created_at,
            metadata, value, computed
    ), posted AS (
        INSERT INTO posting (tenant_id, namespace_id, term, memory_id, version, impact, known_from, known_to)
        SELECT %(tenant)s, new.namespace_id, t.term, new.id, new.version, t.impact, new.updated_at,
            coalesce(new.expires_at, 'infinity')
        FROM new CROSS JOIN LATERAL (
            SELECT u.term, {_IMPACT.format("cardinality(new.terms)")} AS impact FROM unnest(new.terms) AS u (term) GROUP BY u.term
        ) t
    ), sourced AS (
        INSERT INTO source (tenant_id, memory_id, ordinal, kind, ref, speaker, role, span_from, span_to, hash, created_at)
        SELECT %(tenant)s, new.id, 0, s.kind, s.ref, CASE WHEN 'speaker' <> ALL (new.computed) THEN new.speaker END,
            CASE WHEN 'role' <> ALL (new.computed) THEN new.role END, s.span_from, s.span_to, new.content_hash, new.created_at
        FROM unnest(%(ids)s::uuid[], %(kinds)s::text[], %(refs)s::text[], %(froms)s::integer[], %(tos)s::integer[])
            AS s (memory_id, kind, ref, span_from, span_to)
        JOIN new ON new.id = s.memory_id
    ), embedded AS (
        {INSERT_EMBEDDINGS}
        WHERE e.memory_id IN (SELECT id FROM new)
    ), counted AS (
        INSERT INTO corpus_delta (tenant_id, namespace_id, id, docs)
        SELECT %(tenant)s, namespace_id, gen_random_uuid(), count(*) FROM new GROUP BY namespace_id
    ), spoken AS (
        INSERT INTO speaker (tenant_id, namespace_id, name)
        SELECT DISTINCT %(tenant)s, namespace_id, speaker FROM new WHERE speaker IS NOT NULL ORDER BY 2, 3
        ON CONFLICT DO NOTHING
    ), retained AS (
        INSERT INTO retention (tenant_id, memory_id, namespace_id) SELECT %(tenant)s, id, namespace_id FROM new
    )
    SELECT id{{extra}} FROM new
"""
_INSERT_IDS = _INSERT.replace("{extra}", "")
_INSERT_READ_BACK = _INSERT.replace("{extra}", ", metadata, value")


@dataclass(frozen=True, slots=True)
class SourceRow:
    """Where a memory comes from, beside what its own row says."""

    memory_id: UUID
    kind: str
    ref: str | None
    span: tuple[int, int]


def insert_memories(
    session: Session,
    tenant_id: UUID,
    rows: Sequence[Mapping[str, Any]],
    sources: Sequence[SourceRow],
    embeddings: Sequence[EmbeddingRow],
    *,
    now: datetime,
    read_back: bool = False,
) -> dict[UUID, Row]:
    """Insert memories with source, vectors, postings, document counts, speakers and retention; return what was inserted, by id.

    One whose external_id or duplicate a concurrent transaction stored first is left out of everything and of the answer.

    Args:
        session: the transaction.
        tenant_id: whose memories.
        rows: columns of `memory`; an absent one is null.
        sources: one for each row.
        embeddings: of all rows.
        now: from when the vectors are known.
        read_back: whether the answer holds `metadata` and `value` as the database keeps them.
    """
    common, own = _apart(rows)
    params = {
        "tenant": tenant_id,
        "common": to_jsonb(common),
        "rows": to_jsonb(own),
        "ids": [source.memory_id for source in sources],
        "kinds": [source.kind for source in sources],
        "refs": [source.ref for source in sources],
        "froms": [source.span[0] for source in sources],
        "tos": [source.span[1] for source in sources],
        **IMPACT_PARAMS,
        **embedding_params(tenant_id, embeddings, now=now),
    }
    inserted = later(session, _INSERT_READ_BACK if read_back else _INSERT_IDS, params).mappings()
    return {row["id"]: row for row in inserted}


def _apart(rows: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return what all rows say alike, and what each says besides: most columns of a batch are one value, sent and read once.

    >>> _apart([{"version": 1, "content": "a", "role": None}, {"version": 1, "content": "b", "role": "user"}])
    ({'version': 1}, [{'content': 'a'}, {'content': 'b', 'role': 'user'}])
    """
    if not rows:
        return {}, []
    first, *others = rows
    common = {
        name: value
        for name, value in first.items()
        if value is not None and name not in _NEVER_COMMON and all(row.get(name) == value for row in others)
    }
    return common, [
        {name: value for name, value in row.items() if value is not None and name not in common} for row in rows
    ]
