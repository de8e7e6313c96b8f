"""What a webhook may be told of. The words are fixed: receivers switch on them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

EVERYTHING: Final = "*"


class WebhookEvent(StrEnum):
    """What happened; the triggers of the database write the same words."""

    MEMORY_CREATED = "memory.created"
    MEMORY_UPDATED = "memory.updated"
    MEMORY_SUPERSEDED = "memory.superseded"
    MEMORY_MERGED = "memory.merged"
    MEMORY_ARCHIVED = "memory.archived"
    MEMORY_EXPIRED = "memory.expired"
    MEMORY_RESTORED = "memory.restored"
    MEMORY_ERASED = "memory.erased"
    JOB_SUCCEEDED = "job.succeeded"
    JOB_FAILED = "job.failed"
    JOB_CANCELLED = "job.cancelled"
    CHANGESET_APPLIED = "changeset.applied"
    CHANGESET_REVERTED = "changeset.reverted"
    REVIEW_OPENED = "review.opened"
    REVIEW_APPROVED = "review.approved"
    REVIEW_DECLINED = "review.declined"
    REVIEW_WITHDRAWN = "review.withdrawn"
    PING = "webhook.ping"


FAMILIES: Final = tuple(sorted({f"{event.value.partition('.')[0]}.*" for event in WebhookEvent} - {"webhook.*"}))
CHOICES: Final = (EVERYTHING, *FAMILIES, *(event.value for event in WebhookEvent if event is not WebhookEvent.PING))
"""What may stand in the `events` of a webhook; a ping reaches every webhook that it is asked for."""

SUBJECTS: Final[Mapping[str, str]] = {
    "memory": "memory_id",
    "job": "job_id",
    "changeset": "changeset_id",
    "review": "review_id",
    "webhook": "webhook_id",
}
"""What the id of a subject is called in a message, by the family of its event."""
