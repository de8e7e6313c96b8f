import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.diversity import mmr

RELEVANCE = st.lists(st.floats(-10, 10), min_size=1, max_size=12)


def directions(count: int) -> np.ndarray:
    rows = np.random.default_rng(count).normal(size=(count, 6))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@given(RELEVANCE, st.floats(0, 1), st.integers(0, 15))
def test_it_chooses_distinct_candidates_and_the_most_relevant_first(relevance, diversity, limit):
    chosen = mmr(relevance, directions(len(relevance)), diversity=diversity, limit=limit)
    assert len(chosen) == len(set(chosen)) == min(limit, len(relevance))
    if chosen:
        assert relevance[chosen[0]] == max(relevance)


@given(RELEVANCE)
def test_without_diversity_it_is_the_order_of_relevance(relevance):
    spread = sorted(set(relevance), reverse=True)
    chosen = mmr(spread, directions(len(spread)), diversity=0.0)
    assert [spread[position] for position in chosen] == spread


@given(RELEVANCE, st.floats(0, 1))
def test_a_limit_is_a_prefix(relevance, diversity):
    rows = directions(len(relevance))
    assert mmr(relevance, rows, diversity=diversity, limit=3) == mmr(relevance, rows, diversity=diversity)[:3]


def test_a_copy_falls_behind_what_is_different():
    rows = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert mmr([3.0, 2.9, 1.0], rows, diversity=0.6) == [0, 2, 1]


def test_only_the_selected_count():
    # Candidates 1 and 2 are copies of each other and unlike 0. Were all candidates counted, 3 would come before both.
    rows = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.6, 0.0, 0.8]])
    assert mmr([1.0, 0.9, 0.9, 0.0], rows, diversity=0.5)[1] == 1


def test_nothing_in_nothing_out():
    assert mmr([], np.empty((0, 4)), diversity=0.5) == []


@pytest.mark.parametrize("diversity", [-0.1, 1.1, float("nan")])
def test_diversity_outside_its_range_is_an_error(diversity):
    with pytest.raises(ValueError, match="diversity"):
        mmr([1.0], [[1.0]], diversity=diversity)


def test_lengths_must_match():
    with pytest.raises(ValueError, match="2 relevances"):
        mmr([1.0, 2.0], [[1.0]], diversity=0.5)
