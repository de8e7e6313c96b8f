"""bfloat16 as its bits, because numpy has no such type.

A bfloat16 is the upper half of a float32: sign, eight bits of exponent, seven of mantissa. Here its 16 bits are a uint16.
"""

import numpy as np
from numpy.typing import NDArray

from memory_service.activation.errors import BadTensor


def to_bfloat16(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Return the bits of float32 rounded to bfloat16, to the nearest, ties to even.

    1 is 0x3f80. 1 + 2⁻⁸ lies halfway to 1 + 2⁻⁷ and goes to the even 0x3f80; a little more goes up.

    >>> [hex(bits) for bits in to_bfloat16(np.array([1, 1 + 2**-8, 1 + 2**-8 + 2**-16, -2], np.float32))]
    ['0x3f80', '0x3f80', '0x3f81', '0xc000']

    Raises:
        BadTensor: a number is NaN or infinite, before or after rounding.
    """
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded: NDArray[np.uint16] = ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype(np.uint16)
    if not np.isfinite(values).all() or ((rounded & 0x7F80) == 0x7F80).any():
        raise BadTensor("a number is NaN, infinite or too large for bfloat16")
    return rounded


def from_bfloat16(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return the float32 that has the same value; every bfloat16 is one.

    >>> from_bfloat16(np.array([0x3F80, 0xC000], np.uint16)).tolist()
    [1.0, -2.0]

    Raises:
        BadTensor: a number is NaN or infinite.
    """
    if ((bits & 0x7F80) == 0x7F80).any():
        raise BadTensor("a number is NaN or infinite")
    return (bits.astype(np.uint32) << 16).view(np.float32)
