"""Tenants: made and listed by operators, through the functions that may look across them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
            text("SELECT id, name, created_at FROM list_tenants(CAST(:after AS uuid), :limit)"),
            {"after": after, "limit": limit},
        )
        .mappings()
        .all()
    )


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
