"""Groups of rows, whatever comes first, and what the best of a group gives its others."""

from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.breadth import BreadthSettings, breadth_scores
from retrieval.groups import Groups
from retrieval.rows import NONE
from tests.unit.retrieval.test_hopfield import patterns, rows_of


def an_id(n: int) -> UUID:
    return UUID(int=n + 1)


STEPS = st.lists(
    st.tuples(st.sampled_from(["join", "part", "row"]), st.integers(0, 30), st.integers(0, 3)), max_size=80
)


@given(STEPS)
def test_memberships_and_rows_may_come_in_any_order(steps: list[tuple[str, int, int]]) -> None:
    groups, rows, of = Groups(), [], {}
    given_out = []
    for what, memory, group in steps:
        row = rows.index(memory) if memory in rows else None
        if what == "join":
            groups.join(an_id(memory), an_id(100 + group), row=row)
            of[memory] = group
        elif what == "part":
            groups.part(an_id(memory), an_id(100 + group), row=row)
            if of.get(memory) == group:
                del of[memory]
        elif row is None:
            rows.append(memory)
            groups.place(an_id(memory), len(rows) - 1)
        column = groups.column(len(rows))
        assert (column is None) == (not of)
        if column is not None:
            pairs = {(of.get(one, NONE), number) for one, number in zip(rows, column.tolist(), strict=True)}
            assert all((group == NONE) == (number == NONE) for group, number in pairs)
            assert len({group for group, _ in pairs}) == len({number for _, number in pairs}) == len(pairs)
            given_out.append((column, column.copy()))
    assert all(np.array_equal(now, then) for now, then in given_out), "what was given away stays as it was"


def test_the_best_of_an_episode_and_of_a_topic_lift_their_rows() -> None:
    rows = replace(
        rows_of(patterns(4)), episode=np.array([0, 0, 1, NONE], np.int32), topic=np.array([0, 1, 0, 1], np.int32)
    )
    own = np.array([3.0, 0.0, 1.0, 0.0])
    # Episodes: 3, 3, 1, mean 7/3, deviation .943. Topics: 3, 0, 3, 0, mean 1.5, deviation 1.5.
    got = breadth_scores(rows, own, settings=BreadthSettings(episode=0.5, topic=0.1))
    assert got == pytest.approx([0.354 + 0.1, 0.354 - 0.1, -0.707 + 0.1, -0.1], abs=0.001)


def test_without_consolidation_nothing_is_lifted() -> None:
    assert not breadth_scores(rows_of(patterns(4)), np.arange(4.0), settings=BreadthSettings()).any()
