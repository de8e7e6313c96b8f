"""The file of a run of blocks: safetensors, with what it is in the header.

The format is that of the service's `memory_service/activation/blob.py`; a test holds the two to each other byte for byte.
Numbers of bfloat16 are their bits in 16-bit integers, because numpy has no such type. Nothing in the file could run.
"""

import hashlib
import json
import math
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from memory_vllm.chain import canonical, is_digest
from memory_vllm.errors import BlobRefused

FORMAT: Final = 1
CODEC: Final = "raw"
"""Whole blocks as the engine holds them."""
EXACT: Final = "exact"
MOST_HEADER_BYTES: Final = 1 << 20
MOST_TENSORS: Final = 4096

Array = NDArray[Any]

_KEY: Final = "memory_service_kv"
_TYPES: Final[Mapping[str, "np.dtype[Any]"]] = {
    "U8": np.dtype("<u1"),
    "U16": np.dtype("<u2"),
    "I32": np.dtype("<i4"),
    "I64": np.dtype("<i8"),
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
}
_NAMES: Final = {dtype: name for name, dtype in _TYPES.items()}
_STATED: Final = ("fingerprint", "tokens", "count", "codec", "exactness", "policy", "note")


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says about its cache; `note` is JSON that says which blocks, in which layout."""

    fingerprint: str
    tokens: str
    count: int
    codec: str = CODEC
    exactness: str = EXACT
    policy: str | None = None
    note: str | None = None


def write(header: Header, tensors: Mapping[str, Array]) -> bytes:
    """Return a cache as the bytes of a file, equal for equal caches."""
    plain = {name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)}
    said = {"format": FORMAT, **asdict(header)}
    said["checksum"] = _checksum(said, plain)
    return save(plain, {_KEY: canonical(said).decode("ascii")})


def read(data: bytes) -> tuple[Header, dict[str, Array]]:
    """Return a file's header and tensors, every byte of it accounted for and checked. Arrays are read-only views.

    Raises:
        BlobRefused: the file is no cache, or not whole; the sentence says which.
    """
    table, body = _split(data)
    said = _metadata(table)
    tensors = _tensors(table, body)
    checksum = said.pop("checksum", None)
    if checksum != _checksum(said, tensors):
        raise BlobRefused("the checksum does not fit: the file was changed or damaged")
    if said.pop("format", None) != FORMAT:
        raise BlobRefused(f"the file is of another format than {FORMAT}")
    if set(said) != set(_STATED):
        raise BlobRefused("the header is not one of a cache")
    header = Header(**said)
    if not _is_of_a_cache(header):
        raise BlobRefused("the header is not one of a cache")
    return header, tensors


def _is_of_a_cache(header: Header) -> bool:
    """Return whether every field is of its type, which no checksum says: whoever wrote the file wrote that, too."""
    count, texts = header.count, (header.codec, header.exactness)
    return (
        is_digest(header.fingerprint)
        and is_digest(header.tokens)
        and type(count) is int
        and count >= 0
        and all(isinstance(one, str) for one in texts)
        and all(one is None or isinstance(one, str) for one in (header.policy, header.note))
    )


def _split(data: bytes) -> tuple[dict[str, Any], memoryview]:
    if len(data) < 8:
        raise BlobRefused("the file is too short for a header")
    (size,) = struct.unpack_from("<Q", data)
    if size > MOST_HEADER_BYTES or size > len(data) - 8:
        raise BlobRefused("the header would be longer than a header or this file is")
    return parse(data[8 : 8 + size]), memoryview(data)[8 + size :]


def parse(text: bytes | str) -> dict[str, Any]:
    """Return an object of JSON that names nothing twice.

    Raises:
        BlobRefused: it is none.
    """
    try:
        written = text if isinstance(text, str) else text.decode("utf-8")
        found = json.loads(written, object_pairs_hook=_once, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        # ValueError as a whole: a number of thousands of digits is one that is no JSONDecodeError.
        raise BlobRefused("what the file says about itself is not JSON") from error
    if not isinstance(found, dict):
        raise BlobRefused("what the file says about itself is no object")
    return found


def _metadata(table: dict[str, Any]) -> dict[str, Any]:
    metadata = table.pop("__metadata__", None)
    if not isinstance(metadata, dict) or set(metadata) != {_KEY} or not isinstance(metadata[_KEY], str):
        raise BlobRefused("the file does not say what cache it holds")
    return parse(metadata[_KEY])


def _tensors(table: dict[str, Any], body: memoryview) -> dict[str, Array]:
    """Return the arrays of the table, which have to fill the body without gap or overlap."""
    if not 1 <= len(table) <= MOST_TENSORS:
        raise BlobRefused(f"the file holds {len(table)} tensors; 1 to {MOST_TENSORS} are possible")
    tensors, taken = {}, 0
    for name, entry in sorted(table.items(), key=lambda item: _start(item[1])):
        shape, (start, end), kind = entry["shape"], entry["data_offsets"], entry["dtype"]
        dtype = _TYPES.get(kind) if isinstance(kind, str) else None
        if dtype is None or start != taken or end > len(body) or end - start != math.prod(shape) * dtype.itemsize:
            raise BlobRefused("a tensor has a type, shape or place that does not fit the file")
        try:
            tensors[name] = np.frombuffer(body[start:end], dtype).reshape(shape)
        except ValueError as error:  # Nothing at all, in a shape whose other axes are longer than memory.
            raise BlobRefused("a tensor has a type, shape or place that does not fit the file") from error
        taken = end
    if taken != len(body):
        raise BlobRefused(f"{len(body) - taken} bytes of the file belong to no tensor")
    return {name: tensors[name] for name in sorted(tensors)}


def _start(entry: object) -> tuple[int, int]:
    if isinstance(entry, dict) and set(entry) == {"dtype", "shape", "data_offsets"}:
        shape, offsets = entry["shape"], entry["data_offsets"]
        if isinstance(shape, list) and isinstance(offsets, list) and len(shape) <= 8 and len(offsets) == 2:
            numbers = [*shape, *offsets]
            if all(type(one) is int and 0 <= one < 1 << 62 for one in numbers) and offsets[0] <= offsets[1]:
                return offsets[0], offsets[1]
    raise BlobRefused("a tensor has no type, shape and place")


def _checksum(said: Mapping[str, Any], tensors: Mapping[str, Array]) -> str:
    try:
        digest = hashlib.sha256(canonical(said))
    except (ValueError, TypeError, RecursionError) as error:  # Writing nests deeper than reading.
        raise BlobRefused("the header is not one of a cache") from error
    for name, array in tensors.items():
        little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        digest.update(canonical([name, _NAMES[little.dtype], list(array.shape)]))
        digest.update(little.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BlobRefused("the header names something twice")
    return found


def _no_constant(name: str) -> Any:
    raise BlobRefused(f"the header holds {name}, which is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise BlobRefused("the header holds a number that is none of 64 bits")
    return number
