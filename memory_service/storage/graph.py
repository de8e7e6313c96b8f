"""The graph around some nodes: memories, the entities they name, the episodes, topics and communities they are part of.

It is read breadth first, hop by hop, and stops at a number of nodes. A node with many neighbours gives the newest of them: what
everybody names would otherwise fill the view.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

MEMORY, ENTITY = "memory", "entity"
STRUCTURES: Final = ("episode", "topic", "community")
MOST_PER_NODE: Final = 30  # memories that an entity or a structure brings
NEWEST: Final = 25  # memories to begin with where nothing is asked for
_LABEL: Final = 160  # characters


@dataclass(frozen=True, slots=True)
class Node:
    """One node as it is shown."""

    id: UUID
    kind: str
    label: str
    namespace: str


@dataclass(frozen=True, slots=True)
class Edge:
    """One edge between two nodes that are shown."""

    source: UUID
    target: UUID
    type: str
    weight: float | None = None


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes in the order in which they were reached, and the edges between them."""

    nodes: Sequence[Node]
    edges: Sequence[Edge]
    truncated: bool  # there was more to reach


def newest(session: Session, tenant_id: UUID, *, namespace_id: UUID | None, now: datetime) -> list[UUID]:
    """Return the newest live memories of a namespace, or of all."""
    where = "AND m.namespace_id = :namespace" if namespace_id is not None else ""
    statement = (
        f"SELECT m.id FROM memory m WHERE m.tenant_id = :tenant {where} AND {_LIVE} ORDER BY m.id DESC LIMIT :most"
    )
    params = {"tenant": tenant_id, "namespace": namespace_id, "now": now, "most": NEWEST}
    return list(session.scalars(text(statement), params))


def around(
    session: Session,
    tenant_id: UUID,
    seeds: Sequence[UUID],
    *,
    namespace_id: UUID | None,
    depth: int,
    limit: int,
    now: datetime,
) -> Graph:
    """Return what lies within some hops of nodes of any kind; seeds that are not there are left out.

    Args:
        session: a transaction of the tenant.
        tenant_id: whose.
        seeds: ids of memories, entities, episodes, topics or communities.
        namespace_id: only what lies in it; None for all.
        depth: hops.
        limit: nodes at most.
        now: what has expired is left out.
    """
    reached: dict[UUID, Node] = {}
    frontier = _nodes(session, tenant_id, seeds, namespace_id=namespace_id, now=now)
    truncated = len(frontier) > limit
    for node in frontier[:limit]:
        reached[node.id] = node
    for _ in range(depth):
        if truncated or not frontier:
            break
        beside = [id for id in _beside(session, tenant_id, frontier) if id not in reached]
        frontier = _nodes(session, tenant_id, beside, namespace_id=namespace_id, now=now)
        room = limit - len(reached)
        truncated = len(frontier) > room
        for node in frontier[:room]:
            reached[node.id] = node
    return Graph(list(reached.values()), _edges(session, tenant_id, list(reached)), truncated)


def _nodes(
    session: Session, tenant_id: UUID, ids: Iterable[UUID], *, namespace_id: UUID | None, now: datetime
) -> list[Node]:
    """Return those of the ids that are live nodes, in the order given."""
    wanted = list(dict.fromkeys(ids))
    if not wanted:
        return []
    params = {"tenant": tenant_id, "ids": wanted, "namespace": namespace_id, "now": now, "label": _LABEL}
    rows = session.execute(text(_NODES), params)
    found = {row.id: Node(row.id, row.kind, row.label, row.namespace) for row in rows}
    return [found[id] for id in wanted if id in found]


def _beside(session: Session, tenant_id: UUID, nodes: Sequence[Node]) -> list[UUID]:
    """Return the neighbours of nodes, those that most of them share first."""
    params: dict[str, Any] = {"tenant": tenant_id, "most": MOST_PER_NODE}
    for name, kinds in (("memories", (MEMORY,)), ("entities", (ENTITY,)), ("structures", STRUCTURES)):
        params[name] = [node.id for node in nodes if node.kind in kinds]
    return [row.id for row in session.execute(text(_BESIDE), params)]


def _edges(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> list[Edge]:
    if not ids:
        return []
    rows = session.execute(text(_EDGES), {"tenant": tenant_id, "ids": list(ids)})
    return [Edge(row.source, row.target, row.type, row.weight) for row in rows]


_LIVE: Final = "m.archived_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > :now)"
_HERE: Final = "(CAST(:namespace AS uuid) IS NULL OR {}.namespace_id = :namespace)"
_OF: Final = "t.tenant_id = :tenant AND t.id = ANY(CAST(:ids AS uuid[]))"


def _structure(kind: str) -> str:
    return f"""
        SELECT t.id, '{kind}' AS kind, coalesce(left(g.text, :label), '') AS label, p.path AS namespace
        FROM {kind} t JOIN namespace p ON p.tenant_id = :tenant AND p.id = t.namespace_id
        LEFT JOIN gist g ON g.tenant_id = :tenant AND g.target_id = t.id AND g.known_to = 'infinity'
        WHERE {_OF} AND t.known_to = 'infinity' AND {_HERE.format("t")}
    """


_NODES: Final = f"""
    SELECT m.id, '{MEMORY}' AS kind, left(coalesce(m.title, m.content), :label) AS label, p.path AS namespace
    FROM memory m JOIN namespace p ON p.tenant_id = :tenant AND p.id = m.namespace_id
    WHERE m.tenant_id = :tenant AND m.id = ANY(CAST(:ids AS uuid[])) AND {_LIVE} AND {_HERE.format("m")}
    UNION ALL
    SELECT t.id, '{ENTITY}', t.name, p.path FROM entity t JOIN namespace p ON p.tenant_id = :tenant AND p.id = t.namespace_id
    WHERE {_OF} AND {_HERE.format("t")}
    UNION ALL {" UNION ALL ".join(_structure(kind) for kind in STRUCTURES)}
"""
_BESIDE: Final = """
    SELECT b.id FROM (
        SELECT x.entity_id AS id FROM unnest(CAST(:memories AS uuid[])) AS k (id)
        JOIN mention x ON x.tenant_id = :tenant AND x.memory_id = k.id AND x.known_to = 'infinity'
        UNION ALL
        SELECT l.target_id FROM unnest(CAST(:memories AS uuid[])) AS k (id)
        JOIN link l ON l.tenant_id = :tenant AND l.source_id = k.id AND l.known_to = 'infinity'
        UNION ALL
        SELECT l.source_id FROM unnest(CAST(:memories AS uuid[])) AS k (id)
        JOIN link l ON l.tenant_id = :tenant AND l.target_id = k.id AND l.known_to = 'infinity'
        UNION ALL
        SELECT s.structure_id FROM unnest(CAST(:memories AS uuid[])) AS k (id)
        JOIN structure_member s ON s.tenant_id = :tenant AND s.memory_id = k.id AND s.known_to = 'infinity'
            AND s.structure IN ('episode', 'topic', 'community')
        UNION ALL
        SELECT n.memory_id FROM unnest(CAST(:entities AS uuid[])) AS k (id) CROSS JOIN LATERAL (
            SELECT x.memory_id FROM mention x WHERE x.tenant_id = :tenant AND x.entity_id = k.id AND x.known_to = 'infinity'
            ORDER BY x.memory_id DESC LIMIT :most) n
        UNION ALL
        SELECT n.memory_id FROM unnest(CAST(:structures AS uuid[])) AS k (id) CROSS JOIN LATERAL (
            SELECT s.memory_id FROM structure_member s WHERE s.tenant_id = :tenant AND s.structure_id = k.id
            AND s.known_to = 'infinity' ORDER BY s.memory_id DESC LIMIT :most) n
        UNION ALL
        SELECT n.id FROM unnest(CAST(:structures AS uuid[])) AS k (id) CROSS JOIN LATERAL (
            SELECT t.id FROM topic t WHERE t.tenant_id = :tenant AND t.parent_id = k.id AND t.known_to = 'infinity'
            ORDER BY t.id DESC LIMIT :most) n
        UNION ALL
        SELECT t.parent_id FROM unnest(CAST(:structures AS uuid[])) AS k (id)
        JOIN topic t ON t.tenant_id = :tenant AND t.id = k.id AND t.known_to = 'infinity' AND t.parent_id IS NOT NULL
    ) b GROUP BY b.id ORDER BY count(*) DESC, b.id DESC
"""
_EDGES: Final = """
    SELECT l.source_id AS source, l.target_id AS target, l.type, l.weight FROM link l
    WHERE l.tenant_id = :tenant AND l.source_id = ANY(CAST(:ids AS uuid[])) AND l.target_id = ANY(CAST(:ids AS uuid[]))
        AND l.known_to = 'infinity'
    UNION ALL
    SELECT x.memory_id, x.entity_id, 'mentions', NULL FROM mention x
    WHERE x.tenant_id = :tenant AND x.memory_id = ANY(CAST(:ids AS uuid[])) AND x.entity_id = ANY(CAST(:ids AS uuid[]))
        AND x.known_to = 'infinity'
    UNION ALL
    SELECT s.memory_id, s.structure_id, 'part_of', NULL FROM structure_member s
    WHERE s.tenant_id = :tenant AND s.structure_id = ANY(CAST(:ids AS uuid[])) AND s.memory_id = ANY(CAST(:ids AS uuid[]))
        AND s.known_to = 'infinity'
    UNION ALL
    SELECT t.id, t.parent_id, 'part_of', NULL FROM topic t
    WHERE t.tenant_id = :tenant AND t.id = ANY(CAST(:ids AS uuid[])) AND t.parent_id = ANY(CAST(:ids AS uuid[]))
        AND t.known_to = 'infinity'
    ORDER BY source, target, type
"""
