"""Names for the blocks of a prompt: a copy of the service's `memory_service/activation/chain.py`, held to it by a test."""

import hashlib
import json
import struct
from collections.abc import Sequence
from typing import Any, Final

from memory_vllm.errors import MemoryKVError

DOMAIN: Final = b"memory-service kv block 1\n"
ROOT: Final = "00" * 32
"""What stands for the hash before the first block."""


def is_digest(value: object) -> bool:
    """Return whether a value is a SHA-256 digest of 64 lower-case hexadecimal digits."""
    return isinstance(value, str) and len(value) == 64 and not set(value) - set("0123456789abcdef")


def canonical(value: Any) -> bytes:
    """Return JSON with sorted keys and no spaces, ASCII only, so that equal values are equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def tokens_digest(token_ids: Sequence[int]) -> str:
    """Return the digest of token ids, as 64 bits each, little end first."""
    return hashlib.sha256(_packed(token_ids)).hexdigest()


def block_hashes(
    token_ids: Sequence[int], *, block_size: int, engine: str, salt: str, parent: str = ROOT
) -> tuple[str, ...]:
    """Return the hash of every whole block of a prompt, in hexadecimal, first block first.

    Raises:
        MemoryKVError: a token id is no whole number of 63 bits, a digest is none, or the block size is not positive.
    """
    if block_size < 1 or not is_digest(engine) or not is_digest(parent):
        raise MemoryKVError("a chain needs a block size from 1 and digests of engine and parent")
    prefix = hashlib.sha256(salt.encode()).digest() + bytes.fromhex(engine)
    before, hashes = bytes.fromhex(parent), []
    for start in range(0, len(token_ids) - block_size + 1, block_size):
        block = token_ids[start : start + block_size]
        before = hashlib.sha256(DOMAIN + before + prefix + _packed(block)).digest()
        hashes.append(before.hex())
    return tuple(hashes)


def _packed(token_ids: Sequence[int]) -> bytes:
    if any(isinstance(one, bool) or not isinstance(one, int) or not 0 <= one < 1 << 63 for one in token_ids):
        raise MemoryKVError("token ids are whole numbers from 0")
    return struct.pack(f"<{len(token_ids)}Q", *token_ids)
