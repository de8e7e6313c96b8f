"""Memories for scale without an encoder: words as people use them, and vectors spread as an encoder spreads texts.

A memory belongs to a topic. Half of its words are the topic's, the others are drawn by Zipf's law from all words; its vector is
the topic's centre plus noise whose variance falls off from direction to direction. So common words are very common, words of a
topic come together, and neighbours are near for a reason.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

DIMENSION: Final = 384
WORDS: Final = 60_000
TOPICS: Final = 2_000
WORDS_OF_A_TOPIC: Final = 40
SHARE_OF_THE_TOPIC: Final = 0.45  # of a vector's variance: two memories of a topic have a cosine of about that
NOISE_DECAY: Final = 0.5  # the i-th direction of noise has the variance i^-0.5
TOPIC_DIRECTIONS: Final = 64  # topics are alike, too: their centres lie in so many directions


@dataclass(frozen=True, slots=True)
class Batch:
    """n memories: the words of each and a vector (float32[n, d], normalised)."""

    terms: list[list[str]]
    vectors: NDArray[np.float32]


class Synthetic:
    """A namespace of any size; batch `i` is the same whenever it is made."""

    def __init__(self, *, seed: int) -> None:
        """Name the namespace by its seed."""
        self._seed = seed

    @cached_property
    def _zipf(self) -> NDArray[np.float64]:
        return _cumulated(WORDS)

    @cached_property
    def _topics(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        rng = np.random.default_rng([self._seed, 0])
        words = np.searchsorted(self._zipf, rng.random((TOPICS, WORDS_OF_A_TOPIC))).clip(0, WORDS - 1)
        directions = rng.normal(size=(TOPIC_DIRECTIONS, DIMENSION))
        centres = rng.normal(size=(TOPICS, TOPIC_DIRECTIONS)) @ directions
        return words, _normalised(centres)

    def batch(self, number: int, size: int) -> Batch:
        """Make the memories of one batch."""
        rng = np.random.default_rng([self._seed, 1, number])
        topic = rng.integers(0, TOPICS, size)
        words, centres = self._topics
        length = np.clip(rng.lognormal(2.5, 0.5, size), 3, 60).astype(int)
        of = np.repeat(topic, length)
        own = np.searchsorted(_cumulated(WORDS_OF_A_TOPIC), rng.random(len(of))).clip(0, WORDS_OF_A_TOPIC - 1)
        any_word = np.searchsorted(self._zipf, rng.random(len(of))).clip(0, WORDS - 1)
        drawn = np.where(rng.random(len(of)) < 0.5, words[of, own], any_word)
        parts = np.split(drawn, np.cumsum(length)[:-1])
        noise = _normalised(rng.normal(size=(size, DIMENSION)) * np.arange(1, DIMENSION + 1) ** (-NOISE_DECAY / 2))
        mixed = np.sqrt(SHARE_OF_THE_TOPIC) * centres[topic] + np.sqrt(1 - SHARE_OF_THE_TOPIC) * noise
        return Batch([[f"w{word}" for word in part] for part in parts], _normalised(mixed))


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked: some words of a memory, and a vector near its own (float32[d], normalised)."""

    terms: tuple[str, ...]
    vector: NDArray[np.float32]


def queries(batch: Batch, count: int, *, seed: int) -> list[Query]:
    """Return questions about memories of a batch: two to five of its words, and a cosine of about .7 to its vector."""
    rng = np.random.default_rng([seed, 2])
    asked = []
    for at in rng.choice(len(batch.terms), count, replace=False):
        distinct = sorted(set(batch.terms[at]))
        chosen = rng.choice(distinct, min(len(distinct), int(rng.integers(2, 6))), replace=False)
        noise = _normalised(rng.normal(size=(1, DIMENSION)))[0]
        asked.append(Query(tuple(chosen.tolist()), _normalised((batch.vectors[at] + noise)[None])[0]))
    return asked


def _cumulated(count: int) -> NDArray[np.float64]:
    weights = np.cumsum(1 / np.arange(1, count + 1))
    return np.asarray(weights / weights[-1], dtype=np.float64)


def _normalised(vectors: NDArray[np.float64] | NDArray[np.float32]) -> NDArray[np.float32]:
    normalised: NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return normalised
