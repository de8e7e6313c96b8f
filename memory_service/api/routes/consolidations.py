"""Consolidation on demand: a run now, or the plan of one."""

import time
from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from consolidation.planning import Step
from memory_service.api.answers import answer
from memory_service.api.auditing import note, place_of
from memory_service.api.dependencies import ServicesDep, SessionDep, check_scope, require
from memory_service.api.fields import Flag, Number
from memory_service.api.idempotency import idempotent
from memory_service.api.memory_models import MAX_WAIT_S
from memory_service.api.services import Services
from memory_service.api.strict_json import Body, StrictRoute
from memory_service.errors import Unavailable
from memory_service.jobs import RUN_JOB, enqueue_after_commit
from memory_service.storage import jobs
from memory_service.storage.database import commit, run_after_commit
from memory_service.storage.namespaces import find_namespace_id
from memory_service.types import CONSOLIDATE, DEFAULT_NAMESPACE, Action, Caller, JobStatus, KeyScope

router = APIRouter(prefix="/v1/consolidations", tags=["consolidation"], route_class=StrictRoute)

Writer = Annotated[Caller, require(KeyScope.WRITE)]

LOOK_EVERY_S = 0.05


class ConsolidationIn(Body):
    """What to consolidate."""

    namespace: str = DEFAULT_NAMESPACE
    steps: Annotated[list[Step], Field(max_length=len(Step))] | None = Field(
        default=None, description="Only these steps; without it, all."
    )
    scope: Literal["pending", "all"] = Field(
        default="pending", description="What no run has seen as it is, or every memory again."
    )
    dry_run: Flag = Field(default=False, description="Plan, and change nothing.")
    timeout_s: Annotated[float, Number, Field(ge=0, le=MAX_WAIT_S)] = Field(
        default=MAX_WAIT_S, description="How long a dry run is waited for."
    )


class ConsolidationJobOut(BaseModel):
    """The job that consolidates."""

    job_id: UUID


class PlanOut(BaseModel):
    """What a run would change."""

    job_id: UUID
    considered: int
    counts: dict[str, int]
    changesets: list[UUID]
    changes: list[dict[str, Any]]
    truncated: bool


@router.post(
    "",
    status_code=202,
    response_model=ConsolidationJobOut,
    responses={200: {"model": PlanOut, "description": "The plan of a dry run."}},
)
def consolidate(
    body: ConsolidationIn, request: Request, caller: Writer, services: ServicesDep, session: SessionDep
) -> Response:
    """Consolidate a namespace now: 202 with a job. A dry run answers 200 with the plan, or 202 when planning takes too long.

    A plan quotes what memories say: a dry run needs memories:read as well.
    """
    if body.dry_run:
        check_scope(caller, KeyScope.READ)
        job_id = _queue(services, session, caller, body)
        return _plan(services, session, caller, job_id, timeout_s=body.timeout_s)

    def produce() -> Response:
        job_id = _queue(services, session, caller, body)
        place = place_of(session, caller, body.namespace)
        note(session, services, caller, Action.CONSOLIDATION_BEGIN, subject=("job", job_id), namespace_id=place)
        return _accepted(job_id)

    return idempotent(request, caller, session, produce)


def _accepted(job_id: UUID) -> Response:
    return answer({"job_id": str(job_id)}, status=202, headers={"Location": f"/v1/jobs/{job_id}"})


def _queue(services: Services, session: SessionDep, caller: Caller, body: ConsolidationIn) -> UUID:
    namespace_id = find_namespace_id(session, caller.tenant_id, body.namespace, pointer="/namespace")
    nothing = namespace_id is None  # the default namespace before its first write
    steps = [step.value for step in Step if body.steps is None or step in body.steps]
    job_id = jobs.create_job(
        session,
        caller.tenant_id,
        kind=CONSOLIDATE,
        namespace_id=namespace_id,
        payload={"steps": steps, "again": body.scope == "all", "dry_run": body.dry_run},
        result={"considered": 0, "counts": {}, "changesets": [], "changes": [], "truncated": False}
        if nothing
        else None,
        status=JobStatus.SUCCEEDED if nothing else JobStatus.QUEUED,
        now=services.clock(),
        ttl=timedelta(days=services.settings.job_ttl_days),
    )
    if not nothing:
        enqueue_after_commit(session, services.nudger, RUN_JOB, str(caller.tenant_id), str(job_id))
    return job_id


def _plan(services: Services, session: SessionDep, caller: Caller, job_id: UUID, *, timeout_s: float) -> Response:
    """Wait for a worker to plan, without holding a connection.

    Raises:
        Unavailable: planning failed; nothing was changed.
    """
    commit(session)
    run_after_commit(session)
    deadline = time.monotonic() + timeout_s
    while True:
        with services.database.transaction(caller.tenant_id) as glance:
            job = jobs.get_job(glance, caller.tenant_id, job_id)
        if job is None or job["status"] in {JobStatus.FAILED, JobStatus.CANCELLED}:
            raise Unavailable("The plan could not be made; nothing was changed.", retry_after_s=1)
        if job["status"] == JobStatus.SUCCEEDED and job["result"] is None:
            raise Unavailable("What the plan was about was erased meanwhile; plan again.", retry_after_s=1)
        if job["status"] == JobStatus.SUCCEEDED:
            return answer({"job_id": str(job_id), **job["result"]})
        if time.monotonic() >= deadline:
            return _accepted(job_id)
        time.sleep(LOOK_EVERY_S)
