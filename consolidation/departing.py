"""Delete tenants that are to go: blobs, shelves, rows piece by piece, at last the tenant; counted and written down."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from memory_service.blobs.protocol import BlobStore
from memory_service.lifecycle.kv_sweeping import remove_blobs
from memory_service.storage import audit, kv_memories
from memory_service.storage.tenants import drop_shelves, end_tenant, remove_rows
from memory_service.types import Action

ROWS_AT_ONCE: Final = 20_000  # a second or so: nobody waits for the locks of a deletion
BLOBS_AT_ONCE: Final = 500
SETTLED_AFTER: Final = timedelta(minutes=1)
"""After this no request is under way that began while a key was valid: processes forget keys within seconds."""

Open = Callable[[UUID], AbstractContextManager[Session]]

log = structlog.get_logger(__name__)


def depart(
    open_session: Open,
    blobs: BlobStore,
    tenant_id: UUID,
    *,
    since: datetime,
    by: UUID | None,
    now: datetime,
    go_on: Callable[[], bool],
    settled_after: timedelta = SETTLED_AFTER,
) -> bool:
    """Remove what is left of a tenant while there is time; say whether it is gone. The next call goes on.

    Every piece is one transaction, and what was removed before a worker died stays removed.

    Args:
        open_session: opens a transaction of a tenant.
        blobs: where its KV memories lie.
        tenant_id: who goes; nothing happens to one whose deletion nobody began.
        since: when it was begun.
        by: the tenant of the operator who did, in whose audit chain the end is written; None where that one is gone as well.
        now: the present moment.
        go_on: says whether there is time for more.
        settled_after: how long after the beginning the tenant itself may go at the earliest.

    Raises:
        Unavailable: the database or the store of blobs is down.
    """
    if not _remove_blobs(open_session, blobs, tenant_id, now=now, go_on=go_on):
        return False
    with open_session(tenant_id) as session:
        drop_shelves(session)
    if not _remove_rows(open_session, tenant_id, go_on=go_on) or now - since < settled_after:
        return False
    with open_session(by or tenant_id) as session:
        removed = end_tenant(session, tenant_id)
        if removed is not None and by is not None:
            _write_down(session, by, tenant_id, removed, now=now)
    if removed is not None:
        log.info("tenant_deleted", deleted=str(tenant_id))
    return removed is not None


def _remove_rows(open_session: Open, tenant_id: UUID, *, go_on: Callable[[], bool]) -> bool:
    """Remove rows piece by piece; say whether a round over all tables found none."""
    last: str | None = None
    while go_on():
        with open_session(tenant_id) as session:
            reached = remove_rows(session, tenant_id, since=last, limit=ROWS_AT_ONCE)
        if reached is None and last is None:
            return True
        # At the end of a round begins another: rows may have come behind it.
        last = reached
    return False


def _remove_blobs(
    open_session: Open, blobs: BlobStore, tenant_id: UUID, *, now: datetime, go_on: Callable[[], bool]
) -> bool:
    """Remove the blobs while their records still name them; say whether none is left."""
    while go_on():
        with open_session(tenant_id) as session:
            ids = kv_memories.some_with_blobs(session, tenant_id, limit=BLOBS_AT_ONCE)
            kv_memories.mark_stale(session, tenant_id, ids, reason=kv_memories.ERASED, now=now)
        if not ids:
            return True
        remove_blobs(open_session, blobs, tenant_id, ids, now=now)
    return False


def _write_down(session: Session, by: UUID, tenant_id: UUID, removed: Mapping[str, int], *, now: datetime) -> None:
    audit.record(
        session, by, Action.TENANT_GONE, api_key_id=None, at=now, subject="tenant", subject_id=tenant_id,
        details={"removed": dict(removed)},
    )  # fmt: skip
