"""Look-ups of engines: which leading blocks of a prompt are stored."""

from typing import Annotated

from fastapi import APIRouter, Request, Response

from memory_service.api.answers import answer
from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.kv.engine_routes import EngineRoute, check_engine, grant_of
from memory_service.api.kv.models import LookupIn, LookupOut
from memory_service.errors import Forbidden, NotFound
from memory_service.lifecycle.kv_loading import look_up, still_admitted
from memory_service.storage import kv_plans
from memory_service.types import Caller, KeyScope

router = APIRouter(prefix="/v1/kv/blocks", tags=["kv"], route_class=EngineRoute)


@router.post("/lookup", response_model=LookupOut)
def look_up_blocks(
    body: LookupIn,
    caller: Annotated[Caller, require(KeyScope.KV)],
    services: ServicesDep,
    session: SessionDep,
    request: Request,
) -> Response:
    """Say how many leading blocks are stored, and in which KV memories; what is stale or expired is not."""
    now, hashes, admitted = services.clock(), body.block_hashes, 0
    grant = grant_of(request)
    check_engine(request, body.engine)
    if grant is not None and body.plan_id not in (None, grant.plan_id):
        raise Forbidden("This grant is of another plan.")
    plan_id = grant.plan_id if grant is not None else body.plan_id
    if plan_id is not None:
        plan = kv_plans.get_plan(session, caller.tenant_id, plan_id, now=now)
        if plan is None and grant is None:
            raise NotFound("There is no such plan in this tenant; plans live for minutes. Ask for a new one.")
        # A plan that is gone, since a memory in it was erased, has no blocks.
        of_plan = frozenset(plan.block_hashes) if plan is not None else frozenset[str]()
        hashes = _leading(hashes, of_plan)
        if body.with_admitted and plan is not None:
            admitted = still_admitted(session, caller.tenant_id, plan, hashes, now=now)
    found = look_up(
        session, caller.tenant_id, hashes, engine=body.engine, codecs=body.codecs,
        exactness=[str(one) for one in body.exactness], now=now,
    )  # fmt: skip
    services.kv.uses.looked_up(caller.tenant_id, body.engine, asked=len(body.block_hashes), found=found["stored"])
    services.metrics.kv.looked_up(len(body.block_hashes), found["stored"])
    return answer({**found, "admitted": admitted} if body.with_admitted else found)


def _leading(hashes: list[str], known: frozenset[str]) -> list[str]:
    """Return the hashes before the first that is not known."""
    for number, one in enumerate(hashes):
        if one not in known:
            return hashes[:number]
    return hashes
