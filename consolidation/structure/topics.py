"""Plan the topic tree: let memories without a topic fall into it, and write only the topics that this changes."""

from base64 import b64decode, b64encode
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from consolidation.planning import RULES, Change, End, Put, Step, Structure, Why
from consolidation.structure.topic_tree import DEFAULT, LEAF, Node, TopicSettings, Tree

_STORED: Final = "<f2"  # of a mean of normalised vectors, half precision loses nothing that a threshold sees


@dataclass(frozen=True, slots=True)
class TopicRow:
    """A live topic as it is stored."""

    id: UUID
    parent_id: UUID | None
    level: int
    centroid: str | None = None  # the mean of its members: 16-bit floats in base64; leaves only
    members: Sequence[UUID] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """A memory without a topic."""

    id: UUID
    vector: NDArray[np.float32]  # (d,), normalised


def grown(rows: Sequence[TopicRow], *, dimension: int, settings: TopicSettings = DEFAULT) -> Tree:
    """Return the tree that stored topics make.

    An erasure takes leaves out, with all their states; what is left without any below goes with the next plan.
    """
    tree = Tree(dimension, settings=settings)
    top = max((row.level for row in rows), default=LEAF)
    tree.root.level = top + 1
    for row in sorted(rows, key=lambda one: (-one.level, one.id)):
        parent = tree.nodes.get(row.parent_id) if row.parent_id is not None else None
        total = np.zeros(dimension)
        if row.level == LEAF and row.centroid is not None:
            total = np.frombuffer(b64decode(row.centroid), _STORED).astype(np.float64) * len(row.members)
        node = Node(row.id, row.level, members=list(row.members), total=total, size=len(row.members))
        tree.attach(node, parent)
    tree.summed()
    tree.prune()
    return tree


def plan_topics(
    tree: Tree,
    items: Sequence[Item],
    *,
    gone: Collection[UUID] = (),
    vectors: Mapping[UUID, NDArray[np.float32]] | None = None,
    new_id: Callable[[], UUID],
) -> list[Change]:
    """Let memories fall into the tree, oldest first, and write one state for each topic that is another afterwards.

    Args:
        tree: the topics as they are; it is grown in place, so plan with it once.
        items: memories without a topic.
        gone: members that are no longer live.
        vectors: of the other members of the leaves that lose some, and of leaves that `Tree.crowded` names.
        new_id: makes ids.
    """
    given = vectors or {}
    before = set(tree.nodes)
    lost = set(gone)
    for leaf in list(tree.leaves()):
        if lost.intersection(leaf.members):
            tree.reset(leaf, {one: given[one] for one in leaf.members if one not in lost and one in given})
        else:
            leaf.vectors.update({one: given[one] for one in leaf.members if one in given})
    ids = _endless(new_id)
    for item in sorted(items, key=lambda one: one.id):
        tree.add(item.id, item.vector, new_ids=ids)
    ends: list[Change] = [End(Structure.TOPIC, id, Why(Step.TOPICS, "empty")) for id in sorted(tree.gone)]
    puts: list[Change] = [
        Put(Structure.TOPIC, id, _values(tree, tree.nodes[id]), Why(Step.TOPICS, "grown" if id in before else "new"))
        for id in sorted(tree.changed)
    ]
    return ends + puts


def _values(tree: Tree, node: Node) -> dict[str, Any]:
    parent = None if node.parent is None or node.parent is tree.root else node.parent.id
    leaf = node.level == LEAF
    return {
        "parent_id": parent,
        "level": node.level,
        # Above the leaves nothing is stored that a memory below would change.
        "size": node.size if leaf else 0,
        "centroid": b64encode((node.total / max(1, node.size)).astype(_STORED).tobytes()).decode() if leaf else None,
        "method": RULES,
        "members": sorted(node.members),
    }


def _endless(new_id: Callable[[], UUID]) -> Iterator[UUID]:
    while True:
        yield new_id()
