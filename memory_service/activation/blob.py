"""The file of a cache: safetensors, with what it is in the header.

Safetensors is a header of JSON and then the numbers, nothing that could run. A reader still has to distrust it: sizes that
reach past the file, overlap or leave gaps, types and shapes that multiply to more than memory, names twice, and a header that
says one thing while the numbers are another. `read` refuses all of these with a sentence, before it makes an array.

All metadata stand as one JSON value under one key, because safetensors keeps several in no order, and the same cache is to be
the same bytes. The checksum covers that value, every tensor's name, type and shape, and the numbers.
"""

import hashlib
import math
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from memory_service.activation.errors import ActivationError, BlobRefused
from memory_service.activation.exactness import Exactness
from memory_service.activation.fingerprint import canonical, is_digest
from memory_service.activation.header_json import parse_object

FORMAT: Final = 1
MOST_HEADER_BYTES: Final = 1 << 20
"""A header has a line for each tensor; a mebibyte is a hundred times what any cache here needs."""
MOST_TENSORS: Final = 4096

Array = NDArray[Any]

_KEY: Final = "memory_service_kv"
_TYPES: Final[Mapping[str, np.dtype[Any]]] = {
    "U8": np.dtype("<u1"),
    "U16": np.dtype("<u2"),
    "I32": np.dtype("<i4"),
    "I64": np.dtype("<i8"),
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
}
_NAMES: Final = {dtype: name for name, dtype in _TYPES.items()}


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says about its cache.

    Attributes:
        fingerprint: digest of the model's fingerprint
        tokens: digest of the token ids
        count: number of tokens
        codec: how numbers are written; see `packing.Codec`
        exactness: what was done to it
        policy: which policy gave up what, where something was
        note: anything else, small and JSON

    Raises:
        ActivationError: a digest is none, a count negative, or a lossless cache names a policy.
    """

    fingerprint: str
    tokens: str
    count: int
    codec: str
    exactness: Exactness
    policy: str | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        if not (is_digest(self.fingerprint) and is_digest(self.tokens)):
            raise ActivationError("fingerprint and tokens are to be SHA-256 digests")
        if isinstance(self.count, bool) or not isinstance(self.count, int) or self.count < 0:
            raise ActivationError("a count of tokens is a whole number from 0")
        if not isinstance(self.codec, str) or not self.codec:
            raise ActivationError("a codec has a name")
        if not all(one is None or isinstance(one, str) for one in (self.policy, self.note)):
            raise ActivationError("a policy and a note are texts")
        if self.policy is not None and self.exactness is not Exactness.COMPRESSED:
            raise ActivationError("only a compressed cache has a policy")


def write(header: Header, tensors: Mapping[str, Array]) -> bytes:
    """Return a cache as the bytes of a file, equal for equal caches.

    Raises:
        ActivationError: there is no tensor, or one has a type that files here do not hold.
    """
    if not tensors or len(tensors) > MOST_TENSORS:
        raise ActivationError(f"a cache has 1 to {MOST_TENSORS} tensors")
    plain = {name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)}
    for name, array in plain.items():
        if array.dtype.newbyteorder("<") not in _NAMES:
            raise ActivationError(f"tensor {name!r} is {array.dtype}, which files of caches do not hold")
    said = {"format": FORMAT, **asdict(header)}
    said["checksum"] = _checksum(said, plain)
    return save(plain, {_KEY: canonical(said).decode("ascii")})


def read(data: bytes, *, most_bytes: int | None = None) -> tuple[Header, dict[str, Array]]:
    """Return a file's header and tensors, every byte of it accounted for and checked.

    Arrays are read-only views of `data`.

    Raises:
        BlobRefused: the file is none of these, larger than `most_bytes`, or not whole; the sentence says which.
    """
    if most_bytes is not None and len(data) > most_bytes:
        raise BlobRefused(f"the file has {len(data)} bytes, more than the {most_bytes} allowed")
    table, body = _split(data)
    said = _metadata(table)
    tensors = _tensors(table, body)
    checksum = said.pop("checksum", None)
    if checksum != _checksum(said, tensors):
        raise BlobRefused("the checksum does not fit: the file was changed or damaged")
    if said.pop("format", None) != FORMAT:
        raise BlobRefused(f"the file is of another format than {FORMAT}")
    try:
        said["exactness"] = Exactness(said["exactness"])
        return Header(**said), tensors
    except (ActivationError, TypeError, KeyError, ValueError) as error:
        raise BlobRefused(f"the header is not one of a cache: {error}") from error


def _split(data: bytes) -> tuple[dict[str, Any], memoryview]:
    """Return the table of tensors and the numbers after it."""
    if len(data) < 8:
        raise BlobRefused("the file is too short for a header")
    (size,) = struct.unpack_from("<Q", data)
    if size > MOST_HEADER_BYTES or size > len(data) - 8:
        raise BlobRefused(f"the header would have {size} bytes, more than a header or this file has")
    return parse_object(data[8 : 8 + size], "the header"), memoryview(data)[8 + size :]


def _metadata(table: dict[str, Any]) -> dict[str, Any]:
    """Take what the file says about its cache out of the table."""
    metadata = table.pop("__metadata__", None)
    if not isinstance(metadata, dict) or set(metadata) != {_KEY} or not isinstance(metadata[_KEY], str):
        raise BlobRefused("the file does not say what cache it holds")
    return parse_object(metadata[_KEY], "what the file says about its cache")


def _tensors(table: dict[str, Any], body: memoryview) -> dict[str, Array]:
    """Return the arrays of the table, which have to fill the body without gap or overlap."""
    if not 1 <= len(table) <= MOST_TENSORS:
        raise BlobRefused(f"the file holds {len(table)} tensors; 1 to {MOST_TENSORS} are possible")
    tensors, taken = {}, 0
    for name, entry in sorted(table.items(), key=lambda item: _start(item[0], item[1])):
        shape, (start, end), kind = entry["shape"], entry["data_offsets"], entry["dtype"]
        dtype = _TYPES.get(kind) if isinstance(kind, str) else None
        if dtype is None:
            raise BlobRefused(f"tensor {name[:40]!r} has a type that caches do not have")
        if start != taken:
            raise BlobRefused(f"tensor {name[:40]!r} leaves a gap before it or overlaps another")
        if end > len(body) or end - start != math.prod(shape) * dtype.itemsize:
            raise BlobRefused(f"tensor {name[:40]!r} has a shape and a size that do not fit each other or the file")
        try:
            tensors[name] = np.frombuffer(body[start:end], dtype).reshape(shape)
        except ValueError as error:  # Nothing at all, in a shape whose other axes are longer than memory.
            raise BlobRefused(f"tensor {name[:40]!r} has a shape that no array has") from error
        taken = end
    if taken != len(body):
        raise BlobRefused(f"{len(body) - taken} bytes of the file belong to no tensor")
    return {name: tensors[name] for name in sorted(tensors)}


def _start(name: str, entry: object) -> tuple[int, int]:
    """Return where a tensor lies, after a look at the form of its entry."""
    if isinstance(entry, dict) and set(entry) == {"dtype", "shape", "data_offsets"}:
        shape, offsets = entry["shape"], entry["data_offsets"]
        if isinstance(shape, list) and isinstance(offsets, list) and len(shape) <= 8 and len(offsets) == 2:
            numbers = [*shape, *offsets]
            whole = all(isinstance(one, int) and not isinstance(one, bool) and 0 <= one < 1 << 62 for one in numbers)
            if whole and offsets[0] <= offsets[1]:
                return offsets[0], offsets[1]
    raise BlobRefused(f"tensor {name[:40]!r} has no type, shape and place")


def _checksum(said: Mapping[str, Any], tensors: Mapping[str, Array]) -> str:
    """Return the digest of all that a file says and holds."""
    try:
        digest = hashlib.sha256(canonical(said))
    except ActivationError as error:
        raise BlobRefused(f"the header is not one of a cache: {error}") from error
    for name, array in tensors.items():
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(canonical([name, _NAMES[little.dtype], list(array.shape)]))
        digest.update(little.tobytes())
    return digest.hexdigest()
