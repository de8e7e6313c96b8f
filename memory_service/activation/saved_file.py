"""What an engine saves: a safetensors file, looked at before it is kept, by its header alone.

Nothing of the numbers is read: they are as the engine wrote them, which the checksum says, and a NaN in a slot that no token
fills harms nobody. The header, though, is read by everybody who loads the file, so it is distrusted here: sizes past the file,
tensors that overlap or leave gaps, shapes that multiply to something else, names twice, a header longer than any needs.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO, Final

from memory_service.activation.errors import BlobRefused
from memory_service.activation.header_json import parse_object

MOST_HEADER_BYTES: Final = 1 << 20
"""A header has a line for each tensor; a mebibyte is a hundred times what any cache here needs."""
MOST_TENSORS: Final = 4096
MOST_AXES: Final = 8

RAW: Final = "raw"
"""The codec of blocks as the engine holds them: one tensor per layer, blocks along its first axis."""

_BYTES: Final[Mapping[str, int]] = {
    "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
    "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """One line of the header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


def read_entries(file: BinaryIO, *, size: int) -> tuple[TensorEntry, ...]:
    """Return the tensors of a file in the order in which they lie; only the header is read.

    Args:
        file: at its beginning.
        size: of the whole file, in bytes.

    Raises:
        BlobRefused: the file is no whole safetensors file; the sentence says why.
    """
    head = file.read(8)
    if len(head) < 8:
        raise BlobRefused("the file is too short for a header")
    (length,) = struct.unpack("<Q", head)
    if length > MOST_HEADER_BYTES or length > size - 8:
        raise BlobRefused(f"the header would have {length} bytes, more than a header or this file has")
    table = parse_object(file.read(length), "the header")
    metadata = table.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise BlobRefused("the metadata are no texts")
    if not 1 <= len(table) <= MOST_TENSORS:
        raise BlobRefused(f"the file holds {len(table)} tensors; 1 to {MOST_TENSORS} are possible")
    entries = sorted((_entry(name, value) for name, value in table.items()), key=lambda entry: (entry.start, entry.end))
    _check_places(entries, size - 8 - length)
    return tuple(entries)


def check_blocks(entries: tuple[TensorEntry, ...], *, blocks: int) -> None:
    """Refuse a file of the codec `raw` that does not hold so many blocks of every layer.

    >>> entry = TensorEntry("layer.0", "BF16", (3, 2, 16, 4), 0, 768)
    >>> check_blocks((entry,), blocks=3)
    >>> check_blocks((entry,), blocks=2)
    Traceback (most recent call last):
    memory_service.activation.errors.BlobRefused: 'layer.0' holds 3 blocks, not 2

    Raises:
        BlobRefused: a layer is missing or of another kind than the others, or holds another number of blocks.
    """
    expected = {f"layer.{number}" for number in range(len(entries))}
    if {entry.name for entry in entries} != expected:
        raise BlobRefused("the tensors are not layer.0, layer.1 and so on, one for each layer")
    for entry in entries:
        if (found := entry.shape[0] if entry.shape else 0) != blocks:
            raise BlobRefused(f"{entry.name!r} holds {found} blocks, not {blocks}")
    # Layers may differ in their heads, never in what a number is.
    if len({entry.dtype for entry in entries}) > 1:
        raise BlobRefused("the layers are of different types")


def _check_places(entries: list[TensorEntry], room: int) -> None:
    taken = 0
    for entry in entries:
        if entry.start != taken:
            raise BlobRefused(f"tensor {entry.name[:40]!r} leaves a gap before it or overlaps another")
        if entry.end - entry.start != math.prod(entry.shape) * _BYTES[entry.dtype] or entry.end > room:
            raise BlobRefused(
                f"tensor {entry.name[:40]!r} has a shape and a size that do not fit each other or the file"
            )
        taken = entry.end
    if taken != room:
        raise BlobRefused(f"{room - taken} bytes of the file belong to no tensor")
    if taken == 0:
        raise BlobRefused("the file holds no numbers")


def _entry(name: str, value: object) -> TensorEntry:
    if isinstance(value, dict) and set(value) == {"dtype", "shape", "data_offsets"}:
        dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
        if not isinstance(dtype, str) or dtype not in _BYTES:
            raise BlobRefused(f"tensor {name[:40]!r} has a type that caches do not have")
        if isinstance(shape, list) and isinstance(offsets, list) and len(shape) <= MOST_AXES and len(offsets) == 2:
            numbers = [*shape, *offsets]
            if all(type(one) is int and 0 <= one < 1 << 62 for one in numbers) and offsets[0] <= offsets[1]:
                return TensorEntry(name, dtype, tuple(shape), offsets[0], offsets[1])
    raise BlobRefused(f"tensor {name[:40]!r} has no type, shape and place")
