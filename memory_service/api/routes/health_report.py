"""How well memories are kept: one page of numbers about a namespace, or about all."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.measuring import measured
from memory_service.api.strict_json import StrictRoute
from memory_service.lifecycle.health_report import report
from memory_service.storage.ids import new_id
from memory_service.storage.namespaces import find_namespace_id
from memory_service.types import Caller, KeyScope

router = APIRouter(tags=["usage"], route_class=StrictRoute)


class SizesOut(BaseModel):
    """How many there are; `by_type` counts live ones."""

    total: int
    live: int
    pinned: int
    superseded: int
    by_state: dict[str, int]
    by_type: dict[str, int]


class ZonesOut(BaseModel):
    """How many hold firmly (R at least 0.9), fade (at least 0.5), are faint, of those that were looked at.

    Of more than 5,000 live memories an even sample is looked at.
    """

    looked_at: int
    firm: int
    fading: int
    faint: int


class JunkOut(BaseModel):
    """What holds no word, and what is faint and was never recalled, of those that were looked at."""

    count: int
    rate: float


class DuplicatesOut(BaseModel):
    """What was merged into what it repeats, and open questions whether something repeats."""

    merged: int
    open: int
    rate: float


class ContradictionsOut(BaseModel):
    """Open questions which of two is right, and links that say that two contradict each other."""

    open: int
    links: int


class LowTrustOut(BaseModel):
    """Open questions about texts of low trust, and live memories of low trust."""

    open: int
    memories: int


class WaitingOut(BaseModel):
    """What the background has not read yet."""

    enrichment: int
    consolidation: int


class WeekOut(BaseModel):
    """What changed within seven days; `changed` counts versions."""

    since: datetime
    created: int
    changed: int
    superseded: int
    merged: int
    archived: int
    erased: int


class LastConsolidationOut(BaseModel):
    """The latest changeset in force."""

    changeset_id: UUID
    job_id: UUID | None
    kind: str
    counts: dict[str, Any]
    at: datetime


class HealthReportOut(BaseModel):
    """How well the memories of a namespace, or of all, are kept."""

    namespace: str | None
    measured_at: datetime
    memories: SizesOut
    retention: ZonesOut
    junk: JunkOut
    duplicates: DuplicatesOut
    contradictions: ContradictionsOut
    low_trust: LowTrustOut
    reviews_open: int
    waiting: WaitingOut
    week: WeekOut
    last_consolidation: LastConsolidationOut | None


@router.get("/v1/health-report", response_model=HealthReportOut)
def get_health_report(
    caller: Annotated[Caller, require(KeyScope.READ)],
    services: ServicesDep,
    session: SessionDep,
    namespace: Annotated[str | None, Query(description="Only this namespace; without it, the whole tenant.")] = None,
) -> Response:
    """Return sizes, strength, junk, duplicates, contradictions, low trust, and what changed within a week.

    Measured at most every half minute: `measured_at` says when.
    """
    namespace_id = None
    if namespace is not None:
        # The default namespace before its first write has no id: counted under one that nothing has.
        namespace_id = find_namespace_id(session, caller.tenant_id, namespace, pointer="?namespace") or new_id()
    return measured(
        services,
        ("health-report", str(caller.tenant_id), namespace),
        lambda now: report(session, caller.tenant_id, namespace_id=namespace_id, namespace=namespace, now=now),
    )
