"""What comparing the store of KV memories with their records found, counted by tenant."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Upkeep:
    """How many blobs no record named, blobs of stale records were removed, records had no blob, and a damaged one."""

    orphans: int = 0
    removed: int = 0
    lost: int = 0
    damaged: int = 0


def add(session: Session, tenant_id: UUID, found: Upkeep, *, now: datetime) -> None:
    """Count what was found; nothing where it is nothing, or nobody is such a tenant, as a name in the store may say."""
    if found == Upkeep():
        return
    session.execute(
        text(
            "INSERT INTO kv_upkeep (tenant_id, orphans, removed, lost, damaged, updated_at) "
            "SELECT t.id, :orphans, :removed, :lost, :damaged, :now FROM tenant t WHERE t.id = :tenant "
            "ON CONFLICT (tenant_id) DO UPDATE SET orphans = kv_upkeep.orphans + excluded.orphans, "
            "removed = kv_upkeep.removed + excluded.removed, lost = kv_upkeep.lost + excluded.lost, "
            "damaged = kv_upkeep.damaged + excluded.damaged, updated_at = excluded.updated_at"
        ),
        {"tenant": tenant_id, "now": now, **asdict(found)},
    )


def of_tenant(session: Session, tenant_id: UUID) -> Upkeep:
    """Return what was found for a tenant up to now."""
    row = session.execute(
        text("SELECT orphans, removed, lost, damaged FROM kv_upkeep WHERE tenant_id = :tenant"), {"tenant": tenant_id}
    ).one_or_none()
    return Upkeep() if row is None else Upkeep(*row)


def totals(connection: Connection) -> Mapping[str, int]:
    """Return what was found for all tenants together."""
    row = connection.execute(text("SELECT orphans, removed, lost, damaged FROM kv_upkeep_totals()")).mappings().one()
    return {name: int(value) for name, value in row.items()}
