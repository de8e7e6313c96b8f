"""A cache as a file, and back."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from memory_service.activation import blob, int8
from memory_service.activation.bfloat16 import from_bfloat16, to_bfloat16
from memory_service.activation.errors import ActivationError, BadTensor, BlobRefused
from memory_service.activation.exactness import Exactness
from memory_service.activation.key_values import KeyValues


class Codec(StrEnum):
    """How a cache's numbers are written."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"
    INT8 = "int8-k-channel-v-token"

    @property
    def lossy(self) -> bool:
        """Return whether numbers come back changed, whatever type the model computed them in."""
        return self is Codec.INT8


_INT8_TENSORS: Final = frozenset(
    {"positions", *(f"{of}_{part}" for of in ("key", "value") for part in ("codes", "steps", "floors"))}
)


def pack(cache: KeyValues, header: blob.Header) -> bytes:
    """Return a cache as the bytes of a file, in the header's codec.

    Raises:
        ActivationError: the header does not fit: another count of tokens, an unknown codec, or a lossy one called exact, or
            the codec would change what it is to keep.
        BadTensor: a number is too large for the codec.
    """
    if header.count != cache.tokens:
        raise ActivationError(f"the header counts {header.count} tokens, the cache has {cache.tokens}")
    try:
        codec = Codec(header.codec)
    except ValueError as error:
        raise ActivationError(f"there is no codec {header.codec[:40]!r}") from error
    if codec.lossy and header.exactness is not Exactness.COMPRESSED:
        raise ActivationError(f"{codec} loses something, so its cache is compressed, not {header.exactness}")
    tensors = written(cache, codec)
    if not codec.lossy and header.exactness is not Exactness.COMPRESSED:
        back = plain(tensors, codec)
        if not (np.array_equal(back.keys, cache.keys) and np.array_equal(back.values, cache.values)):
            raise ActivationError(
                f"the cache has numbers that {codec} would round: it would be compressed, not {header.exactness}"
            )
    return blob.write(header, tensors)


def unpack(data: bytes, *, most_bytes: int | None = None) -> tuple[blob.Header, KeyValues]:
    """Return the header and the cache of a file.

    Raises:
        BlobRefused: the file is no cache, or not whole.
    """
    header, tensors = blob.read(data, most_bytes=most_bytes)
    try:
        codec = Codec(header.codec)
    except ValueError as error:
        raise BlobRefused(f"there is no codec {header.codec[:40]!r}") from error
    if codec.lossy and header.exactness is not Exactness.COMPRESSED:
        raise BlobRefused(f"the file calls a cache in {codec} {header.exactness}")
    try:
        cache = plain(tensors, codec)
    except BadTensor as error:
        raise BlobRefused(f"the file holds no cache: {error}") from error
    if header.count != cache.tokens:
        raise BlobRefused(f"the header counts {header.count} tokens, the cache has {cache.tokens}")
    return header, cache


def written(cache: KeyValues, codec: Codec) -> dict[str, NDArray[Any]]:
    """Return the tensors of a file in a codec.

    Raises:
        BadTensor: a number is too large for it.
    """
    if codec is Codec.INT8:
        coded = int8.encode(cache)
        return {
            "key_codes": coded.keys.codes,
            "key_steps": coded.keys.steps,
            "key_floors": coded.keys.floors,
            "value_codes": coded.values.codes,
            "value_steps": coded.values.steps,
            "value_floors": coded.values.floors,
            "positions": cache.positions,
        }
    return {"keys": to_codec(cache.keys, codec), "values": to_codec(cache.values, codec), "positions": cache.positions}


def to_codec(values: NDArray[np.float32], codec: Codec) -> NDArray[Any]:
    """Return numbers in a plain codec."""
    if codec is Codec.BFLOAT16:
        return to_bfloat16(values)
    if codec is Codec.FLOAT32:
        return values
    if values.size and np.abs(values).max() > np.finfo(np.float16).max:
        raise BadTensor("a number is too large for float16")
    return values.astype(np.float16)


def plain(tensors: Mapping[str, NDArray[Any]], codec: Codec) -> KeyValues:
    """Return the cache that tensors of a file hold, after a look at names, types and shapes.

    Raises:
        BadTensor: they are not those of the codec.
    """
    wanted = _INT8_TENSORS if codec is Codec.INT8 else {"keys", "values", "positions"}
    if set(tensors) != wanted:
        raise BadTensor(f"a cache in {codec} has the tensors {', '.join(sorted(wanted))}")
    if codec is not Codec.INT8:
        return KeyValues(from_codec(tensors["keys"], codec), from_codec(tensors["values"], codec), tensors["positions"])
    parts = {}
    for of in ("key", "value"):
        codes, steps, floors = (tensors[f"{of}_{part}"] for part in ("codes", "steps", "floors"))
        if codes.dtype != np.uint8 or steps.dtype != np.float16 or floors.dtype != np.float16:
            raise BadTensor("codes are to be uint8, steps and floors float16")
        if codes.ndim != 4 or steps.ndim != 4 or steps.shape != floors.shape:
            raise BadTensor("steps and floors do not fit the codes")
        parts[of] = int8.Coded(codes, steps, floors)
    if parts["key"].codes.shape != parts["value"].codes.shape:
        raise BadTensor("keys and values have different shapes")
    return int8.decode(int8.CodedKeyValues(parts["key"], parts["value"], tensors["positions"]))


def from_codec(values: NDArray[Any], codec: Codec) -> NDArray[np.float32]:
    """Return numbers of a plain codec as float32."""
    types = {Codec.BFLOAT16: np.uint16, Codec.FLOAT16: np.float16, Codec.FLOAT32: np.float32}
    if values.dtype != types[codec]:
        raise BadTensor(f"numbers in {codec} are to be {np.dtype(types[codec])}, not {values.dtype}")
    return from_bfloat16(values) if codec is Codec.BFLOAT16 else values.astype(np.float32)
