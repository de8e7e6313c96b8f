"""What was asked of a language model, what it cost, and replies that could not be used.

A dead letter quotes the memories that the model was shown. So it expires, names those memories, and goes with any of them.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, func, insert, select
from sqlalchemy.orm import Session

from memory_service.storage.ids import new_id
from memory_service.storage.tables import dead_letter, dead_letter_memory, job, memory, model_usage


@dataclass(frozen=True, slots=True)
class StepUsage:
    """What one step of a job cost."""

    task: str
    model: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    refused: int  # parts of replies that were not taken
    dead_letters: int
    fallback: str | None  # why rules stood in for part of it, where they did


def keep_usage(
    session: Session, tenant_id: UUID, usage: StepUsage, *, job_id: UUID | None, now: datetime, expires_at: datetime
) -> None:
    """Store what one step of a job cost."""
    session.execute(
        insert(model_usage).values(
            tenant_id=tenant_id,
            id=new_id(),
            job_id=job_id,
            created_at=now,
            expires_at=expires_at,
            **asdict(usage),
        )
    )


def usage_of_job(session: Session, tenant_id: UUID, job_id: UUID) -> Sequence[RowMapping]:
    """Return what a job has cost by task and model, the first asked first; `fallbacks` are the reasons for rules."""
    reasons = func.array_agg(model_usage.c.fallback.distinct()).filter(model_usage.c.fallback.is_not(None))
    query = (
        select(
            model_usage.c.task,
            model_usage.c.model,
            *(
                func.sum(column).label(column.name)
                for column in (
                    model_usage.c.calls,
                    model_usage.c.prompt_tokens,
                    model_usage.c.completion_tokens,
                    model_usage.c.refused,
                    model_usage.c.dead_letters,
                )
            ),
            reasons.label("fallbacks"),
        )
        .where(model_usage.c.tenant_id == tenant_id, model_usage.c.job_id == job_id)
        .group_by(model_usage.c.task, model_usage.c.model)
        .order_by(func.min(model_usage.c.created_at), model_usage.c.task, model_usage.c.model)
    )
    return session.execute(query).mappings().all()


def tokens_of_job(session: Session, tenant_id: UUID, job_id: UUID) -> int:
    """Return the tokens that a job has used since it was started; a retry that a caller asks for starts it anew."""
    total = func.sum(model_usage.c.prompt_tokens + model_usage.c.completion_tokens)
    of_this_job = (model_usage.c.tenant_id == job.c.tenant_id) & (model_usage.c.job_id == job.c.id)
    query = select(func.coalesce(total, 0)).where(
        job.c.tenant_id == tenant_id,
        job.c.id == job_id,
        model_usage.c.tenant_id == tenant_id,
        model_usage.c.created_at >= job.c.started_at,
    )
    return int(session.execute(query.select_from(model_usage.join(job, of_this_job))).scalar_one())


def keep_dead_letter(
    session: Session,
    tenant_id: UUID,
    *,
    job_id: UUID | None,
    task: str,
    model: str,
    reply: str,
    error: str,
    memory_ids: Sequence[UUID],
    now: datetime,
    expires_at: datetime,
) -> UUID | None:
    """Store a reply that could not be used; None, and nothing stored, when a memory that it may quote is gone.

    A memory may be erased while the model is asked. The rows are locked against an erasure until this transaction ends, and
    an erasure that came first is waited for.
    """
    ids = sorted(set(memory_ids))
    present = session.execute(
        select(memory.c.id)
        .where(memory.c.tenant_id == tenant_id, memory.c.id.in_(ids))
        .order_by(memory.c.id)
        .with_for_update(key_share=True, read=True)
    ).all()
    if len(present) < len(ids):
        return None
    letter_id = new_id()
    session.execute(
        insert(dead_letter).values(
            tenant_id=tenant_id,
            id=letter_id,
            job_id=job_id,
            task=task,
            model=model,
            reply=reply,
            error=error,
            created_at=now,
            expires_at=expires_at,
        )
    )
    if ids:
        rows = [{"tenant_id": tenant_id, "dead_letter_id": letter_id, "memory_id": memory_id} for memory_id in ids]
        session.execute(insert(dead_letter_memory), rows)
    return letter_id


def dead_letters_of_job(
    session: Session, tenant_id: UUID, job_id: UUID, *, after: UUID | None = None, limit: int
) -> list[dict[str, Any]]:
    """Return a job's dead letters in the order they came, each with the memories that it may quote."""
    query = select(dead_letter).where(dead_letter.c.tenant_id == tenant_id, dead_letter.c.job_id == job_id)
    if after is not None:
        query = query.where(dead_letter.c.id > after)
    letters = session.execute(query.order_by(dead_letter.c.id).limit(limit)).mappings().all()
    quoted: dict[UUID, list[UUID]] = {letter["id"]: [] for letter in letters}
    rows = session.execute(
        select(dead_letter_memory.c.dead_letter_id, dead_letter_memory.c.memory_id)
        .where(dead_letter_memory.c.tenant_id == tenant_id, dead_letter_memory.c.dead_letter_id.in_(list(quoted)))
        .order_by(dead_letter_memory.c.memory_id)
    )
    for letter_id, memory_id in rows:
        quoted[letter_id].append(memory_id)
    return [{**letter, "memory_ids": quoted[letter["id"]]} for letter in letters]
