"""Conversations: turns in, each stored verbatim and findable before the answer."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from memory_service.api.answer_models import MemoryList, MessagesOut
from memory_service.api.answers import answer
from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.fields import MAX_BATCH_BYTES
from memory_service.api.idempotency import idempotent_after
from memory_service.api.listing import MAX_LIST_LIMIT, list_page
from memory_service.api.memory_models import MessagesIn
from memory_service.api.pages import DEFAULT_LIMIT
from memory_service.api.problems import problem_of_item
from memory_service.api.strict_json import StrictRoute
from memory_service.api.waiting import wait_until_consolidated
from memory_service.api.writing import encoding_of
from memory_service.errors import TooLarge
from memory_service.filters import parse_filter
from memory_service.jobs import RUN_JOB, enqueue_after_commit
from memory_service.lifecycle.draft import Prepared, prepare
from memory_service.lifecycle.remember import remember
from memory_service.storage import jobs
from memory_service.storage.list_orders import ListOrder
from memory_service.storage.namespaces import find_namespaces
from memory_service.types import Caller, JobStatus, KeyScope, State

router = APIRouter(tags=["messages"], route_class=StrictRoute)

Reader = Annotated[Caller, require(KeyScope.READ)]
Writer = Annotated[Caller, require(KeyScope.WRITE)]


@router.post("/v1/messages", status_code=202, response_model=MessagesOut)
def create_messages(
    body: MessagesIn, request: Request, caller: Writer, services: ServicesDep, session: SessionDep
) -> Response:
    """Remember turns of a conversation; a turn whose external_id is known is skipped, one that was erased is rejected."""
    if sum(len(message.content.encode()) for message in body.messages) > MAX_BATCH_BYTES:
        raise TooLarge("The messages add up to more than 2 MiB; send fewer per call.")
    now = services.clock()
    encoding = encoding_of(services, caller)
    ids: list[UUID] = []

    def encode() -> Sequence[Prepared]:
        return prepare(body.drafts(), encoding=encoding, now=now)

    def produce(prepared: Sequence[Prepared]) -> Response:
        outcomes = remember(session, caller.tenant_id, prepared, encoding=encoding, now=now)
        ids[:] = [outcome.memory_id for outcome in outcomes if outcome.problem is None]
        # One for each turn, so that a caller can put both side by side; of an erased text the id that it had.
        memories = [str(outcome.memory_id) for outcome in outcomes]
        rejected = [
            {
                "index": index,
                "status": outcome.status,
                "id": None,
                "problem": problem_of_item(outcome.problem, below=f"/messages/{index}"),
            }
            for index, outcome in enumerate(outcomes)
            if outcome.problem is not None
        ]
        fresh = [outcome.memory_id for outcome in outcomes if outcome.status == "created"]
        job_id = jobs.create_job(
            session,
            caller.tenant_id,
            kind="enrich",
            namespace_id=find_namespaces(session, caller.tenant_id, [body.namespace])[body.namespace].id,
            payload={"memory_ids": [str(i) for i in fresh]},
            total=len(fresh),
            status=JobStatus.QUEUED if fresh else JobStatus.SUCCEEDED,
            now=now,
            ttl=timedelta(days=services.settings.job_ttl_days),
        )
        if fresh:
            enqueue_after_commit(session, services.nudger, RUN_JOB, str(caller.tenant_id), str(job_id))
        return answer(
            {"job_id": str(job_id), "memories": memories, "rejected": rejected},
            status=202,
            headers={"Location": f"/v1/jobs/{job_id}"},
        )

    response = idempotent_after(request, caller, session, encode, produce)
    if body.wait == "consolidated" and ids:
        wait_until_consolidated(services, session, caller, ids, timeout_s=body.timeout_s)
    return response


@router.get("/v1/sessions/{session_id:path}/messages", response_model=MemoryList)
def list_session_messages(
    session_id: str,
    caller: Reader,
    services: ServicesDep,
    session: SessionDep,
    namespace: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIST_LIMIT)] = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List the memories of one session in the order in which they were stored.

    Turns that a run merged into the memory whose words they repeat are among them: it is what was said.
    """
    said = {"AND": [{"session_id": session_id}, {"state": {"nin": [State.ARCHIVED.value, State.EXPIRED.value]}}]}
    return answer(
        list_page(
            session,
            caller,
            selection=parse_filter(said),
            asked={"session_id": session_id},
            namespace=namespace,
            limit=limit,
            cursor=cursor,
            now=services.clock(),
            order=ListOrder.OLDEST,
        )
    )
