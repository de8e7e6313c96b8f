"""KV memories by the clock: the blobs of what is spent, and the whole store against its records."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from uuid import UUID

import structlog

from consolidation.worker import opened
from consolidation.worker.across_tenants import across_tenants, found, utc_now
from consolidation.worker.application import SWEEP_KV, app
from consolidation.worker.guarded import guarded
from memory_service.lifecycle.kv_sweeping import REMEMBERED, sweep_spent, sweep_store

log = structlog.get_logger(__name__)


@app.task(name=SWEEP_KV)
def sweep_kv() -> dict[str, int]:
    """Compare the store of KV memories with their records: no blob without a record, no record without its whole blob."""
    now = utc_now()
    done = sweep_store(opened.database().transaction, opened.blobs(), lambda: _live_kv(now), now=now)
    what = {"orphans": done.orphans, "dangling": done.dangling, "damaged": done.damaged}
    if any(what.values()):
        log.warning("kv_swept", **what)
    return what


def _live_kv(before: datetime) -> Iterator[tuple[UUID, UUID]]:
    """Yield tenant and id of every KV memory that can be loaded and was there before a moment."""
    after = (UUID(int=0), UUID(int=0))
    query = "SELECT * FROM live_kv(:before, :tenant, :id, :limit)"
    while True:
        # Of tenants that are deleted, too: a page of theirs alone is not the last one.
        with opened.database().untenanted() as connection:
            page = found(connection, query, {"before": before, "tenant": after[0], "id": after[1]})
        if not page:
            return
        for row in page:
            yield row[0], row[1]
        after = page[-1][0], page[-1][1]


def sweep_spent_kv(now: datetime) -> int:
    """Remove the blobs of KV memories that cannot be loaded any more; return how many."""
    spent: dict[UUID, list[UUID]] = {}
    query = "SELECT * FROM spent_kv(:now, :forget, :limit)"
    for tenant_id, kv_memory_id in across_tenants(query, leavers_too=True, now=now, forget=now - REMEMBERED):
        spent.setdefault(tenant_id, []).append(kv_memory_id)

    def work(tenant_id: UUID, ids: list[UUID]) -> int:
        return sweep_spent(opened.database().transaction, opened.blobs(), tenant_id, ids, now=now).blobs

    return sum(
        guarded(partial(work, tenant_id, ids), "kv_sweep_failed", tenant_id=tenant_id)
        for tenant_id, ids in spent.items()
    )
