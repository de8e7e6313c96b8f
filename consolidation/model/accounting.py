"""Write down what asking a model has cost, and the replies that could not be used."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from consolidation.model.asking import Outcome
from consolidation.model.budget import Budget
from memory_service.storage import model_records

log = structlog.get_logger(__name__)


def budget_of(
    session: Session, tenant_id: UUID, job_id: UUID | None, *, job_tokens: int, context_tokens: int
) -> Budget:
    """Return what is left to a job, with what it used before it was interrupted taken off."""
    budget = Budget(job_tokens, context_tokens)
    if job_id is None:
        return budget
    return budget.less(model_records.tokens_of_job(session, tenant_id, job_id))


def write_down(
    session: Session,
    tenant_id: UUID,
    outcome: Outcome[Any],
    *,
    job_id: UUID | None,
    now: datetime,
    ttl: timedelta,
) -> None:
    """Store usage and dead letters of one outcome; an outcome for which no model was asked leaves nothing.

    In a transaction of its own, before what was answered is applied: tokens are spent whether or not that succeeds.
    """
    if outcome.model is None:
        return
    kept = 0
    for letter in outcome.dead_letters:
        stored = model_records.keep_dead_letter(
            session,
            tenant_id,
            job_id=job_id,
            task=letter.task.value,
            model=letter.model,
            reply=letter.reply,
            error=letter.error,
            memory_ids=letter.memory_ids,
            now=now,
            expires_at=now + ttl,
        )
        kept += stored is not None
    if kept < len(outcome.dead_letters):
        log.info("dead_letters_dropped", task=outcome.task.value, erased=len(outcome.dead_letters) - kept)
    usage = model_records.StepUsage(
        task=outcome.task.value,
        model=outcome.model,
        calls=outcome.usage.calls,
        prompt_tokens=outcome.usage.prompt_tokens,
        completion_tokens=outcome.usage.completion_tokens,
        refused=len(outcome.refused),
        dead_letters=kept,
        fallback=outcome.why,
    )
    model_records.keep_usage(session, tenant_id, usage, job_id=job_id, now=now, expires_at=now + ttl)
