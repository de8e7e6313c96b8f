"""Housekeeping: what has expired and holds user text goes; what has grown or is to rise is seen to."""

from datetime import timedelta
from functools import partial
from time import monotonic
from typing import Final

import structlog
from sqlalchemy import text

from consolidation.precision import raise_waiting
from consolidation.worker import opened
from consolidation.worker.across_tenants import across_tenants, utc_now
from consolidation.worker.application import HOUSEKEEP, app
from consolidation.worker.encoding import open_encoding
from consolidation.worker.guarded import guarded
from consolidation.worker.tasks import shelve
from consolidation.worker.tenancies import tenancy_of
from memory_service.settings import get_settings

log = structlog.get_logger(__name__)

PURGED_AT_ONCE: Final = 10_000  # deliveries, in each transaction
PURGE_FOR_S: Final = 60.0  # of each housekeeping, for deliveries that are old
RAISE_FOR_S: Final = 60.0  # of each housekeeping, while something waits to rise to its precision tier


@app.task(name=HOUSEKEEP)
def housekeep() -> dict[str, int]:
    """Remove what has expired and holds user text: traces, stored answers, finished jobs. Have large namespaces moved."""
    with opened.database().untenanted() as connection:
        rows = connection.execute(text("SELECT * FROM purge_expired(:now)"), {"now": utc_now()}).all()
        plans = int(connection.scalar(text("SELECT purge_kv_plans(:now)"), {"now": utc_now()}) or 0)
    removed = {row.kind: row.removed for row in rows} | {"kv_plan": plans, "webhook_delivery": _purge_deliveries()}
    if any(removed.values()):
        log.info("purged", **removed)
    crowded = "SELECT * FROM crowded_namespaces(:size, :limit)"
    for tenant_id, namespace_id in across_tenants(crowded, size=get_settings().own_shelf_from):
        shelve.delay(str(tenant_id), str(namespace_id))
    removed["raised"] = _raise_waiting()
    return removed


def _purge_deliveries() -> int:
    """Remove deliveries of webhooks that are old, piece by piece, for a while; the next housekeeping goes on.

    There may be millions: in one transaction they would run into its time limit, again and again, and take what else is
    purged with them.
    """
    before, deadline = utc_now() - timedelta(days=get_settings().webhook_ttl_days), monotonic() + PURGE_FOR_S
    removed = 0
    while monotonic() < deadline:
        with opened.database().untenanted() as connection:
            purge = text("SELECT purge_webhook_deliveries(:before, :limit)")
            gone = int(connection.scalar(purge, {"before": before, "limit": PURGED_AT_ONCE}) or 0)
        removed += gone
        if gone < PURGED_AT_ONCE:
            break
    return removed


def _raise_waiting() -> int:
    """Encode anew what should have more precision than it has, for a while; the next housekeeping goes on."""
    due = list(across_tenants("SELECT * FROM rising_memories(:limit)"))
    if not due:
        return 0
    deadline = monotonic() + RAISE_FOR_S
    raised = 0
    with open_encoding() as encoding:
        for tenant_id, namespace_id in due:
            work = partial(
                raise_waiting, tenancy_of(tenant_id), namespace_id, encoding=encoding,
                go_on=lambda: monotonic() < deadline,
            )  # fmt: skip
            raised += guarded(work, "raise_failed", tenant_id=tenant_id, namespace_id=namespace_id)
            if monotonic() > deadline:
                break
    log.info("precision_raised", memories=raised)
    return raised
