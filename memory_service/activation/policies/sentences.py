"""Whole sentences, chosen when the question is there (SentenceKV, Zhu et al. 2025)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memory_service.activation.errors import MissingStatistic
from memory_service.activation.policies.budgets import even
from memory_service.activation.policies.keep import Keep
from memory_service.activation.policies.selecting import ends
from memory_service.activation.policies.statistics import Budget, Floats, Statistics


def sentence_keys(keys: Floats, sentences: NDArray[np.int64]) -> Floats:
    """Return float32[sentence, dim], the mean key of each: all that has to stay at hand (§3.1).

    >>> sentence_keys(np.array([[1, 0], [3, 0], [0, 2]], np.float32), np.array([0, 0, 1])).tolist()
    [[2.0, 0.0], [0.0, 2.0]]
    """
    if not len(sentences):
        return keys
    total = np.zeros((int(sentences[-1]) + 1, keys.shape[1]), np.float64)
    np.add.at(total, sentences, keys)
    sizes = np.bincount(sentences, minlength=len(total))
    return (total / np.maximum(sizes, 1)[:, None]).astype(np.float32)


def choose_sentences(
    scores: Floats, sentences: NDArray[np.int64], count: int, always: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return bool[token]: those that always stay, then whole sentences, the best first, as long as the next one fits.

    One that does not fit is passed over for a shorter one after it.

    >>> choose_sentences(np.array([1, 9, 2], np.float32), np.array([0, 1, 1, 1, 2]), 2, np.zeros(5, bool)).tolist()
    [True, False, False, False, True]
    """
    chosen = np.zeros(len(sentences), np.bool_)
    chosen[np.flatnonzero(always)[: max(0, count)]] = True
    left = count - int(chosen.sum())
    for sentence in np.argsort(-scores, kind="stable"):
        tokens = (sentences == sentence) & ~chosen
        if 0 < (size := int(tokens.sum())) <= left:
            chosen |= tokens
            left -= size
    return chosen


@dataclass(frozen=True, slots=True)
class SentenceKV:
    """Load the sentences whose mean key answers the mean of the queries best (§3.2).

    This evicts nothing: the whole cache stays at rest, and what a plan keeps is what is loaded for these queries. It can serve
    later questions as well as the first, and saves no byte at rest.
    """

    sinks: int = 4
    recent: int = 8
    name: str = "sentencekv"

    def plan(self, stats: Statistics, budget: Budget) -> Keep:
        """Return whole sentences, head by head.

        Raises:
            MissingStatistic: there are no queries, or it is not known where sentences end.
        """
        queries = stats.needed_queries().mean(axis=2)
        if stats.sentences is None:
            raise MissingStatistic("sentence retrieval needs the sentence of each token")
        layers, heads, tokens, _ = stats.cache.keys.shape
        counts = even(budget.entries(stats.cache), layers, heads, tokens)
        always = ends(tokens, self.sinks, self.recent)
        chosen = np.zeros((layers, heads, tokens), np.bool_)
        for layer, head in np.ndindex(layers, heads):
            scores = sentence_keys(stats.cache.keys[layer, head], stats.sentences) @ queries[layer, head]
            chosen[layer, head] = choose_sentences(scores, stats.sentences, int(counts[layer, head]), always)
        return Keep(chosen)
