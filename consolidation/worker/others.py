"""What waits for this worker while it is at something long, and what of it is done in between."""

from collections.abc import Callable
from functools import partial
from random import shuffle
from time import monotonic
from typing import Final
from uuid import UUID

import structlog
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars

from consolidation import enriching
from consolidation.tenancy import Tenancy
from consolidation.worker import opened
from consolidation.worker.across_tenants import across_tenants, utc_now
from consolidation.worker.guarded import guarded
from memory_service.errors import Unavailable
from memory_service.storage import jobs
from memory_service.types import CONSOLIDATE, REINDEX, TRAIN

UNHURRIED: Final = frozenset({CONSOLIDATE, REINDEX, TRAIN})  # kinds of jobs that give way to others
LOOKED_AT: Final = 20  # jobs that wait, when a run asks whether to give way
GIVE_WAY_S: Final = 3.0  # at a time, between two batches of something long
ENRICHED_AT_ONCE: Final = 50  # memories of a tenant; a sixth of a second, and some seconds where each has 20 kB
_DUE: Final = "SELECT * FROM due_jobs(:now, :limit)"

log = structlog.get_logger(__name__)


def others_wait() -> bool:
    """Tell whether a job waits for a worker that somebody waits for.

    Asked between batches, so that an erasure, an import or a document waits for a batch and not for a run.
    """
    for tenant_id, job_id in across_tenants(_DUE, now=utc_now(), limit=LOOKED_AT):
        with opened.database().transaction(tenant_id) as session:
            job = jobs.get_job(session, tenant_id, job_id)
        if job is not None and job["kind"] not in UNHURRIED:
            return True
    return False


def anything_waits() -> bool:
    """Tell whether any job waits for a worker."""
    return next(across_tenants(_DUE, now=utc_now(), limit=1), None) is not None


def tenants_to_enrich() -> list[UUID]:
    """Return the tenants in which memories wait to be enriched."""
    return sorted({tenant_id for tenant_id, _ in across_tenants("SELECT * FROM pending_enrichment(:limit)")})


def give_way(*, but: UUID | None = None) -> None:
    """Enrich some of what was written meanwhile: of each tenant a few memories, and after some seconds of no further one.

    A tenant that the caller enriches anyway is left out with `but`: few at a time cost more than many.

    What is left has its turn after the next batch, or in a task of its own once the worker is free. Nothing that goes wrong
    here ends what gave way: if the database is down, it will hear so itself.
    """
    mine = get_contextvars()
    clear_contextvars()  # The ids of the job that gives way are of another tenant.
    try:
        guarded(partial(_enrich_some, but), "giving_way_failed")
    except Unavailable as error:
        log.warning("giving_way_failed", reason=error.detail)
    finally:
        clear_contextvars()
        bind_contextvars(**mine)


def _enrich_some(but: UUID | None) -> int:
    enriched, until = 0, monotonic() + GIVE_WAY_S
    tenants = [tenant_id for tenant_id in tenants_to_enrich() if tenant_id != but]
    shuffle(tenants)  # Whoever comes first may take all of the time; none is to be first each time.
    for tenant_id in tenants:
        tenancy = Tenancy(tenant_id, partial(opened.database().transaction, tenant_id), utc_now)
        work: Callable[[], int] = partial(enriching.enrich_pending, tenancy, most=ENRICHED_AT_ONCE)
        enriched += guarded(work, "enrichment_failed", tenant_id=tenant_id)
        if monotonic() > until:
            break
    return enriched
