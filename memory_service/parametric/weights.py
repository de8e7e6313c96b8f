"""States and vectors as bytes: float32, little-endian, row by row; never code."""

import hashlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memory_service.parametric.associative import Association

FLOAT: Final = np.dtype("<f4")


class DamagedWeights(ValueError):
    """Bytes are not those that were written."""


def pack(state: Association) -> bytes:
    """Return H, then U: 8·d² bytes.

    >>> len(pack(Association(np.zeros((3, 3)), np.zeros((3, 3)))))
    72
    """
    return state.keys.astype(FLOAT).tobytes() + state.values.astype(FLOAT).tobytes()


def checksum_of(packed: bytes) -> bytes:
    """Return the SHA-256 of packed weights, 32 bytes."""
    return hashlib.sha256(packed).digest()


def unpack(packed: bytes, *, dimension: int, checksum: bytes) -> Association:
    """Return the state that was packed.

    Raises:
        DamagedWeights: they have another length or another checksum, or hold what is no number.
    """
    if len(packed) != 8 * dimension * dimension:
        raise DamagedWeights(f"{len(packed)} bytes are no two matrices of {dimension} dimensions")
    if checksum_of(packed) != checksum:
        raise DamagedWeights("the checksum differs")
    both = np.frombuffer(packed, dtype=FLOAT).reshape(2, dimension, dimension).astype(np.float64)
    if not np.isfinite(both).all():
        raise DamagedWeights("they hold what is no number")
    return Association(both[0], both[1])


def pack_vector(vector: NDArray[np.floating]) -> bytes:
    """Return a vector as bytes."""
    return np.asarray(vector).astype(FLOAT).tobytes()


def unpack_vector(packed: bytes) -> NDArray[np.float32]:
    """Return a vector that was packed, float32[d].

    >>> unpack_vector(pack_vector(np.array([0.5, -1.0]))).tolist()
    [0.5, -1.0]
    """
    return np.frombuffer(packed, dtype=FLOAT).astype(np.float32)
