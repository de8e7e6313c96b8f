"""A tenant as this worker sees it."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import Final
from uuid import UUID

from consolidation.tenancy import Spending, Tenancy
from consolidation.worker import opened
from consolidation.worker.across_tenants import utc_now
from consolidation.worker.application import app
from consolidation.worker.encoding import open_encoder, open_encoding
from consolidation.worker.models_here import models_here
from consolidation.worker.others import give_way, others_wait
from memory_service.jobs import RUN_JOB
from memory_service.settings import get_settings
from memory_service.storage.changesets import only_run

# Of one task: others wait for the worker meanwhile, and reading a namespace anew takes seconds. Well below the limit of a task.
CONSOLIDATE_FOR_S: Final = 90.0


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
        others_wait=others_wait,
        give_way=give_way,
        # By name: the task itself is made of what stands here.
        nudge=lambda job_id: app.tasks[RUN_JOB].delay(str(tenant_id), str(job_id)),
        models_here=models_here,
        kept=opened.kept(),
    )


def enriched_tenancy(tenant_id: UUID) -> Tenancy:
    """Return a tenant all of whose memories are about to be enriched: that gives way to the others only."""
    return replace(tenancy_of(tenant_id), give_way=partial(give_way, but=tenant_id))
