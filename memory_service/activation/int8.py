"""Eight bits a number: keys by channel, values by token.

Keys have a few channels that are large for every token, so a step common to all channels would round the others away; values
have no such channels, but tokens of different size (KIVI, Liu et al. 2024, §3.1). Keys therefore share a step and a floor
along each channel, in groups of 128 consecutive tokens, and values along each token.

A number x of a group with floor f (no larger than its least) and step s becomes the code round((x − f)/s) of 0…255 and comes
back as f + code · s, at most s/2 away. Steps and floors are float16; codes are computed against what is stored, so rounding
these adds no error of its own.

Packed, a key's number takes 1 + 4/128 bytes in a full group and a value's 1 + 4/dim, where bfloat16 takes 2 (`packed_share`).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memory_service.activation.errors import BadTensor
from memory_service.activation.key_values import BFLOAT16_BYTES, KeyValues

GROUP: Final = 128
"""Tokens of a key's channel that share a step: a block of the engine on CPU, so that blocks are coded each for itself."""
_LEVELS: Final = 255
_SIDE_BYTES: Final = 4  # a step and a floor in float16
_LEAST_STEP: Final = np.float16(2**-24)  # the smallest float16 above 0


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """Codes with the step and floor of their groups: along axis `axis`, `group` consecutive codes share one."""

    codes: NDArray[np.uint8]
    steps: NDArray[np.float16]
    floors: NDArray[np.float16]


@dataclass(frozen=True, slots=True, eq=False)
class CodedKeyValues:
    """A cache in eight bits: codes are uint8[layer, head, token, dim].

    Steps and floors of keys are float16[layer, head, group, dim], those of values float16[layer, head, token, 1].
    """

    keys: Coded
    values: Coded
    positions: NDArray[np.int64]

    def packed_bytes(self) -> int:
        """Return what codes, steps and floors take together."""
        return sum(part.codes.nbytes + part.steps.nbytes + part.floors.nbytes for part in (self.keys, self.values))


def packed_share(dim: int, group: int = GROUP) -> float:
    """Return the packed bytes of full groups as a share of bfloat16: (1 + ½ · 4/group + ½ · 4/dim) / 2.

    >>> round(packed_share(32), 4), round(packed_share(64), 4), round(packed_share(128), 4)
    (0.5391, 0.5234, 0.5156)
    """
    return (1 + _SIDE_BYTES / group / 2 + _SIDE_BYTES / dim / 2) / BFLOAT16_BYTES


def encode(cache: KeyValues, group: int = GROUP) -> CodedKeyValues:
    """Return the cache in eight bits; the last group of keys may be shorter.

    Raises:
        BadTensor: a number is too large for float16 floors, which no sound model's is.
    """
    if group < 1:
        raise BadTensor("a group has a token at least")
    groups = [encode_along(cache.keys[:, :, at : at + group], 2) for at in range(0, cache.tokens, group)]
    if groups:
        keys = Coded(
            np.concatenate([one.codes for one in groups], axis=2),
            np.concatenate([one.steps for one in groups], axis=2),
            np.concatenate([one.floors for one in groups], axis=2),
        )
    else:
        none = np.empty((cache.layers, cache.heads, 0, cache.dim), np.float16)
        keys = Coded(none.astype(np.uint8), none, none)
    return CodedKeyValues(keys, encode_along(cache.values, 3), cache.positions)


def decode(coded: CodedKeyValues, group: int = GROUP) -> KeyValues:
    """Return what the codes stand for.

    Raises:
        BadTensor: shapes do not fit each other, or a step or floor is NaN or infinite.
    """
    tokens = coded.keys.codes.shape[2]
    per_token = np.arange(tokens) // group
    if coded.keys.steps.shape[2] != -(-tokens // group):
        raise BadTensor(f"{tokens} tokens make other groups than {coded.keys.steps.shape[2]}")
    keys = Coded(coded.keys.codes, coded.keys.steps[:, :, per_token], coded.keys.floors[:, :, per_token])
    return KeyValues(decode_along(keys), decode_along(coded.values), coded.positions)


def encode_along(values: NDArray[np.float32], axis: int) -> Coded:
    """Return numbers as codes that share a step and a floor along one axis.

    From 0 to 255 the step is 1; 100.4 becomes 100. A constant is its floor, exactly where float16 has it.

    >>> coded = encode_along(np.array([[0, 100.4, 255], [2, 2, 2]], np.float32), 1)
    >>> coded.codes.tolist(), coded.steps.tolist(), coded.floors.tolist()
    ([[0, 100, 255], [0, 0, 0]], [[1.0], [0.0]], [[0.0], [2.0]])

    Raises:
        BadTensor: a number is NaN, infinite or too large for float16, or there is none along the axis.
    """
    if not values.shape[axis]:
        raise BadTensor("nothing has no step and no floor")
    least, most = values.min(axis=axis, keepdims=True), values.max(axis=axis, keepdims=True)
    largest = np.float32(np.finfo(np.float16).max)
    if not (np.isfinite(least).all() and np.isfinite(most).all()) or (np.maximum(-least, most) > largest).any():
        raise BadTensor("a number is NaN, infinite or too large to be kept in eight bits")
    floors = least.astype(np.float16)
    floors = np.where(floors.astype(np.float32) > least, np.nextafter(floors, np.float16(-np.inf)), floors)
    span = most.astype(np.float64) - floors
    steps = (span / _LEVELS).astype(np.float16)
    steps = np.where(steps.astype(np.float64) * _LEVELS < span, np.nextafter(steps, np.float16(np.inf)), steps)
    if not (np.isfinite(floors).all() and np.isfinite(steps).all()):
        raise BadTensor("a number is too large to be kept in eight bits")
    width = np.where(steps > 0, steps, _LEAST_STEP).astype(np.float64)
    codes = np.rint((values - floors.astype(np.float64)) / width).clip(0, _LEVELS).astype(np.uint8)
    return Coded(codes, steps, floors)


def decode_along(coded: Coded) -> NDArray[np.float32]:
    """Return floor + code · step.

    >>> decode_along(encode_along(np.array([[0, 100.4, 255]], np.float32), 1)).tolist()
    [[0.0, 100.0, 255.0]]

    Raises:
        BadTensor: a step or floor is NaN, infinite or a step negative, or its shape does not fit the codes.
    """
    steps, floors = coded.steps.astype(np.float32), coded.floors.astype(np.float32)
    if not (np.isfinite(steps).all() and np.isfinite(floors).all()) or (steps < 0).any():
        raise BadTensor("a step or floor is no number of a cache")
    try:
        values: NDArray[np.float32] = floors + coded.codes * steps
    except ValueError as error:
        raise BadTensor("steps and floors do not fit the codes") from error
    if values.shape != coded.codes.shape:
        raise BadTensor("steps and floors do not fit the codes")
    return values
