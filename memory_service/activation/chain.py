"""Names for the blocks of a prompt: one hash per block, each over all that its numbers depend on.

A block of a key–value cache depends on every token before it, on the model and how it is run, and here on the tenant's salt,
so that no tenant finds what another computed. Hashes are chained: equal hashes mean equal prefixes, and the longest run that
is stored can be found by looking the hashes up. Only whole blocks have a name; what is left over is computed anew.

The engine's side carries a copy of `block_hashes`, held to this one by a test.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

from memory_service.activation.errors import ActivationError
from memory_service.activation.fingerprint import TOKEN_BYTES, is_digest, packed_tokens

DOMAIN: Final = b"memory-service kv block 1\n"
"""Keeps these hashes apart from any other digest, and from those of a later way to chain."""

ROOT: Final = "00" * 32
"""What stands for the hash before the first block."""


def salt_digest(salt: str) -> str:
    """Return the digest by which a tenant's salt enters the chain.

    >>> salt_digest("") == hashlib.sha256(b"").hexdigest()
    True
    """
    return hashlib.sha256(salt.encode()).hexdigest()


def block_hashes(
    token_ids: Sequence[int], *, block_size: int, engine: str, salt: str, parent: str = ROOT
) -> tuple[str, ...]:
    """Return the hash of every whole block of a prompt, in hexadecimal, first block first.

    `engine` is the digest of the fingerprint, `salt` the tenant's `cache_salt` as the engine gets it, `parent` the hash of the
    block before the first token given.

    >>> one = block_hashes(range(7), block_size=2, engine="ab" * 32, salt="s")
    >>> len(one)
    3
    >>> one[2:] == block_hashes([4, 5], block_size=2, engine="ab" * 32, salt="s", parent=one[1])
    True
    >>> one[0] == block_hashes(range(7), block_size=2, engine="ab" * 32, salt="t")[0]
    False

    Raises:
        ActivationError: a token id is no whole number of 63 bits, a digest is none, or the block size is not positive.
    """
    if isinstance(block_size, bool) or not isinstance(block_size, int) or block_size < 1:
        raise ActivationError("a block has at least one token")
    if not is_digest(engine) or not is_digest(parent):
        raise ActivationError("engine and parent are to be SHA-256 digests")
    prefix = bytes.fromhex(salt_digest(salt)) + bytes.fromhex(engine)
    before, hashes = bytes.fromhex(parent), []
    packed, width = packed_tokens(token_ids), TOKEN_BYTES * block_size
    for at in range(0, len(packed) - width + 1, width):
        before = hashlib.sha256(DOMAIN + before + prefix + packed[at : at + width]).digest()
        hashes.append(before.hex())
    return tuple(hashes)
