"""The graph as it is drawn: what a view needs of each node and edge, as JSON."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from consolidation.retention.holding import holding_of, retrievability_of
from consolidation.retention.policy_form import read_policy
from memory_service.lifecycle.records import rfc3339
from memory_service.storage.graph import Edge, Graph, Node
from memory_service.storage.graph_walk import View
from memory_service.storage.sql import Row

OF_A_MEMORY: Final = (
    "version", "memory_type", "state", "source_kind", "trust", "flags", "confidence", "importance", "pinned", "retrievability",
    "observed_at", "valid_from", "valid_to", "created_at", "known_from", "superseded_by",
)  # fmt: skip


class Written:
    """Ids and moments as they are written, each worked out once: edges name nodes again and again, and a run's moment is one."""

    def __init__(self) -> None:
        self._ids: dict[UUID, str] = {}
        self._moments: dict[datetime, str | None] = {}

    def id(self, id: UUID) -> str:
        """Return an id as text."""
        found = self._ids.get(id)
        if found is None:
            found = self._ids[id] = str(id)
        return found

    def moment(self, at: datetime | None) -> str | None:
        """Return a moment as text."""
        if at is None:
            return None
        found = self._moments.get(at)
        if found is None:
            found = self._moments[at] = rfc3339(at)
        return found


def graph_json(graph: Graph, view: View) -> dict[str, Any]:
    """Return nodes and edges; fields of memories are null for other kinds of nodes."""
    written = Written()
    return {
        "nodes": [_node_json(one, view, written, graph.degrees.get(written.id(one.id), 0)) for one in graph.nodes],
        "edges": edges_json(graph.edges, written),
        "truncated": graph.truncated,
    }


def edges_json(edges: Iterable[Edge], written: Written | None = None) -> list[dict[str, Any]]:
    """Return edges as JSON."""
    written = written or Written()
    id, moment = written.id, written.moment
    return [
        {
            "source": id(edge.source),
            "target": id(edge.target),
            "type": edge.type,
            "weight": edge.weight,
            "known_from": moment(edge.known_from),
            "known_to": moment(edge.known_to),
        }
        for edge in edges
    ]


_NO_MEMORY: Final = dict.fromkeys(OF_A_MEMORY)


def _node_json(node: Node, view: View, written: Written, degree: int) -> dict[str, Any]:
    shown = {"id": written.id(node.id), "kind": node.kind, "label": node.label, "namespace": node.namespace}
    of_a_memory = _NO_MEMORY if node.record is None else _memory_json(node.record, view, written)
    return {**shown, **of_a_memory, "degree": degree}


def _memory_json(row: Row, view: View, written: Written) -> dict[str, Any]:
    # What a memory was recalled by is kept as it is now, not as it was: its strength then is not known.
    r = _retrievability(row, view.now) if view.known is None else None
    moment = written.moment
    return {
        "version": row["version"],
        "memory_type": row["memory_type"],
        "state": row["state"],
        "source_kind": row["source_kind"],
        "trust": row["trust"],
        "flags": list(row["flags"]),
        "confidence": row["confidence"],
        "importance": row["importance"],
        "pinned": row["pinned"],
        "retrievability": r,
        "observed_at": moment(row["observed_at"]),
        "valid_from": moment(row["valid_from"]),
        "valid_to": moment(row["valid_to"]),
        "created_at": moment(row["created_at"]),
        "known_from": moment(row["updated_at"]),
        "superseded_by": written.id(row["superseded_by"]) if row["superseded_by"] else None,
    }


def _retrievability(row: Row, now: datetime) -> float:
    return round(retrievability_of(holding_of(row), read_policy(row["retention_policy"]), now), 6)
