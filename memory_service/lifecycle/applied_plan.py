"""One application of a plan: where it writes, and what it has written so far."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from consolidation.planning import Change, name_of
from memory_service.lifecycle.draft import Encoding, Prepared
from memory_service.storage import consolidated, memories
from memory_service.storage.changesets import ChangeRow
from memory_service.storage.sql import Row


class PlanOutdated(Exception):
    """Memories changed after a plan was made; it must be made anew."""

    def __init__(self, memory_ids: Collection[UUID]) -> None:
        """Keep which memories changed."""
        super().__init__(f"{len(memory_ids)} memories changed after the plan was made.")
        self.memory_ids = frozenset(memory_ids)


@dataclass(frozen=True, slots=True)
class Derived:
    """What derived memories need besides the plan: their vectors, made before the transaction."""

    encoding: Encoding
    prepared: Mapping[UUID, Prepared]


@dataclass(slots=True)
class AppliedPlan:
    """One application of a plan, in one transaction."""

    session: Session
    tenant_id: UUID
    namespace_id: UUID
    changeset_id: UUID
    now: datetime
    rows: Mapping[UUID, Row]  # what the plan rests on, locked, as it was before
    derived: Derived | None
    touched: set[UUID] = field(default_factory=set)  # memories that got a next version
    kept: list[ChangeRow] = field(default_factory=list)

    def keep(self, change: Change, **values: Any) -> None:
        """Note a change."""
        why = change.why
        self.kept.append(
            ChangeRow(name_of(change), why.step, why.reason, why.method, why.score, **values),
        )

    def next_versions(self, ids: Iterable[UUID]) -> list[UUID]:
        """Keep the present versions of memories that are about to change."""
        changing = sorted(set(ids))
        memories.keep_versions(self.session, self.tenant_id, changing, now=self.now)
        self.touched |= set(changing)
        return changing

    def draw(self, rows: Sequence[tuple[UUID, UUID, UUID, str, float, str]]) -> None:
        """Add links: id, source, target, type, weight, method."""
        consolidated.insert_links(
            self.session, self.tenant_id, self.namespace_id, rows, changeset_id=self.changeset_id, now=self.now
        )
