"""The graph around some nodes: memories, the entities they name, the episodes, topics and communities they are part of.

It is read breadth first, hop by hop, and stops at a number of nodes. A node with many neighbours gives the newest of them: what
everybody names would otherwise fill the view. Nodes come in the order in which they were reached, edges in that of their ids: the
same question about the same memories has the same answer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from memory_service.storage.memories import AS_KNOWN
from memory_service.storage.sql import Row

MEMORY, ENTITY = "memory", "entity"
STRUCTURES: Final = ("episode", "topic", "community")
MOST_PER_NODE: Final = 30  # memories that an entity or a structure brings
MOST_BESIDE: Final = 50_000  # neighbours of one hop that are looked at
AT_A_TIME: Final = 200  # ids that are looked up together at least
MOST_COUNTED: Final = 1_000  # edges of each kind of one node that its degree counts
_LABEL: Final = 160  # characters


@dataclass(frozen=True, slots=True)
class View:
    """What of the graph is looked at: a namespace or all, now or as it was."""

    now: datetime  # what has expired by then is left out
    namespace_id: UUID | None = None
    known: datetime | None = None  # as it was known then; None: as it is
    valid: datetime | None = None  # only memories that were true then; None: all

    @property
    def params(self) -> dict[str, Any]:
        """Return the parameters by which the statements are bound."""
        return {"now": self.now, "namespace": self.namespace_id, "known": self.known, "valid": self.valid}


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
    degrees: dict[UUID, int]
    truncated: bool  # there was more to reach


def newest(session: Session, tenant_id: UUID, view: View, *, most: int) -> list[UUID]:
    """Return the newest memories of a view."""
    then = view.known is not None
    where = "AND m.namespace_id = :namespace" if view.namespace_id is not None else ""
    # As known then they are sorted out among the nodes: what has ended since had not ended yet.
    those = "m.created_at <= :known" if then else f"{_LIVE} {_TRUE}"
    statement = (
        f"SELECT m.id FROM memory m WHERE m.tenant_id = :tenant {where} AND {those} ORDER BY m.id DESC LIMIT :most"
    )
    return list(session.scalars(text(statement), {"tenant": tenant_id, "most": most, **view.params}))


def around(session: Session, tenant_id: UUID, seeds: Sequence[UUID], view: View, *, depth: int, limit: int) -> Graph:
    """Return what lies within some hops of nodes of any kind; seeds that are not there are left out.

    Args:
        session: a transaction of the tenant.
        tenant_id: whose.
        seeds: ids of memories, entities, episodes, topics or communities.
        view: where and when.
        depth: hops.
        limit: nodes at most.
    """
    reached: dict[UUID, Node] = {}
    frontier, truncated = _some(session, tenant_id, list(dict.fromkeys(seeds)), view, room=limit)
    reached |= {node.id: node for node in frontier}
    for _ in range(depth):
        if truncated or not frontier:
            break
        beside = _beside(session, tenant_id, frontier, view)
        fresh = [id for id in beside if id not in reached]
        frontier, truncated = _some(session, tenant_id, fresh, view, room=limit - len(reached))
        truncated = truncated or len(beside) == MOST_BESIDE
        reached |= {node.id: node for node in frontier}
    nodes = list(reached.values())
    return Graph(nodes, _edges(session, tenant_id, nodes, view), _degrees(session, tenant_id, nodes, view), truncated)


def between(session: Session, tenant_id: UUID, ids: Sequence[UUID], view: View) -> list[Edge]:
    """Return the edges between nodes of a view; ids of what is no node of it are left out."""
    return _edges(session, tenant_id, _nodes(session, tenant_id, list(dict.fromkeys(ids)), view), view)


def _some(session: Session, tenant_id: UUID, ids: Sequence[UUID], view: View, *, room: int) -> tuple[list[Node], bool]:
    """Return the first of the ids that are nodes of the view, and whether there are more than there is room for."""
    found: list[Node] = []
    step = max(room + 1, AT_A_TIME)
    for start in range(0, len(ids), step):
        found += _nodes(session, tenant_id, ids[start : start + step], view)
        if len(found) > room:
            return found[:room], True
    return found, False


def _nodes(session: Session, tenant_id: UUID, ids: Sequence[UUID], view: View) -> list[Node]:
    """Return those of the ids that are nodes of the view, in the order given."""
    params = {"tenant": tenant_id, "ids": _array(ids), "label": _LABEL, **view.params}
    memories = session.execute(text(_MEMORIES if view.known is None else _MEMORIES_THEN), params).mappings().all()
    found = {row["id"]: Node(row["id"], MEMORY, row["label"], row["namespace"], row) for row in memories}
    if len(found) < len(ids):
        others = session.execute(text(_timed(_OTHERS, view)), params)
        found |= {row.id: Node(row.id, row.kind, row.label, row.namespace) for row in others}
    return [found[id] for id in ids if id in found]


def _beside(session: Session, tenant_id: UUID, nodes: Sequence[Node], view: View) -> list[UUID]:
    """Return the neighbours of nodes, those that most of them share first."""
    params = {"tenant": tenant_id, "most": MOST_PER_NODE, "beside": MOST_BESIDE, **_by_kind(nodes), **view.params}
    return list(session.scalars(text(_timed(_BESIDE, view)), params))


def _edges(session: Session, tenant_id: UUID, nodes: Sequence[Node], view: View) -> list[Edge]:
    if not nodes:
        return []
    params = {"tenant": tenant_id, **_by_kind(nodes), **view.params}
    return [Edge._make(row) for row in session.execute(text(_timed(_EDGES, view)), params).all()]


def _degrees(session: Session, tenant_id: UUID, nodes: Sequence[Node], view: View) -> dict[UUID, int]:
    params = {"tenant": tenant_id, "counted": MOST_COUNTED, **_by_kind(nodes), **view.params}
    return dict(iter(session.execute(text(_timed(_DEGREES, view)), params).all()))


def _by_kind(nodes: Iterable[Node]) -> dict[str, str]:
    found: dict[str, list[UUID]] = {"memories": [], "entities": [], "structures": []}
    for node in nodes:
        found["memories" if node.kind == MEMORY else "entities" if node.kind == ENTITY else "structures"].append(
            node.id
        )
    return {name: _array(ids) for name, ids in found.items()}


def _array(ids: Iterable[UUID]) -> str:
    """Write ids as an array: the driver takes them one by one, for thousands longer than the database takes to find them."""
    return f"{{{','.join(map(str, ids))}}}"


def _timed(statement: str, view: View) -> str:
    """Bind every row with a live span to the moment of the view."""
    then = view.known is not None
    return statement.replace("{known}", "known_to > :known" if then else "known_to = 'infinity'").replace(
        "{since}", "known_from <= :known" if then else "known_from IS NOT NULL"
    )


_LIVE: Final = "m.archived_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > :now)"
_LIVE_THEN: Final = (
    "m.state IN ('generated', 'activated', 'frozen') AND (m.expires_at IS NULL OR m.expires_at > :known)"
)
# As a search as of a moment of valid time takes it.
_TRUE: Final = (
    "AND (CAST(:valid AS timestamptz) IS NULL OR (coalesce(m.valid_from, m.observed_at) <= :valid "
    "AND (m.valid_to IS NULL OR m.valid_to > :valid)))"
)
_HERE: Final = "(CAST(:namespace AS uuid) IS NULL OR {}.namespace_id = :namespace)"
_OF: Final = "t.tenant_id = :tenant AND t.id = ANY(CAST(:ids AS uuid[]))"


def _memories(source: str, live: str, surprise: str) -> str:
    return f"""
        SELECT m.id, left(coalesce(m.title, m.content), :label) AS label, p.path AS namespace, m.memory_type, m.state, m.version,
            m.importance, m.confidence, m.trust, m.flags, m.pinned, {surprise} AS surprise, m.observed_at, m.valid_from, m.valid_to,
            m.created_at, m.updated_at, m.expires_at, m.superseded_by, s.kind AS source_kind, r.stability_days, r.difficulty,
            r.recall_count, r.last_recalled_at, r.refreshed_at, r.spaced_uses, r.traces, r.traced_at,
            CAST(p.retention_policy AS text) AS retention_policy
        FROM {source} m JOIN namespace p ON p.tenant_id = :tenant AND p.id = m.namespace_id
        LEFT JOIN source s ON s.tenant_id = :tenant AND s.memory_id = m.id AND s.ordinal = 0
        LEFT JOIN retention r ON r.tenant_id = :tenant AND r.memory_id = m.id
        WHERE m.tenant_id = :tenant AND m.id = ANY(CAST(:ids AS uuid[])) AND {live} AND {_HERE.format("m")} {_TRUE}
    """


_MEMORIES: Final = _memories("memory", _LIVE, "m.surprise")
_MEMORIES_THEN: Final = _memories(AS_KNOWN, _LIVE_THEN, "NULL")  # no part of a state


def _structure(kind: str) -> str:
    return f"""
        SELECT t.id, '{kind}' AS kind, coalesce(left(g.text, :label), '') AS label, p.path AS namespace
        FROM {kind} t JOIN namespace p ON p.tenant_id = :tenant AND p.id = t.namespace_id
        LEFT JOIN gist g ON g.tenant_id = :tenant AND g.target_id = t.id AND g.{{known}} AND g.{{since}}
        WHERE {_OF} AND t.{{known}} AND t.{{since}} AND {_HERE.format("t")}
    """


_OTHERS: Final = f"""
    SELECT t.id, '{ENTITY}' AS kind, t.name AS label, p.path AS namespace
    FROM entity t JOIN namespace p ON p.tenant_id = :tenant AND p.id = t.namespace_id
    WHERE {_OF} AND {_HERE.format("t")}
    UNION ALL {" UNION ALL ".join(_structure(kind) for kind in STRUCTURES)}
"""
_BESIDE: Final = """
    SELECT b.id FROM (
        SELECT x.entity_id AS id FROM unnest(CAST(:memories AS uuid[])) AS k (id)
        JOIN mention x ON x.tenant_id = :tenant AND x.memory_id = k.id AND x.{known} AND x.{since}
        UNION ALL
        SELECT l.target_id FROM unnest(CAST(:memories AS uuid[])) AS k (id)
        JOIN link l ON l.tenant_id = :tenant AND l.source_id = k.id AND l.{known} AND l.{since}
        UNION ALL
        SELECT l.source_id FROM unnest(CAST(:memories AS uuid[])) AS k (id)
        JOIN link l ON l.tenant_id = :tenant AND l.target_id = k.id AND l.{known} AND l.{since}
        UNION ALL
        SELECT s.structure_id FROM unnest(CAST(:memories AS uuid[])) AS k (id)
        JOIN structure_member s ON s.tenant_id = :tenant AND s.memory_id = k.id AND s.{known} AND s.{since}
            AND s.structure IN ('episode', 'topic', 'community')
        UNION ALL
        SELECT n.memory_id FROM unnest(CAST(:entities AS uuid[])) AS k (id) CROSS JOIN LATERAL (
            SELECT x.memory_id FROM mention x WHERE x.tenant_id = :tenant AND x.entity_id = k.id AND x.{known} AND x.{since}
            ORDER BY x.memory_id DESC LIMIT :most) n
        UNION ALL
        SELECT n.memory_id FROM unnest(CAST(:structures AS uuid[])) AS k (id) CROSS JOIN LATERAL (
            SELECT s.memory_id FROM structure_member s WHERE s.tenant_id = :tenant AND s.structure_id = k.id
            AND s.{known} AND s.{since} ORDER BY s.memory_id DESC LIMIT :most) n
        UNION ALL
        SELECT n.id FROM unnest(CAST(:structures AS uuid[])) AS k (id) CROSS JOIN LATERAL (
            SELECT t.id FROM topic t WHERE t.tenant_id = :tenant AND t.parent_id = k.id AND t.{known} AND t.{since}
            ORDER BY t.id DESC LIMIT :most) n
        UNION ALL
        SELECT t.parent_id FROM unnest(CAST(:structures AS uuid[])) AS k (id)
        JOIN topic t ON t.tenant_id = :tenant AND t.id = k.id AND t.{known} AND t.{since} AND t.parent_id IS NOT NULL
    ) b GROUP BY b.id ORDER BY count(*) DESC, b.id DESC LIMIT :beside
"""
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


def _each(table: str, of: str = "") -> str:
    """Count rows of all memories in one pass: row by row the planner may pick an index that begins with something else."""
    return f"""(
        SELECT x.memory_id AS id, count(*) AS rows FROM unnest(CAST(:memories AS uuid[])) AS o (id)
        JOIN {table} x ON x.tenant_id = :tenant AND x.memory_id = o.id WHERE x.{{known}} AND x.{{since}} {of} GROUP BY 1)"""


_OF_GRAPH: Final = "AND x.structure IN ('episode', 'topic', 'community')"
_DEGREES: Final = f"""
    SELECT k.id, {_count("link", "source_id")} + {_count("link", "target_id")} + coalesce(m.rows, 0) + coalesce(s.rows, 0) AS degree
    FROM unnest(CAST(:memories AS uuid[])) AS k (id)
    LEFT JOIN {_each("mention")} AS m ON m.id = k.id LEFT JOIN {_each("structure_member", _OF_GRAPH)} AS s ON s.id = k.id
    UNION ALL
    SELECT k.id, {_count("mention", "entity_id")} FROM unnest(CAST(:entities AS uuid[])) AS k (id)
    UNION ALL
    SELECT k.id, {_count("structure_member", "structure_id")} + {_count("topic", "parent_id")}
    FROM unnest(CAST(:structures AS uuid[])) AS k (id)
"""
