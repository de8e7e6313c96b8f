"""Entities as they are listed: with all their names, and how many memories name them since when."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from memory_service.storage.memories import RECORD_JOINS, RECORD_NOW

# What live memories say of an entity now: neither archived nor expired, whether or not a sweep has passed.
_ENTITY: Final = """
    SELECT e.id, p.path AS namespace, e.name, e.kind, e.merged_into, c.mentions, c.first_seen, c.last_seen,
        ARRAY(SELECT n.name FROM entity_name n WHERE n.tenant_id = :tenant AND n.entity_id = e.id AND n.folded <> e.folded
            ORDER BY n.folded) AS aliases
    FROM entity e JOIN namespace p ON p.tenant_id = :tenant AND p.id = e.namespace_id
    CROSS JOIN LATERAL (
        SELECT count(*) AS mentions, min(m.observed_at) AS first_seen, max(m.observed_at) AS last_seen
        FROM mention x JOIN memory m ON m.tenant_id = :tenant AND m.id = x.memory_id
        WHERE x.tenant_id = :tenant AND x.entity_id = e.id AND x.known_to = 'infinity' AND m.archived_at IS NULL
            AND (m.expires_at IS NULL OR m.expires_at > :now)
    ) c
    WHERE e.tenant_id = :tenant
"""

# The same memories as the count above has.
_MENTIONS: Final = f"""
    {RECORD_NOW}, k.mentioned_spans, k.mentioned_names FROM (
        SELECT x.memory_id, x.spans AS mentioned_spans, ARRAY(SELECT n.name FROM entity_name n WHERE n.tenant_id = :tenant
            AND n.namespace_id = x.namespace_id AND n.folded = ANY(x.names) ORDER BY n.folded) AS mentioned_names
        FROM mention x JOIN memory m ON m.tenant_id = :tenant AND m.id = x.memory_id
        WHERE x.tenant_id = :tenant AND x.entity_id = :entity AND x.known_to = 'infinity' AND m.archived_at IS NULL
            AND (m.expires_at IS NULL OR m.expires_at > :now) {{further}}
        ORDER BY x.memory_id DESC LIMIT :limit
    ) k JOIN memory m ON m.tenant_id = :tenant AND m.id = k.memory_id {RECORD_JOINS} ORDER BY m.id DESC
"""


def list_entities(
    session: Session, tenant_id: UUID, *, namespace_id: UUID | None, before: UUID | None, limit: int, now: datetime
) -> Sequence[RowMapping]:
    """Return entities, the latest found first, one page of them; those that were merged into others are left out."""
    conditions = ["AND e.merged_into IS NULL"]
    if namespace_id is not None:
        conditions.append("AND e.namespace_id = :namespace")
    if before is not None:
        conditions.append("AND e.id < :before")
    params = {"tenant": tenant_id, "namespace": namespace_id, "before": before, "limit": limit, "now": now}
    statement = f"{_ENTITY} {' '.join(conditions)} ORDER BY e.id DESC LIMIT :limit"
    return session.execute(text(statement), params).mappings().all()


def get_entity(session: Session, tenant_id: UUID, entity_id: UUID, *, now: datetime) -> RowMapping | None:
    """Return one entity, or nothing."""
    params = {"tenant": tenant_id, "id": entity_id, "now": now}
    return session.execute(text(f"{_ENTITY} AND e.id = :id"), params).mappings().one_or_none()


def list_mentions(
    session: Session, tenant_id: UUID, entity_id: UUID, *, before: UUID | None, limit: int, now: datetime
) -> Sequence[RowMapping]:
    """Return the records of live memories that name an entity now, the latest stored first, one page of them.

    Beside a record stand `mentioned_names`, as they were first written, and `mentioned_spans` in the content.
    """
    params = {"tenant": tenant_id, "entity": entity_id, "before": before, "limit": limit, "now": now}
    further = "" if before is None else "AND x.memory_id < :before"
    return session.execute(text(_MENTIONS.format(further=further)), params).mappings().all()
