"""One message as a receiver reads it: ids, never what somebody wrote unless the webhook asks for it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from memory_service.webhooks.events import SUBJECTS


@dataclass(frozen=True, slots=True)
class Message:
    """What happened, as the outbox keeps it."""

    delivery_id: UUID
    event_id: UUID
    event: str
    namespace: str | None
    subject_id: UUID
    version: int | None
    details: Mapping[str, Any]
    occurred_at: datetime
    attempts: int  # this one included
    content: str | None = None  # of the memory in that version; only for webhooks that ask for it


def render(message: Message) -> bytes:
    """Return the body of a message.

    >>> now = datetime(2026, 1, 1, tzinfo=UTC)
    >>> made = Message(UUID(int=1), UUID(int=2), "memory.created", "default", UUID(int=3), 1, {}, now, attempts=1)
    >>> json.loads(render(made))["data"]
    {'memory_id': '00000000-0000-0000-0000-000000000003', 'namespace': 'default', 'version': 1}
    """
    data: dict[str, Any] = {SUBJECTS[message.event.partition(".")[0]]: str(message.subject_id)}
    if message.namespace is not None:
        data["namespace"] = message.namespace
    if message.version is not None:
        data["version"] = message.version
    data |= message.details
    if message.content is not None:
        data["content"] = message.content
    said = {
        "id": str(message.event_id),
        "type": message.event,
        "timestamp": message.occurred_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "data": data,
    }
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
