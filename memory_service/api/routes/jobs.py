"""Jobs: how far background work is, item by item; cancel, retry, follow."""

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from anyio import current_time, sleep, to_thread
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session
from starlette.responses import StreamingResponse

from memory_service.api.answers import answer
from memory_service.api.auditing import note, place_of
from memory_service.api.dependencies import ServicesDep, SessionDep, check_scope, require
from memory_service.api.idempotency import idempotent
from memory_service.api.model_usage import ModelUsageOut, usage_json
from memory_service.api.pages import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, page
from memory_service.api.services import Services
from memory_service.api.strict_json import StrictRoute
from memory_service.errors import Conflict, NotFound, Unavailable
from memory_service.jobs import RUN_JOB, enqueue_after_commit
from memory_service.lifecycle.records import rfc3339
from memory_service.storage import jobs
from memory_service.storage.model_records import usage_of_job
from memory_service.storage.namespaces import find_namespace_id
from memory_service.types import DROP_VECTORS, REINDEX, Action, Caller, JobStatus, KeyScope

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=StrictRoute)

Reader = Annotated[Caller, require(KeyScope.READ)]
Writer = Annotated[Caller, require(KeyScope.WRITE)]

FOLLOW_S = 60.0  # A client that wants more asks again, as EventSource does by itself.
LOOK_EVERY_S = 0.25


class ProgressOut(BaseModel):
    """How far a job is, in items."""

    done: int
    total: int


class ListedJobOut(BaseModel):
    """A job without the outcomes of its items."""

    id: UUID
    kind: str
    namespace: str | None
    status: JobStatus
    progress: ProgressOut
    error: str | None
    attempts: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class JobOut(ListedJobOut):
    """A job with the outcome of each item so far, and what it found where that is more."""

    items: list[dict[str, Any]]
    result: dict[str, Any] | None
    usage: ModelUsageOut


class JobsOut(BaseModel):
    """A page of jobs, newest first."""

    data: list[ListedJobOut]
    next_cursor: str | None
    has_more: bool


def job_json(row: RowMapping) -> dict[str, Any]:
    """Return a job as API.md draws it; a row without items gives an answer without them."""
    shown: dict[str, Any] = {
        "id": str(row["id"]),
        "kind": row["kind"],
        "namespace": row["namespace"],
        "status": row["status"],
        "progress": {"done": row["done"], "total": row["total"]},
        "error": row["error"],
        "attempts": row["attempts"],
        "created_at": rfc3339(row["created_at"]),
        "started_at": rfc3339(row["started_at"]),
        "finished_at": rfc3339(row["finished_at"]),
    }
    if "items" in row:
        shown |= {"items": row["items"], "result": row["result"]}
    return shown


def _get(session: Session, tenant_id: UUID, job_id: UUID) -> dict[str, Any]:
    row = jobs.get_job(session, tenant_id, job_id)
    if row is None:
        raise NotFound("There is no such job in this tenant; finished jobs are kept for a while only.")
    return job_json(row) | {"usage": usage_json(usage_of_job(session, tenant_id, job_id))}


def _check_kind(session: Session, caller: Caller, job_id: UUID) -> None:
    """Refuse to end or repeat what only an operator may begin.

    Raises:
        NotFound: there is no such job.
        Forbidden: the caller is no operator.
    """
    if _get(session, caller.tenant_id, job_id)["kind"] in {REINDEX, DROP_VECTORS}:
        check_scope(caller, KeyScope.OPERATOR)


@router.get("", response_model=JobsOut)
def list_jobs(
    caller: Reader,
    session: SessionDep,
    namespace: str | None = None,
    status: JobStatus | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List jobs, newest first."""
    query = {"list": "jobs", "namespace": namespace, "status": status}
    position = decode_cursor(cursor, of=UUID, tenant_id=caller.tenant_id, query=query)
    namespace_id, rows = None, []
    if namespace is not None:
        namespace_id = find_namespace_id(session, caller.tenant_id, namespace, pointer="?namespace")
    if namespace is None or namespace_id is not None:
        rows = [
            *jobs.list_jobs(
                session,
                caller.tenant_id,
                namespace_id=namespace_id,
                status=status,
                before=position,
                limit=limit + 1,
            )
        ]
    return answer(
        page(
            rows,
            limit=limit,
            position=lambda row: row["id"],
            render=job_json,
            tenant_id=caller.tenant_id,
            query=query,
        )
    )


@router.get("/{job_id}", response_model=JobOut)
def get_job(job_id: UUID, caller: Reader, session: SessionDep) -> Response:
    """Return one job with the outcome of each item so far."""
    return answer(_get(session, caller.tenant_id, job_id))


@router.post("/{job_id}/cancel", response_model=JobOut)
def cancel_job(request: Request, job_id: UUID, caller: Writer, services: ServicesDep, session: SessionDep) -> Response:
    """End a job; what it has done so far stays. 409 when it has ended already. Those of encoders take scope operator."""

    def produce() -> Response:
        _check_kind(session, caller, job_id)
        changed = jobs.cancel_job(session, caller.tenant_id, job_id, now=services.clock())
        shown = _get(session, caller.tenant_id, job_id)
        if not changed:
            raise Conflict(f"This job has {shown['status']} already.", code="job_ended")
        place = place_of(session, caller, shown["namespace"])
        note(
            session,
            services,
            caller,
            Action.JOB_CANCEL,
            subject=("job", job_id),
            namespace_id=place,
            kind=shown["kind"],
        )
        return answer(shown)

    return idempotent(request, caller, session, produce)


@router.post("/{job_id}/retry", response_model=JobOut)
def retry_job(request: Request, job_id: UUID, caller: Writer, services: ServicesDep, session: SessionDep) -> Response:
    """Queue a failed or cancelled job again, from the start; 409 when it is neither. Those of encoders take scope operator."""

    def produce() -> Response:
        _check_kind(session, caller, job_id)
        ttl = timedelta(days=services.settings.job_ttl_days)
        changed = jobs.retry_job(session, caller.tenant_id, job_id, now=services.clock(), ttl=ttl)
        shown = _get(session, caller.tenant_id, job_id)
        if not changed:
            raise Conflict(
                f"This job is {shown['status']}; only a failed or cancelled one can be retried.", code="job_not_ended"
            )
        place = place_of(session, caller, shown["namespace"])
        note(
            session, services, caller, Action.JOB_RETRY, subject=("job", job_id), namespace_id=place, kind=shown["kind"]
        )
        enqueue_after_commit(session, services.nudger, RUN_JOB, str(caller.tenant_id), str(job_id))
        return answer(shown)

    return idempotent(request, caller, session, produce)


@router.get(
    "/{job_id}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "`progress` events, then one `finished`."}},
)
async def follow_job(job_id: UUID, caller: Reader, services: ServicesDep) -> Response:
    """Follow a job as server-sent events: `progress` at every change, `finished` at its end.

    The stream ends after a minute at most; a client that is still interested connects again.
    """
    look = partial(_look, services, caller.tenant_id, job_id)
    first = await to_thread.run_sync(look)
    return StreamingResponse(
        _events(first, look), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
    )


def _look(services: Services, tenant_id: UUID, job_id: UUID) -> dict[str, Any]:
    """Read a job in a transaction of its own: no connection is held between two looks."""
    with services.database.transaction(tenant_id) as session:
        return _get(session, tenant_id, job_id)


async def _events(first: dict[str, Any], look: partial[dict[str, Any]]) -> AsyncIterator[str]:
    yield "retry: 1000\n\n"
    deadline = current_time() + FOLLOW_S
    shown, sent = first, None
    while True:
        if shown != sent:
            ended = shown["status"] in jobs.ENDED
            yield f"event: {'finished' if ended else 'progress'}\ndata: {json.dumps(shown)}\n\n"
            if ended:
                return
            sent = shown
        if current_time() >= deadline:
            return
        await sleep(LOOK_EVERY_S)
        try:
            shown = await to_thread.run_sync(look)
        except Unavailable:
            yield ": the database does not answer\n\n"  # A comment: the stream goes on when it is back.
        except NotFound:
            return
