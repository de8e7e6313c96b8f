"""How sure a difference is: resample the questions, keep the pairs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 10_000
SEED = 20261120
_AT_ONCE = 500
"""Resamples drawn together; bounds the memory they take."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and the middle 95% of its resampled means."""

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Say whether the whole interval lies on one side of zero."""
        return self.low > 0 or self.high < 0


def paired_difference(
    with_it: ArrayLike, without: ArrayLike, *, resamples: int = RESAMPLES, seed: int = SEED
) -> Interval:
    """Bootstrap the mean of with − without over pairs (n,) (Efron and Tibshirani 1993, chapter 13: percentiles).

    Args:
        with_it: A measure of each question under one configuration.
        without: The same questions under the other.
        resamples: How often n pairs are drawn with replacement.
        seed: Of the draws: the same numbers give the same interval.

    Raises:
        ValueError: there are no pairs, or they do not match.

    Four questions of which one gains 1: the mean is ¼. A resample draws it k times out of 4 with probability ¼ each, so
    its mean is k/4: 0 with (3/4)⁴ = 32%, and at most ¾ with 1 − (1/4)⁴ = 99.6%.

    >>> paired_difference([1, 0, 1, 1], [0, 0, 1, 1])
    Interval(mean=0.25, low=0.0, high=0.75)
    >>> paired_difference([0.5, 0.5], [0.25, 0.25]).excludes_zero
    True
    """
    one, other = np.asarray(with_it, dtype=np.float64), np.asarray(without, dtype=np.float64)
    if one.shape != other.shape or one.ndim != 1 or not len(one):
        raise ValueError(f"pairs are needed, not {one.shape} and {other.shape}")
    means = _resampled_means(one - other, resamples=resamples, rng=np.random.default_rng(seed))
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(mean=float((one - other).mean()), low=float(low), high=float(high))


def interval(values: Sequence[float], *, resamples: int = RESAMPLES, seed: int = SEED) -> Interval:
    """Bootstrap the mean of (n,) values.

    >>> interval([1.0, 1.0])
    Interval(mean=1.0, low=1.0, high=1.0)
    """
    return paired_difference(values, np.zeros(len(values)), resamples=resamples, seed=seed)


def _resampled_means(values: NDArray[np.float64], *, resamples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    n = len(values)
    means = np.empty(resamples)
    for start in range(0, resamples, _AT_ONCE):
        count = min(_AT_ONCE, resamples - start)
        means[start : start + count] = values[rng.integers(0, n, size=(count, n))].mean(axis=1)
    return means
