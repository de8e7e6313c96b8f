"""What a policy may know about a cache, and how much it may keep."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from memory_service.activation.errors import BadTensor, MissingStatistic
from memory_service.activation.key_values import KeyValues

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of a cache may stay: a share of its bytes, from 0 to 1."""

    share: float

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:  # NaN, too, is neither
            raise BadTensor("a budget is a share from 0 to 1")

    def entries(self, cache: KeyValues) -> int:
        """Return how many entries, a key and its value in one head of one layer, may stay.

        Half of 2 layers with 2 heads and 5 tokens is 10; rounding is down, so that a budget is never passed.

        >>> some = np.ones((2, 2, 5, 1), np.float32)
        >>> Budget(0.5).entries(KeyValues(some, some, np.arange(5)))
        10
        """
        return int(self.share * cache.layers * cache.heads * cache.tokens + 1e-9)


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """A cache, and what was observed while it was made; a policy asks for what it needs.

    Attributes:
        cache: the keys and values themselves
        attention: float32[layer, head, query, token], probabilities of the last queries; where several heads of queries share
            a head, their mean. Rows sum to 1 over the tokens seen
        queries: float32[layer, head, query, dim], these queries, rotated, those of shared heads one after another
        surprisal: float32[token], −ln of the probability that the model gave the token before it came
        turns: int64[token], the turn of the conversation a token belongs to, rising
        sentences: int64[token], the sentence a token belongs to, rising from 0 by at most 1
        retention: float32[layer, head, token] in 0…1, what a gate gave each token when it came

    Raises:
        BadTensor: a shape does not fit the cache, or a number is NaN or out of range.
    """

    cache: KeyValues
    attention: Floats | None = None
    queries: Floats | None = None
    surprisal: Floats | None = None
    turns: NDArray[np.int64] | None = None
    sentences: NDArray[np.int64] | None = None
    retention: Floats | None = None

    def __post_init__(self) -> None:
        layers, heads, tokens, dim = self.cache.keys.shape
        shapes = {
            "attention": (layers, heads, None, tokens),
            "queries": (layers, heads, None, dim),
            "surprisal": (tokens,),
            "turns": (tokens,),
            "sentences": (tokens,),
            "retention": (layers, heads, tokens),
        }
        for field in fields(self)[1:]:
            array = getattr(self, field.name)
            if array is None:
                continue
            wanted = shapes[field.name]
            fits = array.ndim == len(wanted) and all(
                want in (None, size) for want, size in zip(wanted, array.shape, strict=True)
            )
            if not fits:
                raise BadTensor(f"{field.name} is {list(array.shape)}, which does not fit the cache")
            if not np.isfinite(array).all():
                raise BadTensor(f"{field.name} holds NaN or an infinite number")
        for name in ("turns", "sentences"):
            array = getattr(self, name)
            if array is not None and (np.diff(array) < 0).any():
                raise BadTensor(f"{name} are to rise")
        if self.attention is not None and self.attention.size and self.attention.min() < 0:
            raise BadTensor("attention is never negative")
        if (
            self.retention is not None
            and self.retention.size
            and not 0 <= self.retention.min() <= self.retention.max() <= 1
        ):
            raise BadTensor("retention lies between 0 and 1")

    def needed_attention(self) -> Floats:
        """Return the attention of at least one query.

        Raises:
            MissingStatistic: none was observed.
        """
        if self.attention is None or not self.attention.shape[2]:
            raise MissingStatistic("this policy needs the attention of the last queries")
        return self.attention

    def needed_queries(self) -> Floats:
        """Return at least one query.

        Raises:
            MissingStatistic: none was observed.
        """
        if self.queries is None or not self.queries.shape[2]:
            raise MissingStatistic("this policy needs the last queries")
        return self.queries
