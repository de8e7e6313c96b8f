"""The rows that consolidation writes: versions of memories, edges, second sources, what is owed by which tier."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from memory_service.storage.sql import to_jsonb
from memory_service.storage.tables import STATE_COLUMNS, memory

# What a run may have changed in a memory and a revert puts back; its content and its place it never changes.
_FIXED = frozenset(
    {"namespace_id", "version", "content", "created_at", "updated_at", "content_version", "payload_type", "external_id"}
)
RESTORED = tuple(name for name in STATE_COLUMNS if name not in _FIXED)
# Nor does it take back under which id a memory is known: that somebody gave it one is no change of what it says.
_COMPARED = tuple(name for name in STATE_COLUMNS if name not in {"version", "updated_at", "external_id"})


def source_ref(memory_id: UUID) -> str:
    """Return how a source names a memory.

    >>> source_ref(UUID(int=1))
    'memory/00000000-0000-0000-0000-000000000001'
    """
    return f"memory/{memory_id}"


def set_fields(session: Session, tenant_id: UUID, rows: Sequence[Mapping[str, Any]], *, now: datetime | None) -> None:
    """Set columns of memories; every row has an `id` and the same other columns.

    With `now` they get their next version (the caller has kept the old one); without, values are computed in place.
    """
    if not rows:
        return
    names = [name for name in rows[0] if name != "id"]
    unknown = [name for name in names if name not in memory.c]
    if unknown:
        raise ValueError(f"memory has no column {unknown[0]!r}")
    sets = [f"{name} = f.{name}" for name in names]
    if now is not None:
        sets += ["version = m.version + 1", "updated_at = :now"]
    session.execute(
        text(
            f"UPDATE memory m SET {', '.join(sets)} FROM jsonb_populate_recordset(CAST(NULL AS memory), CAST(:rows AS jsonb)) "
            "AS f WHERE m.tenant_id = :tenant AND m.id = f.id"
        ),
        {"tenant": tenant_id, "rows": to_jsonb(rows), "now": now},
    )


def put_back(session: Session, tenant_id: UUID, versions: Mapping[UUID, int], *, now: datetime) -> None:
    """Give memories a next version that equals an earlier one; the caller has kept the present one."""
    if not versions:
        return
    # What superseded it may have been erased since.
    there = {"superseded_by": "(SELECT o.id FROM memory o WHERE o.tenant_id = :tenant AND o.id = v.superseded_by)"}
    sets = ", ".join(f"{name} = {there.get(name, f'v.{name}')}" for name in RESTORED)
    session.execute(
        text(
            f"UPDATE memory m SET {sets}, version = m.version + 1, updated_at = :now, "
            "archived_at = CASE WHEN v.state IN ('archived', 'merged', 'expired') THEN m.archived_at END "
            "FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS integer[])) AS k (id, version) "
            "JOIN memory_version v ON v.tenant_id = :tenant AND v.id = k.id AND v.version = k.version "
            "WHERE m.tenant_id = :tenant AND m.id = k.id"
        ),
        {"tenant": tenant_id, "now": now, "ids": list(versions), "versions": list(versions.values())},
    )


def as_they_were(session: Session, tenant_id: UUID, versions: Mapping[UUID, int]) -> set[UUID]:
    """Return those of the memories that equal an earlier version of theirs: what became of them since was taken back."""
    if not versions:
        return set()
    now, then = (", ".join(f"{row}.{name}" for name in _COMPARED) for row in ("m", "v"))
    statement = text(
        "SELECT m.id FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS integer[])) AS k (id, version) "
        "JOIN memory m ON m.tenant_id = :tenant AND m.id = k.id "
        "JOIN memory_version v ON v.tenant_id = :tenant AND v.id = k.id AND v.version = k.version "
        f"WHERE ROW({now}) IS NOT DISTINCT FROM ROW({then})"
    )
    params = {"tenant": tenant_id, "ids": list(versions), "versions": list(versions.values())}
    return set(session.scalars(statement, params))


def insert_links(
    session: Session,
    tenant_id: UUID,
    namespace_id: UUID,
    rows: Sequence[tuple[UUID, UUID, UUID, str, float, str]],
    *,
    changeset_id: UUID | None,
    now: datetime,
) -> None:
    """Draw edges: (id, source, target, type, weight, method) each."""
    if rows:
        session.execute(
            text(
                "INSERT INTO link (tenant_id, id, namespace_id, source_id, target_id, type, weight, derivation_method, "
                "changeset_id, known_from) SELECT :tenant, k.id, :namespace, k.source, k.target, k.type, k.weight, k.method, "
                ":changeset, :now FROM unnest(CAST(:ids AS uuid[]), CAST(:sources AS uuid[]), CAST(:targets AS uuid[]), "
                "CAST(:types AS text[]), CAST(:weights AS float8[]), CAST(:methods AS text[])) "
                "AS k (id, source, target, type, weight, method)"
            ),
            {
                "tenant": tenant_id,
                "namespace": namespace_id,
                "changeset": changeset_id,
                "now": now,
                "ids": [row[0] for row in rows],
                "sources": [row[1] for row in rows],
                "targets": [row[2] for row in rows],
                "types": [row[3] for row in rows],
                "weights": [row[4] for row in rows],
                "methods": [row[5] for row in rows],
            },
        )


def drawn(session: Session, tenant_id: UUID, edges: Sequence[tuple[UUID, UUID, str]]) -> set[tuple[UUID, UUID, str]]:
    """Return those of the (source, target, type) that are drawn now."""
    statement = text(
        "SELECT k.source, k.target, k.type FROM unnest(CAST(:sources AS uuid[]), CAST(:targets AS uuid[]), "
        "CAST(:types AS text[])) AS k (source, target, type) JOIN link l ON l.tenant_id = :tenant AND l.source_id = k.source "
        "AND l.target_id = k.target AND l.type = k.type AND l.known_to = 'infinity'"
    )
    params = {
        "tenant": tenant_id,
        "sources": [edge[0] for edge in edges],
        "targets": [edge[1] for edge in edges],
        "types": [str(edge[2]) for edge in edges],
    }
    return {(row.source, row.target, row.type) for row in session.execute(statement, params)}


def links_from(session: Session, tenant_id: UUID, ids: Sequence[UUID], type: str) -> list[UUID]:
    """Return the present edges of one type from memories."""
    if not ids:
        return []
    statement = text(
        "SELECT id FROM link WHERE tenant_id = :tenant AND source_id = ANY(CAST(:ids AS uuid[])) AND known_to = 'infinity' "
        "AND type = :type ORDER BY id"
    )
    return [row.id for row in session.execute(statement, {"tenant": tenant_id, "ids": list(ids), "type": type})]


def drawn_by(
    session: Session, tenant_id: UUID, changeset_id: UUID, edges: Sequence[tuple[UUID, UUID, str]]
) -> list[UUID]:
    """Return the ids of those of the (source, target, type) that are drawn now and are a changeset's."""
    statement = text(
        "SELECT l.id FROM unnest(CAST(:sources AS uuid[]), CAST(:targets AS uuid[]), CAST(:types AS text[])) "
        "AS k (source, target, type) JOIN link l ON l.tenant_id = :tenant AND l.source_id = k.source "
        "AND l.target_id = k.target AND l.type = k.type AND l.known_to = 'infinity' AND l.changeset_id = :changeset"
    )
    params = {
        "tenant": tenant_id,
        "changeset": changeset_id,
        "sources": [source for source, _, _ in edges],
        "targets": [target for _, target, _ in edges],
        "types": [type for _, _, type in edges],
    }
    return list(session.scalars(statement, params))


def in_force(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, UUID | None]:
    """Return by edge the changeset that drew it, those of reverted changesets left out; None for one that no changeset drew."""
    statement = text(
        "SELECT l.id, l.changeset_id FROM link l LEFT JOIN changeset c ON c.tenant_id = :tenant AND c.id = l.changeset_id "
        "WHERE l.tenant_id = :tenant AND l.id = ANY(CAST(:ids AS uuid[])) AND c.status IS DISTINCT FROM 'reverted'"
    )
    return {row.id: row.changeset_id for row in session.execute(statement, {"tenant": tenant_id, "ids": list(ids)})}


def end_links(session: Session, tenant_id: UUID, ids: Sequence[UUID], *, now: datetime) -> list[RowMapping]:
    """End edges that are known now, and return them as they were."""
    if not ids:
        return []
    statement = text(
        "UPDATE link SET known_to = greatest(:now, known_from) WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[])) "
        "AND known_to = 'infinity' RETURNING id, source_id, target_id, type, weight, derivation_method"
    )
    return list(session.execute(statement, {"tenant": tenant_id, "ids": list(ids), "now": now}).mappings())


def add_sources(session: Session, tenant_id: UUID, pairs: Sequence[tuple[UUID, UUID]], *, now: datetime) -> None:
    """Make merged memories sources of those that stay: (survivor, merged) each, kind and speaker as the merged one had them."""
    if not pairs:
        return
    statement = text(
        """
        INSERT INTO source (tenant_id, memory_id, ordinal, kind, ref, speaker, role, span_from, span_to, hash, created_at)
        SELECT :tenant, k.survivor, (SELECT coalesce(max(ordinal), -1) FROM source WHERE tenant_id = :tenant
                AND memory_id = k.survivor) + row_number() OVER (PARTITION BY k.survivor ORDER BY k.at),
            s.kind, k.ref, s.speaker, s.role, 0, length(m.content), s.hash, :now
        FROM unnest(CAST(:survivors AS uuid[]), CAST(:merged AS uuid[]), CAST(:refs AS text[])) WITH ORDINALITY
            AS k (survivor, merged, ref, at)
        JOIN memory m ON m.tenant_id = :tenant AND m.id = k.merged
        JOIN source s ON s.tenant_id = :tenant AND s.memory_id = m.id AND s.ordinal = 0
        """
    )
    params = {
        "tenant": tenant_id,
        "survivors": [survivor for survivor, _ in pairs],
        "merged": [merged for _, merged in pairs],
        "refs": [source_ref(merged) for _, merged in pairs],
        "now": now,
    }
    session.execute(statement, params)


def add_spans(
    session: Session, tenant_id: UUID, spans: Sequence[tuple[UUID, UUID, Sequence[int]]], *, now: datetime
) -> None:
    """Add sources to derived memories: (memory, parent, [from, to] in characters of the parent's content) each."""
    for memory_id, parent, (start, end) in spans:
        session.execute(
            text(
                """
                INSERT INTO source (tenant_id, memory_id, ordinal, kind, ref, speaker, role, span_from, span_to, hash, created_at)
                SELECT :tenant, :memory, (SELECT coalesce(max(ordinal), -1) + 1 FROM source WHERE tenant_id = :tenant
                    AND memory_id = :memory), 'inference', :ref, p.speaker, p.role, :start, :end, p.content_hash, :now
                FROM memory p WHERE p.tenant_id = :tenant AND p.id = :parent
                """
            ),
            {
                "tenant": tenant_id,
                "memory": memory_id,
                "parent": parent,
                "ref": source_ref(parent),
                "start": start,
                "end": end,
                "now": now,
            },
        )


def drop_sources(session: Session, tenant_id: UUID, pairs: Sequence[tuple[UUID, UUID]]) -> None:
    """Take merged memories out of the sources of those that stayed."""
    for survivor, merged in pairs:
        session.execute(
            text(
                "DELETE FROM source WHERE tenant_id = :tenant AND memory_id = :survivor AND ref = :ref AND ordinal > 0"
            ),
            {"tenant": tenant_id, "survivor": survivor, "ref": source_ref(merged)},
        )


def mark_considered(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> None:
    """Say that the turn tier is done with memories as they are."""
    if ids:
        session.execute(
            text(
                "UPDATE memory SET consolidated_version = content_version WHERE tenant_id = :tenant "
                "AND id = ANY(CAST(:ids AS uuid[])) AND consolidated_version < content_version"
            ),
            {"tenant": tenant_id, "ids": list(ids)},
        )


def unreached(session: Session, tenant_id: UUID, touched: Sequence[UUID]) -> list[UUID]:
    """Return merged memories from which no live one is reached, among those that lead over any of the touched ones.

    They would be evidence lost. A memory that is live needs no way; a merged one leads to where `superseded_by` says.
    """
    statement = text(
        """
        WITH RECURSIVE merged AS (
            SELECT m.id FROM memory m WHERE m.tenant_id = :tenant AND m.id = ANY(CAST(:touched AS uuid[])) AND m.state = 'merged'
            UNION
            SELECT m.id FROM memory m WHERE m.tenant_id = :tenant AND m.superseded_by = ANY(CAST(:touched AS uuid[]))
                AND m.state = 'merged'
        ), way AS (
            SELECT m.id AS start, m.superseded_by AS at FROM memory m JOIN merged USING (id) WHERE m.tenant_id = :tenant
            UNION
            SELECT w.start, m.superseded_by FROM way w JOIN memory m ON m.tenant_id = :tenant AND m.id = w.at
            WHERE m.state = 'merged'
        )
        SELECT id FROM merged WHERE NOT EXISTS (
            SELECT FROM way w JOIN memory m ON m.tenant_id = :tenant AND m.id = w.at
            WHERE w.start = merged.id AND m.archived_at IS NULL)
        ORDER BY id
        """
    )
    return [row.id for row in session.execute(statement, {"tenant": tenant_id, "touched": list(touched)})]


def survivors(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> set[UUID]:
    """Return those of the memories that merged ones lead to: they must stay in the results."""
    statement = text(
        "SELECT DISTINCT m.superseded_by AS id FROM memory m WHERE m.tenant_id = :tenant "
        "AND m.superseded_by = ANY(CAST(:ids AS uuid[])) AND m.state = 'merged'"
    )
    return {row.id for row in session.execute(statement, {"tenant": tenant_id, "ids": list(ids)})} if ids else set()


def owe(
    session: Session, tenant_id: UUID, namespace_id: UUID, work: Mapping[tuple[str, str], timedelta], *, now: datetime
) -> None:
    """Note what tiers owe: (tier, key) with the time after which it is due. A session that goes on is due later."""
    if work:
        session.execute(
            text(
                "INSERT INTO tier_work (tenant_id, namespace_id, tier, key, due_at) SELECT :tenant, :namespace, k.tier, k.key, "
                "CAST(:now AS timestamptz) + k.after FROM unnest(CAST(:tiers AS text[]), CAST(:keys AS text[]), "
                "CAST(:afters AS interval[])) AS k (tier, key, after) ORDER BY 3, 4 "
                "ON CONFLICT (tenant_id, namespace_id, tier, key) DO UPDATE SET due_at = CASE WHEN tier_work.tier = 'session' "
                "THEN greatest(tier_work.due_at, excluded.due_at) ELSE tier_work.due_at END"
            ),
            {
                "tenant": tenant_id,
                "namespace": namespace_id,
                "now": now,
                "tiers": [tier for tier, _ in work],
                "keys": [key for _, key in work],
                "afters": list(work.values()),
            },
        )


def owed(
    session: Session, tenant_id: UUID, namespace_id: UUID, *, due_at: datetime | None, limit: int = 10_000
) -> dict[str, list[str]]:
    """Return what tiers owe in a namespace, keys by tier; only what is due by a moment, or all of it."""
    statement = text(
        "SELECT tier, key FROM tier_work WHERE tenant_id = :tenant AND namespace_id = :namespace "
        "AND (CAST(:due AS timestamptz) IS NULL OR due_at <= :due) ORDER BY due_at, tier, key LIMIT :limit"
    )
    found: dict[str, list[str]] = {}
    params = {"tenant": tenant_id, "namespace": namespace_id, "due": due_at, "limit": limit}
    for row in session.execute(statement, params):
        found.setdefault(row.tier, []).append(row.key)
    return found


def postpone(session: Session, tenant_id: UUID, namespace_id: UUID, *, until: datetime) -> None:
    """Let what tiers owe in a namespace wait until a moment at least."""
    statement = text(
        "UPDATE tier_work SET due_at = :until WHERE tenant_id = :tenant AND namespace_id = :namespace AND due_at < :until"
    )
    session.execute(statement, {"tenant": tenant_id, "namespace": namespace_id, "until": until})


def owe_at_last(
    session: Session, tenant_id: UUID, namespace_id: UUID, tier: str, key: str, *, due_at: datetime
) -> None:
    """Note when a tier owes something next, whatever was noted before."""
    session.execute(
        text(
            "INSERT INTO tier_work (tenant_id, namespace_id, tier, key, due_at) VALUES (:tenant, :namespace, :tier, :key, :due) "
            "ON CONFLICT (tenant_id, namespace_id, tier, key) DO UPDATE SET due_at = excluded.due_at"
        ),
        {"tenant": tenant_id, "namespace": namespace_id, "tier": str(tier), "key": key, "due": due_at},
    )


def settle(session: Session, tenant_id: UUID, namespace_id: UUID, tiers: Sequence[str]) -> None:
    """Say that tiers have done all that they owed in a namespace."""
    if tiers:
        session.execute(
            text(
                "DELETE FROM tier_work WHERE tenant_id = :tenant AND namespace_id = :namespace "
                "AND tier = ANY(CAST(:tiers AS text[]))"
            ),
            {"tenant": tenant_id, "namespace": namespace_id, "tiers": [str(tier) for tier in tiers]},
        )
