"""What waits for this worker while it is at something long, and what of it is done in between."""

from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Final
from uuid import UUID

from consolidation import enriching
from consolidation.tenancy import Tenancy
from consolidation.worker import opened
from consolidation.worker.across_tenants import across_tenants, utc_now
from consolidation.worker.guarded import guarded
from memory_service.storage import jobs
from memory_service.types import CONSOLIDATE, REINDEX, TRAIN

UNHURRIED: Final = frozenset({CONSOLIDATE, REINDEX, TRAIN})  # kinds of jobs that give way to others
LOOKED_AT: Final = 20  # jobs that wait, when a run asks whether to give way
GIVE_WAY_S: Final = 3.0  # at a time, between two batches of something long
_DUE: Final = "SELECT * FROM due_jobs(:now, :limit)"


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


def give_way() -> None:
    """Enrich what was written meanwhile: a batch of each tenant, for a few seconds at most.

    What is left has its turn after the next batch, or in a task of its own once the worker is free.

    Raises:
        Unavailable: the database is down.
    """
    until = monotonic() + GIVE_WAY_S
    for tenant_id in tenants_to_enrich():
        tenancy = Tenancy(tenant_id, partial(opened.database().transaction, tenant_id), utc_now)
        work: Callable[[], int] = partial(enriching.enrich_pending, tenancy, once=True)
        guarded(work, "enrichment_failed", tenant_id=tenant_id)
        if monotonic() > until:
            return
