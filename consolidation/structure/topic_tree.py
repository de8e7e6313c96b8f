"""A tree of topics that memories fall into one by one, each going down to what is nearest to it.

MemTree (Rezazadeh et al. 2024): descend to the best child while cos ≥ θ(depth), θ growing with the depth; where no child is
near enough a new branch begins. A tree grown by that rule alone is as deep as its data are alike: near-identical texts
make a chain. So this one grows as a B-tree does (Bayer and McCreight 1972; for clusters BIRCH, Zhang et al. 1996): all
leaves lie on one level, a node that is full is parted into two beside each other, and only a root that is parted makes
the tree deeper. A new branch begins only where there is room, so nodes are parted after as many insertions as fill them, and
the depth stays below log of the leaves to the base of half the branching.

A node keeps the sum of the vectors below it, so a memory costs one small matrix product per level.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class TopicSettings:
    """How finely topics are told apart."""

    loosest: float = 0.15  # θ at the first level: cosine to a child that is near enough
    growth: float = 0.25  # λ of θ(depth) = loosest · e^{λ · depth}
    tightest: float = 0.45  # θ never above
    branching: int = 16  # children of a node
    capacity: int = 24  # memories of a leaf
    deepest: int = 12  # levels; a tree of half-full nodes gets there with 8^12 leaves


DEFAULT: Final = TopicSettings()
LEAF: Final = 0  # the level of topics that have memories
_LEAST_SHARE: Final = 0.25  # of a parted node, for the smaller part
_ROUNDS: Final = 5  # of the two means


def threshold(depth: int, *, settings: TopicSettings = DEFAULT) -> float:
    """Return θ(depth): how near a child must be to be gone down to; depth counts from 0 below the root.

    >>> [round(threshold(depth), 3) for depth in (0, 1, 2, 9)]
    [0.15, 0.193, 0.247, 0.45]
    """
    return min(settings.tightest, settings.loosest * math.exp(settings.growth * depth))


@dataclass(slots=True, eq=False)
class Node:
    """A topic: of `level` 0 with members, above with children."""

    id: UUID
    level: int
    parent: "Node | None" = None
    children: list["Node"] = field(default_factory=list)
    members: list[UUID] = field(default_factory=list)
    vectors: dict[UUID, NDArray[np.float32]] = field(default_factory=dict)  # of members, as far as they were loaded
    total: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))  # sum of the vectors below
    size: int = 0  # memories below
    matrix: NDArray[np.float32] | None = None  # (children, d) their directions, kept in step

    @property
    def direction(self) -> NDArray[np.float32]:
        """The normalised mean of what is below."""
        norm = float(np.linalg.norm(self.total))
        return (self.total / norm if norm > 0 else self.total).astype(np.float32)


class Tree:
    """The topics of one namespace, grown in memory; `changed` are those whose row is another than before."""

    def __init__(self, dimension: int, *, settings: TopicSettings = DEFAULT) -> None:
        """Begin without topics."""
        self.settings = settings
        self.dimension = dimension
        self.root: Node = Node(UUID(int=0), LEAF + 1, total=np.zeros(dimension))
        self.nodes: dict[UUID, Node] = {}
        self.changed: set[UUID] = set()
        self.gone: set[UUID] = set()

    @property
    def depth(self) -> int:
        """Levels of topics, 0 without any."""
        return self.root.level if self.root.children else 0

    def leaves(self) -> Iterator[Node]:
        """Give the topics that have memories."""
        return (node for node in self.nodes.values() if node.level == LEAF)

    def add(self, id: UUID, vector: NDArray[np.float32], *, new_ids: Iterator[UUID]) -> Node:
        """Let a memory fall into the topic nearest to it, which may be a new one; return the leaf."""
        node, depth = self.root, 0
        while node.level > LEAF:
            nearest = self._nearest(node, vector)
            if nearest is None or self._begins_a_branch(node, nearest, vector, depth):
                return self._branch(node, id, vector, new_ids)
            node, depth = nearest, depth + 1
        self._join(node, id, vector)
        if len(node.members) > self.settings.capacity:
            self._part(node, new_ids)
        return node

    def attach(self, node: Node, parent: Node | None) -> None:
        """Hang up a node that was loaded, without calling it changed; the highest first."""
        above = parent or self.root
        self.nodes[node.id] = node
        node.parent = above
        above.children.append(node)
        above.matrix = None

    def summed(self) -> None:
        """Work out the sums of inner nodes from those of the leaves, after all were attached."""
        for node in sorted([*self.nodes.values(), self.root], key=lambda one: one.level):
            if node.level > LEAF:
                node.size = sum(child.size for child in node.children)
                node.total = (
                    np.sum([c.total for c in node.children], axis=0) if node.children else np.zeros(self.dimension)
                )

    def prune(self) -> None:
        """Take out what has neither members nor children."""
        for node in sorted(self.nodes.values(), key=lambda one: one.level):
            if node.id in self.nodes:
                self._remove(node)

    def crowded(self, vectors: Iterable[NDArray[np.float32]]) -> list[Node]:
        """Return the leaves that these memories would overfill, so that the vectors of their members can be loaded before."""
        arriving: Counter[UUID] = Counter()
        for vector in vectors:
            node: Node | None = self.root
            while node is not None and node.level > LEAF:
                node = self._nearest(node, vector)
            if node is not None:
                arriving[node.id] += 1
        found = (self.nodes[id] for id in arriving)
        return [leaf for leaf in found if leaf.size + arriving[leaf.id] > self.settings.capacity]

    def reset(self, leaf: Node, vectors: Mapping[UUID, NDArray[np.float32]]) -> None:
        """Keep of a leaf those members whose vectors are given, the others having gone; without any it goes."""
        members = [one for one in leaf.members if one in vectors]
        total = (
            np.sum([vectors[one] for one in members], axis=0, dtype=np.float64) if members else np.zeros(self.dimension)
        )
        by, less = total - leaf.total, len(members) - leaf.size
        leaf.members, leaf.vectors = members, {one: vectors[one] for one in members}
        self._grow(leaf, by, less)
        self.changed.add(leaf.id)
        if not members:
            self._remove(leaf)

    def _nearest(self, node: Node, vector: NDArray[np.float32]) -> Node | None:
        if not node.children:
            return None
        if node.matrix is None:
            node.matrix = np.array([child.direction for child in node.children], np.float32)
        return node.children[int(np.argmax(node.matrix @ vector))]

    def _begins_a_branch(self, node: Node, nearest: Node, vector: NDArray[np.float32], depth: int) -> bool:
        # Above the leaves only where half the places are free: a branch must not be what parts a node.
        room = self.settings.branching + 1 if node.level == LEAF + 1 else self.settings.branching // 2
        if len(node.children) >= room:
            return False
        return float(nearest.direction @ vector) < threshold(depth, settings=self.settings)

    def _branch(self, node: Node, id: UUID, vector: NDArray[np.float32], new_ids: Iterator[UUID]) -> Node:
        """Begin a new branch under a node, down to a leaf, so that all leaves stay on one level."""
        at = node
        while at.level > LEAF:
            child = self._make(at.level - 1, new_ids)
            self._hang(child, at)
            at = child
        self._join(at, id, vector)
        if len(node.children) > self.settings.branching:
            self._part(node, new_ids)
        return at

    def _make(self, level: int, new_ids: Iterator[UUID]) -> Node:
        made = Node(next(new_ids), level, total=np.zeros(self.dimension))
        self.nodes[made.id] = made
        self.changed.add(made.id)
        return made

    def _hang(self, child: Node, parent: Node) -> None:
        child.parent = parent
        parent.children.append(child)
        parent.matrix = None
        self.changed.add(child.id)

    def _join(self, leaf: Node, id: UUID, vector: NDArray[np.float32]) -> None:
        leaf.members.append(id)
        leaf.vectors[id] = vector
        self._grow(leaf, vector.astype(np.float64), 1)
        self.changed.add(leaf.id)

    def _grow(self, node: Node, by: NDArray[np.float64], more: int) -> None:
        at: Node | None = node
        while at is not None:
            at.total = at.total + by
            at.size += more
            above = at.parent
            if above is not None and above.matrix is not None:
                above.matrix[above.children.index(at)] = at.direction
            at = above

    def _part(self, node: Node, new_ids: Iterator[UUID]) -> None:
        """Part a node that is too full into two beside each other, and those above as far as they are too full then."""
        if node is self.root:
            if self.root.level >= self.settings.deepest:
                return
            self._raise(new_ids)
            return
        parent = node.parent
        assert parent is not None  # only the root has none
        beside = self._make(node.level, new_ids)
        self._share(node, beside)
        self._hang(beside, parent)
        parent.matrix = None
        self.changed.add(node.id)
        if len(parent.children) > self.settings.branching:
            self._part(parent, new_ids)

    def _share(self, node: Node, beside: Node) -> None:
        if node.level == LEAF:
            known = [one for one in node.members if one in node.vectors]
            moved_members = known
            if len(known) == len(node.members):
                far = two_means(np.array([node.vectors[one] for one in known]))
                moved_members = [one for one, f in zip(known, far, strict=True) if f]
            # Of a leaf whose older members were not loaded, the newer ones move; `crowded` says what is worth loading.
            beside.members, beside.vectors = moved_members, {one: node.vectors.pop(one) for one in moved_members}
            leaving = set(moved_members)
            node.members = [one for one in node.members if one not in leaving]
            beside.size, beside.total = (
                len(moved_members),
                np.sum(list(beside.vectors.values()), axis=0, dtype=np.float64),
            )
        else:
            far = two_means(np.array([child.direction for child in node.children]))
            moved = [child for child, f in zip(node.children, far, strict=True) if f]
            node.children = [child for child, f in zip(node.children, far, strict=True) if not f]
            node.matrix = None
            for child in moved:
                self._hang(child, beside)
            beside.size, beside.total = sum(c.size for c in moved), np.sum([c.total for c in moved], axis=0)
        node.size -= beside.size
        node.total = node.total - beside.total

    def _raise(self, new_ids: Iterator[UUID]) -> None:
        """Put a level between the root and its children."""
        halves = [self._make(self.root.level, new_ids) for _ in range(2)]
        far = two_means(np.array([child.direction for child in self.root.children]))
        for child, f in zip(self.root.children, far, strict=True):
            self._hang(child, halves[int(f)])
        self.root.level += 1
        self.root.children, self.root.matrix = [], None
        for half in halves:
            half.size, half.total = sum(c.size for c in half.children), np.sum([c.total for c in half.children], axis=0)
            self._hang(half, self.root)

    def _remove(self, node: Node) -> None:
        """Take out a node without anything below, and those above that have nothing left either."""
        at: Node | None = node
        while at is not None and at is not self.root and not at.children and not at.members:
            above = at.parent
            assert above is not None  # only the root has none
            above.children.remove(at)
            above.matrix = None
            del self.nodes[at.id]
            self.gone.add(at.id)
            self.changed.discard(at.id)
            at = above


def two_means(vectors: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Part vectors in two by direction, neither part smaller than a quarter: (n, d) → (n,) who is in the second.

    The first of them and the one farthest from it are the first centres; equals are parted by their order.

    >>> two_means(np.array([[1, 0], [0, 1], [1, 0.1], [0.1, 1]], np.float32)).tolist()
    [False, True, False, True]
    """
    n = len(vectors)
    first = vectors[0]
    second = vectors[int(np.argmin(vectors @ first))]
    lead = vectors @ (second - first)
    for _ in range(_ROUNDS):
        far = _divided(lead)
        first, second = _direction(vectors[~far]), _direction(vectors[far])
        new = vectors @ (second - first)
        if np.array_equal(_divided(new), far):
            return far
        lead = new
    return _divided(lead) if n > 1 else np.zeros(n, np.bool_)


def _divided(lead: NDArray[np.float32]) -> NDArray[np.bool_]:
    n = len(lead)
    order = np.argsort(-lead, kind="stable")
    least = max(1, math.floor(n * _LEAST_SHARE))
    count = min(max(int((lead > 0).sum()), least), n - least)
    far = np.zeros(n, np.bool_)
    far[order[:count]] = True
    return far


def _direction(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    mean: NDArray[np.float32] = vectors.mean(axis=0, dtype=np.float32)
    norm = np.float32(np.linalg.norm(mean))
    return mean / norm if norm > 0 else mean


def path(node: Node) -> Sequence[Node]:
    """Return a topic and those above it, itself first."""
    found = [node]
    while (above := found[-1].parent) is not None and above.parent is not None:
        found.append(above)
    return found
