"""Plans of prompts: what to send to an engine, and which of its blocks need no prefill."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response

from memory_service.api.answers import answer
from memory_service.api.dependencies import ServicesDep, SessionDep, check_scope, require
from memory_service.api.idempotency import idempotent_after
from memory_service.api.kv_models import KvPlanOut, PlanIn, PrecomputeIn, PrecomputeOut
from memory_service.api.kv_prompts import Planned, find_engine, plan_for
from memory_service.api.services import Services
from memory_service.api.strict_json import StrictRoute
from memory_service.jobs import RUN_JOB, enqueue_after_commit
from memory_service.lifecycle.kv_ahead import check_packed, start
from memory_service.lifecycle.records import rfc3339
from memory_service.types import Caller, KeyScope

router = APIRouter(prefix="/v1/kv", tags=["kv"], route_class=StrictRoute)

User = Annotated[Caller, require(KeyScope.KV)]


@router.post("/plan", response_model=KvPlanOut)
def plan_kv(request: Request, body: PlanIn, caller: User, services: ServicesDep) -> Response:
    """Plan a prompt: memories in an order that repeats, its tokens, its blocks, and what the engine has of them.

    The token ids are those of the whole rendered text, as the engine computes them from the same messages. Send either with
    `cache_salt` and `kv_transfer_params`.
    """
    check_scope(caller, KeyScope.READ)
    turns = [{"role": turn.role, "content": turn.content} for turn in body.messages]
    planned = plan_for(
        request,
        services,
        caller,
        body,
        turns=turns,
        volatile=body.volatile,
        codecs=body.codecs,
        exactness=body.exactness,
    )
    return answer(plan_json(services, caller, planned, namespace=body.paths[0]))


@router.post("/precompute", status_code=202, response_model=PrecomputeOut)
def precompute_kv(
    request: Request, body: PrecomputeIn, caller: User, services: ServicesDep, session: SessionDep
) -> Response:
    """Have a worker compute the admitted blocks of a prompt with transformers and store them: 202 with a job.

    Its items tell of each run of blocks: stored, present, or refused and why. Numbers are what the engine would compute itself,
    in its own layout; where that is not known, or the worker's model has other weights, nothing is computed. In a lossy codec they
    are kept as compressed, which no look-up finds that does not ask for it.
    """
    check_scope(caller, KeyScope.READ)

    def plan() -> Planned:
        # Before the transaction: no connection is held while a query is encoded and a prompt is cut.
        engine, _ = find_engine(services, caller, body.model, body.engine)
        check_packed(engine.fingerprint)
        return plan_for(request, services, caller, body)

    def produce(planned: Planned) -> Response:
        job_id = start(
            session,
            caller.tenant_id,
            planned.plan,
            planned.asked,
            codec=body.codec,
            now=services.clock(),
            ttl=timedelta(days=services.settings.job_ttl_days),
        )
        enqueue_after_commit(session, services.nudger, RUN_JOB, str(caller.tenant_id), str(job_id))
        return answer(
            {"job_id": str(job_id), "plan_id": str(planned.plan.id)},
            status=202,
            headers={"Location": f"/v1/jobs/{job_id}"},
        )

    return idempotent_after(request, caller, session, plan, produce)


def plan_json(services: Services, caller: Caller, planned: Planned, *, namespace: str) -> dict[str, Any]:
    """Return a plan as JSON."""
    plan, prompt = planned.plan, planned.prompt
    return {
        "plan_id": str(plan.id),
        "model": plan.model,
        "engine": plan.engine,
        "namespace": namespace,
        "token_ids": list(prompt.token_ids),
        "token_ids_hash": plan.token_ids_hash,
        "text": prompt.text,
        "messages": [dict(message) for message in planned.asked.messages],
        "block_size": plan.block_size,
        "sections": [
            {
                "kind": section.kind,
                "memory_id": str(section.memory.memory_id) if section.memory else None,
                "version": section.memory.version if section.memory else None,
                "token_start": section.token_start,
                "token_end": section.token_end,
            }
            for section in prompt.sections
        ],
        "blocks": [
            {"hash": one, "admitted": at < plan.admitted, "stored": at < planned.stored}
            for at, one in enumerate(plan.block_hashes)
        ],
        "admitted_blocks": plan.admitted,
        "admitted_until": prompt.admission.reason.value,
        "expected_hit_tokens": planned.stored * plan.block_size,
        "prefix_hash": planned.prefix_hash,
        "left_out": [{"memory_id": str(one.id), "reason": one.reason} for one in planned.left_out],
        "search_id": planned.search_id,
        "cache_salt": services.planner.salt_of(caller.tenant_id),
        "kv_transfer_params": services.planner.transfer_parameters(caller, plan, prompt, now=plan.created_at),
        "expires_at": rfc3339(plan.expires_at),
    }
