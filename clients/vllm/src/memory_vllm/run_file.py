"""A run of consecutive blocks as a file, and back, with a look at everything that could make it another's."""

from collections.abc import Sequence
from dataclasses import dataclass

from memory_vllm import blob
from memory_vllm.blob import Array, Header
from memory_vllm.chain import canonical
from memory_vllm.errors import BlobRefused
from memory_vllm.layout import Layout


@dataclass(frozen=True, slots=True)
class Blocks:
    """Which blocks of a chain a file holds.

    Attributes:
        engine: digest of the fingerprint
        first: number of the first block in its prompt, from 0
        hashes: of these blocks, in order
        tokens: digest of all token ids from the beginning of the prompt to the end of the last block
    """

    engine: str
    first: int
    hashes: tuple[str, ...]
    tokens: str


def pack(blocks: Blocks, layout: Layout, layers: Sequence[Array]) -> bytes:
    """Return blocks as a file; `layers` are arrays [block, head, token, content], layer by layer.

    Raises:
        BlobRefused: the arrays are not those of the layout.
    """
    tensors = dict(zip(layout.names(), layers, strict=True))
    layout.check(tensors, len(blocks.hashes))
    note = {"block_size": layout.block, "first": blocks.first, "hashes": list(blocks.hashes), "layout": str(layout)}
    count = len(blocks.hashes) * layout.block
    return blob.write(Header(blocks.engine, blocks.tokens, count, note=canonical(note).decode("ascii")), tensors)


def unpack(data: bytes, *, engine: str, layout: Layout, hashes: Sequence[str], offset: int) -> list[Array]:
    """Return the wanted blocks of a file, layer by layer, once all it says is what was asked for.

    `hashes` are the wanted ones, which begin `offset` blocks after the file's first.

    Raises:
        BlobRefused: it is damaged, or is of another engine, layout or prompt.
    """
    header, tensors = blob.read(data)
    if header.fingerprint != engine:
        raise BlobRefused("the file belongs to another engine")
    if header.codec != blob.CODEC or header.note is None:
        raise BlobRefused("the file does not hold whole blocks")
    note = blob.parse(header.note)
    if note.get("layout") != str(layout) or note.get("block_size") != layout.block:
        raise BlobRefused("the file has another layout")
    named = note.get("hashes")
    if not isinstance(named, list) or header.count != len(named) * layout.block:
        raise BlobRefused("the file does not say which blocks it holds")
    if not hashes or named[offset : offset + len(hashes)] != list(hashes):
        raise BlobRefused("the file holds other blocks")
    return [array[offset : offset + len(hashes)] for array in layout.check(tensors, len(named))]
