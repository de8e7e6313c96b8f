"""The walk through the graph: from some nodes hop by hop, breadth first, until there are as many nodes as asked for.

A node with many neighbours gives the newest of them: what everybody names would otherwise fill the view. Nodes come in the order in
which they were reached: the same question about the same memories has the same answer. What is read of each node is the caller's.
Ids are walked as they are written: of tens of thousands, to read them as UUIDs and write them again takes longer than to find them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final, Protocol, TypeAlias, TypeVar
from uuid import UUID

from sqlalchemy import Row as SqlRow
from sqlalchemy import text
from sqlalchemy.orm import Session

from memory_service.storage.memories import AS_KNOWN

MEMORY, ENTITY = "memory", "entity"
STRUCTURES: Final = ("episode", "topic", "community")
MOST_PER_NODE: Final = 30  # memories that an entity or a structure brings
MOST_BESIDE: Final = 50_000  # neighbours of one hop that are looked at
AT_A_TIME: Final = 200  # ids that are looked up together at least
LABEL: Final = 160  # characters


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


class Placed(Protocol):
    """What a walk needs to know of a node."""

    @property
    def id(self) -> UUID | str:
        """Return its id."""

    @property
    def kind(self) -> str:
        """Return whether it is a memory, an entity or one of the structures."""


N = TypeVar("N", bound=Placed)

# Read those of some ids that are nodes of a view, by id, in the order given.
Reader: TypeAlias = Callable[[Session, UUID, Sequence[str], View], dict[str, N]]


def newest(session: Session, tenant_id: UUID, view: View, *, most: int) -> list[str]:
    """Return the ids of the newest memories of a view."""
    then = view.known is not None
    where = "AND m.namespace_id = :namespace" if view.namespace_id is not None else ""
    # As known then they are sorted out among the nodes: what has ended since had not ended yet.
    those = "m.created_at <= :known" if then else f"{_LIVE} {_TRUE}"
    statement = (
        f"SELECT m.id FROM memory m WHERE m.tenant_id = :tenant {where} AND {those} ORDER BY m.id DESC LIMIT :most"
    )
    return _ids(session, statement, {"tenant": tenant_id, "most": most, **view.params})


def walk(
    session: Session,
    tenant_id: UUID,
    seeds: Sequence[UUID | str],
    view: View,
    *,
    depth: int,
    limit: int,
    read: Reader[N],
) -> tuple[list[N], bool]:
    """Return the nodes within some hops in the order in which they were reached, and whether there was more to reach.

    Args:
        session: a transaction of the tenant.
        tenant_id: whose.
        seeds: ids of nodes of any kind.
        view: where and when.
        depth: hops.
        limit: nodes at most.
        read: what is read of each node.
    """
    frontier, truncated = _some(session, tenant_id, list(dict.fromkeys(map(str, seeds))), view, room=limit, read=read)
    reached = dict(frontier)
    for _ in range(depth):
        if truncated or not frontier:
            break
        beside = _beside(session, tenant_id, frontier.values(), view)
        fresh = [id for id in beside if id not in reached]
        frontier, truncated = _some(session, tenant_id, fresh, view, room=limit - len(reached), read=read)
        truncated = truncated or len(beside) == MOST_BESIDE
        reached |= frontier
    return list(reached.values()), truncated


def others(session: Session, params: Mapping[str, Any], view: View) -> Sequence[SqlRow[Any]]:
    """Return id, kind, label and namespace of those of the ids that are nodes of a view and no memories."""
    return session.execute(text(timed(_OTHERS, view)), params).all()


def by_kind(nodes: Iterable[Placed]) -> dict[str, str]:
    """Return the ids of nodes as parameters: memories, entities and structures."""
    found: dict[str, list[UUID | str]] = {"memories": [], "entities": [], "structures": []}
    for node in nodes:
        found["memories" if node.kind == MEMORY else "entities" if node.kind == ENTITY else "structures"].append(
            node.id
        )
    return {name: array(ids) for name, ids in found.items()}


def array(ids: Iterable[UUID | str]) -> str:
    """Write ids as an array: the driver takes them one by one, for thousands longer than the database takes to find them."""
    return f"{{{','.join(map(str, ids))}}}"


def timed(statement: str, view: View) -> str:
    """Bind every row with a live span to the moment of the view."""
    then = view.known is not None
    return statement.replace("{known}", "known_to > :known" if then else "known_to = 'infinity'").replace(
        "{since}", "known_from <= :known" if then else "known_from IS NOT NULL"
    )


def _some(
    session: Session, tenant_id: UUID, ids: Sequence[str], view: View, *, room: int, read: Reader[N]
) -> tuple[dict[str, N], bool]:
    """Return the first of the ids that are nodes of the view, and whether there are more than there is room for."""
    found: dict[str, N] = {}
    step = max(room + 1, AT_A_TIME)
    for start in range(0, len(ids), step):
        found |= read(session, tenant_id, ids[start : start + step], view)
        if len(found) > room:
            return dict(islice(found.items(), room)), True
    return found, False


def _beside(session: Session, tenant_id: UUID, nodes: Iterable[Placed], view: View) -> list[str]:
    """Return the neighbours of nodes, those that most of them share first."""
    params = {"tenant": tenant_id, "most": MOST_PER_NODE, "beside": MOST_BESIDE, **by_kind(nodes), **view.params}
    return _ids(session, timed(_BESIDE, view), params)


def _ids(session: Session, statement: str, params: Mapping[str, Any]) -> list[str]:
    """Return the ids that a statement selects, in its order, as one array: a row for each takes the driver far longer."""
    return session.scalar(text(f"SELECT array_agg(CAST(few.id AS text)) FROM ({statement}) AS few"), params) or []


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


# All that is known of memories beside their own row.
BESIDE_A_MEMORY: Final = """
    JOIN namespace p ON p.tenant_id = :tenant AND p.id = m.namespace_id
    LEFT JOIN source s ON s.tenant_id = :tenant AND s.memory_id = m.id AND s.ordinal = 0
    LEFT JOIN retention r ON r.tenant_id = :tenant AND r.memory_id = m.id
"""


def memories(columns: str, *, then: bool) -> str:
    """Return the statement that reads columns of those of the ids that are memories of a view, now or then."""
    source, live, surprise = (AS_KNOWN, _LIVE_THEN, "NULL") if then else ("memory", _LIVE, "m.surprise")
    return f"""
        SELECT {columns.format(surprise=f"{surprise} AS surprise")} FROM {source} m {BESIDE_A_MEMORY}
        WHERE m.tenant_id = :tenant AND m.id = ANY(CAST(:ids AS uuid[])) AND {live} AND {_HERE.format("m")} {_TRUE}
    """


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
