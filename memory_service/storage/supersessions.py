"""What takes another memory's place: the end of the old one, the edge between the two, and how it was before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping, text
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


def successor_of(session: Session, tenant_id: UUID, memory_id: UUID) -> UUID | None:
    """Return what a memory says took its place, without locking either."""
    found: UUID | None = session.scalar(
        text("SELECT superseded_by FROM memory WHERE tenant_id = :tenant AND id = :id"),
        {"tenant": tenant_id, "id": memory_id},
    )
    return found


def edge_between(session: Session, tenant_id: UUID, new_id: UUID, old_id: UUID) -> RowMapping | None:
    """Return the present edge from a memory to the one it supersedes."""
    found = session.execute(
        text(
            "SELECT id, changeset_id FROM link WHERE tenant_id = :tenant AND source_id = :new AND target_id = :old "
            "AND type = 'supersedes' AND known_to = 'infinity' ORDER BY id DESC LIMIT 1"
        ),
        {"tenant": tenant_id, "new": new_id, "old": old_id},
    )
    return found.mappings().one_or_none()


_AROUND = text(
    """
    WITH known AS (
        SELECT version, superseded_by, valid_to, external_id FROM memory WHERE tenant_id = :tenant AND id = :id
        UNION ALL
        SELECT version, superseded_by, valid_to, external_id FROM memory_version WHERE tenant_id = :tenant AND id = :id
    ), before AS (
        SELECT max(version) AS version FROM known WHERE superseded_by IS NULL
    )
    SELECT k.* FROM known k JOIN before b ON k.version IN (b.version, b.version + 1) ORDER BY k.version
    """
)


def around_supersession(session: Session, tenant_id: UUID, memory_id: UUID) -> tuple[RowMapping, RowMapping] | None:
    """Return a superseded memory's last version before that, and the first one of it; nothing where they were not kept."""
    rows = session.execute(_AROUND, {"tenant": tenant_id, "id": memory_id}).mappings().all()
    return (rows[0], rows[1]) if len(rows) == 2 else None
