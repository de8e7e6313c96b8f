"""What redaction writes into the audit chain: how many values of which kind, never one of them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.redaction.redactor import Redactor
from memory_service.storage import audit
from memory_service.types import Action

Noted = tuple[
    UUID, Redactor, Mapping[str, int]
]  # the namespace of one memory, its policy, and what was replaced, by rule


def note_redacted(session: Session, tenant_id: UUID, memories: Iterable[Noted], *, now: datetime) -> None:
    """Write down, one event for each namespace, what was replaced before memories were stored.

    By kind of rule: names of rules are words of whoever made the policy.
    """
    values: dict[UUID, Counter[str]] = {}
    touched: Counter[UUID] = Counter()
    for namespace_id, redactor, counts in memories:
        kinds = {rule.name: rule.kind for rule in redactor.policy.rules}
        by_kind = values.setdefault(namespace_id, Counter())
        for name, number in counts.items():
            by_kind[kinds.get(name, "pattern")] += number
        touched[namespace_id] += 1
    for namespace_id, by_kind in values.items():
        audit.record(
            session,
            tenant_id,
            Action.MEMORIES_REDACT,
            api_key_id=None,
            at=now,
            namespace_id=namespace_id,
            details={"memories": touched[namespace_id], "values": dict(sorted(by_kind.items()))},
        )
