"""The graph around some nodes: memories, the entities they name, the episodes, topics and communities they are part of.

Nodes come in the order in which they were reached, edges in that of their ids: the same question about the same memories has the
same answer. `graph_picture` reads the same with less of each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from memory_service.storage.graph_walk import LABEL, MEMORY, Placed, View, array, by_kind, memories, others, timed, walk
from memory_service.storage.sql import Row

MOST_COUNTED: Final = 1_000  # edges of each kind of one node that its degree counts


@dataclass(frozen=True, slots=True)
class Node:
    """One node as it is shown; of a memory there is a record as well."""

    id: UUID
    kind: str
    label: str
    namespace: str
    record: Row | None = None


class Edge(NamedTuple):
    """One edge between two nodes that are shown, and since and until when it was known; a tuple, since a view has thousands."""

    source: UUID
    target: UUID
    type: str
    weight: float | None
    known_from: datetime
    known_to: datetime | None  # None: still


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes in the order in which they were reached, the edges between them, and how many edges each node has in all."""

    nodes: Sequence[Node]
    edges: Sequence[Edge]
    degrees: dict[str, int]
    truncated: bool  # there was more to reach


def around(
    session: Session, tenant_id: UUID, seeds: Sequence[UUID | str], view: View, *, depth: int, limit: int
) -> Graph:
    """Return what lies within some hops of nodes of any kind; seeds that are not there are left out.

    Args:
        session: a transaction of the tenant.
        tenant_id: whose.
        seeds: ids of memories, entities, episodes, topics or communities.
        view: where and when.
        depth: hops.
        limit: nodes at most.
    """
    nodes, truncated = walk(session, tenant_id, seeds, view, depth=depth, limit=limit, read=_nodes)
    return Graph(nodes, _edges(session, tenant_id, nodes, view), degrees(session, tenant_id, nodes, view), truncated)


def between(session: Session, tenant_id: UUID, ids: Sequence[UUID], view: View) -> list[Edge]:
    """Return the edges between nodes of a view; ids of what is no node of it are left out."""
    nodes = _nodes(session, tenant_id, list(dict.fromkeys(map(str, ids))), view)
    return _edges(session, tenant_id, list(nodes.values()), view)


def _nodes(session: Session, tenant_id: UUID, ids: Sequence[str], view: View) -> dict[str, Node]:
    """Return those of the ids that are nodes of the view, in the order given."""
    params = {"tenant": tenant_id, "ids": array(ids), "label": LABEL, **view.params}
    rows = session.execute(text(_MEMORIES if view.known is None else _MEMORIES_THEN), params).mappings().all()
    found = {str(row["id"]): Node(row["id"], MEMORY, row["label"], row["namespace"], row) for row in rows}
    if len(found) < len(ids):
        beside = others(session, params, view)
        found |= {str(row.id): Node(row.id, row.kind, row.label, row.namespace) for row in beside}
    return {id: found[id] for id in ids if id in found}


def _edges(session: Session, tenant_id: UUID, nodes: Sequence[Node], view: View) -> list[Edge]:
    if not nodes:
        return []
    params = {"tenant": tenant_id, **by_kind(nodes), **view.params}
    return [Edge._make(row) for row in session.execute(text(timed(_EDGES, view)), params).all()]


def degrees(session: Session, tenant_id: UUID, nodes: Sequence[Placed], view: View) -> dict[str, int]:
    """Return how many edges nodes have in all of the graph, of each kind as many as are counted, by id as it is written."""
    params = {"tenant": tenant_id, "counted": MOST_COUNTED, **by_kind(nodes), **view.params}
    ids, counts = session.execute(text(timed(_DEGREES, view)), params).one()
    return dict(zip(ids or (), counts or (), strict=True))


_RECORD: Final = """
    m.id, left(coalesce(m.title, m.content), :label) AS label, p.path AS namespace, m.memory_type, m.state, m.version,
    m.importance, m.confidence, m.trust, m.flags, m.pinned, {surprise}, m.observed_at, m.valid_from, m.valid_to,
    m.created_at, m.updated_at, m.superseded_by, s.kind AS source_kind, r.stability_days, r.difficulty,
    r.recall_count, r.last_recalled_at, r.refreshed_at, r.spaced_uses, r.traces, r.traced_at,
    CAST(p.retention_policy AS text) AS retention_policy
"""
_MEMORIES: Final = memories(_RECORD, then=False)
_MEMORIES_THEN: Final = memories(_RECORD, then=True)  # how unexpected it was is no part of a state


_SPAN: Final = "{0}.known_from, CASE WHEN {0}.known_to < 'infinity' THEN {0}.known_to END AS known_to"
# Each kind of edge from the side whose nodes have few of them, so that what everybody names costs no more than what is shown.
_EDGES: Final = f"""
    SELECT l.source_id AS source, l.target_id AS target, l.type, l.weight, {_SPAN.format("l")}
    FROM unnest(CAST(:memories AS uuid[])) AS k (id) JOIN link l ON l.tenant_id = :tenant AND l.source_id = k.id
    JOIN unnest(CAST(:memories AS uuid[])) AS o (id) ON o.id = l.target_id WHERE l.{{known}} AND l.{{since}}
    UNION ALL
    SELECT x.memory_id, x.entity_id, 'mentions', NULL, {_SPAN.format("x")}
    FROM unnest(CAST(:memories AS uuid[])) AS k (id) JOIN mention x ON x.tenant_id = :tenant AND x.memory_id = k.id
    JOIN unnest(CAST(:entities AS uuid[])) AS o (id) ON o.id = x.entity_id WHERE x.{{known}} AND x.{{since}}
    UNION ALL
    SELECT s.memory_id, s.structure_id, 'part_of', NULL, {_SPAN.format("s")}
    FROM unnest(CAST(:memories AS uuid[])) AS k (id) JOIN structure_member s ON s.tenant_id = :tenant AND s.memory_id = k.id
    JOIN unnest(CAST(:structures AS uuid[])) AS o (id) ON o.id = s.structure_id WHERE s.{{known}} AND s.{{since}}
    UNION ALL
    SELECT t.id, t.parent_id, 'part_of', NULL, {_SPAN.format("t")} FROM topic t
    WHERE t.tenant_id = :tenant AND t.id = ANY(CAST(:structures AS uuid[])) AND t.parent_id = ANY(CAST(:structures AS uuid[]))
        AND t.{{known}} AND t.{{since}}
    ORDER BY source, target, type, known_from
"""


def _count(table: str, column: str) -> str:
    of = "x.{known} AND x.{since}"
    rows = f"SELECT FROM {table} x WHERE x.tenant_id = :tenant AND x.{column} = k.id AND {of} LIMIT :counted"
    return f"(SELECT count(*) FROM ({rows}) AS few)"


def _each(table: str, column: str = "memory_id", of: str = "") -> str:
    """Count rows of all memories in one pass: row by row it takes longer, and the planner may pick an unfit index."""
    return f"""(
        SELECT o.id, least(count(*), :counted) AS rows FROM unnest(CAST(:memories AS uuid[])) AS o (id)
        JOIN {table} x ON x.tenant_id = :tenant AND x.{column} = o.id WHERE x.{{known}} AND x.{{since}} {of} GROUP BY 1)"""


_OF_GRAPH: Final = "AND x.structure IN ('episode', 'topic', 'community')"
_DEGREES: Final = f"""
    SELECT array_agg(CAST(d.id AS text)), array_agg(d.degree) FROM (
    SELECT k.id, coalesce(l.rows, 0) + coalesce(t.rows, 0) + coalesce(m.rows, 0) + coalesce(s.rows, 0) AS degree
    FROM unnest(CAST(:memories AS uuid[])) AS k (id)
    LEFT JOIN {_each("link", "source_id")} AS l ON l.id = k.id LEFT JOIN {_each("link", "target_id")} AS t ON t.id = k.id
    LEFT JOIN {_each("mention")} AS m ON m.id = k.id
    LEFT JOIN {_each("structure_member", of=_OF_GRAPH)} AS s ON s.id = k.id
    UNION ALL
    SELECT k.id, {_count("mention", "entity_id")} FROM unnest(CAST(:entities AS uuid[])) AS k (id)
    UNION ALL
    SELECT k.id, {_count("structure_member", "structure_id")} + {_count("topic", "parent_id")}
    FROM unnest(CAST(:structures AS uuid[])) AS k (id)) d
"""
