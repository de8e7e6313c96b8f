"""What is left of erased core blocks and documents: their ids, by which an import knows them again; no text."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from memory_service.storage.tables import erased_record


def bury(
    session: Session, tenant_id: UUID, kind: Literal["block", "document"], ids: Sequence[UUID], *, now: datetime
) -> None:
    """Write down that blocks or documents were erased; what was written down before stays."""
    if ids:
        session.execute(
            text(
                "INSERT INTO erased_record (tenant_id, id, kind, erased_at) "
                "SELECT :tenant, k.id, :kind, :now FROM unnest(CAST(:ids AS uuid[])) AS k (id) ON CONFLICT DO NOTHING"
            ),
            {"tenant": tenant_id, "ids": list(ids), "kind": kind, "now": now},
        )


def erased_among(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> set[UUID]:
    """Return those of the blocks and documents that were erased here."""
    query = select(erased_record.c.id).where(erased_record.c.tenant_id == tenant_id, erased_record.c.id.in_(ids))
    return set(session.scalars(query))
