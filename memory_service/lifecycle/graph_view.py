"""The graph as it is drawn: what a view needs of each node and edge, as JSON."""

from datetime import datetime
from typing import Any, Final

from consolidation.retention.holding import holding_of, retrievability_of
from consolidation.retention.policy_form import read_policy
from memory_service.lifecycle.records import rfc3339, state_at
from memory_service.storage.graph import Edge, Graph, Node, View
from memory_service.storage.sql import Row

OF_A_MEMORY: Final = (
    "version", "memory_type", "state", "source_kind", "trust", "flags", "confidence", "importance", "pinned", "retrievability",
    "observed_at", "valid_from", "valid_to", "created_at", "known_from", "superseded_by",
)  # fmt: skip


def graph_json(graph: Graph, view: View) -> dict[str, Any]:
    """Return nodes and edges; fields of memories are null for other kinds of nodes."""
    return {
        "nodes": [{**_node_json(node, view), "degree": graph.degrees.get(node.id, 0)} for node in graph.nodes],
        "edges": [edge_json(edge) for edge in graph.edges],
        "truncated": graph.truncated,
    }


def _node_json(node: Node, view: View) -> dict[str, Any]:
    shown = {"id": str(node.id), "kind": node.kind, "label": node.label, "namespace": node.namespace}
    return {**shown, **(dict.fromkeys(OF_A_MEMORY) if node.record is None else _memory_json(node.record, view))}


def _memory_json(row: Row, view: View) -> dict[str, Any]:
    # What a memory was recalled by is kept as it is now, not as it was: its strength then is not known.
    r = _retrievability(row, view.now) if view.known is None else None
    return {
        "version": row["version"],
        "memory_type": row["memory_type"],
        "state": state_at(row, view.known or view.now),
        "source_kind": row["source_kind"],
        "trust": row["trust"],
        "flags": list(row["flags"]),
        "confidence": row["confidence"],
        "importance": row["importance"],
        "pinned": row["pinned"],
        "retrievability": r,
        "observed_at": rfc3339(row["observed_at"]),
        "valid_from": rfc3339(row["valid_from"]),
        "valid_to": rfc3339(row["valid_to"]),
        "created_at": rfc3339(row["created_at"]),
        "known_from": rfc3339(row["updated_at"]),
        "superseded_by": str(row["superseded_by"]) if row["superseded_by"] else None,
    }


def _retrievability(row: Row, now: datetime) -> float:
    return round(retrievability_of(holding_of(row), read_policy(row["retention_policy"]), now), 6)


def edge_json(edge: Edge) -> dict[str, Any]:
    """Return one edge as JSON."""
    return {
        "source": str(edge.source),
        "target": str(edge.target),
        "type": edge.type,
        "weight": edge.weight,
        "known_from": rfc3339(edge.known_from),
        "known_to": rfc3339(edge.known_to),
    }
