"""The graph as a picture needs it: of each node what is drawn, of each edge the places of its ends among the nodes.

A picture of thousands of nodes is read whole, so that here every column, every id and every order costs time that a reader waits:
columns come as arrays, ids as they are written, edges as the JSON that is answered.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from memory_service.storage.graph import degrees
from memory_service.storage.graph_walk import (
    ENTITY,
    LABEL,
    MEMORY,
    Placed,
    View,
    array,
    by_kind,
    memories,
    others,
    timed,
    walk,
)


class Spot(NamedTuple):
    """One node of a picture; all from `state` on is of memories, and what R is worked out from, moments in seconds since 1970."""

    id: str
    kind: str
    label: str
    namespace: str
    state: str | None = None
    trust: float | None = None
    importance: float | None = None
    pinned: bool | None = None
    known_from: datetime | None = None
    superseded_by: str | None = None
    memory_type: str | None = None
    created_at: float | None = None
    surprise: float | None = None
    source_kind: str | None = None
    stability_days: float | None = None
    last_recalled_at: float | None = None
    refreshed_at: float | None = None
    spaced_uses: float | None = None
    retention_policy: str | None = None


@dataclass(frozen=True, slots=True)
class Lines:
    """The edges of a picture by column, each a JSON array: the places of their ends among the nodes, in the order of these."""

    source: str = "[]"
    target: str = "[]"
    type: str = "[]"
    weight: str = "[]"


@dataclass(frozen=True, slots=True)
class Picture:
    """Nodes in the order in which they were reached, the edges between them, and how many edges each node has in all."""

    nodes: Sequence[Spot]
    edges: Lines
    degrees: dict[str, int]
    truncated: bool  # there was more to reach


def picture(
    session: Session, tenant_id: UUID, seeds: Sequence[UUID | str], view: View, *, depth: int, limit: int
) -> Picture:
    """Return what lies within some hops of nodes of any kind; seeds that are not there are left out.

    Args:
        session: a transaction of the tenant.
        tenant_id: whose.
        seeds: ids of memories, entities, episodes, topics or communities.
        view: where and when.
        depth: hops.
        limit: nodes at most.
    """
    nodes, truncated = walk(session, tenant_id, seeds, view, depth=depth, limit=limit, read=_spots)
    return Picture(nodes, _lines(session, tenant_id, nodes, view), degrees(session, tenant_id, nodes, view), truncated)


def _spots(session: Session, tenant_id: UUID, ids: Sequence[str], view: View) -> dict[str, Spot]:
    """Return those of the ids that are nodes of the view, in the order given."""
    params = {"tenant": tenant_id, "ids": array(ids), "label": LABEL, **view.params}
    columns = session.execute(text(_MEMORIES if view.known is None else _MEMORIES_THEN), params).one()
    found: dict[str, Spot] = {}
    if columns[0] is not None:
        found = dict(zip(columns[0], map(Spot._make, zip(*columns, strict=True)), strict=True))
    if len(found) < len(ids):
        beside = [Spot(str(row.id), row.kind, row.label, row.namespace) for row in others(session, params, view)]
        found |= {spot.id: spot for spot in beside}
    return {id: found[id] for id in ids if id in found}


def _lines(session: Session, tenant_id: UUID, nodes: Sequence[Spot], view: View) -> Lines:
    params = {"tenant": tenant_id, **by_kind(nodes), **_places(nodes), **view.params}
    source, target, type_, weight = session.execute(text(timed(_LINES, view)), params).one()
    return Lines() if source is None else Lines(source, target, type_, weight)


def _places(nodes: Sequence[Placed]) -> dict[str, str]:
    """Return the places of the ids that `by_kind` gives, in its order."""
    found: dict[str, list[int]] = {"memory_places": [], "entity_places": [], "structure_places": []}
    for place, node in enumerate(nodes):
        kind = "memory" if node.kind == MEMORY else "entity" if node.kind == ENTITY else "structure"
        found[f"{kind}_places"].append(place)
    return {name: f"{{{','.join(map(str, places))}}}" for name, places in found.items()}


def _seconds(moment: str) -> str:
    return f"CAST(extract(epoch FROM {moment}) AS float8) AS {moment[2:]}"


_DRAWN: Final = f"""
    CAST(m.id AS text) AS id, '{MEMORY}' AS kind, left(coalesce(m.title, m.content), :label) AS label, p.path AS namespace,
    m.state, m.trust, m.importance, m.pinned, m.updated_at AS known_from, CAST(m.superseded_by AS text) AS superseded_by,
    m.memory_type, {_seconds("m.created_at")}, {{surprise}}, s.kind AS source_kind,
    r.stability_days, {_seconds("r.last_recalled_at")}, {_seconds("r.refreshed_at")}, r.spaced_uses,
    CAST(p.retention_policy AS text) AS retention_policy
"""
# By column already here, as below: to read a column at once takes the driver a fraction of what a row for each node does.
_COLUMNS: Final = ", ".join(f"array_agg(d.{name})" for name in Spot._fields)
_MEMORIES: Final = f"SELECT {_COLUMNS} FROM ({memories(_DRAWN, then=False)}) d"
_MEMORIES_THEN: Final = f"SELECT {_COLUMNS} FROM ({memories(_DRAWN, then=True)}) d"


def _placed(name: str, of: str, alias: str) -> str:
    return f"unnest(CAST(:{name} AS uuid[]), CAST(:{of}_places AS integer[])) AS {alias} (id, place)"


def _json(column: str) -> str:
    return f"CAST(array_to_json(array_agg(e.{column})) AS text)"


# As the JSON that is answered: nobody reads them on the way.
_LINES: Final = f"""
    SELECT {_json("source")}, {_json("target")}, {_json("type")}, {_json("weight")} FROM (
    SELECT k.place AS source, o.place AS target, l.type, l.weight
    FROM {_placed("memories", "memory", "k")} JOIN link l ON l.tenant_id = :tenant AND l.source_id = k.id
    JOIN {_placed("memories", "memory", "o")} ON o.id = l.target_id WHERE l.{{known}} AND l.{{since}}
    UNION ALL
    SELECT k.place, o.place, 'mentions', NULL
    FROM {_placed("memories", "memory", "k")} JOIN mention x ON x.tenant_id = :tenant AND x.memory_id = k.id
    JOIN {_placed("entities", "entity", "o")} ON o.id = x.entity_id WHERE x.{{known}} AND x.{{since}}
    UNION ALL
    SELECT k.place, o.place, 'part_of', NULL
    FROM {_placed("memories", "memory", "k")} JOIN structure_member s ON s.tenant_id = :tenant AND s.memory_id = k.id
    JOIN {_placed("structures", "structure", "o")} ON o.id = s.structure_id WHERE s.{{known}} AND s.{{since}}
    UNION ALL
    SELECT k.place, o.place, 'part_of', NULL
    FROM {_placed("structures", "structure", "k")} JOIN topic t ON t.tenant_id = :tenant AND t.id = k.id
    JOIN {_placed("structures", "structure", "o")} ON o.id = t.parent_id WHERE t.{{known}} AND t.{{since}}
    ORDER BY source, target, type, weight) e
"""
