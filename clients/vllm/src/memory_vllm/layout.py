"""How an engine holds a block, and the string that says so in the fingerprint.

    vllm-KIND/layers=L/heads=H/block=N/dim=D/type=T

A block of one layer is `[H, N, 2·D]` in the engine's numbers, and is moved whole. What stands where inside it depends on KIND:

- `cpu-vec`, `cpu-vec16`, `cpu-neon` …: per head first N·D numbers of keys, transposed (channel by channel), then N·D of values,
  token by token.
- `cpu-amx`: the same halves in the tiles of AMX: keys `[N/16, D/2, 16 tokens, 2 channels]`, values `[D/16, N/2, 16 channels, 2
  tokens]`.
- `cuda-BACKEND` and others: per head and token D numbers of keys, then D of values; how these lie in memory (NHD, HND) does
  not matter, because vLLM shows every layer as `[block, head, token, content]`.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from memory_vllm.blob import Array
from memory_vllm.errors import BlobRefused

_NUMPY_OF: Final = {"bfloat16": "uint16", "float16": "float16", "float32": "float32", "uint8": "uint8"}
_WRITTEN: Final = re.compile(r"[a-z0-9_.-]{1,60}")


@dataclass(frozen=True, slots=True)
class Layout:
    """The shape of one block in every layer.

    Attributes:
        kind: what lies where inside a block, `cpu-vec` for example
        layers: number of layers with keys and values
        heads: of keys and values
        block: tokens of a block
        dim: channels of a head
        content: numbers for one token of one head, keys and values together
        dtype: torch's name of the numbers' type
    """

    kind: str
    layers: int
    heads: int
    block: int
    dim: int
    content: int
    dtype: str

    def __str__(self) -> str:
        """Return the string that the fingerprint holds."""
        kind = self.kind.lower()
        kind = kind if _WRITTEN.fullmatch(kind) else "unknown"
        shape = f"layers={self.layers}/heads={self.heads}/block={self.block}/dim={self.dim}"
        odd = "" if self.content == 2 * self.dim else f"/content={self.content}"
        return f"vllm-{kind}/{shape}{odd}/type={self.dtype}"

    @property
    def bytes_per_token(self) -> int:
        """Return what one token costs in all layers."""
        width = {"uint8": 1, "float32": 4}.get(self.dtype, 2)
        return self.layers * self.heads * self.content * width

    def shape(self, blocks: int) -> tuple[int, int, int, int]:
        """Return the shape of some blocks of one layer."""
        return blocks, self.heads, self.block, self.content

    def names(self) -> list[str]:
        """Return the names of the tensors in a file, layer by layer."""
        return [f"layer.{at}" for at in range(self.layers)]

    def check(self, tensors: dict[str, Array], blocks: int) -> list[Array]:
        """Return the tensors of a file, layer by layer.

        Raises:
            BlobRefused: names, shapes or types are not those of this layout.
        """
        names = self.names()
        if set(tensors) != set(names):
            raise BlobRefused(f"the file has {len(tensors)} tensors, not one for each of {self.layers} layers")
        found = [tensors[name] for name in names]
        for array in found:
            if array.shape != self.shape(blocks) or str(array.dtype) != _NUMPY_OF[self.dtype]:
                raise BlobRefused(
                    f"a layer is {array.dtype}{list(array.shape)}, not {self.dtype}{list(self.shape(blocks))}"
                )
        return found


def numpy_of(dtype: str) -> Any:
    """Return numpy's type for the bits of torch's; bfloat16 is uint16.

    Raises:
        KeyError: files of caches do not hold such numbers.
    """
    return _NUMPY_OF[dtype]
