"""The turns around a turn: memories of the same session, observed just before and after.

Of what was observed at one moment, such as turns sent together without times, the id tells the order. `retrieval.turns`
orders the turns of a namespace that is read whole in the same way.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from memory_service.storage.driver import fetch, in_driver_words
from memory_service.storage.memories import AS_KNOWN, get_records, get_records_as_known
from memory_service.storage.sql import Row, uuid_array


def _beside(records: str, *, before: bool) -> str:
    """Return the search on one side of `m`, in the same session of the same user and agent: scopes are not crossed."""
    comparison, order = ("<", "DESC") if before else (">", "ASC")
    return f"""(
        SELECT b.id, b.observed_at FROM {records} b
        WHERE b.tenant_id = :tenant AND b.session_id = m.session_id AND b.namespace_id = m.namespace_id
            AND b.user_id IS NOT DISTINCT FROM m.user_id AND b.agent_id IS NOT DISTINCT FROM m.agent_id
            AND (b.observed_at, b.id) {comparison} (m.observed_at, m.id)
            AND b.state NOT IN ('archived', 'expired', 'merged') AND (b.expires_at IS NULL OR b.expires_at > :at)
        ORDER BY b.observed_at {order}, b.id {order} LIMIT :distance
    )"""


def _around(records: str) -> str:
    return f"""
        SELECT k.id AS of_id, m.observed_at AS of_moment, x.id, x.observed_at AS moment FROM unnest(CAST(:ids AS uuid[])) AS k (id)
        JOIN {records} m ON m.tenant_id = :tenant AND m.id = k.id AND m.session_id IS NOT NULL
        CROSS JOIN LATERAL ({_beside(records, before=True)} UNION ALL {_beside(records, before=False)}) x
    """


_AROUND: Final = in_driver_words(_around("memory"))
_AROUND_AS_KNOWN: Final = in_driver_words(_around(AS_KNOWN))


def runs_around(
    session: Session,
    tenant_id: UUID,
    ids: Sequence[UUID],
    *,
    distance: int,
    at: datetime,
    known: datetime | None = None,
) -> dict[UUID, list[UUID]]:
    """Return for some memories the turns around each, up to `distance` live ones on each side, in order and with it.

    Consecutive ids of a run are neighbours in their session, whatever else lies in it. A memory alone has none.
    """
    statement = _AROUND if known is None else _AROUND_AS_KNOWN
    params = {"tenant": tenant_id, "ids": uuid_array(ids), "distance": distance, "at": at, "known": known}
    runs: dict[UUID, list[tuple[datetime, UUID]]] = {}
    for of_id, of_moment, other, moment in fetch(session, statement, params):
        runs.setdefault(of_id, [(of_moment, of_id)]).append((moment, other))
    return {of_id: [memory_id for _, memory_id in sorted(run)] for of_id, run in runs.items()}


def neighbours_of(
    session: Session,
    tenant_id: UUID,
    ids: Sequence[UUID],
    *,
    distance: int,
    now: datetime,
    known: datetime | None = None,
) -> dict[UUID, list[Row]]:
    """Return for each memory up to `distance` live memories before and after it in its session, in order.

    They are context, so the filter of a search does not apply to them; the scope of the memory does, and so does `known`,
    the moment as of which the search was asked.
    """
    records = "memory" if known is None else AS_KNOWN
    params = {"tenant": tenant_id, "ids": uuid_array(ids), "distance": distance, "at": known or now, "known": known}
    rows = session.execute(text(_around(records)), params).all()
    found = {row.id for row in rows}
    if known is None:
        shown = get_records(session, tenant_id, found)
    else:
        shown = get_records_as_known(session, tenant_id, found, known=known)
    nearby: dict[UUID, list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row.moment, row.id)):
        if row.id in shown:  # else it was erased since it was listed
            nearby.setdefault(row.of_id, []).append(shown[row.id])
    return nearby
