"""Bodies and answers of the webhook calls."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field

from memory_service.api.fields import Flag, LongText
from memory_service.api.strict_json import Body
from memory_service.webhooks.addresses import MAX_URL
from memory_service.webhooks.events import CHOICES, EVERYTHING


def _known(event: str) -> str:
    if event not in CHOICES:
        raise ValueError(f"is no event; choose of {', '.join(CHOICES)}")
    return event


def _distinct(events: list[str]) -> list[str]:
    return list(dict.fromkeys(events))


EventName = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": list(CHOICES)})]
Events = Annotated[list[EventName], Field(min_length=1, max_length=len(CHOICES)), AfterValidator(_distinct)]
Url = Annotated[str, Field(min_length=1, max_length=MAX_URL)]
Secret = Annotated[str, Field(max_length=100)]
OneNamespace = Annotated[str | None, Field(description="Told of this namespace alone; null: of all.")]
Contents = Annotated[Flag, Field(description="Whether messages of memories hold what they say.")]
Active = Annotated[Flag, Field(description="False: nothing is put into the outbox and nothing is sent.")]


class WebhookIn(Body):
    """Whom to tell of what."""

    url: Url
    events: Events = [EVERYTHING]
    namespace: OneNamespace = None
    description: LongText | None = None
    secret: Annotated[Secret | None, Field(description="whsec_ and base64; one is drawn when it is absent.")] = None
    content: Contents = False
    active: Active = True


class WebhookPatch(Body):
    """What is to change; absent fields stay. A webhook that is active again is tried at once."""

    url: Url | None = None
    events: Events | None = None
    namespace: OneNamespace = None
    description: LongText | None = None
    content: Contents | None = None
    active: Active | None = None

    def said(self) -> dict[str, Any]:
        """Return what the caller said, nothing else; null changes only what may be empty."""
        said = self.model_dump(exclude_unset=True)
        return {
            name: value for name, value in said.items() if value is not None or name in {"namespace", "description"}
        }


class RotationIn(Body):
    """Another secret; the present one signs, too, for a day."""

    secret: Secret | None = None


class WebhookOut(BaseModel):
    """A webhook without its secret."""

    id: UUID
    url: str
    events: list[str]
    namespace: str | None
    description: str | None
    content: bool
    active: bool
    disabled_reason: Literal["failing", "gone"] | None
    failures: int
    failing_since: datetime | None
    retry_at: datetime | None
    created_at: datetime
    updated_at: datetime


class NewWebhookOut(WebhookOut):
    """A webhook just made: `secret` is shown this once, and null when the answer is replayed."""

    secret: str | None


class WebhooksOut(BaseModel):
    """A page of webhooks."""

    data: list[WebhookOut]
    next_cursor: str | None
    has_more: bool


class AttemptOut(BaseModel):
    """One attempt: the receiver's status, or what went wrong before there was one."""

    at: datetime
    status: int | None
    error: str | None
    duration_ms: int


class DeliveryOut(BaseModel):
    """One message to one webhook, and what became of it."""

    id: UUID
    webhook_id: UUID
    event_id: UUID
    event: str
    namespace: str | None
    subject_id: UUID
    version: int | None
    status: Literal["pending", "delivered", "dead"]
    attempts: int
    next_attempt_at: datetime | None
    occurred_at: datetime
    finished_at: datetime | None
    tries: list[AttemptOut]


class DeliveriesOut(BaseModel):
    """A page of deliveries."""

    data: list[DeliveryOut]
    next_cursor: str | None
    has_more: bool
