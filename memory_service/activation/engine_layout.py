"""How an engine holds a block of tokens, read from its fingerprint, and keys and values written that way.

    ENGINE-KIND/layers=L/heads=H/block=N/dim=D/type=T

A block of one layer is `[H, N, 2·D]` in numbers of type T. What stands where in it depends on KIND. On processors (`cpu-vec`,
`cpu-vec16`) a head's first N·D numbers are keys, channel by channel, the next N·D values, token by token. On GPUs (`cuda-…`), and
where this service itself runs the model (`plain`), a token's first D numbers are its key, the next D its value. Tiles of AMX and
what other processors have are not written here.

The engine's side has the same description; that what is packed here is what an engine computes is tested with a real one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
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
_BY_CHANNEL: Final = frozenset({"cpu-vec", "cpu-vec16"})
"""Kinds of which a real engine has shown what stands where. Wrong numbers would be served: of others nothing is written."""


@dataclass(frozen=True, slots=True)
class EngineLayout:
    """The shape of a block in every layer; `transposed` says that keys lie channel by channel."""

    text: str
    layers: int
    heads: int
    block: int
    dim: int
    codec: Codec
    transposed: bool

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
        whole: NDArray[np.float32]
        if self.transposed:
            halves = (keys.swapaxes(3, 4).reshape(*shape[:3], -1), values.reshape(*shape[:3], -1))
            whole = np.concatenate(halves, axis=3).reshape(*shape[:4], 2 * self.dim)
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
        if self.transposed:
            flat = whole.reshape(self.layers, self.heads, count, 2, self.block * self.dim)
            keys = flat[:, :, :, 0].reshape(self.layers, self.heads, count, self.dim, self.block).swapaxes(3, 4)
            values = flat[:, :, :, 1].reshape(self.layers, self.heads, count, self.block, self.dim)
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


def layout_of(text: str, *, block_size: int) -> EngineLayout:
    """Read a layout as a fingerprint holds it.

    >>> read = layout_of("vllm-cpu-vec/layers=2/heads=1/block=4/dim=8/type=bfloat16", block_size=4)
    >>> read.transposed, read.codec
    (True, <Codec.BFLOAT16: 'bfloat16'>)
    >>> layout_of("vllm-cpu-amx/layers=2/heads=1/block=4/dim=8/type=bfloat16", block_size=4)
    Traceback (most recent call last):
    memory_service.activation.errors.ActivationError: blocks of this layout are not written here

    Raises:
        ActivationError: blocks of this layout are not written here, or have another size.
    """
    found = _FORM.fullmatch(text)
    kind = found["kind"] if found else ""
    transposed = kind in _BY_CHANNEL
    if found is None or not (transposed or kind == PLAIN or kind.startswith("cuda-")):
        raise ActivationError("blocks of this layout are not written here")
    layers, heads, block, dim = (int(found[name]) for name in ("layers", "heads", "block", "dim"))
    if block != block_size or min(layers, heads, block, dim) < 1:
        raise ActivationError("the layout has blocks of another size than the fingerprint")
    return EngineLayout(text, layers, heads, block, dim, Codec(found["type"]), transposed)


def plain_layout(*, layers: int, heads: int, block: int, dim: int, codec: Codec) -> str:
    """Return the layout of blocks where this service itself runs the model."""
    return f"transformers-{PLAIN}/layers={layers}/heads={heads}/block={block}/dim={dim}/type={codec}"
