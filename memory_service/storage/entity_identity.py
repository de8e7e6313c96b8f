"""Rows behind merging and splitting entities: which names mean which entity, and which texts mention which.

Mentions move in system time: the old one ends, a new one begins, so that a search as of earlier finds what was known then.
Whoever moves them holds, in this order, the locks of the memories concerned and the lock of the namespace's entities.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from memory_service.storage.entities import take_turns
from memory_service.storage.sql import Row, to_jsonb


def lock_identities(session: Session, tenant_id: UUID, namespace_id: UUID, entity_ids: Sequence[UUID]) -> None:
    """Keep others from changing what entities are, and what the memories that mention them say, until the transaction ends.

    Raises:
        DBAPIError: a memory that came to mention them meanwhile is being changed (SQLSTATE 55P03); waiting for it could wait
            for ourselves. The edge of the transaction makes `Unavailable` of it.
    """
    params = {"tenant": tenant_id, "ids": list(entity_ids)}
    session.execute(text(f"{_LOCK_MEMORIES} FOR NO KEY UPDATE"), params)
    take_turns(session, [namespace_id])
    # Enrichment holds its memories before it waits for the entities: those it committed just now are free, or in other hands.
    session.execute(text(f"{_LOCK_MEMORIES} FOR NO KEY UPDATE NOWAIT"), params)


_LOCK_MEMORIES: Final = """
    SELECT m.id FROM memory m WHERE m.tenant_id = :tenant AND m.id IN (
        SELECT x.memory_id FROM mention x WHERE x.tenant_id = :tenant AND x.entity_id = ANY(CAST(:ids AS uuid[]))
            AND x.known_to = 'infinity')
    ORDER BY m.id
"""


def entities_in(session: Session, tenant_id: UUID, namespace_id: UUID, ids: Collection[UUID]) -> dict[UUID, RowMapping]:
    """Return entities of a namespace by id, merged ones too."""
    rows = session.execute(
        text(
            "SELECT id, name, folded, kind, merged_into FROM entity "
            "WHERE tenant_id = :tenant AND namespace_id = :namespace AND id = ANY(CAST(:ids AS uuid[]))"
        ),
        {"tenant": tenant_id, "namespace": namespace_id, "ids": list(ids)},
    ).mappings()
    return {row["id"]: row for row in rows}


def names_of(session: Session, tenant_id: UUID, entity_id: UUID) -> dict[str, str]:
    """Return the names of an entity: folded, and as written."""
    rows = session.execute(
        text("SELECT folded, name FROM entity_name WHERE tenant_id = :tenant AND entity_id = :id"),
        {"tenant": tenant_id, "id": entity_id},
    )
    return {row.folded: row.name for row in rows}


def merged_named(
    session: Session, tenant_id: UUID, namespace_id: UUID, folded: Collection[str]
) -> Sequence[RowMapping]:
    """Return merged entities of a namespace that had one of these canonical names, the oldest first."""
    return (
        session.execute(
            text(
                "SELECT id, folded FROM entity WHERE tenant_id = :tenant AND namespace_id = :namespace "
                "AND merged_into IS NOT NULL AND folded = ANY(CAST(:names AS text[])) ORDER BY id"
            ),
            {"tenant": tenant_id, "namespace": namespace_id, "names": list(folded)},
        )
        .mappings()
        .all()
    )


def set_merged(session: Session, tenant_id: UUID, ids: Sequence[UUID], into: UUID | None) -> None:
    """Say that entities are merged into another one, or none any more."""
    session.execute(
        text("UPDATE entity SET merged_into = :into WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))"),
        {"tenant": tenant_id, "ids": list(ids), "into": into},
    )


def set_kind(session: Session, tenant_id: UUID, entity_id: UUID, kind: str) -> None:
    """Say what an entity is."""
    session.execute(
        text("UPDATE entity SET kind = :kind WHERE tenant_id = :tenant AND id = :id"),
        {"tenant": tenant_id, "id": entity_id, "kind": kind},
    )


def make_entity(session: Session, tenant_id: UUID, namespace_id: UUID, row: Mapping[str, Any]) -> None:
    """Insert an entity: id, name, folded, kind."""
    session.execute(
        text(
            "INSERT INTO entity (tenant_id, id, namespace_id, name, folded, kind) "
            "VALUES (:tenant, :id, :namespace, :name, :folded, :kind)"
        ),
        {"tenant": tenant_id, "namespace": namespace_id, **row},
    )


def give_names(
    session: Session,
    tenant_id: UUID,
    owners: Sequence[UUID],
    to: UUID,
    *,
    only: Collection[str] | None,
    apart: Collection[str],
) -> None:
    """Let names of entities mean another one from now on.

    Args:
        session: a transaction of the tenant.
        tenant_id: whose entities.
        owners: which entities have the names now.
        to: which one they are to mean.
        only: which names, folded; None for all.
        apart: those of them that no rule may take for short forms of another name.
    """
    session.execute(
        text(
            "UPDATE entity_name SET entity_id = :to, apart = folded = ANY(CAST(:apart AS text[])) "
            "WHERE tenant_id = :tenant AND entity_id = ANY(CAST(:owners AS uuid[])) "
            "AND (CAST(:only AS text[]) IS NULL OR folded = ANY(CAST(:only AS text[])))"
        ),
        {
            "tenant": tenant_id,
            "owners": list(owners),
            "to": to,
            "only": None if only is None else list(only),
            "apart": list(apart),
        },
    )


def present_mentions(
    session: Session, tenant_id: UUID, ids: Sequence[UUID], *, named: Collection[str] | None = None
) -> Sequence[RowMapping]:
    """Return the present mentions of entities, of those by some names only where these are given, with their texts."""
    return (
        session.execute(
            text(
                "SELECT x.memory_id, x.version, x.entity_id, x.namespace_id, x.names, x.spans, "
                # A text is read only where it has to tell by which of its names a place goes.
                "CASE WHEN NOT x.names <@ CAST(:named AS text[]) THEN m.content END AS content "
                "FROM mention x JOIN memory m ON m.tenant_id = :tenant AND m.id = x.memory_id "
                "WHERE x.tenant_id = :tenant AND x.entity_id = ANY(CAST(:ids AS uuid[])) AND x.known_to = 'infinity' "
                "AND (CAST(:named AS text[]) IS NULL OR x.names && CAST(:named AS text[])) "
                "ORDER BY x.memory_id, x.version, x.entity_id"
            ),
            {"tenant": tenant_id, "ids": list(ids), "named": None if named is None else list(named)},
        )
        .mappings()
        .all()
    )


def end_mentions_of(session: Session, tenant_id: UUID, rows: Sequence[Row], *, now: datetime) -> None:
    """End present mentions: (memory_id, version, entity_id) each. One that began only now was never known."""
    params = {"tenant": tenant_id, "rows": _keys(rows), "now": now}
    for statement in (_FORGET_NEW, _END_OLD):
        session.execute(text(statement), params)


def begin_mentions(session: Session, tenant_id: UUID, rows: Sequence[Mapping[str, Any]], *, now: datetime) -> None:
    """Let texts mention entities from now on; what a text mentions already gets the names and places besides."""
    params = {"tenant": tenant_id, "rows": to_jsonb(rows), "now": now}
    for statement in (_ADD_TO_PRESENT, _INSERT_NEW):
        session.execute(text(statement), params)


def keep_mentioned(session: Session, tenant_id: UUID, rows: Sequence[Mapping[str, Any]]) -> None:
    """Set names and places of present mentions."""
    session.execute(text(_SET_PRESENT), {"tenant": tenant_id, "rows": to_jsonb(rows)})


def note_changed(session: Session, tenant_id: UUID, memory_ids: Iterable[UUID]) -> None:
    """Have searches that keep memories in their own memory look at some anew: the database notes who wrote a row last."""
    session.execute(
        text("UPDATE memory SET traits = traits WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))"),
        {"tenant": tenant_id, "ids": sorted(set(memory_ids))},
    )


def _keys(rows: Sequence[Row]) -> str:
    return to_jsonb([{name: row[name] for name in ("memory_id", "version", "entity_id")} for row in rows])


_ROWS: Final = (
    "jsonb_to_recordset(CAST(:rows AS jsonb)) AS r "
    "(memory_id uuid, version integer, entity_id uuid, namespace_id uuid, names text[], spans integer[])"
)
_PRESENT: Final = (
    "x.tenant_id = :tenant AND x.memory_id = r.memory_id AND x.version = r.version AND x.entity_id = r.entity_id "
    "AND x.known_to = 'infinity'"
)
_FORGET_NEW: Final = f"DELETE FROM mention x USING {_ROWS} WHERE {_PRESENT} AND x.known_from >= :now"
_END_OLD: Final = f"UPDATE mention x SET known_to = :now FROM {_ROWS} WHERE {_PRESENT}"
_SET_PRESENT: Final = f"UPDATE mention x SET names = r.names, spans = r.spans FROM {_ROWS} WHERE {_PRESENT}"
_ADD_TO_PRESENT: Final = f"""
    UPDATE mention x SET
        names = ARRAY(SELECT DISTINCT n FROM unnest(x.names || r.names) AS u (n) ORDER BY n),
        spans = ARRAY(
            SELECT s.place FROM (
                SELECT DISTINCT c.spans[i] AS begins, c.spans[i + 1] AS ends
                FROM (SELECT x.spans || r.spans AS spans) c, generate_series(1, cardinality(c.spans), 2) AS g (i)
            ) p, LATERAL (VALUES (1, p.begins), (2, p.ends)) AS s (side, place) ORDER BY p.begins, p.ends, s.side)
    FROM {_ROWS} WHERE {_PRESENT}
"""
_INSERT_NEW: Final = f"""
    INSERT INTO mention (tenant_id, memory_id, version, entity_id, namespace_id, names, spans, known_from, known_to)
    SELECT :tenant, r.memory_id, r.version, r.entity_id, r.namespace_id, r.names, r.spans, :now, 'infinity'
    FROM {_ROWS} WHERE NOT EXISTS (SELECT FROM mention x WHERE {_PRESENT})
"""
