"""Fewer bytes point nearly where all of them pointed, and estimates of cosines are right on average."""

import math

import numpy as np
import pytest

from retrieval.quantisation import UNBIASED, cosine_of_sketches, dequantise, from_sketch, quantise, sketch

D = 384


def unit(n: int, seed: int = 3, d: int = D) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def signs(vectors: np.ndarray) -> np.ndarray:
    return from_sketch(np.packbits(vectors > 0, axis=1), vectors.shape[1])


def test_eight_bits_keep_the_direction() -> None:
    vectors = unit(200)
    back = dequantise(quantise(vectors))
    assert np.linalg.norm(back, axis=1) == pytest.approx(np.ones(200), abs=1e-5)
    assert (vectors * back).sum(axis=1).min() > 0.9998


def test_nothing_stays_nothing() -> None:
    none = np.zeros((1, 4), np.float32)
    assert quantise(none).tolist() == none.tolist()
    assert dequantise(quantise(none)).tolist() == none.tolist()


@pytest.mark.parametrize("cosine", [0.0, 0.3, 0.6, 0.9])
def test_signs_estimate_cosines_without_bias(cosine: float) -> None:
    """Off by something each, by nothing on average: so that tiers can stand in one ranking."""
    first, other = unit(4000), unit(4000, seed=4)
    other -= (first * other).sum(axis=1, keepdims=True) * first
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    queries = cosine * first + math.sqrt(1 - cosine**2) * other
    estimates = (queries * signs(first)).sum(axis=1)
    assert estimates.mean() == pytest.approx(cosine, abs=0.01)
    # Across the vector the estimate is noise: its length there is √(π/2 − 1). Along it, it varies a little as well.
    noise = math.sqrt((math.pi / 2 - 1) * (1 - cosine**2) / D)
    assert 0.9 * noise < estimates.std() < 1.3 * noise


def test_differing_signs_tell_the_angle() -> None:
    first, other = unit(2000), unit(2000, seed=4)
    queries = 0.7 * first + math.sqrt(1 - 0.49) * other
    differing = ((queries > 0) != (first > 0)).sum(axis=1)
    true = (queries * first).sum(axis=1) / np.linalg.norm(queries, axis=1)
    estimates = np.array([cosine_of_sketches(int(n), D) for n in differing])
    assert estimates.mean() == pytest.approx(true.mean(), abs=0.01)


def test_sketches_of_any_dimension_come_back() -> None:
    for d in (1, 7, 8, 13):
        vectors = unit(5, d=d)
        assert np.array_equal(signs(vectors) > 0, vectors > 0)
        assert np.linalg.norm(signs(vectors), axis=1) == pytest.approx(np.full(5, UNBIASED), rel=1e-5)
        assert [len(sketch(one)) for one in vectors] == [d] * 5
