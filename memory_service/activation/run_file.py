"""A run of consecutive blocks as a file, as an engine reads it or in fewer bits, and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from memory_service.activation import blob
from memory_service.activation.engine_layout import EngineLayout
from memory_service.activation.errors import ActivationError, BlobRefused
from memory_service.activation.exactness import Exactness
from memory_service.activation.fingerprint import canonical
from memory_service.activation.header_json import parse_object
from memory_service.activation.key_values import KeyValues
from memory_service.activation.packing import Codec, plain, written

RAW: Final = "raw"
"""The codec of whole blocks as the engine holds them."""
INT8: Final = str(Codec.INT8)
"""The codec of blocks in eight bits: lossy, for who opts in."""
CODECS: Final = (RAW, INT8)
MOST_BLOCKS: Final = 1 << 32
"""No prompt has as many; their positions are still whole numbers of 64 bits."""


@dataclass(frozen=True, slots=True)
class BlockRun:
    """Which blocks a file holds.

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


def exactness_of(codec: str) -> Exactness:
    """Return what is said of blocks in a codec: those in eight bits are compressed.

    >>> exactness_of("raw").value, exactness_of(INT8).value
    ('exact', 'compressed')
    """
    return Exactness.COMPRESSED if codec == INT8 else Exactness.EXACT


def _may_say(codec: str) -> tuple[Exactness, ...]:
    return (Exactness.COMPRESSED,) if codec == INT8 else (Exactness.EXACT, Exactness.SHIFTED)


def pack_run(
    run: BlockRun, layout: EngineLayout, cache: KeyValues, *, codec: str = RAW, exactness: Exactness | None = None
) -> bytes:
    """Return blocks of a cache, which begins at the first token of the prompt, as a file.

    In `raw` they are as the engine lays them out. In eight bits they are the cache itself, keys by channel and values by token:
    no engine reads that, and `unpack_run` makes a cache of it again. A cache that was moved says `shifted`.

    Raises:
        ActivationError: blocks are not written in this codec, or it is not as exact as is said.
        BadTensor: the cache does not fit the layout or the codec.
    """
    if codec not in CODECS:
        raise ActivationError(f"blocks are not written in {codec[:40]!r}")
    said = exactness or exactness_of(codec)
    if said not in _may_say(codec):
        raise ActivationError(f"blocks in {codec} are not {said}")
    count = len(run.hashes)
    note = {
        "block_size": layout.block, "computed_by": "transformers", "first": run.first, "hashes": list(run.hashes),
        "layout": layout.text,
    }  # fmt: skip
    header = blob.Header(
        run.engine, run.tokens, count * layout.block, codec, said, note=canonical(note).decode("ascii")
    )
    if codec == RAW:
        return blob.write(header, layout.pack(cache, first=run.first, count=count))
    return blob.write(header, written(layout.part(cache, first=run.first, count=count), Codec(codec)))


def unpack_run(data: bytes, layout: EngineLayout, *, engine: str, hashes: Sequence[str]) -> KeyValues:
    """Return the cache of the blocks that a file is to hold, exactly these.

    Raises:
        BlobRefused: it is damaged, or holds another engine's, another layout's or other blocks.
        BadTensor: its tensors are not those of the layout.
    """
    header, tensors = blob.read(data)
    if header.codec not in CODECS or header.exactness not in _may_say(header.codec) or header.note is None:
        raise BlobRefused("the file does not hold whole blocks")
    note = parse_object(header.note, "what the file says about its blocks")
    if (header.fingerprint, note.get("layout"), note.get("hashes")) != (engine, layout.text, list(hashes)):
        raise BlobRefused("the file holds other blocks")
    first = note.get("first")
    if type(first) is not int or not 0 <= first < MOST_BLOCKS:
        raise BlobRefused("the file does not say which blocks it holds")
    if header.codec != RAW:
        return _checked(plain(tensors, Codec(header.codec)), layout, first=first, count=len(hashes))
    if set(tensors) != {f"layer.{at}" for at in range(layout.layers)}:
        raise BlobRefused("the file does not say which blocks it holds")
    return layout.unpack([tensors[f"layer.{at}"] for at in range(layout.layers)], first=first)


def _checked(cache: KeyValues, layout: EngineLayout, *, first: int, count: int) -> KeyValues:
    """Return a cache that holds the tokens of so many blocks of a layout.

    Raises:
        BlobRefused: it holds others.
    """
    start, end = first * layout.block, (first + count) * layout.block
    if (cache.layers, cache.heads, cache.tokens, cache.dim) != (layout.layers, layout.heads, end - start, layout.dim):
        raise BlobRefused("the file holds a cache of another shape")
    if not np.array_equal(cache.positions, np.arange(start, end)):
        raise BlobRefused("the file holds tokens of other places")
    return cache
