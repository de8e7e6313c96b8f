"""A picture of the graph as JSON, column by column: thousands of objects with the same names take longest to write and read."""

from datetime import datetime
from typing import Any

from consolidation.retention.holding import Holding, retrievability_of
from consolidation.retention.policy_form import read_policy
from memory_service.lifecycle.graph_view import Written
from memory_service.storage.graph_picture import Picture, Spot
from memory_service.storage.graph_walk import View
from memory_service.types import State


def picture_json(picture: Picture, view: View) -> dict[str, Any]:
    """Return nodes and edges by column; columns of memories are null for other kinds of nodes."""
    nodes, edges, written = picture.nodes, picture.edges, Written()
    then = view.known or view.now
    return {
        "nodes": {
            "id": [written.id(node.id) for node in nodes],
            "kind": [node.kind for node in nodes],
            "label": [node.label for node in nodes],
            "namespace": [node.namespace for node in nodes],
            "degree": [picture.degrees.get(node.id, 0) for node in nodes],
            "state": [_state(node, then) for node in nodes],
            "trust": [node.trust for node in nodes],
            "importance": [node.importance for node in nodes],
            "pinned": [node.pinned for node in nodes],
            "retrievability": [_retrievability(node, view) for node in nodes],
            "known_from": [written.moment(node.known_from) for node in nodes],
            "superseded_by": [written.id(node.superseded_by) if node.superseded_by else None for node in nodes],
        },
        "edges": {
            "source": edges.source,
            "target": edges.target,
            "type": edges.type,
            "weight": edges.weight,
        },
        "truncated": picture.truncated,
    }


def _state(node: Spot, then: datetime) -> str | None:
    """Return the state, expired as soon as its time has come."""
    if node.expires_at is not None and node.expires_at <= then and node.state != State.ARCHIVED:
        return State.EXPIRED
    return node.state


def _retrievability(node: Spot, view: View) -> float | None:
    # What a memory was recalled by is kept as it is now, not as it was: its strength then is not known.
    if view.known is not None or node.memory_type is None or node.created_at is None:
        return None
    holding = Holding(
        memory_type=node.memory_type,
        created_at=node.created_at,
        importance=node.importance or 0.0,
        pinned=bool(node.pinned),
        source_kind=node.source_kind or "user",
        surprise=node.surprise,
        stability_days=node.stability_days,
        last_recalled_at=node.last_recalled_at,
        refreshed_at=node.refreshed_at,
        spaced_uses=node.spaced_uses or 0.0,
    )
    return round(retrievability_of(holding, read_policy(node.retention_policy), view.now), 6)
