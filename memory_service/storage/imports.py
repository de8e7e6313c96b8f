"""Lines of bundles that wait to be imported, and what became of each."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, case, func, select, text
from sqlalchemy.orm import Session

from memory_service.storage.tables import import_record

_t = import_record.c


@dataclass(frozen=True, slots=True)
class Waiting:
    """A line that has no outcome yet."""

    ordinal: int
    kind: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class LineOutcome:
    """What became of one line: created, updated, skipped or rejected, and why where there is a why."""

    ordinal: int
    status: str
    item_id: str | None = None
    code: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Arriving:
    """A line that has come, and what has to be known of it before its turn."""

    ordinal: int
    kind: str
    raw: bytes
    memories: Sequence[UUID] = ()  # whose words it may hold
    item_id: str | None = None
    owners: Mapping[str, str | None] = field(default_factory=dict)  # namespace and scope columns


def keep_lines(session: Session, tenant_id: UUID, job_id: UUID, lines: Sequence[Arriving]) -> None:
    """Store lines that a job has to import."""
    params: dict[str, Any] = {"tenant": tenant_id, "job": job_id}
    columns = {
        "ordinals": [line.ordinal for line in lines],
        "kinds": [line.kind for line in lines],
        "records": [line.raw for line in lines],
        "items": [line.item_id for line in lines],
        **{name: [line.owners.get(name) for line in lines] for name in _OWNERS},
    }
    session.execute(text(_KEEP), params | columns)
    named = [(line.ordinal, memory_id) for line in lines for memory_id in dict.fromkeys(line.memories)]
    session.execute(
        text(
            "INSERT INTO import_record_memory (tenant_id, memory_id, job_id, ordinal) "
            "SELECT :tenant, k.memory_id, :job, k.ordinal "
            "FROM unnest(CAST(:ordinals AS integer[]), CAST(:ids AS uuid[])) AS k (ordinal, memory_id)"
        ),
        params | {"ordinals": [ordinal for ordinal, _ in named], "ids": [memory_id for _, memory_id in named]},
    )


_OWNERS = ("namespace", "user_id", "agent_id", "session_id")
_KEEP = f"""
    INSERT INTO import_record (tenant_id, job_id, ordinal, kind, record, item_id, {", ".join(_OWNERS)})
    SELECT :tenant, :job, k.* FROM unnest(CAST(:ordinals AS integer[]), CAST(:kinds AS text[]), CAST(:records AS bytea[]),
        CAST(:items AS text[]), {", ".join(f"CAST(:{name} AS text[])" for name in _OWNERS)}) AS k
"""
# With its outcome a line loses its words, and whom it is about.
_EMPTIED = f"record = NULL, {', '.join(f'{name} = NULL' for name in _OWNERS)}"


def next_lines(
    session: Session, tenant_id: UUID, job_id: UUID, kind: str, *, limit: int, max_bytes: int
) -> list[Waiting]:
    """Return the next lines of a kind, as many as fit, one at least."""
    rows = session.execute(
        text(
            """
            SELECT x.ordinal, x.record FROM (
                SELECT w.ordinal, w.record, sum(octet_length(w.record)) OVER (ORDER BY w.ordinal) AS so_far,
                    row_number() OVER (ORDER BY w.ordinal) AS place
                FROM (SELECT ordinal, record FROM import_record WHERE tenant_id = :tenant AND job_id = :job AND kind = :kind
                    AND status IS NULL ORDER BY ordinal LIMIT :limit) w
            ) x WHERE x.so_far <= :bytes OR x.place = 1 ORDER BY x.ordinal
            """
        ),
        {"tenant": tenant_id, "job": job_id, "kind": kind, "limit": limit, "bytes": max_bytes},
    )
    return [Waiting(row.ordinal, kind, bytes(row.record)) for row in rows]


def lock_waiting(session: Session, tenant_id: UUID, job_id: UUID, ordinals: Sequence[int]) -> set[int]:
    """Return those of the lines that still wait: no erasure has taken them, and none takes them in this transaction."""
    found = session.scalars(
        text(
            "SELECT ordinal FROM import_record WHERE tenant_id = :tenant AND job_id = :job "
            "AND ordinal = ANY(CAST(:ordinals AS integer[])) AND status IS NULL ORDER BY ordinal FOR UPDATE"
        ),
        {"tenant": tenant_id, "job": job_id, "ordinals": list(ordinals)},
    )
    return set(found)


def drop_lines(session: Session, tenant_id: UUID, condition: str, params: Mapping[str, Any]) -> int:
    """Take the words out of lines `t` that still wait, those of the texts of their documents too; return how many there were.

    In their order, which an import keeps as well: neither waits for the other for ever.
    """
    dropped = session.execute(
        text(
            f"""
            WITH mine AS (SELECT t.job_id, t.ordinal, t.kind, t.item_id FROM import_record t WHERE {condition}),
            gone AS (
                SELECT x.job_id, x.ordinal FROM import_record x WHERE x.tenant_id = :tenant AND x.status IS NULL
                    AND (EXISTS (SELECT FROM mine WHERE mine.job_id = x.job_id AND mine.ordinal = x.ordinal)
                        OR x.kind = 'document_text' AND EXISTS (SELECT FROM mine WHERE mine.job_id = x.job_id
                            AND mine.kind = 'document' AND mine.item_id = x.item_id))
                ORDER BY x.job_id, x.ordinal FOR UPDATE)
            UPDATE import_record r SET {_EMPTIED}, status = 'rejected', code = 'erased', detail = 'It was erased.'
            FROM gone WHERE r.tenant_id = :tenant AND r.job_id = gone.job_id AND r.ordinal = gone.ordinal RETURNING 1
            """
        ),
        params,
    )
    return len(dropped.all())


def keep_outcomes(session: Session, tenant_id: UUID, job_id: UUID, outcomes: Sequence[LineOutcome]) -> None:
    """Write what became of lines, and let their texts go."""
    session.execute(
        text(
            f"UPDATE import_record r SET {_EMPTIED}, status = k.status, item_id = k.item_id, code = k.code, detail = k.detail "
            "FROM unnest(CAST(:ordinals AS integer[]), CAST(:statuses AS text[]), CAST(:items AS text[]), "
            "CAST(:codes AS text[]), CAST(:details AS text[])) AS k (ordinal, status, item_id, code, detail) "
            "WHERE r.tenant_id = :tenant AND r.job_id = :job AND r.ordinal = k.ordinal AND r.status IS NULL"
        ),
        {
            "tenant": tenant_id,
            "job": job_id,
            "ordinals": [o.ordinal for o in outcomes],
            "statuses": [o.status for o in outcomes],
            "items": [o.item_id for o in outcomes],
            "codes": [o.code for o in outcomes],
            "details": [o.detail for o in outcomes],
        },
    )


def count_done(session: Session, tenant_id: UUID, job_id: UUID) -> int:
    """Return how many lines of a job have an outcome."""
    query = select(func.count(_t.status)).where(_t.tenant_id == tenant_id, _t.job_id == job_id)
    return session.scalar(query) or 0


def count_outcomes(session: Session, tenant_id: UUID, job_id: UUID) -> dict[str, dict[str, int]]:
    """Return how many lines of each kind have which outcome; those that wait have none."""
    query = (
        select(_t.kind, _t.status, func.count().label("lines"))
        .where(_t.tenant_id == tenant_id, _t.job_id == job_id, _t.status.is_not(None))
        .group_by(_t.kind, _t.status)
        .order_by(_t.kind, _t.status)
    )
    counts: dict[str, dict[str, int]] = {}
    for row in session.execute(query):
        counts.setdefault(row.kind, {})[row.status] = row.lines
    return counts


def list_outcomes(
    session: Session, tenant_id: UUID, job_id: UUID, *, status: str | None, after: int | None, limit: int
) -> Sequence[RowMapping]:
    """Return what became of lines, in order: those that have an outcome."""
    query = select(_t.ordinal, _t.kind, _t.status, _t.item_id, _t.code, _t.detail).where(
        _t.tenant_id == tenant_id, _t.job_id == job_id, _t.status.is_not(None)
    )
    if status is not None:
        query = query.where(_t.status == status)
    if after is not None:
        query = query.where(_t.ordinal > after)
    return session.execute(query.order_by(_t.ordinal).limit(limit)).mappings().all()


def notable_outcomes(session: Session, tenant_id: UUID, job_id: UUID, *, limit: int) -> Sequence[RowMapping]:
    """Return the outcomes that somebody should look at, what was rejected first; what was there already is none of them."""
    query = (
        select(_t.ordinal, _t.kind, _t.status, _t.item_id, _t.code, _t.detail)
        .where(_t.tenant_id == tenant_id, _t.job_id == job_id, _t.code.is_not(None), _t.code != "present")
        .order_by(case((_t.status == "rejected", 0), else_=1), _t.ordinal)
        .limit(limit)
    )
    return session.execute(query).mappings().all()


def refused_as_erased(
    session: Session, tenant_id: UUID, job_id: UUID, ids: Sequence[UUID], *, kind: str = "memory"
) -> set[UUID]:
    """Return those of the memories, or documents, that a job did not bring back because they, or their texts, were erased."""
    query = select(_t.item_id).where(
        _t.tenant_id == tenant_id,
        _t.job_id == job_id,
        _t.kind == kind,
        _t.status == "rejected",
        _t.code.in_(("erased", "text_erased")),
        _t.item_id.in_([str(i) for i in ids]),
    )
    return {UUID(item) for item in session.scalars(query) if item is not None}


def forget_memories(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> None:
    """Take the words of erased memories out of lines that still wait."""
    params: Mapping[str, Any] = {"tenant": tenant_id, "ids": list(ids)}
    session.execute(
        text(
            f"""
            UPDATE import_record r SET {_EMPTIED}, status = 'rejected', code = 'erased', detail = 'It was erased.',
                item_id = CAST(m.memory_id AS text)
            FROM import_record_memory m WHERE m.tenant_id = :tenant AND m.memory_id = ANY(CAST(:ids AS uuid[]))
            AND r.tenant_id = :tenant AND r.job_id = m.job_id AND r.ordinal = m.ordinal
            AND r.record IS NOT NULL AND r.kind = 'memory'
            """
        ),
        params,
    )
    rows = session.execute(
        text(
            """
            SELECT r.job_id, r.ordinal, r.record FROM import_record_memory m
            JOIN import_record r ON r.tenant_id = :tenant AND r.job_id = m.job_id AND r.ordinal = m.ordinal
            WHERE m.tenant_id = :tenant AND m.memory_id = ANY(CAST(:ids AS uuid[]))
            AND r.record IS NOT NULL AND r.kind = 'document_text' ORDER BY 1, 2 FOR UPDATE OF r
            """
        ),
        params,
    ).all()
    # Once each, whichever of its memories named it.
    for row in {(row.job_id, row.ordinal): row for row in rows}.values():
        session.execute(
            text(
                "UPDATE import_record SET record = :record "
                "WHERE tenant_id = :tenant AND job_id = :job AND ordinal = :ordinal"
            ),
            {
                "tenant": tenant_id,
                "job": row.job_id,
                "ordinal": row.ordinal,
                "record": _without(bytes(row.record), {str(i) for i in ids}),
            },
        )


def _without(raw: bytes, ids: Collection[str]) -> bytes:
    """Return the line of a text with blanks where memories stood, and without their chunks.

    >>> _without(b'{"content": "a b", "chunks": [{"memory_id": "1", "span": [0, 1]}]}', {"1"})
    b'{"content": "  b", "chunks": []}'
    """
    try:
        line = json.loads(raw)
        gone = [chunk for chunk in line["chunks"] if chunk["memory_id"] in ids]
        line["content"] = blanked(line["content"], [(chunk["span"][0], chunk["span"][1]) for chunk in gone])
    except (ValueError, KeyError, TypeError, IndexError):
        # It names the memory and is no record: it would be rejected, and need not keep its words until then.
        return b"{}"
    line["chunks"] = [chunk for chunk in line["chunks"] if chunk not in gone]
    return json.dumps(line, ensure_ascii=False).encode()


def blanked(content: str, spans: Sequence[tuple[int, int]]) -> str:
    """Return a text with blanks where spans of it were.

    >>> blanked("one two three", [(4, 7)])
    'one     three'
    """
    shown = list(content)
    for start, end in spans:
        shown[start:end] = " " * (end - start)
    return "".join(shown)
