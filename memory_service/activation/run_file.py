"""A run of consecutive blocks as a file, as an engine reads it, and back."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from memory_service.activation import blob
from memory_service.activation.engine_layout import EngineLayout
from memory_service.activation.errors import BlobRefused
from memory_service.activation.exactness import Exactness
from memory_service.activation.fingerprint import canonical
from memory_service.activation.key_values import KeyValues

RAW: Final = "raw"
"""The codec of whole blocks as the engine holds them."""


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
    note: Any = json.loads(header.note) if header.codec == RAW and header.note is not None else None
    said = (header.fingerprint, note.get("layout"), note.get("hashes")) if isinstance(note, dict) else None
    if said != (engine, layout.text, list(hashes)):
        raise BlobRefused("the file holds other blocks")
    first = note.get("first")
    if not isinstance(first, int) or set(tensors) != {f"layer.{at}" for at in range(layout.layers)}:
        raise BlobRefused("the file does not say which blocks it holds")
    return layout.unpack([tensors[f"layer.{at}"] for at in range(layout.layers)], first=first)
