"""Remove every trace of a memory's text, in one transaction."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from memory_service.storage import search_index


def bury(session: Session, tenant_id: UUID, ids: Sequence[UUID], *, now: datetime) -> None:
    """Leave a tombstone per memory: its id and a hash of its content, no text."""
    session.execute(
        text(
            "INSERT INTO tombstone (tenant_id, id, namespace_id, content_hash, erased_at) "
            "SELECT tenant_id, id, namespace_id, content_hash, :now FROM memory "
            "WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[])) ON CONFLICT DO NOTHING"
        ),
        {"tenant": tenant_id, "ids": list(ids), "now": now},
    )


def remove(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> None:
    """Delete memories and everything that holds their words or points at them."""
    params = {"tenant": tenant_id, "ids": list(ids)}
    live = session.execute(
        text(
            "SELECT namespace_id, count(*) AS docs FROM memory WHERE tenant_id = :tenant AND archived_at IS NULL "
            "AND id = ANY(CAST(:ids AS uuid[])) GROUP BY namespace_id"
        ),
        params,
    )
    search_index.count_in(session, tenant_id, [(row.namespace_id, -row.docs) for row in live])
    for statement in (
        # Earlier versions were posted under terms that only their text knows: go by namespace and memory.
        "DELETE FROM posting p USING memory m WHERE m.tenant_id = :tenant AND m.id = ANY(CAST(:ids AS uuid[])) "
        "AND p.tenant_id = :tenant AND p.namespace_id = m.namespace_id AND p.memory_id = m.id",
        # A stored trace quotes queries and ids, a stored answer quotes contents.
        "UPDATE trace SET result = jsonb_set(result, '{results}', (SELECT coalesce(jsonb_agg(r), '[]') "
        "FROM jsonb_array_elements(result -> 'results') r "
        "WHERE NOT CAST(r ->> 'memory_id' AS uuid) = ANY(CAST(:ids AS uuid[])))) WHERE tenant_id = :tenant "
        "AND EXISTS (SELECT FROM jsonb_array_elements(result -> 'results') r "
        "WHERE CAST(r ->> 'memory_id' AS uuid) = ANY(CAST(:ids AS uuid[])))",
        "DELETE FROM idempotency_key i WHERE i.tenant_id = :tenant AND EXISTS (SELECT FROM unnest(CAST(:ids AS uuid[])) "
        "AS k (id) WHERE position(convert_to(CAST(k.id AS text), 'UTF8') IN i.body) > 0)",
        "UPDATE memory SET superseded_by = NULL WHERE tenant_id = :tenant AND superseded_by = ANY(CAST(:ids AS uuid[]))",
        "DELETE FROM memory WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))",
    ):
        session.execute(text(statement), params)
