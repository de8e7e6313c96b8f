"""Memories as consolidation reads them: what is new to it, what is near, which edges there are."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

_COLUMNS = (
    "m.id, m.version, m.content, m.observed_at, m.created_at, m.memory_type, m.state, m.content_version, m.user_id, "
    "m.agent_id, m.session_id, m.external_id, m.speaker, m.role, m.title, m.context, m.keywords, m.tags, m.entities, "
    "m.language, m.importance, m.confidence, m.pinned, m.valid_from, m.valid_to, m.expires_at, m.superseded_by, "
    "m.derivation_method, m.derivation_parents, m.computed, m.extract, m.trust, m.metadata, m.value, s.kind AS source_kind"
)
_FROM = "memory m {}LEFT JOIN source s ON s.tenant_id = :tenant AND s.memory_id = m.id AND s.ordinal = 0"
_LIVE = "m.archived_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > :now)"

# As the index `memory_unconsolidated` has it.
_NEW = "m.consolidated_version < m.content_version AND m.extract <> 'none' AND m.archived_at IS NULL"


def unconsolidated(
    session: Session,
    tenant_id: UUID,
    namespace_id: UUID,
    *,
    again_after: UUID | None,
    again: bool,
    limit: int,
    now: datetime,
) -> Sequence[RowMapping]:
    """Return live, enriched memories that the turn tier has not seen as they are, in the order in which they came.

    With `again` all that may be consolidated are returned, seen or not, from after `again_after` on.
    """
    where = f"{_LIVE} AND m.extract <> 'none'" if again else f"{_NEW} AND {_LIVE}"
    beyond = "" if again_after is None else "AND m.id > :after"
    statement = text(
        f"SELECT {_COLUMNS} FROM {_FROM.format('')} WHERE m.tenant_id = :tenant AND m.namespace_id = :namespace AND {where} "
        f"AND m.enriched_version >= m.content_version {beyond} ORDER BY m.id LIMIT :limit"
    )
    params = {"tenant": tenant_id, "namespace": namespace_id, "after": again_after, "limit": limit, "now": now}
    return session.execute(statement, params).mappings().all()


def count_unconsolidated(
    session: Session,
    tenant_id: UUID,
    namespace_id: UUID,
    *,
    again_after: UUID | None = None,
    again: bool,
    now: datetime,
) -> int:
    """Count what `unconsolidated` would return without a limit, whether or not it is enriched yet."""
    where = f"{_LIVE} AND m.extract <> 'none'" if again else f"{_NEW} AND {_LIVE}"
    beyond = "" if again_after is None else "AND m.id > :after"
    statement = text(
        f"SELECT count(*) FROM memory m WHERE m.tenant_id = :tenant AND m.namespace_id = :namespace AND {where} {beyond}"
    )
    params = {"tenant": tenant_id, "namespace": namespace_id, "after": again_after, "now": now}
    return session.scalar(statement, params) or 0


def awaiting(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> set[UUID]:
    """Return the namespaces in which some of these memories wait for a run that comes by itself."""
    statement = text(
        "SELECT DISTINCT m.namespace_id FROM memory m JOIN namespace n ON n.tenant_id = :tenant AND n.id = m.namespace_id "
        f"WHERE m.tenant_id = :tenant AND m.id = ANY(CAST(:ids AS uuid[])) AND {_NEW} "
        "AND coalesce(n.settings ->> 'consolidation', 'auto') = 'auto'"
    )
    return {row.namespace_id for row in session.execute(statement, {"tenant": tenant_id, "ids": list(ids)})}


def live_records(session: Session, tenant_id: UUID, ids: Sequence[UUID], *, now: datetime) -> Sequence[RowMapping]:
    """Return those of the memories that are live."""
    if not ids:
        return []
    statement = text(
        f"SELECT {_COLUMNS} FROM {_FROM.format('JOIN unnest(CAST(:ids AS uuid[])) AS k (id) ON k.id = m.id ')} "
        f"WHERE m.tenant_id = :tenant AND {_LIVE}"
    )
    return session.execute(statement, {"tenant": tenant_id, "ids": list(ids), "now": now}).mappings().all()


def live_places(session: Session, tenant_id: UUID, namespace_id: UUID, *, now: datetime) -> list[Any]:
    """Return (id, content_version, user_id, observed_at) of every live memory of a namespace."""
    statement = text(
        "SELECT m.id, m.content_version, m.user_id, m.observed_at FROM memory m "
        f"WHERE m.tenant_id = :tenant AND m.namespace_id = :namespace AND {_LIVE}"
    )
    return list(session.execute(statement, {"tenant": tenant_id, "namespace": namespace_id, "now": now}))


def places_since(session: Session, tenant_id: UUID, namespace_id: UUID, *, since: int, now: datetime) -> list[Any]:
    """Return what was written or erased in a namespace since a horizon, and the next horizon with every row of it.

    (horizon, erased, id, content_version, user_id, observed_at, precision_tier, expires_at, live); of what was erased the id
    alone. How horizons work stands in `retrieval.feed`. From the beginning, horizon 0, only what is live is returned.
    """
    horizon = "CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint) AS horizon"
    # Both tables go by the name of m, so that one condition fits both.
    written = (
        "m.tenant_id = :tenant AND m.namespace_id = :namespace AND m.written >= CAST(CAST(:since AS text) AS xid8)"
    )
    columns = (
        f"{horizon}, false AS erased, m.id, m.content_version, m.user_id, m.observed_at, m.precision_tier, m.expires_at"
    )
    statement = text(
        f"SELECT {columns}, {_LIVE} AS live FROM memory m WHERE {written} UNION ALL "
        f"SELECT {horizon}, true, m.id, NULL, NULL, NULL, NULL, NULL, false FROM tombstone m WHERE {written}"
        if since
        else f"SELECT {columns}, true AS live FROM memory m WHERE m.tenant_id = :tenant AND m.namespace_id = :namespace AND {_LIVE}"
    )
    params = {"tenant": tenant_id, "namespace": namespace_id, "since": str(since), "now": now}
    return list(session.execute(statement, params))


def places_of(session: Session, tenant_id: UUID, ids: Sequence[UUID], *, now: datetime) -> list[Any]:
    """Return (id, content_version, user_id, observed_at) of those of the memories that are live."""
    statement = text(
        "SELECT m.id, m.content_version, m.user_id, m.observed_at FROM unnest(CAST(:ids AS uuid[])) AS k (id) "
        f"JOIN memory m ON m.tenant_id = :tenant AND m.id = k.id WHERE {_LIVE}"
    )
    return list(session.execute(statement, {"tenant": tenant_id, "ids": list(ids), "now": now}))


def count_live(session: Session, tenant_id: UUID, namespace_id: UUID, *, now: datetime, most: int) -> int:
    """Count the live memories of a namespace, up to `most`."""
    statement = text(
        f"SELECT count(*) FROM (SELECT FROM memory m WHERE m.tenant_id = :tenant AND m.namespace_id = :namespace AND {_LIVE} "
        "LIMIT :most) x"
    )
    return session.scalar(statement, {"tenant": tenant_id, "namespace": namespace_id, "now": now, "most": most}) or 0


def edges_to(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> list[Any]:
    """Return the present edges that lead to memories: (id, source_id, target_id, type, weight, derivation_method)."""
    if not ids:
        return []
    statement = text(
        "SELECT l.id, l.source_id, l.target_id, l.type, l.weight, l.derivation_method FROM unnest(CAST(:ids AS uuid[])) AS k (id) "
        "JOIN link l ON l.tenant_id = :tenant AND l.target_id = k.id AND l.known_to = 'infinity'"
    )
    return list(session.execute(statement, {"tenant": tenant_id, "ids": list(ids)}))


def names_in(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, tuple[str, ...]]:
    """Return the canonical names of the entities that memories mention now."""
    statement = text(
        "SELECT t.memory_id, array_agg(e.name ORDER BY e.name) AS names FROM unnest(CAST(:ids AS uuid[])) AS k (id) "
        "JOIN mention t ON t.tenant_id = :tenant AND t.memory_id = k.id AND t.known_to = 'infinity' "
        "JOIN entity e ON e.tenant_id = :tenant AND e.id = t.entity_id GROUP BY t.memory_id"
    )
    return {
        row.memory_id: tuple(row.names) for row in session.execute(statement, {"tenant": tenant_id, "ids": list(ids)})
    }
