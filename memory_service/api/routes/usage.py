"""Usage: how much a tenant or a namespace holds, writes, searches and asks of models."""

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.measuring import measured
from memory_service.api.strict_json import StrictRoute
from memory_service.lifecycle.usage import measure
from memory_service.storage.ids import new_id
from memory_service.storage.namespaces import find_namespace_id
from memory_service.types import Caller, KeyScope

router = APIRouter(prefix="/v1/usage", tags=["usage"], route_class=StrictRoute)

Reader = Annotated[Caller, require(KeyScope.READ)]


class MemoriesUsedOut(BaseModel):
    """Memories by state; erased ones are none."""

    total: int
    by_state: dict[str, int]


class BytesUsedOut(BaseModel):
    """Bytes of texts in UTF-8: of memories, of their earlier versions, of documents."""

    memories: int
    versions: int
    documents: int


class DayOut(BaseModel):
    """What a day of UTC brought."""

    day: date
    memories: int
    searches: int


class ModelUsedOut(BaseModel):
    """What was asked of one language model."""

    model: str
    calls: int
    prompt_tokens: int
    completion_tokens: int


class UsageOut(BaseModel):
    """What a tenant or a namespace holds and asks."""

    namespace: str | None
    measured_at: datetime
    memories: MemoriesUsedOut
    bytes: BytesUsedOut
    days: list[DayOut]
    models: list[ModelUsedOut]


@router.get("", response_model=UsageOut)
def get_usage(
    caller: Reader,
    services: ServicesDep,
    session: SessionDep,
    namespace: Annotated[str | None, Query(description="Only this namespace; without it, the whole tenant.")] = None,
    days: Annotated[int, Query(ge=1, le=90, description="How many days to tell apart, today among them.")] = 30,
) -> Response:
    """Return how many memories there are by state, their bytes, writes and searches by day, and tokens of models.

    Measured at most every half minute: `measured_at` says when.
    """
    namespace_id = None
    if namespace is not None:
        # The default namespace before its first write has no id: counted under one that nothing has.
        namespace_id = find_namespace_id(session, caller.tenant_id, namespace, pointer="?namespace") or new_id()
    return measured(
        services,
        ("usage", str(caller.tenant_id), namespace, days),
        lambda now: measure(
            session, caller.tenant_id, namespace_id=namespace_id, namespace=namespace, days=days, now=now
        ),
    )
