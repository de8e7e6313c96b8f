"""Keys, tenants, and how the service is."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from memory_client.models.base import Answer


class ApiKey(Answer):
    """A key without its secret."""

    id: str
    name: str
    prefix: str
    scopes: list[str]
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = None
    revoked_at: AwareDatetime | None = None
    last_used_at: AwareDatetime | None = None


class NewApiKey(ApiKey):
    """A key just made; its secret is shown this once, and in no representation."""

    key: str | None = Field(repr=False)


class Tenant(Answer):
    """A tenant; nothing of one is seen by another. `removed` says which rows of one that goes are gone, by table."""

    id: str
    name: str
    created_at: AwareDatetime
    deleting_at: AwareDatetime | None = None
    removed: dict[str, int] = Field(default_factory=dict)


class Departure(Answer):
    """What would go with a tenant: rows by table, and whether there are more than were counted."""

    id: str
    counts: dict[str, int]
    truncated: bool = False


class NewTenant(Tenant):
    """A tenant just made, and its first key."""

    api_key: NewApiKey


class Part(Answer):
    """One part of the service."""

    ok: bool
    reason: str | None = None


class Readiness(Answer):
    """Whether the service can answer, part by part."""

    status: str
    detail: str
    parts: dict[str, Part]


class Liveness(Answer):
    """Whether the service lives."""

    status: str
