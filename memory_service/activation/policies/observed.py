"""Policies by the attention of the last queries: SnapKV, PyramidKV, CAKE.

All of them guess that what the last tokens of a text attend to is what later ones will. Where the last tokens are the question,
that is so; a memory that is kept for many questions has none yet, and then it is a guess about a guess.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memory_service.activation.policies.budgets import even, per_layer, pyramid
from memory_service.activation.policies.keep import Keep
from memory_service.activation.policies.selecting import best_per_head, ends
from memory_service.activation.policies.statistics import Budget, Floats, Statistics


def pooled(scores: Floats, kernel: int) -> Floats:
    """Return the largest score within a neighbourhood of `kernel` tokens, so that words stay whole (SnapKV, §4.2).

    >>> pooled(np.array([0, 0, 5, 0, 0, 0], np.float32), 3).tolist()
    [0.0, 5.0, 5.0, 5.0, 0.0, 0.0]
    """
    side = kernel // 2
    if not side or not scores.shape[-1]:
        return scores
    padded = np.pad(scores, [(0, 0)] * (scores.ndim - 1) + [(side, side)], constant_values=-np.inf)
    views = np.lib.stride_tricks.sliding_window_view(padded, 2 * side + 1, axis=-1)
    largest: Floats = views.max(axis=-1)
    return largest


def votes(attention: Floats) -> Floats:
    """Return how much attention of the observed queries each token got: the sum over queries (SnapKV, §4.1).

    >>> votes(np.array([[[[0.5, 0.5, 0.0], [0.25, 0.25, 0.5]]]], np.float32)).tolist()
    [[[0.75, 0.75, 0.5]]]
    """
    total: Floats = attention.sum(axis=2)
    return total


@dataclass(frozen=True, slots=True)
class SnapKV:
    """Keep the window of the last tokens and what it attends to, head by head (Li et al. 2024, §4)."""

    recent: int = 8
    kernel: int = 5
    sinks: int = 4
    name: str = "snapkv"

    def plan(self, stats: Statistics, budget: Budget) -> Keep:
        """Return the same number of tokens for each head.

        Raises:
            MissingStatistic: no attention was observed.
        """
        layers, heads, tokens, _ = stats.cache.keys.shape
        scores = pooled(votes(stats.needed_attention()), self.kernel)
        counts = even(budget.entries(stats.cache), layers, heads, tokens)
        return Keep(best_per_head(scores, counts, ends(tokens, self.sinks, self.recent)))


@dataclass(frozen=True, slots=True)
class PyramidKV:
    """Keep as SnapKV does, more in lower layers, where attention is spread wider (Cai et al. 2024, §3)."""

    recent: int = 8
    kernel: int = 5
    sinks: int = 4
    steepness: float = 20.0
    name: str = "pyramidkv"

    def plan(self, stats: Statistics, budget: Budget) -> Keep:
        """Return numbers of tokens that fall from layer to layer.

        Raises:
            MissingStatistic: no attention was observed.
        """
        layers, heads, tokens, _ = stats.cache.keys.shape
        total = budget.entries(stats.cache)
        counts = per_layer(total, pyramid(total, layers, self.steepness), heads, tokens)
        scores = pooled(votes(stats.needed_attention()), self.kernel)
        return Keep(best_per_head(scores, counts, ends(tokens, self.sinks, self.recent)))


def dispersion(attention: Floats) -> NDArray[np.float64]:
    """Return the entropy of each layer's attention in nats, summed over heads, of the mean over queries (CAKE, §4.1).

    >>> dispersion(np.array([[[[0.5, 0.5]]], [[[1.0, 0.0]]]], np.float32)).round(3).tolist()
    [0.693, 0.0]
    """
    mean = attention.mean(axis=2, dtype=np.float64)
    logs = np.log(mean, out=np.zeros_like(mean), where=mean > 0)
    entropy: NDArray[np.float64] = -(mean * logs).sum(axis=(1, 2)) + 0.0
    return entropy


def restlessness(attention: Floats) -> NDArray[np.float64]:
    """Return how much each layer's attention changes from query to query: variance over queries, summed (CAKE, §4.1).

    Two queries that look at different tokens: variance ¼ each, ½ together.

    >>> restlessness(np.array([[[[1.0, 0.0], [0.0, 1.0]]], [[[1.0, 0.0], [1.0, 0.0]]]], np.float32)).tolist()
    [0.5, 0.0]
    """
    variance: NDArray[np.float64] = attention.var(axis=2, dtype=np.float64).sum(axis=(1, 2))
    return variance


@dataclass(frozen=True, slots=True)
class Cake:
    """Split by each layer's need, keep by mean and change of attention (CAKE, Qin et al. 2025, §4).

    A layer wants dispersion^(1/τ₁) · restlessness^(1/τ₂). A token counts the mean of its attention plus γ times the variance:
    one that was looked at now and then may be again.
    """

    spatial: float = 1.0  # τ₁
    temporal: float = 1.0  # τ₂
    gamma: float = 200.0  # the paper's choice, whose probabilities are as small as these
    recent: int = 8
    kernel: int = 5
    sinks: int = 4
    name: str = "cake"

    def plan(self, stats: Statistics, budget: Budget) -> Keep:
        """Return numbers of tokens by the need of layers.

        Raises:
            MissingStatistic: no attention was observed.
        """
        attention = stats.needed_attention()
        _, heads, tokens, _ = stats.cache.keys.shape
        wants = dispersion(attention) ** (1 / self.spatial) * restlessness(attention) ** (1 / self.temporal)
        counts = per_layer(budget.entries(stats.cache), wants, heads, tokens)
        scores = attention.mean(axis=2) + np.float32(self.gamma) * attention.var(axis=2)
        return Keep(best_per_head(pooled(scores, self.kernel), counts, ends(tokens, self.sinks, self.recent)))
