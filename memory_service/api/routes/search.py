"""Search, and the traces that say why."""

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from memory_service.api.answers import answer
from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.explain_models import TraceOut, WhyNotIn, WhyNotOut
from memory_service.api.idempotency import idempotent
from memory_service.api.replaying import read_trace, replay_json, why_not_json
from memory_service.api.search_answers import trace_json
from memory_service.api.search_models import FeedbackIn, SearchIn, SearchOut
from memory_service.api.searching import search
from memory_service.api.strict_json import StrictRoute
from memory_service.errors import FieldError, InvalidRequest
from memory_service.jobs import RUN_JOB, enqueue_after_commit
from memory_service.lifecycle.reinforce import take_feedback, take_feedback_back
from memory_service.lifecycle.teach import keep_judgement, take_judgement_back
from memory_service.types import Caller, KeyScope

router = APIRouter(tags=["search"], route_class=StrictRoute)

Reader = Annotated[Caller, require(KeyScope.READ)]
Writer = Annotated[Caller, require(KeyScope.WRITE)]


@router.post("/v1/search", response_model=SearchOut)
def search_memories(request: Request, body: SearchIn, caller: Reader, services: ServicesDep) -> Response:
    """Find memories by fused channels; every result says why. Scores compare within one answer only."""
    return search(request, services, caller, body, lambda _, document: answer(document), token_budget=body.token_budget)


@router.get("/v1/traces/{search_id}", response_model=TraceOut)
def get_trace(
    search_id: UUID,
    caller: Reader,
    services: ServicesDep,
    replay: Annotated[bool, Query(description="Search again as of then, and compare.")] = False,
) -> Response:
    """Read what a search asked, found and nearly found; replayed, it is searched again with what was known then."""
    with services.database.transaction(caller.tenant_id, durable=False) as session:
        trace = read_trace(session, caller, search_id)
    document = trace_json(trace)
    # No connection is held meanwhile: the replay encodes the query.
    return answer(document | {"replay": replay_json(services, caller, trace)} if replay else document)


@router.post("/v1/traces/{search_id}/why-not", response_model=WhyNotOut)
def explain_absence(search_id: UUID, body: WhyNotIn, caller: Reader, services: ServicesDep) -> Response:
    """Say where a memory fell out of a search and why, as of when it was made; changes nothing."""
    return answer(why_not_json(services, caller, search_id, body.memory_id))


@router.post("/v1/traces/{search_id}/feedback", response_model=dict[str, Any])
def give_feedback(
    search_id: UUID, body: FeedbackIn, request: Request, caller: Writer, services: ServicesDep, session: SessionDep
) -> Response:
    """Say whether a found memory was of use; useful ones hold longer, others fade sooner."""
    now = services.clock()

    def produce() -> Response:
        trace = read_trace(session, caller, search_id)
        found = [
            c for c in trace["result"]["results"] if c["memory_id"] == str(body.memory_id) and c["rank"] is not None
        ]
        if not found:
            detail = "This memory is not among the results of that search."
            raise InvalidRequest(detail, errors=(FieldError("/memory_id", detail),), code="not_in_trace")
        outcome = take_feedback(
            session,
            caller.tenant_id,
            search_id,
            body.memory_id,
            rank=found[0]["rank"],
            score=found[0]["score"],
            useful=body.useful,
            cited=body.cited,
            now=now,
        )
        job_id = keep_judgement(
            session,
            caller.tenant_id,
            trace,
            body.memory_id,
            useful=body.useful,
            cited=body.cited,
            now=now,
            job_ttl=timedelta(days=services.settings.job_ttl_days),
        )
        if job_id is not None:
            enqueue_after_commit(session, services.nudger, RUN_JOB, str(caller.tenant_id), str(job_id))
        return answer(outcome)

    return idempotent(request, caller, session, produce)


@router.delete("/v1/traces/{search_id}/feedback/{memory_id}", response_model=dict[str, Any])
def take_back_feedback(
    search_id: UUID, memory_id: UUID, caller: Writer, services: ServicesDep, session: SessionDep
) -> Response:
    """Take back what was said of a found memory: it holds as firmly as if nothing had been said. What recalled it since counts."""
    now = services.clock()
    outcome = take_feedback_back(session, caller.tenant_id, search_id, memory_id, now=now)
    take_judgement_back(session, caller.tenant_id, search_id, memory_id, now=now)
    return answer(outcome)
