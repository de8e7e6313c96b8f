"""Fusion weights: what was proposed for the channels of a namespace, what became of it, and the way back."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from memory_service.api.answers import answer
from memory_service.api.auditing import note
from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.idempotency import idempotent
from memory_service.api.pages import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, page
from memory_service.api.strict_json import Body, StrictRoute
from memory_service.errors import Conflict
from memory_service.jobs import RUN_JOB, enqueue_after_commit
from memory_service.lifecycle.records import rfc3339
from memory_service.lifecycle.teach import start_learning
from memory_service.storage import fusion_weights
from memory_service.storage.fusion_weights import WeightsStatus
from memory_service.storage.namespaces import find_namespace_id, unknown_namespace
from memory_service.types import DEFAULT_NAMESPACE, Action, Caller, KeyScope

router = APIRouter(prefix="/v1/fusion-weights", tags=["learning"], route_class=StrictRoute)

Reader = Annotated[Caller, require(KeyScope.READ)]
Writer = Annotated[Caller, require(KeyScope.WRITE)]


class WhichNamespace(Body):
    """Which namespace is meant."""

    namespace: str = DEFAULT_NAMESPACE


class WeightsOut(BaseModel):
    """A proposal, what became of it and why; null in known_to: in force now."""

    id: UUID
    namespace: str
    factors: dict[str, float]
    status: WeightsStatus
    reason: str
    evaluation: dict[str, Any]
    decided_at: datetime
    known_from: datetime
    known_to: datetime | None


class WeightsListOut(BaseModel):
    """A page of proposals, the newest first."""

    data: list[WeightsOut]
    next_cursor: str | None
    has_more: bool


class FactorsOut(BaseModel):
    """The factors in force; a channel that is not named has 1."""

    namespace: str
    factors: dict[str, float]


class LearningOut(BaseModel):
    """The job that learns."""

    job_id: UUID


def _json(row: RowMapping) -> dict[str, Any]:
    times = {name: row[name] and rfc3339(row[name]) for name in ("decided_at", "known_from", "known_to")}
    names = ("namespace", "factors", "status", "reason", "evaluation")
    return {"id": str(row["id"]), **{name: row[name] for name in names}, **times}


def _namespace(session: Session, tenant_id: UUID, path: str) -> UUID:
    found = find_namespace_id(session, tenant_id, path, pointer="/namespace")
    if found is None:
        raise unknown_namespace(path)
    return found


@router.get("", response_model=WeightsListOut)
def list_fusion_weights(
    caller: Reader,
    session: SessionDep,
    namespace: Annotated[str | None, Query(description="Only this namespace; without it, all.")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List what was proposed, with the evaluation before and after: accepted, refused or reverted."""
    tenant_id = caller.tenant_id
    query = {"list": "fusion-weights", "namespace": namespace}
    before = decode_cursor(cursor, of=UUID, tenant_id=tenant_id, query=query)
    space = None if namespace is None else find_namespace_id(session, tenant_id, namespace, pointer="?namespace")
    rows: Sequence[RowMapping] = ()
    if namespace is None or space is not None:
        rows = fusion_weights.list_weights(session, tenant_id, namespace_id=space, before=before, limit=limit + 1)
    return answer(
        page(rows, limit=limit, position=lambda row: row["id"], render=_json, tenant_id=tenant_id, query=query)
    )


@router.post("/learn", status_code=202, response_model=LearningOut)
def learn_fusion_weights(
    request: Request, body: WhichNamespace, caller: Writer, services: ServicesDep, session: SessionDep
) -> Response:
    """Learn now from what was judged so far, whether or not the namespace learns by itself."""

    def produce() -> Response:
        namespace_id = _namespace(session, caller.tenant_id, body.namespace)
        ttl = timedelta(days=services.settings.job_ttl_days)
        job_id = start_learning(session, caller.tenant_id, namespace_id, now=services.clock(), job_ttl=ttl)
        if job_id is None:
            raise Conflict("This namespace is learning already.", code="learning_in_progress")
        enqueue_after_commit(session, services.nudger, RUN_JOB, str(caller.tenant_id), str(job_id))
        return answer({"job_id": str(job_id)}, status=202, headers={"Location": f"/v1/jobs/{job_id}"})

    return idempotent(request, caller, session, produce)


@router.post("/revert", response_model=FactorsOut)
def revert_fusion_weights(
    request: Request, body: WhichNamespace, caller: Writer, services: ServicesDep, session: SessionDep
) -> Response:
    """Go back to the factors before those in force."""

    def produce() -> Response:
        namespace_id = _namespace(session, caller.tenant_id, body.namespace)
        if not fusion_weights.revert(session, caller.tenant_id, namespace_id, now=services.clock()):
            raise Conflict("No learned factors are in force in this namespace.", code="nothing_learned")
        note(session, services, caller, Action.WEIGHTS_REVERT, namespace_id=namespace_id)
        now = fusion_weights.in_force(session, caller.tenant_id, namespace_id)
        return answer({"namespace": body.namespace, "factors": now.factors if now else {}})

    return idempotent(request, caller, session, produce)
