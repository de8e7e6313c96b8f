"""What an engine may do for one prompt: a short-lived token that this service signs and later opens.

An engine serves many tenants and has none of their keys. Each request it gets carries the grant of its plan; with it the engine
looks up, loads and saves blocks of that plan, in that plan's tenant, until the grant expires. It holds no text and no secret.
"""

import base64
import binascii
import hashlib
import hmac
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from memory_service.activation.errors import ActivationError, GrantRefused
from memory_service.activation.fingerprint import is_digest

PREFIX: Final = "kvg1."
"""Tells a grant from an API key, and this form from a later one."""

_DOMAIN: Final = b"memory-service kv grant 1\n"
_FIELDS: Final = struct.Struct(">16s16s16s32sQ")
_MAC_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Grant:
    """Whose plan an engine works on.

    Attributes:
        tenant_id: in whose transactions
        plan_id: whose blocks
        key_id: the API key that the plan was asked for with
        engine: digest of the fingerprint that saves and loads
        expires_at: with its zone; kept to the second
    """

    tenant_id: UUID
    plan_id: UUID
    key_id: UUID
    engine: str
    expires_at: datetime


def is_grant(token: str) -> bool:
    """Return whether a bearer token has the form of a grant; nothing is said about its signature."""
    return token.startswith(PREFIX)


def sign(secret: bytes, grant: Grant) -> str:
    """Return a grant as a token of printable ASCII.

    >>> soon = datetime(2026, 1, 1, 0, 5, tzinfo=UTC)
    >>> grant = Grant(UUID(int=1), UUID(int=2), UUID(int=3), "ab" * 32, soon)
    >>> token = sign(b"secret", grant)
    >>> len(token), open_grant(b"secret", token, now=datetime(2026, 1, 1, tzinfo=UTC)) == grant
    (165, True)

    Raises:
        ActivationError: the engine is no digest, or there is no secret.
    """
    if not is_digest(grant.engine):
        raise ActivationError("an engine is named by the digest of its fingerprint")
    said = _FIELDS.pack(
        grant.tenant_id.bytes,
        grant.plan_id.bytes,
        grant.key_id.bytes,
        bytes.fromhex(grant.engine),
        int(grant.expires_at.timestamp()),
    )
    return PREFIX + base64.urlsafe_b64encode(said + _mac(secret, said)).decode("ascii").rstrip("=")


def open_grant(secret: bytes, token: str, *, now: datetime) -> Grant:
    """Return what a token says, once its signature and its time are found good.

    Raises:
        GrantRefused: it is no grant of this secret, or has expired.
    """
    if not is_grant(token) or not token.isascii():
        raise GrantRefused("this is no grant")
    text = token.removeprefix(PREFIX)
    try:
        whole = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise GrantRefused("this is no grant") from None
    if len(whole) != _FIELDS.size + _MAC_BYTES:
        raise GrantRefused("this is no grant")
    said, mac = whole[: _FIELDS.size], whole[_FIELDS.size :]
    if not hmac.compare_digest(mac, _mac(secret, said)):
        raise GrantRefused("this grant was not signed by this service")
    tenant, plan, key, engine, seconds = _FIELDS.unpack(said)
    if seconds <= now.timestamp():
        raise GrantRefused("this grant has expired")
    expires_at = datetime.fromtimestamp(seconds, UTC)
    return Grant(UUID(bytes=tenant), UUID(bytes=plan), UUID(bytes=key), engine.hex(), expires_at)


def _mac(secret: bytes, said: bytes) -> bytes:
    if not secret:
        raise ActivationError("a grant needs a secret")
    return hmac.new(secret, _DOMAIN + said, hashlib.sha256).digest()
