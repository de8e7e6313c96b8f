"""Fewer channels of keys (ThinK, Xu et al. 2024)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memory_service.activation.errors import BadTensor
from memory_service.activation.policies.keep import Keep, Policy
from memory_service.activation.policies.selecting import best
from memory_service.activation.policies.statistics import Budget, Floats, Statistics


def channel_scores(queries: Floats, keys: Floats) -> Floats:
    """Return float32[…, dim]: ‖q_i‖·‖k_i‖, how much channel i adds to the products of queries and keys (§3).

    The outer product of a column of queries and one of keys has the product of their lengths as Frobenius norm.

    >>> channel_scores(np.array([[3, 1], [4, 0]], np.float32), np.array([[2, 0], [0, 7]], np.float32)).tolist()
    [10.0, 7.0]
    """
    norms: Floats = np.linalg.norm(queries, axis=-2) * np.linalg.norm(keys, axis=-2)
    return norms


@dataclass(frozen=True, slots=True)
class ThinK:
    """Give up the channels of keys that the last queries hardly use (§3), and by `inner` the tokens that do not fit then.

    Values keep their channels, so pruning a share p of channels leaves 1 − p/2 of the bytes. Where `inner` is None, that is all
    it does, and a budget below is not met: `plan` refuses it.

    Raises:
        BadTensor: the pruned share lies outside 0…1.
    """

    pruned: float = 0.4  # the paper's choice
    inner: Policy | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.pruned < 1:
            raise BadTensor("a share of channels lies between 0 and 1")

    @property
    def name(self) -> str:
        """Return the name under which a file records what was done to it."""
        return "think" if self.inner is None else f"think+{self.inner.name}"

    def plan(self, stats: Statistics, budget: Budget) -> Keep:
        """Return channels and tokens within a budget.

        Raises:
            MissingStatistic: no query was observed.
            BadTensor: channels alone do not meet the budget.
        """
        layers, heads, tokens, dim = stats.cache.keys.shape
        if budget.share >= 1:
            return Keep(np.ones((layers, heads, tokens), np.bool_))
        staying = dim - int(self.pruned * dim)
        each = (1 + staying / dim) / 2
        if self.inner is None:
            if budget.share < each:
                raise BadTensor(
                    f"without {self.pruned:.0%} of key channels {each:.0%} of the bytes are left, more than allowed"
                )
            entries = np.ones((layers, heads, tokens), np.bool_)
        else:
            entries = _plain(self.inner.plan(stats, Budget(min(1.0, budget.share / each))))
        scores = channel_scores(stats.needed_queries(), stats.cache.keys)
        channels: NDArray[np.bool_] = np.stack(
            [np.stack([best(scores[layer, head], staying) for head in range(heads)]) for layer in range(layers)]
        )
        return Keep(entries, channels=channels)


def _plain(keep: Keep) -> NDArray[np.bool_]:
    """Return the entries of a plan that does nothing but choose."""
    if keep.receivers is not None or keep.summaries is not None or keep.channels is not None:
        raise BadTensor("channels are pruned after a policy that only chooses tokens")
    return keep.entries
