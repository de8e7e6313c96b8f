"""Remove every trace of a memory's text, in one transaction."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from memory_service.storage import (
    changesets,
    documents,
    entities,
    imports,
    kv_plans,
    search_index,
    structure,
    webhook_deliveries,
)
from memory_service.storage.idempotency import forget_answers


def bury(session: Session, tenant_id: UUID, ids: Sequence[UUID], *, now: datetime) -> None:
    """Leave a tombstone per memory: its id, which stays known as erased, and a hash of its content; no text.

    Beside it every wording that the memory ever had is kept as a hash (`lifecycle.draft.said_hash`), so that it is known
    again when something brings it back.
    """
    session.execute(
        text(
            "INSERT INTO tombstone (tenant_id, id, namespace_id, content_hash, erased_at) "
            "SELECT tenant_id, id, namespace_id, content_hash, :now FROM memory "
            "WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[])) ON CONFLICT DO NOTHING"
        ),
        {"tenant": tenant_id, "ids": list(ids), "now": now},
    )
    session.execute(text(_WORDINGS), {"tenant": tenant_id, "ids": list(ids), "now": now})


_WORDINGS = """
    INSERT INTO erased_text (tenant_id, namespace_id, hash, memory_id, erased_at)
    SELECT DISTINCT ON (w.namespace_id, w.hash) :tenant, w.namespace_id, w.hash, w.id, CAST(:now AS timestamptz)
    FROM (
        SELECT namespace_id, id, sha256(convert_to(coalesce('+' || user_id, '-'), 'UTF8') || content_hash) AS hash
        FROM memory WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))
        UNION ALL
        SELECT namespace_id, id,
            sha256(convert_to(coalesce('+' || user_id, '-'), 'UTF8') || sha256(convert_to(content, 'UTF8')))
        FROM memory_version WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))
    ) w ORDER BY w.namespace_id, w.hash, w.id DESC
    ON CONFLICT (tenant_id, namespace_id, hash)
        DO UPDATE SET memory_id = excluded.memory_id, erased_at = greatest(erased_text.erased_at, excluded.erased_at)
"""


def is_erased(session: Session, tenant_id: UUID, memory_id: UUID) -> bool:
    """Say whether a memory of this tenant was erased."""
    found = session.scalar(
        text("SELECT 1 FROM tombstone WHERE tenant_id = :tenant AND id = :id"), {"tenant": tenant_id, "id": memory_id}
    )
    return found is not None


def remove(session: Session, tenant_id: UUID, ids: Sequence[UUID], *, now: datetime) -> int:
    """Delete memories and everything that holds their words or points at them; return how many postings that were."""
    params = {"tenant": tenant_id, "ids": list(ids)}
    search_index.count_out(session, tenant_id, ids)
    speakers = {(row.namespace_id, row.speaker) for row in session.execute(text(_SPEAKERS), params)}
    postings = session.execute(text(_POSTINGS), params).all()
    terms = {(row.namespace_id, row.term) for row in postings}
    named = entities.mentioned_in(session, tenant_id, ids)
    structure.forget_memories(session, tenant_id, ids)
    saved = [row.saved_query_id for row in session.execute(text(_SAVED), params)]
    read_from = documents.blank_spans(session, tenant_id, ids)
    changesets.forget_memories(session, tenant_id, ids)
    forget_answers(session, tenant_id, ids)
    imports.forget_memories(session, tenant_id, ids)
    kv_plans.forget_memories(session, tenant_id, ids)
    webhook_deliveries.forget_memories(session, tenant_id, ids)
    for statement in (_TRACES, _DEAD_LETTERS, _SUCCESSORS, _MEMORIES):
        session.execute(text(statement), params)
    documents.forget_empty(session, tenant_id, read_from, now=now)
    if saved:
        session.execute(text(_EMPTY_SAVED), {"tenant": tenant_id, "queries": saved})
    _forget_words(session, tenant_id, speakers=sorted(speakers), terms=sorted(terms))
    entities.forget_unmentioned(session, tenant_id, named)
    return len(postings)


_SPEAKERS = """
    SELECT m.namespace_id, m.speaker FROM memory m
    WHERE m.tenant_id = :tenant AND m.id = ANY(CAST(:ids AS uuid[])) AND m.speaker IS NOT NULL
    UNION
    SELECT v.namespace_id, v.speaker FROM memory_version v
    WHERE v.tenant_id = :tenant AND v.id = ANY(CAST(:ids AS uuid[])) AND v.speaker IS NOT NULL
"""

# Earlier versions were posted under terms that only their text knows: go by namespace and memory.
_POSTINGS = """
    DELETE FROM posting p USING memory m WHERE m.tenant_id = :tenant AND m.id = ANY(CAST(:ids AS uuid[]))
    AND p.tenant_id = :tenant AND p.namespace_id = m.namespace_id AND p.memory_id = m.id
    RETURNING p.namespace_id, p.term
"""

# A stored trace quotes queries and ids, a stored answer quotes contents.
_TRACES = """
    UPDATE trace SET result = jsonb_set(result, '{results}', (SELECT coalesce(jsonb_agg(r), '[]')
        FROM jsonb_array_elements(result -> 'results') r
        WHERE NOT CAST(r ->> 'memory_id' AS uuid) = ANY(CAST(:ids AS uuid[]))))
    WHERE tenant_id = :tenant AND EXISTS (SELECT FROM jsonb_array_elements(result -> 'results') r
        WHERE CAST(r ->> 'memory_id' AS uuid) = ANY(CAST(:ids AS uuid[])))
"""

# A reply of a model that could not be used quotes what the model was shown.
_DEAD_LETTERS = """
    DELETE FROM dead_letter d WHERE d.tenant_id = :tenant AND d.id IN (SELECT m.dead_letter_id FROM dead_letter_memory m
        WHERE m.tenant_id = :tenant AND m.memory_id = ANY(CAST(:ids AS uuid[])))
"""

# Feedback goes with its memory; a saved query stays as long as another memory is relevant to it.
_SAVED = """
    SELECT DISTINCT saved_query_id FROM saved_query_memory
    WHERE tenant_id = :tenant AND memory_id = ANY(CAST(:ids AS uuid[]))
"""
_EMPTY_SAVED = """
    DELETE FROM saved_query q WHERE q.tenant_id = :tenant AND q.id = ANY(CAST(:queries AS uuid[]))
    AND NOT EXISTS (SELECT FROM saved_query_memory r WHERE r.tenant_id = :tenant AND r.saved_query_id = q.id)
"""

_SUCCESSORS = (
    "UPDATE memory SET superseded_by = NULL WHERE tenant_id = :tenant AND superseded_by = ANY(CAST(:ids AS uuid[]))"
)
_MEMORIES = "DELETE FROM memory WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))"


def _forget_words(
    session: Session, tenant_id: UUID, *, speakers: Sequence[tuple[UUID, str]], terms: Sequence[tuple[UUID, str]]
) -> None:
    """Drop speakers and counted terms that only the erased memories had.

    A speaker whom only earlier versions of others have is dropped as well: nobody who asks now means him.
    """
    if speakers:
        session.execute(
            text(
                """
                DELETE FROM speaker s USING unnest(CAST(:namespaces AS uuid[]), CAST(:names AS text[])) AS k (namespace_id, name)
                WHERE s.tenant_id = :tenant AND s.namespace_id = k.namespace_id AND s.name = k.name
                AND NOT EXISTS (SELECT FROM memory m WHERE m.tenant_id = :tenant AND m.namespace_id = s.namespace_id
                    AND m.speaker = s.name)
                """
            ),
            {"tenant": tenant_id, "namespaces": [s[0] for s in speakers], "names": [s[1] for s in speakers]},
        )
    if terms:
        session.execute(
            text(
                """
                DELETE FROM term_stat s USING unnest(CAST(:namespaces AS uuid[]), CAST(:terms AS text[])) AS k (namespace_id, term)
                WHERE s.tenant_id = :tenant AND s.namespace_id = k.namespace_id AND s.term = k.term
                AND NOT EXISTS (SELECT FROM posting p WHERE p.tenant_id = :tenant AND p.namespace_id = s.namespace_id
                    AND p.term = s.term)
                """
            ),
            {"tenant": tenant_id, "namespaces": [t[0] for t in terms], "terms": [t[1] for t in terms]},
        )
