"""Moments that memories speak of: which phrase says so, and which days it means."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from memory_service.storage.driver import Pending, later
from memory_service.storage.readings import GIVEN, KNOWN_FROM, given, make_room
from memory_service.storage.sql import to_jsonb, uuid_array

Span = tuple[float, float]
"""[start, end) in seconds since the epoch; -inf or inf where it is open."""


def keep_time_mentions(
    session: Session, tenant_id: UUID, found: Mapping[UUID, tuple[int, Sequence[Mapping[str, Any]]]]
) -> None:
    """Store what was found in texts, in place of what was found in earlier texts of the same memories.

    What an earlier text spoke of stays known until that text was replaced. Storing the same again changes nothing.

    Args:
        session: the transaction that marks the memories as enriched, which has locked them.
        tenant_id: whose memories.
        found: by memory, the version of its text and the mentions in it: starts, ends, phrase, span_from, span_to,
            granularity. A memory whose text has changed meanwhile is left to the next run.
    """
    if not found:
        return
    params = given(tenant_id, found)
    make_room(session, "time_mention", params)
    saying = {memory_id: some for memory_id, some in found.items() if some[1]}
    if saying:
        rows = [
            {"memory_id": memory_id, "ordinal": ordinal, **mention}
            for memory_id, (_, mentions) in saying.items()
            for ordinal, mention in enumerate(mentions)
        ]
        session.execute(text(_INSERT), {**given(tenant_id, saying), "rows": to_jsonb(rows)})


_INSERT = f"""
    INSERT INTO time_mention (tenant_id, memory_id, version, ordinal, namespace_id, starts, ends, phrase, span_from, span_to,
        granularity, known_from)
    SELECT m.tenant_id, m.id, m.content_version, f.ordinal, m.namespace_id, f.starts, f.ends, f.phrase, f.span_from,
        f.span_to, f.granularity, {KNOWN_FROM}
    FROM {GIVEN} JOIN jsonb_to_recordset(CAST(:rows AS jsonb)) AS f (memory_id uuid, ordinal smallint, starts timestamptz,
        ends timestamptz, phrase text, span_from integer, span_to integer, granularity text) ON f.memory_id = m.id
"""


def outdate(session: Session, tenant_id: UUID, ids: Sequence[UUID], *, now: datetime) -> None:
    """End what memories were known to speak of, text or time having changed, and let them wait to be read anew."""
    params = {"tenant": tenant_id, "ids": list(ids), "now": now}
    session.execute(
        text(
            "UPDATE time_mention SET known_to = greatest(:now, known_from) "
            "WHERE tenant_id = :tenant AND memory_id = ANY(CAST(:ids AS uuid[])) AND known_to = 'infinity'"
        ),
        params,
    )
    session.execute(
        text("UPDATE memory SET enriched_version = 0 WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))"),
        params,
    )


def spans_of(
    session: Session,
    tenant_id: UUID,
    namespace_ids: Sequence[UUID],
    ids: Sequence[UUID],
    *,
    known: datetime | None = None,
) -> Pending[dict[UUID, tuple[Span, ...]]]:
    """Ask for the moments that memories of some namespaces speak of; those that speak of none are left out.

    One statement, whatever the number of ids, with results in binary: about 7 ms for a thousand of 20,000.

    Args:
        session: a transaction of the tenant.
        tenant_id: whose memories.
        namespace_ids: where they live; others are left out.
        ids: which memories.
        known: as was known at this moment; None for now.
    """
    statement = _SPANS if known is None else _SPANS_AS_KNOWN
    params = {"tenant": tenant_id, "namespaces": list(namespace_ids), "ids": uuid_array(ids), "known": known}
    return Pending(later(session, statement, params), _spans_by_memory)


def _spans_by_memory(rows: Sequence[Any]) -> dict[UUID, tuple[Span, ...]]:
    spans: dict[UUID, list[Span]] = {}
    for memory_id, start, end in rows:
        spans.setdefault(memory_id, []).append((start, end))
    return {memory_id: tuple(found) for memory_id, found in spans.items()}


_SPANS_OF = """
    SELECT t.memory_id, coalesce(CAST(extract(epoch FROM t.starts) AS float8), '-infinity'),
        coalesce(CAST(extract(epoch FROM t.ends) AS float8), 'infinity')
    FROM unnest(%(ids)s::uuid[]) AS k (id)
    JOIN time_mention t ON t.tenant_id = %(tenant)s AND t.memory_id = k.id
    WHERE t.namespace_id = ANY(%(namespaces)s) AND {}
    ORDER BY t.memory_id, t.ordinal
"""
_SPANS = _SPANS_OF.format("t.known_to = 'infinity'")
_SPANS_AS_KNOWN = _SPANS_OF.format("t.known_from <= %(known)s AND t.known_to > %(known)s")
