"""What takes another memory's place: the end of the old one, and the edge between the two."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from memory_service.storage.ids import new_id


@dataclass(frozen=True, slots=True)
class Replacement:
    """One memory that takes another's place, true from `valid_from` on."""

    old_id: UUID
    new_id: UUID
    valid_from: datetime


def mark_superseded(session: Session, tenant_id: UUID, replacements: Sequence[Replacement], *, now: datetime) -> None:
    """Close the validity of replaced memories; an end that was already set earlier stays.

    None ends before it began: what arrives late and reaches further back than the memory it replaces leaves that an empty
    validity, at its own beginning.
    """
    session.execute(
        text(
            """
            UPDATE memory m SET version = m.version + 1, updated_at = :now, superseded_by = k.new_id,
                external_id = NULL, dedupe_hash = NULL,
                valid_to = least(m.valid_to, greatest(k.cut, coalesce(m.valid_from, m.observed_at)))
            FROM unnest(CAST(:old AS uuid[]), CAST(:new AS uuid[]), CAST(:cut AS timestamptz[])) AS k (old_id, new_id, cut)
            WHERE m.tenant_id = :tenant AND m.id = k.old_id
            """
        ),
        {
            "tenant": tenant_id,
            "now": now,
            "old": [r.old_id for r in replacements],
            "new": [r.new_id for r in replacements],
            "cut": [r.valid_from for r in replacements],
        },
    )


def link_superseded(session: Session, tenant_id: UUID, replacements: Sequence[Replacement], *, now: datetime) -> None:
    """Draw the edge from each new memory to the one it supersedes."""
    session.execute(
        text(
            """
            INSERT INTO link (tenant_id, id, namespace_id, source_id, target_id, type, weight, derivation_method, known_from)
            SELECT :tenant, k.id, m.namespace_id, k.new_id, k.old_id, 'supersedes', 1, 'verbatim', :now
            FROM unnest(CAST(:ids AS uuid[]), CAST(:old AS uuid[]), CAST(:new AS uuid[])) AS k (id, old_id, new_id)
            JOIN memory m ON m.tenant_id = :tenant AND m.id = k.new_id
            """
        ),
        {
            "tenant": tenant_id,
            "now": now,
            "ids": [new_id() for _ in replacements],
            "old": [r.old_id for r in replacements],
            "new": [r.new_id for r in replacements],
        },
    )
