"""Memories in order of time: when they were true, or when they became known.

Each axis has an index that holds all it takes to count: a namespace of a hundred thousand memories is counted without reading
one of them, and a page of them is read from where it begins.
"""

from collections.abc import Sequence
from dataclasses import dataclass
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


# Not coalesce, which Postgres does not take for leakproof: under row level security no bound on it would reach the index.
_TRUE: Final = "CASE WHEN m.valid_from IS NULL THEN m.observed_at ELSE m.valid_from END"
MOMENT: Final = {Axis.VALID: _TRUE, Axis.KNOWN: "m.created_at"}
_OTHER: Final = {Axis.VALID: Axis.KNOWN, Axis.KNOWN: Axis.VALID}


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the plane of both times: bounds on the axis that is looked at, and on the other one; half open."""

    axis: Axis
    now: datetime  # what has expired by then is left out
    namespace_id: UUID | None = None  # None: of all
    start: datetime | None = None
    end: datetime | None = None
    other_start: datetime | None = None
    other_end: datetime | None = None

    @property
    def shown(self) -> str:
        """Return the condition by which a memory lies in it."""
        bounds = {"start": (self.axis, ">="), "end": (self.axis, "<")}
        other = _OTHER[self.axis]
        bounds |= {"other_start": (other, ">="), "other_end": (other, "<")}
        said = [
            f"{MOMENT[axis]} {how} :{name}" for name, (axis, how) in bounds.items() if getattr(self, name) is not None
        ]
        here = [] if self.namespace_id is None else ["m.namespace_id = :namespace"]
        live = ["m.archived_at IS NULL", "(m.expires_at IS NULL OR m.expires_at > :now)"]
        return " AND ".join(["m.tenant_id = :tenant", *here, *live, *said])

    @property
    def params(self) -> dict[str, Any]:
        """Return the parameters by which its condition is bound."""
        bounds = {name: getattr(self, name) for name in ("start", "end", "other_start", "other_end")}
        return {"namespace": self.namespace_id, "now": self.now, **bounds}


# The beginning without a zone: in that of the server, the first year may begin in a year that no datetime holds.
_BARS: Final = """
    SELECT date_trunc(:bucket, {moment}, 'UTC') AT TIME ZONE 'UTC' AS starts, count(*) AS memories
    FROM memory m WHERE {shown} GROUP BY 1 ORDER BY 1 LIMIT :most
"""
# Each from its end of the index.
_SPAN: Final = """
    SELECT (SELECT {moment} FROM memory m WHERE {shown} ORDER BY {moment} LIMIT 1) AS first,
        (SELECT {moment} FROM memory m WHERE {shown} ORDER BY {moment} DESC LIMIT 1) AS last
"""
_PAGE: Final = """
    SELECT m.id, left(coalesce(m.title, m.content), :label) AS label, p.path AS namespace, m.memory_type, m.state, m.expires_at,
        m.observed_at, m.valid_from, m.valid_to, m.created_at, m.updated_at, m.superseded_by, {moment} AS moment
    FROM memory m JOIN namespace p ON p.tenant_id = :tenant AND p.id = m.namespace_id
    WHERE {shown} {after} ORDER BY {moment}, m.id LIMIT :most
"""
_CELLS: Final = f"""
    WITH shown AS MATERIALIZED (
        SELECT {MOMENT[Axis.VALID]} AS held, {MOMENT[Axis.KNOWN]} AS learned FROM memory m WHERE {{shown}}
    ), span AS (
        SELECT min(held) AS held, min(learned) AS learned,
            greatest(date_part('epoch', max(held)) - date_part('epoch', min(held)), 1) AS long,
            greatest(date_part('epoch', max(learned)) - date_part('epoch', min(learned)), 1) AS wide FROM shown
    )
    SELECT {{at}} AS at, {{up}} AS up, count(*) AS memories, min(s.held) AS held_from, max(s.held) AS held_to,
        min(s.learned) AS learned_from, max(s.learned) AS learned_to
    FROM shown s CROSS JOIN span GROUP BY 1, 2 ORDER BY 1, 2
"""


def bars(session: Session, tenant_id: UUID, part: Part, *, bucket: Bucket, most: int) -> Sequence[Row]:
    """Return how many live memories each bucket has that has any, the earliest first."""
    return _rows(session, tenant_id, _BARS, part, bucket=bucket.value, most=most)


def span(session: Session, tenant_id: UUID, part: Part) -> tuple[datetime, datetime] | None:
    """Return the moments of the first and of the last live memory; None where there is none."""
    (row,) = _rows(session, tenant_id, _SPAN, part)
    return None if row["first"] is None else (row["first"], row["last"])


def moments(
    session: Session, tenant_id: UUID, part: Part, *, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Row]:
    """Return live memories in order of time, the earliest first, from behind a place in that order."""
    beyond = f"AND ({MOMENT[part.axis]}, m.id) > (:after_moment, CAST(:after_id AS uuid))"
    place = {} if after is None else {"after_moment": after[0], "after_id": after[1]}
    statement = _PAGE.replace("{after}", "" if after is None else beyond)
    return _rows(session, tenant_id, statement, part, label=_LABEL, most=limit, **place)


def cells(session: Session, tenant_id: UUID, part: Part, *, columns: int, rows: int) -> Sequence[Row]:
    """Return how many live memories lie in each cell of the plane that has any, and between which moments.

    The plane reaches from the first to the last of them, on either axis; `at` counts along the valid one, `up` along the known.
    """
    statement = _CELLS.replace("{at}", _cell("held", "long", "columns")).replace(
        "{up}", _cell("learned", "wide", "rows")
    )
    return _rows(session, tenant_id, statement, part, columns=columns, rows=rows)


def _cell(moment: str, size: str, count: str) -> str:
    away = f"(date_part('epoch', s.{moment}) - date_part('epoch', span.{moment})) / span.{size}"
    return f"CAST(least(:{count} - 1, floor({away} * :{count})) AS integer)"


def _rows(session: Session, tenant_id: UUID, statement: str, part: Part, **more: Any) -> Sequence[Row]:
    bound = {"tenant": tenant_id, **part.params, **more}
    return session.execute(text(statement.format(shown=part.shown, moment=MOMENT[part.axis])), bound).mappings().all()
