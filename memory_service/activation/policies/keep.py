"""The decision: which entries stay, which are merged into which, and which channels of keys go."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from memory_service.activation.errors import BadTensor
from memory_service.activation.exactness import Exactness
from memory_service.activation.policies.statistics import Budget, Statistics


@dataclass(frozen=True, slots=True, eq=False)
class Keep:
    """What stays of a cache.

    Attributes:
        entries: bool[layer, head, token], what stays
        receivers: int64[layer, head, token], into which kept token of its head an entry that goes is merged; −1 into none. A
            kept one is its own receiver or −1, which says the same
        weights: float32[layer, head, token], how much an entry counts in a merge
        summaries: bool[layer, head], whether the mean of what this head dropped stays as one entry more, counted as often
        channels: bool[layer, head, dim], which channels of keys stay; all where it is None

    Raises:
        BadTensor: shapes or types do not fit each other, a receiver is no kept token, or a weight is negative or NaN.
    """

    entries: NDArray[np.bool_]
    receivers: NDArray[np.int64] | None = None
    weights: NDArray[np.float32] | None = None
    summaries: NDArray[np.bool_] | None = None
    channels: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if self.entries.ndim != 3 or self.entries.dtype != np.bool_:
            raise BadTensor("entries are to be bool[layer, head, token]")
        if (self.receivers is None) != (self.weights is None):
            raise BadTensor("a merge has receivers and weights")
        if self.receivers is not None and self.weights is not None:
            if not self.receivers.shape == self.weights.shape == self.entries.shape:
                raise BadTensor("receivers and weights are to be [layer, head, token]")
            if not np.isfinite(self.weights).all() or (self.weights < 0).any():
                raise BadTensor("weights are numbers from 0")
            going = self.receivers >= 0
            if (self.receivers < -1).any() or (self.receivers >= max(1, self.entries.shape[2])).any():
                raise BadTensor("a receiver is a token of the cache")
            if (
                self.entries.shape[2]
                and (going & ~np.take_along_axis(self.entries, self.receivers.clip(0), axis=2)).any()
            ):
                raise BadTensor("a receiver is to be kept")
            own = np.broadcast_to(np.arange(self.entries.shape[2]), self.entries.shape)
            if (going & self.entries & (self.receivers != own)).any():
                raise BadTensor("a kept token receives itself")
        if self.summaries is not None and self.summaries.shape != self.entries.shape[:2]:
            raise BadTensor("summaries are to be bool[layer, head]")
        if self.channels is not None and (self.channels.ndim != 3 or self.channels.shape[:2] != self.entries.shape[:2]):
            raise BadTensor("channels are to be bool[layer, head, dim]")

    @property
    def count(self) -> int:
        """Return the number of entries that stay, summaries included."""
        made = 0
        if self.summaries is not None:
            made = int((self.summaries & ~self.entries.all(axis=2)).sum())
        return int(self.entries.sum()) + made

    @property
    def exactness(self) -> Exactness:
        """Return whether anything goes."""
        whole = self.entries.all() and (self.channels is None or self.channels.all())
        return Exactness.EXACT if whole else Exactness.COMPRESSED

    def share(self, dim: int) -> float:
        """Return the share of a cache's bytes that stays, masks and lengths aside."""
        if not self.entries.size:
            return 1.0
        whole = self.count / self.entries.size
        if self.channels is None:
            return whole
        heads = self.entries.sum(axis=2) * (self.channels.sum(axis=2) / dim + 1) / 2
        return float(heads.sum() / self.entries.size)


class Policy(Protocol):
    """Something that decides what stays."""

    @property
    def name(self) -> str:
        """Return the name under which a file records what was done to it."""
        ...

    def plan(self, stats: Statistics, budget: Budget) -> Keep:
        """Return what stays within a budget; a budget of 1 keeps all."""
        ...
