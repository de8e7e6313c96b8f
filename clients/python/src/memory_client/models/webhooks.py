"""Webhooks and their deliveries."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from memory_client.models.base import Answer


class Webhook(Answer):
    """A receiver that is told of changes."""

    id: str
    url: str
    events: list[str]
    namespace: str | None = None
    description: str | None = None
    content: bool
    active: bool
    disabled_reason: str | None = None
    failures: int
    failing_since: AwareDatetime | None = None
    retry_at: AwareDatetime | None = None
    created_at: AwareDatetime
    updated_at: AwareDatetime


class NewWebhook(Webhook):
    """A webhook whose secret is shown this once, and in no representation."""

    secret: str | None = Field(repr=False)


class Attempt(Answer):
    """One attempt to deliver a message."""

    at: AwareDatetime
    status: int | None = None
    error: str | None = None
    duration_ms: int


class Delivery(Answer):
    """One message to one webhook, and what became of it."""

    id: str
    webhook_id: str
    event_id: str
    event: str
    namespace: str | None = None
    subject_id: str
    version: int | None = None
    status: str
    attempts: int
    next_attempt_at: AwareDatetime | None = None
    occurred_at: AwareDatetime
    finished_at: AwareDatetime | None = None
    tries: list[Attempt] = []
