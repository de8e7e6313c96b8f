"""Policies that look at nothing: what the others have to beat."""

from dataclasses import dataclass

import numpy as np

from memory_service.activation.policies.budgets import even
from memory_service.activation.policies.keep import Keep
from memory_service.activation.policies.selecting import best, best_per_head, ends
from memory_service.activation.policies.statistics import Budget, Statistics


@dataclass(frozen=True, slots=True)
class Whole:
    """Keep everything, whatever the budget: the yardstick."""

    name: str = "whole"

    def plan(self, stats: Statistics, budget: Budget) -> Keep:
        """Return all entries."""
        return Keep(np.ones(stats.cache.keys.shape[:3], np.bool_))


@dataclass(frozen=True, slots=True)
class Window:
    """Keep the first tokens, on which heads rest when they seek nothing, and the last (StreamingLLM, Xiao et al. 2023, §3.2)."""

    sinks: int = 4
    name: str = "window"

    def plan(self, stats: Statistics, budget: Budget) -> Keep:
        """Return sinks and the most recent tokens; with too small a budget for both, sinks.

        >>> from memory_service.activation.key_values import KeyValues
        >>> some = np.ones((1, 1, 6, 1), np.float32)
        >>> stats = Statistics(KeyValues(some, some, np.arange(6)))
        >>> Window(sinks=1).plan(stats, Budget(0.5)).entries.tolist()
        [[[True, False, False, False, True, True]]]
        """
        layers, heads, tokens, _ = stats.cache.keys.shape
        counts = even(budget.entries(stats.cache), layers, heads, tokens)
        age = np.broadcast_to(np.arange(tokens, dtype=np.float32), (layers, heads, tokens))
        return Keep(best_per_head(age, counts, ends(tokens, self.sinks, 0)))


@dataclass(frozen=True, slots=True)
class Random:
    """Keep any tokens, the same in every head, besides sinks and the last ones."""

    seed: int
    sinks: int = 4
    recent: int = 8
    name: str = "random"

    def plan(self, stats: Statistics, budget: Budget) -> Keep:
        """Return a choice that depends on the seed and the number of tokens only."""
        layers, heads, tokens, _ = stats.cache.keys.shape
        counts = even(budget.entries(stats.cache), layers, heads, tokens)
        luck = np.random.default_rng((self.seed, tokens)).random(tokens, np.float32)
        scores = np.broadcast_to(luck, (layers, heads, tokens))
        return Keep(best_per_head(scores, counts, ends(tokens, self.sinks, self.recent)))


@dataclass(frozen=True, slots=True)
class Strided:
    """Keep a window and every so-manieth token before it (Sparse Transformers, Child et al. 2019, §4.2)."""

    sinks: int = 4
    recent: int = 8
    name: str = "strided"

    def plan(self, stats: Statistics, budget: Budget) -> Keep:
        """Return tokens as evenly spaced as the budget allows."""
        layers, heads, tokens, _ = stats.cache.keys.shape
        counts = even(budget.entries(stats.cache), layers, heads, tokens)
        chosen = np.zeros((layers, heads, tokens), np.bool_)
        always = ends(tokens, self.sinks, self.recent)
        for layer, head in np.ndindex(layers, heads):
            left = max(0, int(counts[layer, head]) - int(always.sum()))
            spaced = np.zeros(tokens, np.float32)
            free = np.flatnonzero(~always)
            if left and free.size:
                spaced[free[np.linspace(0, free.size - 1, min(left, free.size)).round().astype(np.int64)]] = 1
            chosen[layer, head] = best(spaced, int(counts[layer, head]), always)
        return Keep(chosen)
