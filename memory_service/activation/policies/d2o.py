"""Merging what goes into what is like it (D2O, Wan et al. 2024)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memory_service.activation.policies.budgets import per_layer
from memory_service.activation.policies.keep import Keep
from memory_service.activation.policies.merging import nearest, next_threshold
from memory_service.activation.policies.observed import votes
from memory_service.activation.policies.selecting import best_per_head, ends
from memory_service.activation.policies.statistics import Budget, Floats, Statistics


def density(attention: Floats) -> NDArray[np.float64]:
    """Return how much each layer wants: exp(−v/largest v), v the variance over tokens of what a layer attends to (§3.2).

    A layer that looks at all tokens alike wants most, 1; the one that looks at few wants 1/e of it.

    >>> density(np.array([[[[0.5, 0.5]]], [[[1.0, 0.0]]]], np.float32)).round(3).tolist()
    [1.0, 0.368]
    """
    if not attention.shape[3]:
        return np.ones(len(attention))
    spread = votes(attention).mean(axis=1).var(axis=1, dtype=np.float64)
    largest = spread.max()
    return np.exp(-spread / largest) if largest > 0 else np.ones(len(attention))


@dataclass(frozen=True, slots=True)
class D2O:
    """Keep by attention, more in layers whose attention is even, and merge what goes where it finds its like (§3.2, §3.3).

    Layers are weighed by how little attention varies over tokens: where it is dense, any token may matter. An entry that goes
    is merged into the kept one with the nearest key if their cosine reaches the threshold; the kept one weighs e, the other
    exp(cosine), as in the paper. Text that is compressed at once has one round of eviction, so the threshold is the mean;
    `threshold` carries one on from an earlier round.
    """

    recent: int = 8
    sinks: int = 4
    smoothing: float = 0.7
    threshold: float | None = None
    merges: bool = True
    name: str = "d2o"

    def plan(self, stats: Statistics, budget: Budget) -> Keep:
        """Return what stays and what becomes part of it.

        Raises:
            MissingStatistic: no attention was observed.
        """
        attention = stats.needed_attention()
        layers, heads, tokens, _ = stats.cache.keys.shape
        wants = density(attention)
        counts = per_layer(budget.entries(stats.cache), wants, heads, tokens)
        entries = best_per_head(votes(attention), counts, ends(tokens, self.sinks, self.recent))
        if not self.merges:
            return Keep(entries)
        receivers = np.full(entries.shape, -1, np.int64)
        weights = np.full(entries.shape, np.e, np.float32)
        for layer, head in np.ndindex(layers, heads):
            kept = entries[layer, head]
            at, cosine = nearest(stats.cache.keys[layer, head], kept)
            least = next_threshold(self.threshold, cosine[at >= 0], self.smoothing)
            at[(at >= 0) & (cosine < least)] = -1
            receivers[layer, head] = at
            weights[layer, head] = np.where(kept, weights[layer, head], np.exp(cosine))
        return Keep(entries, receivers, weights)
