"""Policies by what a token is worth by itself, whatever is asked later: entropy with decay, retention."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memory_service.activation.errors import BadTensor, MissingStatistic
from memory_service.activation.policies.budgets import even
from memory_service.activation.policies.keep import Keep
from memory_service.activation.policies.selecting import best, best_per_head, ends
from memory_service.activation.policies.statistics import Budget, Floats, Statistics


def decayed(surprisal: Floats, turns: NDArray[np.int64], decay: float) -> Floats:
    """Return surprisal · decay^(turns since), so that old turns fade (SirLLM, Yao et al. 2024, §3.2).

    2 nats two turns ago count 2 · .5² = .5 with a decay of one half.

    >>> decayed(np.array([2, 2, 2], np.float32), np.array([0, 1, 2]), 0.5).tolist()
    [0.5, 1.0, 2.0]
    """
    if not len(turns):
        return surprisal
    worth: Floats = (surprisal * decay ** (turns[-1] - turns).astype(np.float64)).astype(np.float32)
    return worth


@dataclass(frozen=True, slots=True)
class TokenEntropy:
    """Keep what the model did not expect (SirLLM, Yao et al. 2024, §3), besides sinks and the last tokens.

    A token costs −ln p nats given what came before. What could be foretold can be done without.

    Raises:
        BadTensor: the decay lies outside 0…1.
    """

    decay: float = 1.0
    sinks: int = 4
    recent: int = 8
    name: str = "token-entropy"

    def __post_init__(self) -> None:
        if not 0 <= self.decay <= 1:
            raise BadTensor("a decay lies between 0 and 1")

    def plan(self, stats: Statistics, budget: Budget) -> Keep:
        """Return the same tokens in every head, but where the budget leaves some heads one more.

        Raises:
            MissingStatistic: no surprisal was observed.
        """
        if stats.surprisal is None:
            raise MissingStatistic("token entropy needs the surprisal of each token")
        layers, heads, tokens, _ = stats.cache.keys.shape
        turns = stats.turns if stats.turns is not None else np.zeros(tokens, np.int64)
        worth = decayed(stats.surprisal, turns, self.decay)
        counts = even(budget.entries(stats.cache), layers, heads, tokens)
        always = ends(tokens, self.sinks, self.recent)
        return Keep(best_per_head(np.broadcast_to(worth, (layers, heads, tokens)), counts, always))


def retained(retention: Floats, age: NDArray[np.int64]) -> Floats:
    """Return ln of β^age, the score by which TRIM-KV evicts (Bui et al. 2025, §3.2); a logarithm never underflows.

    This is Ebbinghaus' curve exp(−age/S) with S = −1/ln β: .5 after 3 tokens is ⅛ = exp(−3 · ln 2).

    >>> np.exp(retained(np.array([0.5, 1.0], np.float32), np.array([3, 9]))).round(6).tolist()
    [0.125, 1.0]
    >>> retained(np.array([0.0], np.float32), np.array([0])).item() == 0
    True
    """
    logs = np.log(np.maximum(retention.astype(np.float64), np.finfo(np.float64).tiny))
    return (logs * age).astype(np.float32)


def stability(beta: float) -> float:
    """Return the S of exp(−age/S) that is β^age: −1/ln β, without end for β = 1.

    >>> round(stability(0.5), 4), stability(1.0)
    (1.4427, inf)
    """
    return math.inf if beta >= 1 else 0.0 if beta <= 0 else -1 / math.log(beta)


@dataclass(frozen=True, slots=True)
class Retention:
    """Keep what a gate expected to last, given how long it has lasted: β^age (TRIM-KV, Bui et al. 2025, §3).

    Heads compete for one budget where `shared` is set: scores of one gate are comparable over heads and layers.
    """

    sinks: int = 4
    recent: int = 8
    shared: bool = False
    name: str = "retention"

    def plan(self, stats: Statistics, budget: Budget) -> Keep:
        """Return the tokens with the largest β^age.

        Raises:
            MissingStatistic: no gate gave its retention.
        """
        if stats.retention is None:
            raise MissingStatistic("retention needs what a gate gave each token")
        layers, heads, tokens, _ = stats.cache.keys.shape
        scores = retained(stats.retention, np.arange(tokens)[::-1].copy())
        always, total = ends(tokens, self.sinks, self.recent), budget.entries(stats.cache)
        if not self.shared:
            return Keep(best_per_head(scores, even(total, layers, heads, tokens), always))
        everywhere = np.broadcast_to(always, scores.shape)
        return Keep(best(scores.ravel(), total, everywhere.ravel()).reshape(scores.shape))
