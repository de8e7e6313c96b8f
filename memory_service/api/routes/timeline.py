"""The timeline: how many memories lie where on one of the two axes of time, and which."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

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
from memory_service.storage.timeline import Axis, Bucket, Part
from memory_service.types import Caller, KeyScope, MemoryType, State

router = APIRouter(tags=["graph"], route_class=StrictRoute)

MOST_BUCKETS = 2_000
BARS = 120  # of a bucket that is chosen here
LENGTHS = {  # the shortest of each, the finest first
    Bucket.HOUR: timedelta(hours=1),
    Bucket.DAY: timedelta(days=1),
    Bucket.WEEK: timedelta(weeks=1),
    Bucket.MONTH: timedelta(days=28),
    Bucket.YEAR: timedelta(days=365),
}
MOST_CELLS = 200  # of the plane, each way


class Asked(StrEnum):
    """A bucket; the one that fits the span; or none, for pages by themselves."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"
    AUTO = "auto"
    NONE = "none"


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
    """Buckets of the whole span that was asked for, and a page of its memories, the earliest first.

    `bucket` is the one that was chosen where `auto` was asked for, null where none is counted.
    """

    axis: Axis
    bucket: Bucket | None
    buckets: list[BucketOut]
    data: list[MomentOut]
    next_cursor: str | None
    has_more: bool


class CellOut(BaseModel):
    """A part of the plane that has memories: how many, and between which moments they lie."""

    column: int
    row: int
    count: int
    valid_from: datetime
    valid_to: datetime
    known_from: datetime
    known_to: datetime


class PlaneOut(BaseModel):
    """How many memories lie where by both of their times: columns along valid time, rows along known time.

    Cells are of one size and reach from the first memory to the last; empty ones are left out.
    """

    total: int
    columns: int
    rows: int
    cells: list[CellOut]


class _Place:
    """A place in the order of a timeline: a moment, and an id among those of the same moment."""

    def __init__(self, text: str) -> None:
        moment, _, memory_id = text.partition(" ")
        self.moment = datetime.fromisoformat(moment)
        self.id = UUID(memory_id)
        if self.moment.tzinfo is None:
            raise ValueError("a moment without a zone")


class _Where:
    """What of time is asked for; the same for the list and for the plane."""

    def __init__(
        self,
        namespace: Annotated[str | None, Query(description="Only this namespace; without it, all.")] = None,
        axis: Annotated[
            Axis, Query(description="`valid`: when it was true; `known`: when it was stored.")
        ] = Axis.VALID,
        from_: Annotated[Time | None, Query(alias="from", description="Not before.")] = None,
        to: Annotated[Time | None, Query(description="Before.")] = None,
        other_from: Annotated[Time | None, Query(description="Not before, on the other axis.")] = None,
        other_to: Annotated[Time | None, Query(description="Before, on the other axis.")] = None,
    ) -> None:
        self.namespace, self.axis = namespace, axis
        self._bounds = {"from": from_, "to": to, "other_from": other_from, "other_to": other_to}

    @property
    def said(self) -> dict[str, Any]:
        """Return it for a cursor."""
        bounds = {name: rfc3339(at) for name, at in self._bounds.items()}
        return {"namespace": self.namespace, "axis": self.axis, **bounds}

    def part(self, session: Session, tenant_id: UUID, now: datetime) -> Part:
        """Return it for the statements.

        Raises:
            InvalidRequest: a span is empty.
            NotFound: there is no such namespace.
        """
        for begin, end in (("from", "to"), ("other_from", "other_to")):
            first, last = self._bounds[begin], self._bounds[end]
            if first is not None and last is not None and first >= last:
                detail = f"The span is empty: `{begin}` has to lie before `{end}`."
                raise InvalidRequest(detail, errors=(FieldError(f"?{begin}", detail),))
        namespace_id = None
        if self.namespace is not None:
            # The default namespace before its first write has no id: read under one that nothing has.
            namespace_id = find_namespace_id(session, tenant_id, self.namespace, pointer="?namespace") or new_id()
        start, end_, other_start, other_end = self._bounds.values()
        return Part(self.axis, now, namespace_id, start, end_, other_start, other_end)


Where = Annotated[_Where, Depends()]


@router.get("/v1/timeline", response_model=TimelineOut)
def read_timeline(
    caller: Annotated[Caller, require(KeyScope.READ)],
    services: ServicesDep,
    session: SessionDep,
    where: Where,
    bucket: Annotated[
        Asked,
        Query(description="What one count is of, in UTC; `auto`: the finest that makes few bars; `none`: no counts."),
    ] = Asked.DAY,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """Count live memories by the time at which they were true or became known, and list them in its order."""
    tenant_id, now = caller.tenant_id, services.clock()
    asked = {"list": "timeline", **where.said}
    place = decode_cursor(cursor, of=_Place, tenant_id=tenant_id, query=asked)
    part = where.part(session, tenant_id, now)
    by = _chosen(timeline.span(session, tenant_id, part)) if bucket is Asked.AUTO else _named(bucket)
    bars = () if by is None else timeline.bars(session, tenant_id, part, bucket=by, most=MOST_BUCKETS + 1)
    if len(bars) > MOST_BUCKETS:
        detail = f"There are more than {MOST_BUCKETS:,} of these; take a longer bucket or a shorter span."
        raise InvalidRequest(detail, errors=(FieldError("?bucket", detail),))
    after = None if place is None else (place.moment, place.id)
    found = page(
        timeline.moments(session, tenant_id, part, after=after, limit=limit + 1),
        limit=limit,
        position=lambda row: f"{row['moment'].astimezone(UTC).isoformat()} {row['id']}",
        render=lambda row: _moment_json(row, now),
        tenant_id=tenant_id,
        query=asked,
    )
    buckets = [{"start": rfc3339(bar["starts"].replace(tzinfo=UTC)), "count": bar["memories"]} for bar in bars]
    return answer({"axis": where.axis, "bucket": by, "buckets": buckets, **found})


@router.get("/v1/timeline/plane", response_model=PlaneOut)
def read_plane(
    caller: Annotated[Caller, require(KeyScope.READ)],
    services: ServicesDep,
    session: SessionDep,
    where: Where,
    columns: Annotated[int, Query(ge=1, le=MOST_CELLS)] = 60,
    rows: Annotated[int, Query(ge=1, le=MOST_CELLS)] = 24,
) -> Response:
    """Count live memories by both of their times at once."""
    part = where.part(session, caller.tenant_id, services.clock())
    found = timeline.cells(session, caller.tenant_id, part, columns=columns, rows=rows)
    cells = [
        {
            "column": row["at"],
            "row": row["up"],
            "count": row["memories"],
            "valid_from": rfc3339(row["held_from"]),
            "valid_to": rfc3339(row["held_to"]),
            "known_from": rfc3339(row["learned_from"]),
            "known_to": rfc3339(row["learned_to"]),
        }
        for row in found
    ]
    return answer({"total": sum(cell["count"] for cell in cells), "columns": columns, "rows": rows, "cells": cells})


def _named(bucket: Asked) -> Bucket | None:
    return None if bucket is Asked.NONE else Bucket(bucket.value)


def _chosen(span: tuple[datetime, datetime] | None) -> Bucket:
    """Return the finest bucket of which a span has few.

    >>> day = datetime(2026, 1, 1, tzinfo=UTC)
    >>> [_chosen((day, day + timedelta(days=long))).value for long in (0, 4, 90, 700, 3_000, 30_000)]
    ['hour', 'hour', 'day', 'week', 'month', 'year']
    """
    if span is None:
        return Bucket.DAY
    first, last = span
    return next((bucket for bucket, long in LENGTHS.items() if last - first < BARS * long), Bucket.YEAR)


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
