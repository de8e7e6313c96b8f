"""A model's keys and values for a run of tokens, as plain tensors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memory_service.activation.errors import BadTensor

BFLOAT16_BYTES: Final = 2


@dataclass(frozen=True, slots=True, eq=False)
class KeyValues:
    """Keys and values, float32[layer, head, token, dim], and the position of each token.

    Heads are those of keys and values; several heads of queries may share one. Keys are as the model caches them, that is
    rotated to their positions. Models in bfloat16 or float16 lose nothing here: float32 holds both.

    Raises:
        BadTensor: shapes do not fit each other, a type is another, or a number is NaN or infinite.
    """

    keys: NDArray[np.float32]
    values: NDArray[np.float32]
    positions: NDArray[np.int64]

    def __post_init__(self) -> None:
        for name, array in (("keys", self.keys), ("values", self.values)):
            if array.dtype != np.float32 or array.ndim != 4:
                raise BadTensor(
                    f"{name} are to be float32[layer, head, token, dim], not {array.dtype}{list(array.shape)}"
                )
        if self.keys.shape != self.values.shape:
            raise BadTensor(f"keys are {list(self.keys.shape)} and values {list(self.values.shape)}")
        if 0 in (self.keys.shape[0], self.keys.shape[1], self.keys.shape[3]):
            raise BadTensor(f"a cache has a layer, a head and a channel at least, not {list(self.keys.shape)}")
        if self.positions.dtype != np.int64 or self.positions.shape != (self.tokens,):
            raise BadTensor(f"positions are to be int64[{self.tokens}]")
        if (self.positions < 0).any() or (np.diff(self.positions) <= 0).any():
            raise BadTensor("positions rise from 0 on")
        if not (np.isfinite(self.keys).all() and np.isfinite(self.values).all()):
            raise BadTensor("a key or value is NaN or infinite")

    @property
    def layers(self) -> int:
        """Return the number of layers."""
        return int(self.keys.shape[0])

    @property
    def heads(self) -> int:
        """Return the number of heads of keys and values in a layer."""
        return int(self.keys.shape[1])

    @property
    def tokens(self) -> int:
        """Return the number of tokens."""
        return int(self.keys.shape[2])

    @property
    def dim(self) -> int:
        """Return the number of channels of a head."""
        return int(self.keys.shape[3])

    def bytes_in_bfloat16(self) -> int:
        """Return 2 · layers · heads · tokens · dim · 2 bytes, what an engine in bfloat16 holds."""
        return 2 * self.keys.size * BFLOAT16_BYTES


def joined(parts: Sequence[KeyValues]) -> KeyValues:
    """Return caches of one text, one after another, as one.

    >>> one = KeyValues(np.ones((1, 1, 2, 1), np.float32), np.ones((1, 1, 2, 1), np.float32), np.arange(2))
    >>> two = KeyValues(one.keys, one.values, np.arange(2, 4))
    >>> joined([one, two]).positions.tolist()
    [0, 1, 2, 3]

    Raises:
        BadTensor: there is none, they have other shapes, or do not stand one after another.
    """
    if not parts or len({(one.layers, one.heads, one.dim) for one in parts}) != 1:
        raise BadTensor("caches to be joined are of one shape")
    keys, values = (np.concatenate(of, axis=2) for of in ([p.keys for p in parts], [p.values for p in parts]))
    return KeyValues(keys, values, np.concatenate([one.positions for one in parts]))


def bytes_per_token(*, layers: int, kv_heads: int, dim: int, element: int = BFLOAT16_BYTES) -> int:
    """Return what one token costs in a model with grouped queries: 2 · layers · kv_heads · dim · element.

    Llama-3.1-8B takes 128 KiB a token in bfloat16, Qwen2.5-7B 56 KiB:

    >>> bytes_per_token(layers=32, kv_heads=8, dim=128) // 1024, bytes_per_token(layers=28, kv_heads=4, dim=128) // 1024
    (128, 56)
    """
    return 2 * layers * kv_heads * dim * element
