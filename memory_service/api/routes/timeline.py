"""The timeline: how many memories lie where on one of the two axes of time, and which."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from memory_service.api.answers import answer
from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.fields import Time
from memory_service.api.pages import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, page
from memory_service.api.strict_json import StrictRoute
from memory_service.errors import FieldError, InvalidRequest
from memory_service.lifecycle.records import rfc3339, state_at
from memory_service.storage import timeline
from memory_service.storage.ids import new_id
from memory_service.storage.namespaces import find_namespace_id
from memory_service.storage.sql import Row
from memory_service.storage.timeline import Axis, Bucket
from memory_service.types import Caller, KeyScope, MemoryType, State

router = APIRouter(tags=["graph"], route_class=StrictRoute)

MOST_BUCKETS = 2_000


class BucketOut(BaseModel):
    """A bucket that has memories: when it begins, and how many."""

    start: datetime
    count: int


class MomentOut(BaseModel):
    """A memory with its two times: when it was true, and since when it has been known."""

    id: UUID
    namespace: str
    label: str
    memory_type: MemoryType
    state: State
    observed_at: datetime
    valid_from: datetime | None
    valid_to: datetime | None
    created_at: datetime
    known_from: datetime
    superseded_by: UUID | None


class TimelineOut(BaseModel):
    """Buckets of the whole span that was asked for, and a page of its memories, the earliest first."""

    axis: Axis
    bucket: Bucket
    buckets: list[BucketOut]
    data: list[MomentOut]
    next_cursor: str | None
    has_more: bool


class _Place:
    """A place in the order of a timeline: a moment, and an id among those of the same moment."""

    def __init__(self, text: str) -> None:
        moment, _, memory_id = text.partition(" ")
        self.moment = datetime.fromisoformat(moment)
        self.id = UUID(memory_id)
        if self.moment.tzinfo is None:
            raise ValueError("a moment without a zone")


@router.get("/v1/timeline", response_model=TimelineOut)
def read_timeline(
    caller: Annotated[Caller, require(KeyScope.READ)],
    services: ServicesDep,
    session: SessionDep,
    namespace: Annotated[str | None, Query(description="Only this namespace; without it, all.")] = None,
    axis: Annotated[Axis, Query(description="`valid`: when it was true; `known`: when it was stored.")] = Axis.VALID,
    bucket: Annotated[Bucket, Query(description="What one count is of, in UTC.")] = Bucket.DAY,
    from_: Annotated[Time | None, Query(alias="from", description="Not before.")] = None,
    to: Annotated[Time | None, Query(description="Before.")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """Count live memories by the time at which they were true or became known, and list them in its order."""
    if from_ is not None and to is not None and from_ >= to:
        detail = "The span is empty: `from` has to lie before `to`."
        raise InvalidRequest(detail, errors=(FieldError("?from", detail),))
    tenant_id, now = caller.tenant_id, services.clock()
    asked = {"list": "timeline", "namespace": namespace, "axis": axis, "from": rfc3339(from_), "to": rfc3339(to)}
    text = decode_cursor(cursor, of=str, tenant_id=tenant_id, query=asked)
    place = None if text is None else _Place(text)
    namespace_id = None
    if namespace is not None:
        # The default namespace before its first write has no id: read under one that nothing has.
        namespace_id = find_namespace_id(session, tenant_id, namespace, pointer="?namespace") or new_id()
    where: dict[str, Any] = {"namespace_id": namespace_id, "axis": axis, "start": from_, "end": to, "now": now}
    bars = timeline.bars(session, tenant_id, bucket=bucket, most=MOST_BUCKETS + 1, **where)
    if len(bars) > MOST_BUCKETS:
        detail = f"There are more than {MOST_BUCKETS:,} of these; take a longer bucket or a shorter span."
        raise InvalidRequest(detail, errors=(FieldError("?bucket", detail),))
    after = None if place is None else (place.moment, place.id)
    rows = timeline.moments(session, tenant_id, after=after, limit=limit + 1, **where)
    found = page(
        rows,
        limit=limit,
        position=lambda row: f"{row['moment'].astimezone(UTC).isoformat()} {row['id']}",
        render=lambda row: _moment_json(row, now),
        tenant_id=tenant_id,
        query=asked,
    )
    buckets = [{"start": rfc3339(bar["starts"].replace(tzinfo=UTC)), "count": bar["memories"]} for bar in bars]
    return answer({"axis": axis, "bucket": bucket, "buckets": buckets, **found})


def _moment_json(row: Row, now: datetime) -> dict[str, Any]:
    times = ("observed_at", "valid_from", "valid_to", "created_at")
    return {
        "id": str(row["id"]),
        "namespace": row["namespace"],
        "label": row["label"],
        "memory_type": row["memory_type"],
        "state": state_at(row, now),
        **{name: rfc3339(row[name]) for name in times},
        "known_from": rfc3339(row["updated_at"]),
        "superseded_by": str(row["superseded_by"]) if row["superseded_by"] else None,
    }
