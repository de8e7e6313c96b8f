"""Pseudonyms: the same for the same value within a tenant, and of no use to anybody without its key. Pure."""

import hashlib
import hmac
from typing import Final
from uuid import UUID

LENGTH: Final = 16  # letters of 4 bits: among a billion values the chance that two share one is one in 37
PSEUDONYM: Final = f"[a-p]{{{LENGTH}}}"
# Letters alone: no finder of numbers takes a pseudonym for one.
_LETTERS: Final = str.maketrans("0123456789abcdef", "abcdefghijklmnop")


def tenant_key(secret: bytes, tenant_id: UUID) -> bytes:
    """Return the key of a tenant's pseudonyms.

    >>> tenant_key(b"s", UUID(int=1)) == tenant_key(b"s", UUID(int=2))
    False
    """
    return hmac.new(secret, b"redaction of " + tenant_id.bytes, hashlib.sha256).digest()


def pseudonym(key: bytes, name: str, value: str) -> str:
    """Return what stands for a value.

    >>> pseudonym(b"k", "email", "ana@example.com"), pseudonym(b"l", "email", "ana@example.com")
    ('fnlpgmkgjpcnkamn', 'ijcjnnmjoikgfnaj')
    """
    digest = hmac.new(key, f"{name}\0{value}".encode(errors="surrogatepass"), hashlib.sha256).hexdigest()
    return digest[:LENGTH].translate(_LETTERS)
