"""What a policy left of a cache, as a file, and back.

Heads have different numbers of entries, so all of them stand one after another, with a table of lengths [layer, head]. Channels
of keys that were given up are not written.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from memory_service.activation import blob
from memory_service.activation.compressing import Compressed, Entries
from memory_service.activation.errors import ActivationError, BadTensor, BlobRefused
from memory_service.activation.exactness import Exactness
from memory_service.activation.packing import Codec, from_codec, to_codec

_TENSORS: Final = frozenset({"lengths", "keys", "values", "positions", "bias", "channels"})
_MOST_HEADS: Final = 1 << 16


def pack_compressed(cache: Compressed, header: blob.Header) -> bytes:
    """Return what a policy left as the bytes of a file, in the header's codec.

    Raises:
        ActivationError: the header names no policy or does not say compressed, or has the codec of eight bits, which needs
            whole groups of tokens.
        BadTensor: a number is too large for the codec.
    """
    codec = _codec(header)
    if header.exactness is not Exactness.COMPRESSED or not header.policy:
        raise ActivationError("what a policy left is compressed, and its file names the policy")
    heads = [one for layer in cache.entries for one in layer]
    if not heads:
        raise ActivationError("a cache has a layer and a head at least")
    dim = heads[0].values.shape[1]
    shape = (len(cache.entries), len(cache.entries[0]))
    channels = cache.channels if cache.channels is not None else np.ones((*shape, dim), np.bool_)
    masks = channels.reshape(len(heads), dim)
    tensors = {
        "lengths": np.array([len(one.positions) for one in heads], np.int32).reshape(shape),
        "keys": to_codec(
            np.concatenate([one.keys[:, mask].ravel() for one, mask in zip(heads, masks, strict=True)]), codec
        ),
        "values": to_codec(np.concatenate([one.values for one in heads]), codec),
        "positions": np.concatenate([one.positions for one in heads]).astype(np.int32),
        "bias": np.concatenate([one.bias for one in heads]),
        "channels": channels.astype(np.uint8),
    }
    if any(one.positions.size and one.positions.max() >= header.count for one in heads):
        raise ActivationError(f"an entry stands behind the {header.count} tokens that the header counts")
    return blob.write(header, tensors)


def unpack_compressed(data: bytes, *, most_bytes: int | None = None) -> tuple[blob.Header, Compressed]:
    """Return the header of a file and what a policy left.

    Raises:
        BlobRefused: the file holds no such cache, or is not whole.
    """
    header, tensors = blob.read(data, most_bytes=most_bytes)
    try:
        codec = _codec(header)
        if header.exactness is not Exactness.COMPRESSED or not header.policy:
            raise BadTensor("what a policy left is compressed, and its file names the policy")
        return header, _compressed(tensors, codec, header.count)
    except ActivationError as error:
        raise BlobRefused(f"the file does not hold what a policy left: {error}") from error


def _codec(header: blob.Header) -> Codec:
    if header.codec not in set(Codec) or Codec(header.codec) is Codec.INT8:
        raise ActivationError(f"what a policy left is not written in {header.codec[:40]!r}")
    return Codec(header.codec)


def _compressed(tensors: Mapping[str, NDArray[Any]], codec: Codec, count: int) -> Compressed:
    """Return what the tensors of a file hold, after a look at names, types, shapes and numbers."""
    if set(tensors) != _TENSORS:
        raise BadTensor(f"it has the tensors {', '.join(sorted(_TENSORS))}")
    lengths, positions, bias = tensors["lengths"], tensors["positions"], tensors["bias"]
    keys, values = from_codec(tensors["keys"], codec), from_codec(tensors["values"], codec)
    channels = tensors["channels"]
    if lengths.dtype != np.int32 or lengths.ndim != 2 or not 0 < lengths.size <= _MOST_HEADS or (lengths < 0).any():
        raise BadTensor("lengths are to be int32[layer, head] from 0")
    if channels.dtype != np.uint8 or channels.ndim != 3 or channels.shape[:2] != lengths.shape or (channels > 1).any():
        raise BadTensor("channels are to be 0 or 1 for each layer, head and channel")
    total = int(lengths.sum(dtype=np.int64))
    if positions.dtype != np.int32 or bias.dtype != np.float32 or not positions.shape == bias.shape == (total,):
        raise BadTensor("positions and biases are one for each entry")
    if values.shape != (total, channels.shape[2]):
        raise BadTensor("values do not fit the lengths")
    kept = channels.sum(axis=2, dtype=np.int64)
    if keys.shape != (int((kept * lengths).sum()),):
        raise BadTensor("keys do not fit the lengths and channels")
    if not (np.isfinite(keys).all() and np.isfinite(values).all() and np.isfinite(bias).all()):
        raise BadTensor("a key, value or bias is NaN or infinite")
    if (positions < 0).any() or (positions >= count).any():
        raise BadTensor("a position lies outside the text")
    layers, at, at_key = [], 0, 0
    for layer in range(lengths.shape[0]):
        heads = []
        for head in range(lengths.shape[1]):
            size, mask = int(lengths[layer, head]), channels[layer, head].astype(np.bool_)
            of_head = np.zeros((size, channels.shape[2]), np.float32)
            end_key = at_key + size * int(mask.sum())
            of_head[:, mask] = keys[at_key:end_key].reshape(size, -1) if size else np.empty((0, int(mask.sum())))
            here = slice(at, at + size)
            heads.append(Entries(of_head, values[here], positions[here].astype(np.int64), bias[here]))
            at, at_key = at + size, end_key
        layers.append(tuple(heads))
    return Compressed(tuple(layers), None if channels.all() else channels.astype(np.bool_))
