"""A tenant as this worker sees it, and whether others wait for the worker meanwhile."""

from datetime import timedelta
from time import monotonic
from typing import Final
from uuid import UUID

from consolidation.tenancy import Spending, Tenancy
from consolidation.worker import opened
from consolidation.worker.across_tenants import across_tenants, utc_now
from consolidation.worker.application import app
from consolidation.worker.encoding import open_encoder, open_encoding
from consolidation.worker.models_here import models_here
from memory_service.jobs import RUN_JOB
from memory_service.settings import get_settings
from memory_service.storage import jobs
from memory_service.storage.changesets import only_run
from memory_service.types import CONSOLIDATE, REINDEX, TRAIN

# Of one task: others wait for the worker meanwhile, and reading a namespace anew takes seconds. Well below the limit of a task.
CONSOLIDATE_FOR_S: Final = 90.0
UNHURRIED: Final = frozenset({CONSOLIDATE, REINDEX, TRAIN})  # kinds of jobs that give way to others
LOOKED_AT: Final = 20  # jobs that wait, when a run asks whether to give way
_DUE: Final = "SELECT * FROM due_jobs(:now, :limit)"


def tenancy_of(tenant_id: UUID, *, until: float | None = None) -> Tenancy:
    """Return a tenant as this worker sees it; `until`, on the monotonic clock, is when what takes long is to stop."""
    database, settings = opened.database(), get_settings()
    return Tenancy(
        tenant_id=tenant_id,
        open=lambda: database.transaction(tenant_id),
        clock=utc_now,
        open_encoder=open_encoder,
        chat=opened.chat(),
        spending=Spending(
            job_tokens=settings.llm_job_tokens,
            context_tokens=settings.llm_context_tokens,
            reply_ttl=timedelta(days=settings.llm_reply_ttl_days),
        ),
        open_encoding=lambda: open_encoding(tenant_id),
        alone=lambda namespace_id: only_run(database.engine, namespace_id),
        go_on=lambda: until is None or monotonic() < until,
        turn_s=CONSOLIDATE_FOR_S,
        others_wait=_others_wait,
        # By name: the task itself is made of what stands here.
        nudge=lambda job_id: app.tasks[RUN_JOB].delay(str(tenant_id), str(job_id)),
        models_here=models_here,
        kept=opened.kept(),
    )


def _others_wait() -> bool:
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
