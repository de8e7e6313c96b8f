"""Fewer bytes for a vector: eight bits a number, or its signs alone.

A unit vector of d numbers takes 2 d bytes in half precision. As *int8* it takes d bytes; its scale needs none, because the
vector had length one. Its *sketch*, the signs, takes d / 8 bytes: Hamming distance over sketches finds candidates inside the
database, and signs are all that the *binary* tier keeps.

A sign vector divided by √d has a product of only √(2/π) ≈ .80 with the vector that it came from, so memories in the binary
tier would look less like any query than their neighbours in half precision: among 2,100 real turns of which 30% were
binary, 7% of the ten nearest were. `UNBIASED` takes that back, as RaBitQ does (Gao and Long 2024): 31% were. A vector of the
binary tier is therefore √(π/2) ≈ 1.25 long, and its products estimate cosines c: with 384 numbers, within .03 at c = .6
(√(π/2 − 1) √(1 − c²) / √d). A random rotation before, which RaBitQ needs for its proof, changed nothing for MiniLM.

A Fisher–Rao distance with quantisation as variance (FRQAD) always prefers the copy with more bits. Between two copies of one
memory that is right; between memories it hides whatever was quantised (none among the ten nearest), so nothing here uses it.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

UNBIASED: Final = math.sqrt(math.pi / 2)
_LEVELS: Final = 127
_SAME_LENGTH: Final = 1e-4  # half precision and means of chunks are never 1.25 long


def quantise(vectors: NDArray[np.float32]) -> NDArray[np.int8]:
    """Return float32[n, d] as int8[n, d], each vector stretched so that its largest number becomes 127.

    >>> quantise(np.array([[0.8, -0.6, 0.0]], np.float32)).tolist()
    [[127, -95, 0]]
    """
    largest = np.abs(vectors).max(axis=-1, keepdims=True)
    stretched = np.divide(vectors * _LEVELS, largest, out=np.zeros_like(vectors), where=largest > 0)
    codes: NDArray[np.int8] = np.rint(stretched).astype(np.int8)
    return codes


def dequantise(codes: NDArray[np.int8]) -> NDArray[np.float32]:
    """Return int8[n, d] as unit vectors, float32[n, d].

    >>> dequantise(np.array([[127, -95, 0]], np.int8)).round(3).tolist()
    [[0.8009999990463257, -0.5989999771118164, 0.0]]
    """
    values = codes.astype(np.float32)
    lengths = np.linalg.norm(values, axis=-1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(values, lengths, out=values, where=lengths > 0)
    return unit


def sketch(vector: NDArray[np.float32]) -> str:
    """Return the signs of float32[d] as Postgres writes bits; as pgvector's `binary_quantize` makes them of what is stored.

    >>> sketch(np.array([0.8, -0.6, 0.0], np.float32))
    '100'
    """
    return "".join("1" if positive else "0" for positive in vector > 0)


def from_sketch(bits: NDArray[np.uint8], dimension: int) -> NDArray[np.float32]:
    """Return packed signs, uint8[n, ⌈d / 8⌉], as vectors whose product with a unit vector estimates the cosine.

    >>> from_sketch(np.array([[0b10100000]], np.uint8), 4).round(3).tolist()
    [[0.6269999742507935, -0.6269999742507935, 0.6269999742507935, -0.6269999742507935]]
    """
    signs = np.unpackbits(bits, axis=-1, count=dimension).astype(np.float32) * 2 - 1
    return signs * np.float32(UNBIASED / math.sqrt(dimension))


def comparable(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return float32[n, d] of any length as unit vectors, but estimates from signs as they are.

    Shortened to one, a vector of the binary tier would seem .8 times as near as it is to whatever it is compared with. The
    mean of several such vectors cannot be told from a mean of others, and is taken for one.

    >>> comparable(np.array([[3.0, 4.0], [UNBIASED, 0.0]], np.float32)).round(3).tolist()
    [[0.6000000238418579, 0.800000011920929], [1.253000020980835, 0.0]]
    """
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    estimated = np.abs(lengths - UNBIASED) < _SAME_LENGTH
    unit: NDArray[np.float32] = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    chosen: NDArray[np.float32] = np.where(estimated, vectors, unit)
    return chosen


def cosine_of_sketches(differing: int, dimension: int) -> float:
    """Estimate a cosine from how many signs differ: an angle of θ separates a sign with probability θ / π.

    (Goemans and Williamson 1995; Charikar 2002.) The hybrid statement says the same in SQL.

    >>> [round(cosine_of_sketches(n, 384), 3) for n in (0, 128, 192, 384)]
    [1.0, 0.5, 0.0, -1.0]
    """
    return math.cos(math.pi * differing / dimension)
