"""What a message asks for: one tenant, job or namespace at a time."""

from dataclasses import replace
from time import monotonic
from typing import Final
from uuid import UUID

import structlog

from consolidation import consolidate, enriching
from consolidation.shelving import SETTLED_FROM, Building, move_to_own_shelf
from consolidation.worker import opened
from consolidation.worker.across_tenants import leaves
from consolidation.worker.application import app
from consolidation.worker.others import anything_waits, give_way
from consolidation.worker.signs import moves_on
from consolidation.worker.tenancies import CONSOLIDATE_FOR_S, enriched_tenancy, tenancy_of
from memory_service.errors import Unavailable
from memory_service.jobs import CONSOLIDATE_NAMESPACE, ENRICH, RUN_JOB, SHELVE
from memory_service.settings import get_settings
from memory_service.storage.shelves import only_mover

MOVE_LIMIT_S: Final = 6 * 3600  # The index of a million vectors takes a quarter of an hour to build.


@app.task(name=ENRICH, autoretry_for=(Unavailable,), retry_backoff=True, max_retries=5)
def enrich(tenant_id: str) -> int:
    """Enrich what waits in one tenant."""
    return 0 if leaves(tenant_id) else enriching.enrich_pending(enriched_tenancy(UUID(tenant_id)))


@app.task(name=RUN_JOB, autoretry_for=(Unavailable,), retry_backoff=True, max_retries=5)
def run_job(tenant_id: str, job_id: str) -> bool:
    """Work on one job, unless it has ended or another worker holds its lease."""
    with structlog.contextvars.bound_contextvars(tenant_id=tenant_id, job_id=job_id):
        if leaves(tenant_id):
            return False
        return consolidate.run_job(tenancy_of(UUID(tenant_id), until=monotonic() + CONSOLIDATE_FOR_S), UUID(job_id))


# A run over much stops by itself in time; the next sweep goes on with what is left.
@app.task(name=CONSOLIDATE_NAMESPACE, autoretry_for=(Unavailable,), retry_backoff=True, max_retries=5)
def consolidate_namespace(tenant_id: str, namespace_id: str) -> int:
    """Consolidate what is due in one namespace, unless another worker is at it."""
    deadline = monotonic() + CONSOLIDATE_FOR_S
    with structlog.contextvars.bound_contextvars(tenant_id=tenant_id, namespace_id=namespace_id):
        if leaves(tenant_id):
            return 0
        return consolidate.consolidate_due(
            tenancy_of(UUID(tenant_id)), UUID(namespace_id), go_on=lambda: monotonic() < deadline
        )


# Acknowledged when it begins: a long move must not be handed out again meanwhile, and the next housekeeping goes on with one
# that was killed.
@app.task(name=SHELVE, acks_late=False, time_limit=MOVE_LIMIT_S)
def shelve(tenant_id: str, namespace_id: str) -> bool:
    """Begin or go on with the move of a large namespace, unless another worker does."""
    moves_on()
    settings = get_settings()
    building = Building(memory_mb=settings.shelf_build_mb, workers=settings.shelf_build_workers)
    # Settling is in no hurry, and gives way to whatever else there is.
    tenancy = replace(tenancy_of(UUID(tenant_id)), others_wait=anything_waits, give_way=_moving_on)
    namespace = UUID(namespace_id)
    with (
        structlog.contextvars.bound_contextvars(tenant_id=tenant_id, namespace_id=namespace_id),
        only_mover(opened.database().engine, namespace) as mine,
    ):
        return (
            mine
            and not leaves(tenant_id)
            and move_to_own_shelf(
                tenancy, namespace, building=building, settled_from=SETTLED_FROM, reached=lambda _: moves_on()
            )
        )


def _moving_on() -> None:
    """Give way, and say that the move goes on: its limit is hours, and one that hangs is to be named before that."""
    moves_on()
    give_way()
    moves_on()
