"""The topic tree: its shape under any order of arrival, and plans that write only what changed."""

from collections.abc import Iterator
from itertools import count
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from consolidation.planning import End, Put
from consolidation.structure.topic_tree import DEFAULT, LEAF, TopicSettings, Tree, two_means
from consolidation.structure.topics import Item, TopicRow, grown, plan_topics

SMALL = TopicSettings(branching=4, capacity=4)


def unit(vectors: NDArray[Any]) -> NDArray[np.float32]:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def about(subjects: int, n: int, *, seed: int = 0, noise: float = 0.06) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    centres = unit(rng.standard_normal((subjects, 384)))
    return unit(centres[rng.integers(0, subjects, n)] + noise * rng.standard_normal((n, 384)))


def new_ids() -> Iterator[UUID]:
    return (UUID(int=n) for n in count(10**9))


def filled(vectors: NDArray[np.float32], *, settings: TopicSettings = DEFAULT) -> Tree:
    tree, ids = Tree(vectors.shape[1], settings=settings), new_ids()
    for n, vector in enumerate(vectors):
        tree.add(UUID(int=n), vector, new_ids=ids)
    return tree


def check(tree: Tree, members: set[UUID]) -> None:
    """Check what holds of every tree."""
    assert sorted(one for leaf in tree.leaves() for one in leaf.members) == sorted(members)
    assert tree.root.size == len(members)
    for node in tree.nodes.values():
        assert node.parent is not None
        assert node.level == node.parent.level - 1
        assert len(node.children) <= tree.settings.branching
        assert node.children or node.members
        if node.level == LEAF:
            assert 0 < len(node.members) <= tree.settings.capacity
        else:
            np.testing.assert_allclose(node.total, sum(child.total for child in node.children), atol=1e-6)


HARD = {
    "subjects": about(60, 3_000),
    "near-identical": unit(
        np.tile(about(1, 1), (3_000, 1)) + 0.001 * np.random.default_rng(1).standard_normal((3_000, 384))
    ),
    "identical": np.tile(about(1, 1), (3_000, 1)),
    "nothing in common": unit(np.random.default_rng(2).standard_normal((3_000, 384))),
    "one subject after the other": about(60, 3_000)[np.argsort(about(60, 3_000)[:, 0])],
}


@pytest.mark.parametrize("name", HARD)
def test_no_order_and_no_likeness_makes_a_deep_tree(name: str) -> None:
    vectors = HARD[name]
    tree = filled(vectors)
    check(tree, {UUID(int=n) for n in range(len(vectors))})
    assert tree.depth <= 5


@given(st.integers(1, 120), st.integers(1, 12), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_every_memory_has_one_topic(n: int, subjects: int, seed: int) -> None:
    check(filled(about(subjects, n, seed=seed), settings=SMALL), {UUID(int=one) for one in range(n)})


def test_what_is_alike_shares_topics() -> None:
    rng = np.random.default_rng(0)
    centres, of = unit(rng.standard_normal((20, 384))), rng.integers(0, 20, 600)
    tree = filled(unit(centres[of] + 0.04 * rng.standard_normal((600, 384))))
    pure = sum(np.bincount(of[[one.int for one in leaf.members]]).max() for leaf in tree.leaves())
    assert pure / 600 > 0.95


def test_two_means_part_neither_too_small() -> None:
    vectors = unit(np.vstack([np.tile([[1.0, 0.0]], (11, 1)), [[0.0, 1.0]]]))
    assert 3 <= two_means(vectors).sum() <= 9


def stored(rows: dict[UUID, Any]) -> list[TopicRow]:
    return [TopicRow(id, v["parent_id"], v["level"], v["centroid"], v["members"]) for id, v in rows.items()]


def planned(rows: dict[UUID, Any], items: NDArray[np.float32], first: int, ids: Iterator[UUID], **options: Any) -> Any:
    tree = grown(stored(rows), dimension=384)
    near = [Item(UUID(int=first + n), vector) for n, vector in enumerate(items)]
    changes = plan_topics(tree, near, new_id=lambda: next(ids), **options)
    after = dict(rows)
    for change in changes:
        if isinstance(change, Put):
            after[change.id] = change.values
        elif isinstance(change, End):
            del after[change.id]
    return changes, after


def test_a_plan_writes_what_it_touches_and_the_stored_tree_grows_on() -> None:
    ids, vectors = new_ids(), about(40, 1_010)
    _, rows = planned({}, vectors[:1_000], 0, ids)
    tree = grown(stored(rows), dimension=384)
    check(tree, {UUID(int=n) for n in range(1_000)})
    assert plan_topics(tree, [], new_id=lambda: pytest.fail("nothing is new")) == []
    changes, rows = planned(rows, vectors[1_000:], 1_000, ids)
    assert len(changes) <= 20, "ten memories touch about ten topics, not all"
    check(grown(stored(rows), dimension=384), {UUID(int=n) for n in range(1_010)})


def test_a_full_topic_is_parted_whether_its_older_members_were_loaded_or_not() -> None:
    ids, vectors = new_ids(), about(1, 60, noise=0.02)
    _, rows = planned({}, vectors[:20], 0, ids)
    tree = grown(stored(rows), dimension=384)
    crowded = tree.crowded(vectors[20:])
    assert {member for leaf in crowded for member in leaf.members} == {UUID(int=n) for n in range(20)}
    known = {UUID(int=n): vectors[n] for n in range(20)}
    for given_ in ({}, known):
        _, after = planned(rows, vectors[20:], 20, ids, vectors=given_)
        check(grown(stored(after), dimension=384), {UUID(int=n) for n in range(60)})


def test_what_is_gone_leaves_its_topic_and_an_empty_topic_ends() -> None:
    ids, vectors = new_ids(), about(3, 30)
    _, rows = planned({}, vectors, 0, ids)
    gone = [UUID(int=n) for n in range(10)]
    rest = {UUID(int=n): vectors[n] for n in range(10, 30)}
    _, rows = planned(rows, vectors[:0], 0, ids, gone=gone, vectors=rest)
    check(grown(stored(rows), dimension=384), set(rest))
    changes, rows = planned(rows, vectors[:0], 0, ids, gone=list(rest))
    assert rows == {}
    assert all(isinstance(change, End) for change in changes)


def test_a_parent_whose_topics_were_erased_goes_with_the_next_plan() -> None:
    ids = new_ids()
    _, rows = planned({}, about(40, 600), 0, ids)
    top = next(id for id, values in rows.items() if values["level"] > LEAF)
    left = {id: values for id, values in rows.items() if values["parent_id"] != top}
    changes, rows = planned(left, about(40, 1), 9_000, ids)
    assert top in {change.id for change in changes if isinstance(change, End)}
    check(grown(stored(rows), dimension=384), {one for values in rows.values() for one in values["members"]})
