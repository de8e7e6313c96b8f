"""Identifiers: UUIDv7 made in the application, so that order of ids is order of creation."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """Return a new time-ordered id (RFC 9562, version 7)."""
    value: UUID = uuid7()
    return value
