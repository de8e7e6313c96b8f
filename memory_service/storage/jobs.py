"""Jobs: what the background owes, one row each; the queue only says when to look."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, case, func, insert, literal, or_, select, update
from sqlalchemy.orm import Session

from memory_service.storage.ids import new_id
from memory_service.storage.tables import job, namespace
from memory_service.types import PRECOMPUTE, JobStatus

OPEN = (JobStatus.QUEUED.value, JobStatus.RUNNING.value)
ENDED = (JobStatus.SUCCEEDED.value, JobStatus.FAILED.value, JobStatus.CANCELLED.value)

WORDY = (PRECOMPUTE,)
"""Kinds whose payload holds what somebody wrote, and is of no use once the job has ended, whatever came of it."""

_SHOWN = (*(column for column in job.c if column.name != "payload"), namespace.c.path.label("namespace"))
_LEFT = case((job.c.kind.in_(WORDY), literal({}, job.c.payload.type)), else_=job.c.payload)
_WITH_NAMESPACE = job.outerjoin(
    namespace, (namespace.c.tenant_id == job.c.tenant_id) & (namespace.c.id == job.c.namespace_id)
)


def create_job(
    session: Session,
    tenant_id: UUID,
    *,
    kind: str,
    payload: Mapping[str, Any],
    now: datetime,
    ttl: timedelta,
    namespace_id: UUID | None = None,
    total: int = 0,
    status: JobStatus = JobStatus.QUEUED,
    result: Mapping[str, Any] | None = None,
    items: Sequence[Mapping[str, Any]] = (),
) -> UUID:
    """Store a job and return its id; a job without work may be stored as succeeded."""
    job_id = new_id()
    ended = status.value in ENDED
    session.execute(
        insert(job).values(
            tenant_id=tenant_id,
            id=job_id,
            kind=kind,
            namespace_id=namespace_id,
            status=status.value,
            done=total if ended else 0,
            total=total,
            payload=dict(payload),
            result=result,
            items=[dict(item) for item in items],
            attempts=0,
            created_at=now,
            finished_at=now if ended else None,
            expires_at=now + ttl,
        )
    )
    return job_id


def get_job(session: Session, tenant_id: UUID, job_id: UUID) -> RowMapping | None:
    """Return one job with the path of its namespace."""
    query = select(*_SHOWN).select_from(_WITH_NAMESPACE).where(job.c.tenant_id == tenant_id, job.c.id == job_id)
    return session.execute(query).mappings().one_or_none()


def get_payload(session: Session, tenant_id: UUID, job_id: UUID) -> dict[str, Any] | None:
    """Return what a job was made with."""
    payload: dict[str, Any] | None = session.scalar(
        select(job.c.payload).where(job.c.tenant_id == tenant_id, job.c.id == job_id)
    )
    return payload


def list_jobs(
    session: Session,
    tenant_id: UUID,
    *,
    namespace_id: UUID | None = None,
    status: JobStatus | None = None,
    before: UUID | None = None,
    limit: int,
) -> Sequence[RowMapping]:
    """Return jobs of the tenant, newest first, without their items."""
    columns = [column for column in _SHOWN if column.name not in {"items", "result"}]
    query = select(*columns).select_from(_WITH_NAMESPACE).where(job.c.tenant_id == tenant_id)
    if namespace_id is not None:
        query = query.where(job.c.namespace_id == namespace_id)
    if status is not None:
        query = query.where(job.c.status == status.value)
    if before is not None:
        query = query.where(job.c.id < before)
    return session.execute(query.order_by(job.c.id.desc()).limit(limit)).mappings().all()


def has_open(session: Session, tenant_id: UUID, namespace_id: UUID, *, kind: str) -> bool:
    """Say whether a job of a kind waits or runs for a namespace."""
    query = select(job.c.id).where(
        job.c.tenant_id == tenant_id, job.c.namespace_id == namespace_id, job.c.kind == kind, job.c.status.in_(OPEN)
    )
    return session.execute(query.limit(1)).one_or_none() is not None


def _change(session: Session, tenant_id: UUID, job_id: UUID, *conditions: ColumnElement[bool], **values: Any) -> bool:
    statement = update(job).where(job.c.tenant_id == tenant_id, job.c.id == job_id, *conditions).values(**values)
    return session.execute(statement.returning(job.c.id)).one_or_none() is not None


def claim_job(session: Session, tenant_id: UUID, job_id: UUID, *, now: datetime, lease: timedelta) -> RowMapping | None:
    """Take a job to work on it, payload included; None when it has ended or another worker holds its lease."""
    free = or_(job.c.status == JobStatus.QUEUED.value, job.c.lease_until.is_(None), job.c.lease_until <= now)
    statement = (
        update(job)
        .where(job.c.tenant_id == tenant_id, job.c.id == job_id, job.c.status.in_(OPEN), free)
        .values(
            status=JobStatus.RUNNING.value,
            attempts=job.c.attempts + 1,
            lease_until=now + lease,
            started_at=func.coalesce(job.c.started_at, now),
        )
        .returning(*job.c)
    )
    return session.execute(statement).mappings().one_or_none()


def report_progress(
    session: Session,
    tenant_id: UUID,
    job_id: UUID,
    *,
    done: int,
    items: Sequence[Mapping[str, Any]] = (),
    total: int | None = None,
) -> bool:
    """Write how far a running job is and add outcomes of items; False says that it was cancelled: stop."""
    values: dict[str, Any] = {"done": done}
    if items:
        values["items"] = job.c["items"].concat([dict(item) for item in items])
    if total is not None:
        values["total"] = total
    return _change(session, tenant_id, job_id, job.c.status == JobStatus.RUNNING.value, **values)


def extend_lease(session: Session, tenant_id: UUID, job_id: UUID, *, attempt: int, until: datetime) -> bool:
    """Keep a job for the worker that claimed it as its `attempt`; False says that it has ended, rests or is another's."""
    mine = (job.c.status == JobStatus.RUNNING.value, job.c.attempts == attempt)
    return _change(session, tenant_id, job_id, *mine, lease_until=until)


def set_total(session: Session, tenant_id: UUID, job_id: UUID, total: int) -> bool:
    """Say how much a job has to do, once that is known; False says that there is no such job."""
    return _change(session, tenant_id, job_id, total=total)


def finish_job(
    session: Session,
    tenant_id: UUID,
    job_id: UUID,
    *,
    status: JobStatus,
    now: datetime,
    error: str | None = None,
    result: Mapping[str, Any] | None = None,
) -> bool:
    """End a running job; False says that it had ended before, by a cancel for example."""
    return _change(
        session,
        tenant_id,
        job_id,
        job.c.status.in_(OPEN),
        status=status.value,
        error=error,
        result=result,
        lease_until=None,
        finished_at=now,
        done=func.greatest(job.c.done, job.c.total) if status is JobStatus.SUCCEEDED else job.c.done,
        payload=_LEFT,
    )


def release_job(session: Session, tenant_id: UUID, job_id: UUID, *, retry_at: datetime, error: str) -> bool:
    """Give a running job back to be tried again at ``retry_at``."""
    return _change(
        session,
        tenant_id,
        job_id,
        job.c.status == JobStatus.RUNNING.value,
        lease_until=retry_at,
        error=error,
    )


def pause_job(
    session: Session,
    tenant_id: UUID,
    job_id: UUID,
    *,
    until: datetime,
    result: Mapping[str, Any] | None = None,
) -> bool:
    """Give a running job back without having failed: it goes on at `until`, and the attempt does not count."""
    values: dict[str, Any] = {"lease_until": until, "attempts": func.greatest(job.c.attempts - 1, 0)}
    if result is not None:
        values["result"] = result
    return _change(session, tenant_id, job_id, job.c.status == JobStatus.RUNNING.value, **values)


def cancel_job(session: Session, tenant_id: UUID, job_id: UUID, *, now: datetime) -> bool:
    """End a job that has not ended; a worker notices at its next report. False says that it had ended."""
    return _change(
        session,
        tenant_id,
        job_id,
        job.c.status.in_(OPEN),
        status=JobStatus.CANCELLED.value,
        lease_until=None,
        finished_at=now,
        payload=_LEFT,
    )


def retry_job(session: Session, tenant_id: UUID, job_id: UUID, *, now: datetime, ttl: timedelta) -> bool:
    """Queue a failed or cancelled job again, from the start. False says that it is neither."""
    return _change(
        session,
        tenant_id,
        job_id,
        job.c.status.in_([JobStatus.FAILED.value, JobStatus.CANCELLED.value]),
        status=JobStatus.QUEUED.value,
        done=0,
        items=[],
        result=None,
        error=None,
        attempts=0,
        lease_until=None,
        started_at=None,
        finished_at=None,
        expires_at=now + ttl,
    )


def forget_payload(session: Session, tenant_id: UUID, job_id: UUID) -> None:
    """Empty what a job was asked for: it may name a person, and there is nothing left to do."""
    session.execute(update(job).where(job.c.tenant_id == tenant_id, job.c.id == job_id).values(payload={}))


def keep_result(session: Session, tenant_id: UUID, job_id: UUID, result: Mapping[str, Any]) -> None:
    """Keep what a running job has come to so far, for whoever goes on with it."""
    _change(session, tenant_id, job_id, job.c.status == JobStatus.RUNNING.value, result=dict(result))
