"""What redaction writes into the audit chain: how many values of which kind, never one of them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.redaction.redactor import Redactor
from memory_service.storage import audit
from memory_service.storage.redactions import redactors_in
from memory_service.types import Action

# The namespace of one thing, its policy, and what was replaced, by rule.
Noted = tuple[UUID, Redactor, Mapping[str, int]]


@dataclass(slots=True)
class Tally:
    """What was replaced before things were stored, by namespace.

    By kind of rule: names of rules are words of whoever made the policy.
    """

    values: dict[UUID, Counter[str]] = field(default_factory=dict)
    touched: Counter[UUID] = field(default_factory=Counter)

    def add(self, namespace_id: UUID, redactor: Redactor, counts: Mapping[str, int]) -> None:
        """Count one thing in; where nothing was replaced there is nothing to count."""
        if not counts:
            return
        kinds = {rule.name: rule.kind for rule in redactor.policy.rules}
        by_kind = self.values.setdefault(namespace_id, Counter())
        for name, number in counts.items():
            by_kind[kinds.get(name, "pattern")] += number
        self.touched[namespace_id] += 1

    def record(self, session: Session, tenant_id: UUID, *, now: datetime, of: str = "memories") -> None:
        """Write it down, one event for each namespace, and begin anew.

        Args:
            session: the transaction that stores the things.
            tenant_id: whose they are.
            now: the moment.
            of: what things they are, as the event names them.
        """
        for namespace_id, by_kind in self.values.items():
            audit.record(
                session,
                tenant_id,
                Action.MEMORIES_REDACT,
                api_key_id=None,
                at=now,
                namespace_id=namespace_id,
                details={of: self.touched[namespace_id], "values": dict(sorted(by_kind.items()))},
            )
        self.values, self.touched = {}, Counter()


def note_redacted_in(
    session: Session, tenant_id: UUID, things: Iterable[tuple[UUID, Mapping[str, int]]], *, now: datetime, of: str
) -> None:
    """Write down what was replaced in things of namespaces, each by the policy that its namespace has now."""
    redactors = redactors_in(session)
    note_redacted(
        session,
        tenant_id,
        [(space, redactors.by_id[space], counts) for space, counts in things if space in redactors.by_id],
        now=now,
        of=of,
    )


def note_redacted(
    session: Session, tenant_id: UUID, things: Iterable[Noted], *, now: datetime, of: str = "memories"
) -> None:
    """Write down, one event for each namespace, what was replaced before things were stored."""
    tally = Tally()
    for namespace_id, redactor, counts in things:
        tally.add(namespace_id, redactor, counts)
    tally.record(session, tenant_id, now=now, of=of)
