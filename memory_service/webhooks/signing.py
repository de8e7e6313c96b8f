"""Signatures as Standard Webhooks has them: HMAC-SHA256 over id, time and body, so that receivers may use any of its libraries."""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Final

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32  # of a secret that is drawn
LEAST_BYTES, MOST_BYTES = 24, 64  # of one that is given, as the specification has it


def draw_secret() -> bytes:
    """Draw a new secret."""
    return secrets.token_bytes(SECRET_BYTES)


def show_secret(secret: bytes) -> str:
    """Write a secret as receivers configure it.

    >>> show_secret(bytes(24))
    'whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
    """
    return PREFIX + base64.b64encode(secret).decode()


def read_secret(shown: str) -> bytes:
    """Read a secret that somebody gives.

    >>> read_secret("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA") == bytes(24)
    True

    Raises:
        ValueError: it is not of the form, or too short or too long.
    """
    try:
        secret = base64.b64decode(shown.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("is no base64 after whsec_") from error
    if not shown.startswith(PREFIX) or not LEAST_BYTES <= len(secret) <= MOST_BYTES:
        raise ValueError(f"must be whsec_ and the base64 of {LEAST_BYTES} to {MOST_BYTES} bytes")
    return secret


def sign(secrets_: Sequence[bytes], *, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the header `webhook-signature`: one signature for each secret, so that a receiver may change over in peace.

    >>> secret = read_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    >>> sign([secret], message_id="msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp=1614265330, body=b'{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    digests = (hmac.new(secret, signed, hashlib.sha256).digest() for secret in secrets_)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)
