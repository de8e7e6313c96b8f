"""How an engine holds a block of tokens, read from its fingerprint, and keys and values written that way.

    ENGINE-KIND/layers=L/heads=H/block=N/dim=D/type=T

A block of one layer is `[H, N, 2·D]` in numbers of type T. What stands where in it depends on KIND. On processors (`cpu-vec`,
`cpu-vec16`) a head's first N·D numbers are keys, channel by channel, the next N·D values, token by token. On those with AMX
(`cpu-amx`) the same halves lie in tiles: keys `[N/16, D/2, 16 tokens, 2 channels]`, values `[D/16, N/2, 16 channels, 2 tokens]`.
On GPUs (`cuda-…`), and where this service itself runs the model (`plain`), a token's first D numbers are its key, the next D its
value. What other processors have is not written here.

The engine's side has the same description; that what is packed here is what an engine computes is tested with a real one.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from memory_service.activation.errors import ActivationError, BadTensor
from memory_service.activation.key_values import KeyValues
from memory_service.activation.packing import Codec, from_codec, to_codec

_FORM: Final = re.compile(
    r"(?P<engine>[a-z0-9]+)-(?P<kind>[a-z0-9_.-]+)/layers=(?P<layers>\d{1,5})/heads=(?P<heads>\d{1,5})"
    r"/block=(?P<block>\d{1,7})/dim=(?P<dim>\d{1,6})/type=(?P<type>bfloat16|float16|float32)"
)
PLAIN: Final = "plain"
_TILE: Final = 16
"""Rows of a tile of AMX; each holds pairs of numbers of two bytes."""
_PAIRED: Final = 2 * _TILE
"""What vLLM asks of blocks and channels before it uses tiles."""


class Order(StrEnum):
    """What stands where in a block of one head."""

    BY_TOKEN = "by token"
    """A token's key, then its value."""
    BY_CHANNEL = "by channel"
    """All keys, channel by channel, then all values, token by token."""
    TILES = "tiles"
    """All keys, then all values, each in tiles of AMX."""


_ORDER_OF: Final[Mapping[str, Order]] = {
    "cpu-vec": Order.BY_CHANNEL,
    "cpu-vec16": Order.BY_CHANNEL,
    "cpu-amx": Order.TILES,
    PLAIN: Order.BY_TOKEN,
}
"""Kinds of which a real engine has shown what stands where. Wrong numbers would be served: of others nothing is written."""


@dataclass(frozen=True, slots=True)
class EngineLayout:
    """The shape of a block in every layer, and what stands where in it."""

    text: str
    layers: int
    heads: int
    block: int
    dim: int
    codec: Codec
    order: Order

    def part(self, cache: KeyValues, *, first: int, count: int) -> KeyValues:
        """Return the tokens of whole blocks of a cache that begins at the first token.

        Raises:
            BadTensor: the cache has other layers, heads or channels, or ends before the last block.
        """
        if (cache.layers, cache.heads, cache.dim) != (self.layers, self.heads, self.dim):
            raise BadTensor(
                f"the model has {cache.layers} layers of {cache.heads} heads of {cache.dim} channels, the layout is {self.text}"
            )
        start, end = first * self.block, (first + count) * self.block
        if end > cache.tokens or count < 1:
            raise BadTensor(f"the cache has {cache.tokens} tokens, and the blocks end at {end}")
        return KeyValues(cache.keys[:, :, start:end], cache.values[:, :, start:end], cache.positions[start:end])

    def pack(self, cache: KeyValues, *, first: int, count: int) -> dict[str, NDArray[Any]]:
        """Return whole blocks of a cache that begins at the first token, layer by layer.

        Raises:
            BadTensor: the cache has other layers, heads or channels, or ends before the last block.
        """
        tokens = self.part(cache, first=first, count=count)
        shape = (self.layers, self.heads, count, self.block, self.dim)
        keys, values = (part.reshape(shape) for part in (tokens.keys, tokens.values))
        if self.order is not Order.BY_TOKEN:
            # Two halves, each of as many numbers as a token has channels, times the tokens.
            halves = (half.reshape(*shape[:3], -1) for half in self._into_halves(keys, values))
            whole = np.concatenate(list(halves), axis=3).reshape(*shape[:4], 2 * self.dim)
        else:
            whole = np.concatenate([keys, values], axis=4)
        # Blocks lead, as engines move them.
        moved = whole.transpose(0, 2, 1, 3, 4)
        return {f"layer.{at}": to_codec(np.ascontiguousarray(moved[at]), self.codec) for at in range(self.layers)}

    def unpack(self, tensors: Sequence[NDArray[Any]], *, first: int = 0) -> KeyValues:
        """Return blocks, layer by layer, as a cache whose first token stands where block `first` begins.

        Raises:
            BadTensor: shapes or types are not those of the layout.
        """
        count = tensors[0].shape[0] if tensors else 0
        wanted = (count, self.heads, self.block, 2 * self.dim)
        if len(tensors) != self.layers or not count or any(one.shape != wanted for one in tensors):
            raise BadTensor(f"blocks of {self.text} are {self.layers} tensors of {list(wanted)}")
        whole = np.stack([from_codec(one, self.codec) for one in tensors]).transpose(0, 2, 1, 3, 4)
        if self.order is not Order.BY_TOKEN:
            flat = whole.reshape(self.layers, self.heads, count, 2, self.block * self.dim)
            keys, values = self._from_halves(flat[:, :, :, 0], flat[:, :, :, 1])
        else:
            keys, values = whole[..., : self.dim], whole[..., self.dim :]
        tokens = count * self.block
        start = first * self.block
        shape = (self.layers, self.heads, tokens, self.dim)
        return KeyValues(
            np.ascontiguousarray(keys).reshape(shape),
            np.ascontiguousarray(values).reshape(shape),
            np.arange(start, start + tokens, dtype=np.int64),
        )

    def _into_halves(
        self, keys: NDArray[np.float32], values: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return keys and values `[layer, head, block, token, channel]` in the engine's order; the last axes are its own."""
        if self.order is Order.BY_CHANNEL:
            return keys.swapaxes(3, 4), values
        lead = keys.shape[:3]
        rows = keys.reshape(*lead, self.block // _TILE, _TILE, self.dim // 2, 2)
        columns = values.reshape(*lead, self.block // 2, 2, self.dim // _TILE, _TILE)
        return rows.transpose(0, 1, 2, 3, 5, 4, 6), columns.transpose(0, 1, 2, 5, 3, 6, 4)

    def _from_halves(
        self, keys: NDArray[np.float32], values: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return what `_into_halves` was given, of halves whose last axis is flat."""
        lead, whole = keys.shape[:3], (*keys.shape[:3], self.block, self.dim)
        if self.order is Order.BY_CHANNEL:
            return keys.reshape(*lead, self.dim, self.block).swapaxes(3, 4), values.reshape(whole)
        rows = keys.reshape(*lead, self.block // _TILE, self.dim // 2, _TILE, 2)
        columns = values.reshape(*lead, self.dim // _TILE, self.block // 2, _TILE, 2)
        return rows.transpose(0, 1, 2, 3, 5, 4, 6).reshape(whole), columns.transpose(0, 1, 2, 4, 6, 3, 5).reshape(whole)


def layout_of(text: str, *, block_size: int) -> EngineLayout:
    """Read a layout as a fingerprint holds it.

    >>> read = layout_of("vllm-cpu-vec/layers=2/heads=1/block=4/dim=8/type=bfloat16", block_size=4)
    >>> read.order.value, read.codec
    ('by channel', <Codec.BFLOAT16: 'bfloat16'>)
    >>> layout_of("vllm-cpu-neon/layers=2/heads=1/block=4/dim=8/type=bfloat16", block_size=4)
    Traceback (most recent call last):
    memory_service.activation.errors.ActivationError: blocks of this layout are not written here

    Raises:
        ActivationError: blocks of this layout are not written here, or have another size.
    """
    found = _FORM.fullmatch(text)
    kind = found["kind"] if found else ""
    order = Order.BY_TOKEN if kind.startswith("cuda-") else _ORDER_OF.get(kind)
    if found is None or order is None:
        raise ActivationError("blocks of this layout are not written here")
    layers, heads, block, dim = (int(found[name]) for name in ("layers", "heads", "block", "dim"))
    if block != block_size or min(layers, heads, block, dim) < 1:
        raise ActivationError("the layout has blocks of another size than the fingerprint")
    codec = Codec(found["type"])
    if order is Order.TILES and (block % _PAIRED or dim % _PAIRED or codec is not Codec.BFLOAT16):
        raise ActivationError(f"tiles hold bfloat16, by {_PAIRED} tokens and channels, and this layout has others")
    return EngineLayout(text, layers, heads, block, dim, codec, order)


def plain_layout(*, layers: int, heads: int, block: int, dim: int, codec: Codec) -> str:
    """Return the layout of blocks where this service itself runs the model."""
    return f"transformers-{PLAIN}/layers={layers}/heads={heads}/block={block}/dim={dim}/type={codec}"
