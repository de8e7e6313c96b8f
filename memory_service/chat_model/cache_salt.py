"""A salt per tenant for engines that share computed prefixes: one tenant's cache must not answer, or time, another's prompt."""

import hashlib
import hmac
from uuid import UUID


def cache_salt(secret: bytes, tenant_id: UUID) -> str:
    """Return the salt under which an engine keeps a tenant's prefixes; never one that a client names.

    >>> cache_salt(b"secret", UUID(int=1)) == cache_salt(b"secret", UUID(int=2))
    False
    >>> len(cache_salt(b"secret", UUID(int=1)))
    64
    """
    return hmac.new(secret, tenant_id.bytes, hashlib.sha256).hexdigest()
