"""A run of consecutive blocks as a file, as an engine reads it, and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from memory_service.activation import blob
from memory_service.activation.engine_layout import EngineLayout
from memory_service.activation.errors import BlobRefused
from memory_service.activation.exactness import Exactness
from memory_service.activation.fingerprint import canonical
from memory_service.activation.header_json import parse_object
from memory_service.activation.key_values import KeyValues

RAW: Final = "raw"
"""The codec of whole blocks as the engine holds them."""
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


def pack_run(run: BlockRun, layout: EngineLayout, cache: KeyValues) -> bytes:
    """Return blocks of a cache, which begins at the first token of the prompt, as a file.

    Raises:
        BadTensor: the cache does not fit the layout.
    """
    count = len(run.hashes)
    note = {
        "block_size": layout.block, "computed_by": "transformers", "first": run.first, "hashes": list(run.hashes),
        "layout": layout.text,
    }  # fmt: skip
    header = blob.Header(
        run.engine, run.tokens, count * layout.block, RAW, Exactness.EXACT, note=canonical(note).decode("ascii")
    )
    return blob.write(header, layout.pack(cache, first=run.first, count=count))


def unpack_run(data: bytes, layout: EngineLayout, *, engine: str, hashes: Sequence[str]) -> KeyValues:
    """Return the cache of the blocks that a file is to hold, exactly these.

    Raises:
        BlobRefused: it is damaged, or holds another engine's, another layout's or other blocks.
        BadTensor: its tensors are not those of the layout.
    """
    header, tensors = blob.read(data)
    if header.codec != RAW or header.note is None:
        raise BlobRefused("the file does not hold whole blocks")
    note = parse_object(header.note, "what the file says about its blocks")
    if (header.fingerprint, note.get("layout"), note.get("hashes")) != (engine, layout.text, list(hashes)):
        raise BlobRefused("the file holds other blocks")
    first, layers = note.get("first"), {f"layer.{at}" for at in range(layout.layers)}
    if type(first) is not int or not 0 <= first < MOST_BLOCKS or set(tensors) != layers:
        raise BlobRefused("the file does not say which blocks it holds")
    return layout.unpack([tensors[f"layer.{at}"] for at in range(layout.layers)], first=first)
