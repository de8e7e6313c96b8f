"""Texts as vectors: a storage of CrewAI is asked with a vector only, and the service wants the words.

CrewAI hands an embedder's vectors through to the storage and compares those of one batch by their cosine, to drop what was
said twice. So a vector begins with a direction that its text alone decides (the same text: cosine 1, any other: near 0) and
carries the text behind that, in numbers too small to turn it. Nothing has to be remembered between the two calls.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Sequence

from memory_crewai.errors import NotOurVector

DIRECTION = 64  # numbers that say which way a vector points
TAKEN = 6  # bytes in one number: a float holds 53 bits exactly
SMALL = 2.0**-60  # A power of two changes no digit of a number; 48 bits become less than 0.0003.
MOST_BYTES = 16 * 1024  # of a text that is carried: more is not looked at in a search


def carry(texts: Sequence[str]) -> list[list[float]]:
    """Return a vector for each text, from which `carried` reads it; this is the embedder.

    >>> carried(carry(["Rosa lives in Porto."])[0])
    'Rosa lives in Porto.'
    """
    return [_carry(text) for text in texts]


def _carry(text: str) -> list[float]:
    digest = hashlib.sha512(text.encode("utf-8", "surrogatepass")).digest()
    length = math.sqrt(sum((byte - 127.5) ** 2 for byte in digest))
    # What no memory can hold is no word to look for.
    clean = text.replace("\x00", " ").encode("utf-8", "replace")[:MOST_BYTES].decode("utf-8", "ignore").encode()
    parts = [int.from_bytes(clean[at : at + TAKEN], "big") for at in range(0, len(clean), TAKEN)]
    numbers = [len(clean), zlib.crc32(clean), *parts]
    return [*((byte - 127.5) / length for byte in digest), *(number * SMALL for number in numbers)]


def carried(vector: Sequence[float]) -> str:
    """Return the text that a vector carries.

    Raises:
        NotOurVector: it was made by another embedder.
    """
    numbers = [number / SMALL for number in vector[DIRECTION:]]
    if len(numbers) < 2 or not all(number.is_integer() and 0 <= number < 1 << 8 * TAKEN for number in numbers):
        raise NotOurVector
    size, check, *parts = map(int, numbers)
    if len(parts) != -(-size // TAKEN):
        raise NotOurVector
    left = size
    clean = bytearray()
    for part in parts:
        taken = min(TAKEN, left)
        if part >= 1 << 8 * taken:
            raise NotOurVector
        clean += part.to_bytes(taken, "big")
        left -= taken
    if zlib.crc32(clean) != check:
        raise NotOurVector
    return clean.decode()
