"""Tenants: made and listed by operators, through the functions that may look across them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from memory_service.storage.ids import new_id


def create_tenant(session: Session, *, name: str, now: datetime) -> UUID | None:
    """Make a tenant and return its id, None when the name is taken."""
    made: UUID | None = session.scalar(
        text("SELECT create_tenant(:id, :name, :now)"), {"id": new_id(), "name": name, "now": now}
    )
    return made


def list_tenants(session: Session, *, after: UUID | None, limit: int) -> Sequence[RowMapping]:
    """Return tenants, oldest first."""
    return (
        session.execute(
            text("SELECT * FROM list_tenants(CAST(:after AS uuid), :limit)"),
            {"after": after, "limit": limit},
        )
        .mappings()
        .all()
    )


def find_tenant(session: Session, tenant_id: UUID) -> RowMapping | None:
    """Return one tenant; None when there is none."""
    return session.execute(text("SELECT * FROM find_tenant(:id)"), {"id": tenant_id}).mappings().one_or_none()


def begin_deletion(session: Session, tenant_id: UUID, *, name: str, now: datetime) -> str:
    """End the keys of a tenant and mark it for the workers; say `begun`, `missing`, or `another name` where it has another.

    Beginning again changes nothing but keys that were made meanwhile.
    """
    outcome: str = session.execute(
        text("SELECT begin_tenant_deletion(:id, :name, :by, :now)"),
        {"id": tenant_id, "name": name, "by": session.info["tenant_id"], "now": now},
    ).scalar_one()
    return outcome


def count_rows(session: Session, tenant_id: UUID) -> dict[str, int]:
    """Return how many rows of a tenant there are, by table; tables without any are left out."""
    rows = session.execute(text("SELECT name, counted FROM count_tenant_rows(:id)"), {"id": tenant_id})
    return {row.name: row.counted for row in rows}


@dataclass(frozen=True, slots=True)
class Removed:
    """What one piece of a deletion removed, by table; `gone` once the tenant itself is."""

    rows: Mapping[str, int]
    gone: bool


def remove_rows(session: Session, tenant_id: UUID, *, settled: bool, limit: int) -> Removed:
    """Remove rows of a tenant whose deletion was begun, at most about so many; nothing of any other.

    Args:
        session: a transaction of any tenant.
        tenant_id: who goes.
        settled: whether the tenant itself may go once nothing else is left.
        limit: how many rows; what hangs on them by a cascade comes on top.
    """
    found = session.execute(
        text("SELECT name, removed FROM remove_tenant_rows(:id, :settled, :limit)"),
        {"id": tenant_id, "settled": settled, "limit": limit},
    )
    rows = {row.name: row.removed for row in found}
    return Removed({name: count for name, count in rows.items() if name != "tenant"}, gone="tenant" in rows)


@contextmanager
def as_tenant(session: Session, tenant_id: UUID) -> Iterator[None]:
    """Let the transaction see another tenant for a moment; only operators may get here.

    A new tenant and its first key are one transaction: there is no tenant that nobody can enter.
    """
    switch = text("SELECT set_config('app.tenant', :tenant, true)")
    session.execute(switch, {"tenant": str(tenant_id)})
    yield
    # Not in a finally: after an error the transaction is over, and the setting with it.
    session.execute(switch, {"tenant": str(session.info["tenant_id"])})
