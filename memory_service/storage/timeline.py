"""Memories in order of time: when they were true, or when they became known."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from memory_service.storage.sql import Row

_LABEL: Final = 160  # characters


class Axis(StrEnum):
    """Which of its two times places a memory."""

    VALID = "valid"  # when it was true, or observed where that is not said
    KNOWN = "known"  # when it was stored


class Bucket(StrEnum):
    """How much time one bar stands for; weeks begin on Monday, all in UTC."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


MOMENT: Final = {Axis.VALID: "coalesce(m.valid_from, m.observed_at)", Axis.KNOWN: "m.created_at"}
_SHOWN: Final = """
    m.tenant_id = :tenant {here} AND m.archived_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > :now)
        AND (CAST(:start AS timestamptz) IS NULL OR {moment} >= :start) AND (CAST(:end AS timestamptz) IS NULL OR {moment} < :end)
"""
# The beginning without a zone: in that of the server, the first year may begin in a year that no datetime holds.
_BARS: Final = f"""
    SELECT date_trunc(:bucket, {{moment}}, 'UTC') AT TIME ZONE 'UTC' AS starts, count(*) AS memories
    FROM memory m WHERE {_SHOWN} GROUP BY 1 ORDER BY 1 LIMIT :most
"""
_PAGE: Final = f"""
    SELECT m.id, left(coalesce(m.title, m.content), :label) AS label, p.path AS namespace, m.memory_type, m.state, m.expires_at,
        m.observed_at, m.valid_from, m.valid_to, m.created_at, m.updated_at, m.superseded_by, {{moment}} AS moment
    FROM memory m JOIN namespace p ON p.tenant_id = :tenant AND p.id = m.namespace_id
    WHERE {_SHOWN} {{after}} ORDER BY {{moment}}, m.id LIMIT :most
"""


def bars(
    session: Session,
    tenant_id: UUID,
    *,
    namespace_id: UUID | None,
    axis: Axis,
    bucket: Bucket,
    start: datetime | None,
    end: datetime | None,
    now: datetime,
    most: int,
) -> Sequence[Row]:
    """Return how many live memories each bucket has that has any, the earliest first."""
    params = {"bucket": bucket.value, "most": most}
    return _rows(session, tenant_id, _BARS, params, namespace_id=namespace_id, axis=axis, start=start, end=end, now=now)


def moments(
    session: Session,
    tenant_id: UUID,
    *,
    namespace_id: UUID | None,
    axis: Axis,
    start: datetime | None,
    end: datetime | None,
    after: tuple[datetime, UUID] | None,
    now: datetime,
    limit: int,
) -> Sequence[Row]:
    """Return live memories in order of time, the earliest first, from behind a place in that order."""
    moment = MOMENT[axis]
    beyond = "" if after is None else f"AND ({moment}, m.id) > (:after_moment, CAST(:after_id AS uuid))"
    params: dict[str, Any] = {"label": _LABEL, "most": limit}
    if after is not None:
        params |= {"after_moment": after[0], "after_id": after[1]}
    statement = _PAGE.replace("{after}", beyond)
    return _rows(
        session, tenant_id, statement, params, namespace_id=namespace_id, axis=axis, start=start, end=end, now=now
    )


def _rows(
    session: Session,
    tenant_id: UUID,
    statement: str,
    params: dict[str, Any],
    *,
    namespace_id: UUID | None,
    axis: Axis,
    start: datetime | None,
    end: datetime | None,
    now: datetime,
) -> Sequence[Row]:
    here = "AND m.namespace_id = :namespace" if namespace_id is not None else ""
    bound = {"tenant": tenant_id, "namespace": namespace_id, "start": start, "end": end, "now": now, **params}
    return session.execute(text(statement.format(here=here, moment=MOMENT[axis])), bound).mappings().all()
