"""What a plan leaves of a cache, and what attention makes of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memory_service.activation.errors import BadTensor
from memory_service.activation.key_values import BFLOAT16_BYTES, KeyValues
from memory_service.activation.policies.keep import Keep
from memory_service.activation.policies.merging import merged
from memory_service.activation.policies.statistics import Floats

_LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """What one head of one layer keeps, in the order of the text; a summary comes last.

    Attributes:
        keys: float32[entry, dim], 0 in channels that were given up
        values: float32[entry, dim]
        positions: int64[entry], of a summary that of the last token it stands for
        bias: float32[entry], what is added to the entry's logit: ln n for a summary of n tokens, else 0
    """

    keys: Floats
    values: Floats
    positions: NDArray[np.int64]
    bias: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Compressed:
    """A cache of which each head keeps its own entries: [layer][head]."""

    entries: tuple[tuple[Entries, ...], ...]
    channels: NDArray[np.bool_] | None

    def bytes_in_bfloat16(self) -> int:
        """Return what keys, values, positions, lengths and the mask of channels take; a bias where there is any."""
        total = 0
        for layer, of_layer in enumerate(self.entries):
            for head, one in enumerate(of_layer):
                dim = one.values.shape[1]
                keys = dim if self.channels is None else int(self.channels[layer, head].sum())
                total += len(one.positions) * ((dim + keys) * BFLOAT16_BYTES + 4) + _LENGTH_BYTES
                total += int((one.bias != 0).sum()) * 4
        return total + (0 if self.channels is None else -(-self.channels.size // 8))


def compress(cache: KeyValues, keep: Keep) -> Compressed:
    """Return what a plan leaves of a cache.

    Two of three tokens, the third merged into the first with equal weight:

    >>> cache = KeyValues(*[np.array([[[[0.0], [1.0], [4.0]]]], np.float32)] * 2, np.arange(3))
    >>> keep = Keep(np.array([[[True, True, False]]]), np.array([[[-1, -1, 0]]]), np.ones((1, 1, 3), np.float32))
    >>> left = compress(cache, keep).entries[0][0]
    >>> left.keys.tolist(), left.positions.tolist()
    ([[2.0], [1.0]], [0, 1])

    Raises:
        BadTensor: the plan is one for another cache.
    """
    if keep.entries.shape != cache.keys.shape[:3]:
        raise BadTensor(f"the plan is for {list(keep.entries.shape)}, the cache is {list(cache.keys.shape)}")
    if keep.channels is not None and keep.channels.shape[2] != cache.dim:
        raise BadTensor("the plan's channels are those of another model")
    return Compressed(
        tuple(tuple(_head(cache, keep, layer, head) for head in range(cache.heads)) for layer in range(cache.layers)),
        keep.channels,
    )


def _head(cache: KeyValues, keep: Keep, layer: int, head: int) -> Entries:
    kept = keep.entries[layer, head]
    keys, values = cache.keys[layer, head], cache.values[layer, head]
    if keep.receivers is not None and keep.weights is not None:
        receivers, weights = keep.receivers[layer, head], keep.weights[layer, head]
        keys, _ = merged(keys, kept, receivers, weights)
        values, _ = merged(values, kept, receivers, weights)
    left = Entries(keys[kept], values[kept], cache.positions[kept], np.zeros(int(kept.sum()), np.float32))
    if keep.summaries is not None and keep.summaries[layer, head] and not kept.all():
        left = _with_summary(left, keys[~kept], values[~kept], cache.positions[~kept])
    if keep.channels is not None:
        left = Entries(
            np.where(keep.channels[layer, head], left.keys, np.float32(0)), left.values, left.positions, left.bias
        )
    return left


def _with_summary(left: Entries, keys: Floats, values: Floats, positions: NDArray[np.int64]) -> Entries:
    """Add the mean of what was dropped, counted as often as there were tokens (RazorAttention, §3)."""
    return Entries(
        np.concatenate([left.keys, keys.mean(axis=0, keepdims=True)]),
        np.concatenate([left.values, values.mean(axis=0, keepdims=True)]),
        np.append(left.positions, positions[-1]),
        np.append(left.bias, np.float32(np.log(len(positions)))),
    )


def attend(queries: Floats, entries: Entries) -> Floats:
    """Return softmax(q·k/√dim + bias) · v, float32[query, dim]: what a head makes of what is left.

    With equal keys, an entry that stands for three counts three times: (0 + 3 · 4)/4 = 3.

    >>> left = Entries(np.zeros((2, 1), np.float32), np.array([[0], [4]], np.float32), np.arange(2),
    ...     np.log(np.array([1, 3], np.float32)))
    >>> attend(np.ones((1, 1), np.float32), left).round(5).tolist()
    [[3.0]]

    Raises:
        BadTensor: there is nothing to attend to.
    """
    if not len(entries.positions):
        raise BadTensor("attention needs an entry")
    logits = queries.astype(np.float64) @ entries.keys.T / np.sqrt(entries.keys.shape[1]) + entries.bias
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: Floats = ((weights / weights.sum(axis=-1, keepdims=True)) @ entries.values).astype(np.float32)
    return result
