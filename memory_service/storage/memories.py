"""Memories, their versions and sources: what is written and read, always by tenant."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from memory_service.storage.driver import in_driver_words, later
from memory_service.storage.list_orders import ListOrder, Place, beyond, by_id, columns_of
from memory_service.storage.sql import Row, Sql, all_of, to_jsonb
from memory_service.storage.tables import STATE_COLUMNS, memory

_STATE = ", ".join(STATE_COLUMNS)
_ALL = ", ".join(column.name for column in memory.c if column.server_default is None)

# One row as the outside sees it: the state, its namespace, its first source, its retention and degree.
_RECORD = f"""
    SELECT {", ".join(f"m.{name}" for name in STATE_COLUMNS)}, m.id, n.path AS namespace,
        s.kind AS source_kind, s.ref AS source_ref, s.speaker AS source_speaker, s.role AS source_role,
        s.span_from, s.span_to, s.hash AS source_hash,
        r.stability_days, r.difficulty, r.recall_count, r.last_recalled_at, r.spaced_uses, r.traces, r.traced_at,
        r.refreshed_at, CAST(n.retention_policy AS text) AS retention_policy, {{tier}} AS precision_tier, {{surprise}} AS surprise,
        (SELECT count(*) FROM link l WHERE l.tenant_id = :tenant AND l.source_id = m.id AND l.known_to = 'infinity')
        + (SELECT count(*) FROM link l WHERE l.tenant_id = :tenant AND l.target_id = m.id AND l.known_to = 'infinity')
            AS links_count
"""
RECORD_NOW = _RECORD.format(tier="m.precision_tier", surprise="m.surprise")
# Not a part of any state: an earlier one, too, is found by what is kept now, and fades by it.
_KEPT_NOW = "(SELECT p.{0} FROM memory p WHERE p.tenant_id = :tenant AND p.id = m.id)"
_RECORD_THEN = _RECORD.format(tier=_KEPT_NOW.format("precision_tier"), surprise=_KEPT_NOW.format("surprise"))
RECORD_JOINS = """
    JOIN namespace n ON n.tenant_id = :tenant AND n.id = m.namespace_id
    LEFT JOIN source s ON s.tenant_id = :tenant AND s.memory_id = m.id AND s.ordinal = 0
    LEFT JOIN retention r ON r.tenant_id = :tenant AND r.memory_id = m.id
"""

# Every search reads records: by the driver itself, as describing fifty columns anew costs SQLAlchemy more than reading ten rows.
_RECORDS_BY_ID = in_driver_words(
    f"{RECORD_NOW} FROM unnest(CAST(:ids AS uuid[])) AS k (id) "
    f"JOIN memory m ON m.tenant_id = :tenant AND m.id = k.id {RECORD_JOINS}"
)

# The state of every memory as it was known at :known, under the columns of `memory` that a filter may name.
AS_KNOWN = f"""(
    SELECT tenant_id, id, {_STATE} FROM memory WHERE tenant_id = :tenant AND updated_at <= :known
    UNION ALL
    SELECT tenant_id, id, {_STATE} FROM memory_version
    WHERE tenant_id = :tenant AND updated_at <= :known AND known_to > :known
)"""


def find_by_external_ids(session: Session, tenant_id: UUID, keys: Iterable[tuple[UUID, str]]) -> Sequence[RowMapping]:
    """Return the memories that hold these (namespace, external_id) pairs, archived ones left out."""
    pairs = list(keys)
    if not pairs:
        return []
    return (
        session.execute(
            text(
                """
                SELECT m.id, m.namespace_id, m.external_id, m.dedupe_hash, m.content_hash
                FROM unnest(CAST(:namespaces AS uuid[]), CAST(:externals AS text[])) AS k (namespace_id, external_id)
                JOIN memory m ON m.tenant_id = :tenant AND m.namespace_id = k.namespace_id
                    AND m.external_id = k.external_id AND m.archived_at IS NULL
                """
            ),
            {"tenant": tenant_id, "namespaces": [p[0] for p in pairs], "externals": [p[1] for p in pairs]},
        )
        .mappings()
        .all()
    )


def lock_memories(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, RowMapping]:
    """Lock rows for change, in id order so that two changes never deadlock; return every column."""
    rows = session.execute(
        text(
            f"SELECT {_ALL} FROM memory WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[])) "
            "ORDER BY id FOR UPDATE"
        ),
        {"tenant": tenant_id, "ids": list(ids)},
    ).mappings()
    return {row["id"]: row for row in rows}


def versions_of(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return the present versions of memories."""
    rows = session.execute(
        text("SELECT id, version FROM memory WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))"),
        {"tenant": tenant_id, "ids": list(ids)},
    )
    return {row.id: row.version for row in rows}


def existing(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> set[UUID]:
    """Return those of the ids that memories have."""
    return set(versions_of(session, tenant_id, ids)) if ids else set()


def keep_versions(session: Session, tenant_id: UUID, ids: Sequence[UUID], *, now: datetime) -> None:
    """Copy the present state of memories into their history, known until now."""
    session.execute(
        text(
            f"INSERT INTO memory_version (tenant_id, id, {_STATE}, known_to) SELECT tenant_id, id, {_STATE}, :now "
            "FROM memory WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))"
        ),
        {"tenant": tenant_id, "ids": list(ids), "now": now},
    )


def update_memories(
    session: Session, tenant_id: UUID, ids: Sequence[UUID], assignments: Mapping[str, Any], *, now: datetime
) -> None:
    """Give memories their next version; an `Sql` value is an expression over the old row.

    The caller has kept the old version in the same transaction (`keep_versions`).
    """
    sets, params = _assignments(assignments)
    session.execute(
        text(
            f"UPDATE memory m SET version = m.version + 1, updated_at = :now, {sets} "
            "WHERE m.tenant_id = :tenant AND m.id = ANY(CAST(:ids AS uuid[]))"
            if sets
            else "UPDATE memory m SET version = m.version + 1, updated_at = :now "
            "WHERE m.tenant_id = :tenant AND m.id = ANY(CAST(:ids AS uuid[]))"
        ),
        {"tenant": tenant_id, "ids": list(ids), "now": now, **params},
    )


def update_each(
    session: Session, tenant_id: UUID, changes: Sequence[tuple[UUID, Mapping[str, Any]]], *, now: datetime
) -> None:
    """Give memories their next versions, each with values of its own; one statement for all that change the same columns.

    The caller has kept the old versions in the same transaction (`keep_versions`).
    """
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for memory_id, values in changes:
        if unknown := values.keys() - memory.c.keys():
            raise ValueError(f"memory has no column {sorted(unknown)[0]!r}")
        alike.setdefault(tuple(sorted(values)), []).append({**values, "id": memory_id})
    for columns, rows in alike.items():
        sets = "".join(f", {name} = f.{name}" for name in columns)
        session.execute(
            text(
                f"UPDATE memory m SET version = m.version + 1, updated_at = :now{sets} "
                "FROM jsonb_populate_recordset(CAST(NULL AS memory), CAST(:rows AS jsonb)) f "
                "WHERE m.tenant_id = :tenant AND m.id = f.id"
            ),
            {"tenant": tenant_id, "now": now, "rows": to_jsonb(rows)},
        )


def _assignments(assignments: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return `column = value, …` with parameters; values travel as typed JSON, so that null keeps its column's type."""
    parts: list[str] = []
    values: dict[str, Any] = {}
    params: dict[str, Any] = {}
    for name, value in assignments.items():
        if name not in memory.c:
            raise ValueError(f"memory has no column {name!r}")
        if isinstance(value, Sql):
            parts.append(f"{name} = {value.text}")
            params |= value.params
        else:
            parts.append(f"{name} = (jsonb_populate_record(CAST(NULL AS memory), CAST(:new_values AS jsonb))).{name}")
            values[name] = value
    if values:
        params["new_values"] = to_jsonb(values)
    return ", ".join(parts), params


def get_record(session: Session, tenant_id: UUID, memory_id: UUID) -> Row | None:
    """Return one memory as the outside sees it."""
    rows = get_records(session, tenant_id, [memory_id])
    return rows.get(memory_id)


def get_records(session: Session, tenant_id: UUID, ids: Iterable[UUID]) -> dict[UUID, Row]:
    """Return memories as the outside sees them, by id."""
    rows = later(session, _RECORDS_BY_ID, {"tenant": tenant_id, "ids": list(ids)}).mappings()
    return {row["id"]: row for row in rows}


def get_records_as_known(session: Session, tenant_id: UUID, ids: Iterable[UUID], *, known: datetime) -> dict[UUID, Row]:
    """Return memories as they were known at a moment; those learned later are absent."""
    rows = session.execute(
        text(f"{_RECORD_THEN} FROM {AS_KNOWN} m {RECORD_JOINS} WHERE m.id = ANY(CAST(:ids AS uuid[]))"),
        {"tenant": tenant_id, "ids": list(ids), "known": known},
    ).mappings()
    return {row["id"]: row for row in rows}


def list_records(
    session: Session,
    tenant_id: UUID,
    *,
    where: Sql,
    limit: int,
    order: ListOrder = ListOrder.NEWEST,
    after: Place | None = None,
    offset: int = 0,
) -> Sequence[RowMapping]:
    """Return memories that match in an order, one page of them: what comes after a place; `offset` skips so many."""
    chosen = all_of(where, beyond(order, after))
    columns = columns_of(order)
    which = f"WHERE m.tenant_id = :tenant AND {chosen.text} ORDER BY {columns} LIMIT :limit OFFSET :offset"
    statement = f"{RECORD_NOW} FROM memory m {RECORD_JOINS} {which}"
    if not by_id(order):
        # Sorted before anything is joined to it: a list by importance looks at all that match, and shows fifty.
        statement = (
            f"{RECORD_NOW} FROM (SELECT m.id FROM memory m {which}) k "
            f"JOIN memory m ON m.tenant_id = :tenant AND m.id = k.id {RECORD_JOINS} ORDER BY {columns}"
        )
    params = {"tenant": tenant_id, "limit": limit, "offset": offset, **chosen.params}
    return session.execute(text(statement), params).mappings().all()


def matching_ids(session: Session, tenant_id: UUID, *, where: Sql, limit: int) -> list[UUID]:
    """Return ids of memories that match, in id order, locked for change."""
    rows = session.execute(
        text(
            f"SELECT m.id FROM memory m WHERE m.tenant_id = :tenant AND ({where.text}) ORDER BY m.id LIMIT :limit FOR UPDATE"
        ),
        {"tenant": tenant_id, "limit": limit, **where.params},
    )
    return [row.id for row in rows]


def count_matching(session: Session, tenant_id: UUID, *, where: Sql) -> int:
    """Count the memories that match."""
    return int(
        session.scalar(
            text(f"SELECT count(*) FROM memory m WHERE m.tenant_id = :tenant AND ({where.text})"),
            {"tenant": tenant_id, **where.params},
        )
        or 0
    )


def list_versions(
    session: Session, tenant_id: UUID, memory_id: UUID, *, before: int | None, limit: int
) -> Sequence[RowMapping]:
    """Return the versions of a memory, newest first; the present one is among them, known to infinity."""
    return (
        session.execute(
            text(
                f"""
                SELECT v.*, n.path AS namespace FROM (
                    SELECT tenant_id, id, {_STATE}, CAST(NULL AS timestamptz) AS known_to FROM memory
                    WHERE tenant_id = :tenant AND id = :id
                    UNION ALL
                    SELECT tenant_id, id, {_STATE}, known_to FROM memory_version WHERE tenant_id = :tenant AND id = :id
                ) v JOIN namespace n ON n.tenant_id = :tenant AND n.id = v.namespace_id
                WHERE CAST(:before AS integer) IS NULL OR v.version < :before
                ORDER BY v.version DESC LIMIT :limit
                """
            ),
            {"tenant": tenant_id, "id": memory_id, "before": before, "limit": limit},
        )
        .mappings()
        .all()
    )
