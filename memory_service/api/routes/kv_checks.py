"""Checks of stored blobs, asked for by engines that could not use one."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response

from memory_service.api.answers import answer
from memory_service.api.dependencies import ServicesDep, require
from memory_service.api.kv.engine_routes import EngineRoute
from memory_service.api.kv.models import KvCheckedOut
from memory_service.api.routes.kv_memories import KV_MEMORIES, readable, stale_meanwhile
from memory_service.lifecycle.kv_checking import STALE, check
from memory_service.types import Caller, KeyScope

router = APIRouter(prefix=KV_MEMORIES, tags=["kv"], route_class=EngineRoute)


@router.post("/{kv_memory_id}/check", response_model=KvCheckedOut)
def check_kv_memory(
    kv_memory_id: UUID, caller: Annotated[Caller, require(KeyScope.KV)], services: ServicesDep, request: Request
) -> Response:
    """Compare the blob of a KV memory with its checksum: an engine that loaded something else asks for it.

    Where the blob is lost or damaged, the record cannot be loaded from now on, and its blocks may be saved anew. Nobody is
    believed: the service reads the blob itself, unless it did within the last seconds. 410 when the record was stale
    already, or went stale meanwhile; 503 `busy` when too many are read.
    """
    # No connection is held while the store is asked.
    with services.database.transaction(caller.tenant_id, durable=False) as session:
        row = readable(session, services, caller, request, kv_memory_id)
    open_session, blobs, looks = services.database.transaction, services.kv.blobs, services.kv.looks
    wrong = check(open_session, blobs, looks, caller.tenant_id, row, now=services.clock(), anew=True)
    if wrong == STALE:
        raise stale_meanwhile(services, caller, kv_memory_id)
    if wrong is not None:
        services.metrics.kv.not_loaded(wrong)
    return answer({"kv_memory_id": str(kv_memory_id), "sound": wrong is None, "reason": wrong})
