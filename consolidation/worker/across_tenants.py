"""What is due in any tenant: nothing but ids, from SECURITY DEFINER functions."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from consolidation.worker import opened
from memory_service.storage.database import Database
from memory_service.storage.tenants import is_leaving

FOUND_AT_ONCE: Final = 500
_LEAVING: Final = "SELECT * FROM deleting_tenants(:limit)"


def utc_now() -> datetime:
    """Return what time it is for a worker."""
    return datetime.now(UTC)


def across_tenants(
    query: str, *, by: Database | None = None, leavers_too: bool = False, **params: Any
) -> Iterator[tuple[UUID, Any]]:
    """Yield (tenant, id) pairs that one of the sweep functions found; nothing is done for a tenant that is deleted.

    With `leavers_too` it is: where one tenant may have as many rows as are taken at once, its own would hide the others'.
    """
    with (by or opened.database()).untenanted() as connection:
        rows = found(connection, query, params)
        gone = {row.tenant_id for row in leaving(connection)} if rows and not leavers_too else ()
    for row in rows:
        if row[0] not in gone:
            yield row[0], row[1]


def found(connection: Connection, query: str, params: Mapping[str, Any]) -> Sequence[Any]:
    """Return the rows of one of the sweep functions, as many as are taken at once."""
    return connection.execute(text(query), {"limit": FOUND_AT_ONCE, **params}).all()


def leaving(connection: Connection) -> Sequence[Any]:
    """Return the tenants that are deleted: since when, and by whom."""
    return found(connection, _LEAVING, {})


def leaves(tenant_id: str) -> bool:
    """Say whether a tenant is being deleted: a message that was on its way brings no more work."""
    with opened.database().transaction(UUID(tenant_id)) as session:
        return is_leaving(session, UUID(tenant_id))
