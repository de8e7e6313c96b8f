"""The state against dense numpy: correlated keys, overwritten keys, shards, order, capacity."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_service.parametric import associative as a
from memory_service.parametric.routing import familiarity, likeness, unit
from memory_service.parametric.routing import named as naming

D = 64


def vectors(n: int, *, seed: int, shared: float = 0.0, d: int = D) -> Any:
    """Return unit rows; `shared` of each is one direction that all of them have in common."""
    rng = np.random.default_rng(seed)
    own = unit(rng.normal(size=(n, d)))
    common = unit(rng.normal(size=d))
    return unit(own * np.sqrt(1 - shared) + common * np.sqrt(shared))


def named(state: a.Association, keys: Any, values: Any, *, ridge: float) -> float:
    found = likeness(a.read(state, keys, ridge=ridge), values).argmax(axis=1)
    return float((found == np.arange(len(keys))).mean())


def test_it_is_the_formula() -> None:
    keys, values = vectors(9, seed=1), vectors(9, seed=2)
    gamma, ridge = 0.9, 0.3
    state = a.learned(keys, values, gamma=gamma)
    dense_h, dense_u = np.zeros((D, D)), np.zeros((D, D))
    for k, v in zip(keys, values, strict=True):
        dense_h, dense_u = gamma * dense_h + np.outer(k, k), gamma * dense_u + np.outer(v, k)
    np.testing.assert_allclose(state.keys, dense_h, atol=1e-12)
    np.testing.assert_allclose(state.values, dense_u, atol=1e-12)
    q = vectors(3, seed=3)
    wanted = np.array([dense_u @ np.linalg.inv(dense_h + ridge * np.eye(D)) @ one for one in q])
    np.testing.assert_allclose(a.read(state, q, ridge=ridge), wanted, atol=1e-10)


def test_correlated_keys_are_told_apart_where_a_hebbian_store_drowns() -> None:
    keys, values = vectors(48, seed=4, shared=0.9, d=256), vectors(48, seed=5, d=256)
    state = a.learned(keys, values, gamma=1.0)
    assert named(state, keys, values, ridge=1e-3) >= 0.99
    hebbian = likeness(keys @ state.values.T, values).argmax(axis=1)
    assert (hebbian == np.arange(48)).mean() < 0.5


def test_a_key_that_is_overwritten_brings_its_last_value_where_earlier_ones_fade() -> None:
    key, values = vectors(1, seed=6)[0], vectors(10, seed=7)
    rows = np.tile(key, (10, 1))
    faded = likeness(a.read(a.learned(rows, values, gamma=0.5), key[None], ridge=0.01), values)[0]
    assert faded.argmax() == 9
    assert list(np.argsort(-faded)[:3]) == [9, 8, 7]
    kept = likeness(a.read(a.learned(rows, values, gamma=1.0), key[None], ridge=0.01), values)[0]
    assert kept[9] < faded[9], "where nothing fades all ten are as strong"


@given(st.integers(0, 1000), st.integers(1, 12), st.integers(1, 12))
def test_the_sum_of_shards_is_what_all_of_them_make(seed: int, n: int, m: int) -> None:
    keys, values = vectors(n + m, seed=seed, d=8), vectors(n + m, seed=seed + 1, d=8)
    one, other = a.learned(keys[:n], values[:n], gamma=1.0), a.learned(keys[n:], values[n:], gamma=1.0)
    whole = a.learned(keys, values, gamma=1.0)
    np.testing.assert_allclose(one.keys + other.keys, whole.keys, atol=1e-12)
    np.testing.assert_allclose(one.values + other.values, whole.values, atol=1e-12)


def test_order_matters_where_it_fades_and_only_there() -> None:
    keys, values = vectors(6, seed=8), vectors(6, seed=9)
    for gamma, same in ((1.0, True), (0.8, False)):
        forth, back = a.learned(keys, values, gamma=gamma), a.learned(keys[::-1], values[::-1], gamma=gamma)
        assert np.allclose(forth.values, back.values) is same


def test_the_alarm_is_raised_near_a_quarter_of_the_dimensions() -> None:
    assert [a.capacity(n, 384).alarm for n in (0, 95, 96, 1000)] == [False, False, True, True]


@given(st.integers(0, 1000), st.floats(1e-3, 10))
def test_familiarity_lies_between_nothing_and_all(seed: int, ridge: float) -> None:
    keys = vectors(5, seed=seed, d=16)
    state = a.learned(keys, keys, gamma=1.0)
    for query in (*keys, *vectors(3, seed=seed + 1, d=16)):
        assert 0.0 <= familiarity(state, query, ridge=ridge) <= 1.0
    assert familiarity(state, keys[0], ridge=ridge) > 0.0
    nothing = a.Association(np.zeros((16, 16)), np.zeros((16, 16)))
    assert familiarity(nothing, keys[0], ridge=ridge) == pytest.approx(0.0, abs=1e-12)


def test_a_query_of_no_direction_is_known_to_nobody() -> None:
    state = a.learned(np.eye(8), np.eye(8), gamma=1.0)
    assert familiarity(state, np.zeros(8), ridge=0.1) == 0.0


def test_a_key_taught_once_beside_others_at_right_angles_is_wholly_familiar_whatever_the_ridge() -> None:
    state = a.learned(np.eye(8)[:4], np.eye(8)[:4], gamma=1.0)
    for ridge in (1e-3, 0.1, 10.0):
        assert familiarity(state, np.eye(8)[0], ridge=ridge) == pytest.approx(1.0)
        assert familiarity(state, np.eye(8)[7], ridge=ridge) == pytest.approx(0.0)


def test_values_that_share_much_are_told_apart_where_the_plain_cosine_names_any() -> None:
    # Ten kinds of memories; those of one kind differ in little.
    kinds = np.tile(vectors(10, seed=17, d=128), (10, 1))
    keys, values = vectors(100, seed=14, shared=0.5, d=128), unit(kinds + 0.3 * vectors(100, seed=15, d=128))
    noisy = unit(keys + vectors(100, seed=16, d=128))
    readouts = a.read(a.learned(keys, values, gamma=1.0), noisy, ridge=0.1)
    wanted = np.arange(100)
    plain = float((likeness(readouts, values).argmax(axis=1) == wanted).mean())
    sharp = float((naming(readouts, values, ridge=0.1).argmax(axis=1) == wanted).mean())
    assert sharp > plain


@given(st.integers(0, 1000), st.floats(1e-3, 10))
def test_a_score_is_a_cosine(seed: int, ridge: float) -> None:
    values = vectors(4, seed=seed, d=8)
    scores = naming(np.concatenate([3.0 * values, np.zeros((1, 8))]), values, ridge=ridge)
    np.testing.assert_allclose(np.diag(scores), 1.0, atol=1e-9)
    np.testing.assert_array_equal(scores[-1], 0.0)
    assert (np.abs(scores) <= 1.0).all()


def test_a_state_that_was_taught_everywhere_knows_no_query_beyond_the_average() -> None:
    """What is known of any direction does not count: otherwise a large state is familiar with every question."""
    known = vectors(20, seed=18, d=32)
    small, large = (
        a.learned(known, known, gamma=1.0),
        a.learned(vectors(4_000, seed=19, d=32), known[[0] * 4_000], gamma=1.0),
    )
    asked = vectors(50, seed=20, d=32)
    assert max(familiarity(large, q, ridge=0.1) for q in asked) < 0.5
    assert min(familiarity(small, q, ridge=0.1) for q in known) > 0.5
