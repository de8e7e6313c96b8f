"""Tenants: made and listed by operators, through the functions that may look across them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping, select, text
from sqlalchemy.orm import Session

from memory_service.storage.ids import new_id
from memory_service.storage.shelves import LOCK_TIMEOUT_MS
from memory_service.storage.tables import tenant


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
    """End keys, webhooks and jobs of a tenant and mark it for the workers; say `begun`, `missing`, or `another name`.

    A key that somebody makes after that is as good as revoked. Beginning again changes nothing.
    """
    outcome: str = session.execute(
        text("SELECT begin_tenant_deletion(:id, :name, :by, :now)"),
        {"id": tenant_id, "name": name, "by": session.info["tenant_id"], "now": now},
    ).scalar_one()
    return outcome


def count_rows(session: Session, tenant_id: UUID, *, most: int) -> tuple[dict[str, int], bool]:
    """Return how many rows of a tenant there are by table, and whether there are more: no part of a table is counted further.

    Tables without any are left out.
    """
    found = session.execute(
        text("SELECT name, counted FROM count_tenant_rows(:id, :most)"), {"id": tenant_id, "most": most}
    )
    counts, more = Counter[str](), False
    for row in found:
        counts[row.name] += row.counted
        more |= row.counted >= most
    return dict(counts), more


def remove_rows(session: Session, tenant_id: UUID, *, since: str | None, limit: int) -> str | None:
    """Remove rows of a tenant whose deletion was begun, of no other; return the last part of a table that had some.

    Args:
        session: a transaction of any tenant.
        tenant_id: who goes.
        since: the part of a table to begin with; None for the first of all.
        limit: how many rows; what hangs on them by a cascade comes on top.
    """
    found = session.execute(
        text("SELECT part FROM remove_tenant_rows(:id, :since, :limit)"),
        {"id": tenant_id, "since": since, "limit": limit},
    )
    last: str | None = None
    for row in found:
        last = row.part
    return last


def end_tenant(session: Session, tenant_id: UUID) -> dict[str, int] | None:
    """Remove the tenant itself and return how many rows went in all, by table; None where something is left of it."""
    removed: dict[str, int] | None = session.scalar(text("SELECT end_tenant(:id)"), {"id": tenant_id})
    return removed


def drop_shelves(session: Session) -> int:
    """Drop the shelves that only the tenant of this session uses, whose deletion was begun; return how many.

    Searches of everybody wait for it, a moment at most: what holds them up longer makes it fail, to be tried again.
    """
    session.execute(text("SELECT set_config('lock_timeout', :lock, true)"), {"lock": f"{LOCK_TIMEOUT_MS}ms"})
    return int(session.execute(text("SELECT drop_shelves_of_leaver()")).scalar_one())


def is_leaving(session: Session, tenant_id: UUID) -> bool:
    """Say whether the tenant of this session is being deleted, or is gone."""
    here = session.execute(select(tenant.c.deleting_at).where(tenant.c.id == tenant_id)).one_or_none()
    return here is None or here.deleting_at is not None


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
