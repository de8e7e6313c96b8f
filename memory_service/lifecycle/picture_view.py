"""A picture of the graph as JSON, column by column: thousands of objects with the same names take longest to write and read."""

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from consolidation.retention.many import Holdings, retrievabilities
from consolidation.retention.policy_form import read_policy
from memory_service.lifecycle.graph_view import Written
from memory_service.storage.graph_picture import Lines, Picture, Spot
from memory_service.storage.graph_walk import View


def picture_json(picture: Picture, view: View) -> str:
    """Return nodes and edges by column; columns of memories are null for other kinds of nodes."""
    nodes = json.dumps(_nodes(picture, view), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    truncated = "true" if picture.truncated else "false"
    return f'{{"nodes":{nodes},"edges":{_lines(picture.edges)},"truncated":{truncated}}}'


def _nodes(picture: Picture, view: View) -> dict[str, Sequence[Any]]:
    nodes, written = picture.nodes, Written()
    return {
        "id": [node.id for node in nodes],
        "kind": [node.kind for node in nodes],
        "label": [node.label for node in nodes],
        "namespace": [node.namespace for node in nodes],
        "degree": [picture.degrees.get(node.id, 0) for node in nodes],
        "state": [node.state for node in nodes],
        "trust": [node.trust for node in nodes],
        "importance": [node.importance for node in nodes],
        "pinned": [node.pinned for node in nodes],
        "retrievability": _retrievabilities(nodes, view),
        "known_from": [written.moment(node.known_from) for node in nodes],
        "superseded_by": [node.superseded_by for node in nodes],
    }


def _lines(lines: Lines) -> str:
    """Return edges as the database wrote them."""
    return f'{{"source":{lines.source},"target":{lines.target},"type":{lines.type},"weight":{lines.weight}}}'


def _retrievabilities(nodes: Sequence[Spot], view: View) -> list[float | None]:
    """Return R now of what is a memory, to six places."""
    found: list[float | None] = [None] * len(nodes)
    # What a memory was recalled by is kept as it is now, not as it was: its strength then is not known.
    if view.known is not None:
        return found
    under: dict[str | None, list[int]] = defaultdict(list)
    for place, node in enumerate(nodes):
        if node.memory_type is not None:
            under[node.retention_policy].append(place)
    for policy, places in under.items():
        held = Holdings.of([nodes[place] for place in places])
        for place, r in zip(places, retrievabilities(held, read_policy(policy), view.now.timestamp()), strict=True):
            found[place] = round(r, 6)
    return found
