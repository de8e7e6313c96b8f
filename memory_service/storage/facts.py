"""Facts: what memories state as subject, attribute and value, as rules or a model read it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from memory_service.analysis.facts import Fact
from memory_service.storage.readings import GIVEN, KNOWN_FROM, given, make_room
from memory_service.storage.sql import to_jsonb

RULES: Final = "rules"
MOST_PER_FACT: Final = 20
"""Memories returned for one fact that have another value of its attribute; the latest ones are what it may contradict."""


def keep_facts(
    session: Session,
    tenant_id: UUID,
    found: Mapping[UUID, tuple[int, Sequence[Fact]]],
    *,
    method: str = RULES,
) -> None:
    """Store the facts of texts in place of those that the same method found in them before.

    What an earlier text stated stays known until that text was replaced. Storing the same again changes nothing.

    Args:
        session: the transaction that has locked the memories.
        tenant_id: whose memories.
        found: by memory, the version of its text and what it states. A memory whose text has changed meanwhile is left to
            the next run.
        method: "rules", or the name of the model that read the texts.
    """
    if not found:
        return
    make_room(session, "fact", given(tenant_id, found) | {"method": method}, same="x.method = :method")
    stating = {memory_id: some for memory_id, some in found.items() if some[1]}
    if stating:
        rows = [{"memory_id": memory_id, **_row(fact)} for memory_id, (_, some) in stating.items() for fact in some]
        session.execute(text(_INSERT), {**given(tenant_id, stating), "method": method, "rows": to_jsonb(rows)})


def _row(fact: Fact) -> dict[str, Any]:
    row = {name: getattr(fact, name) for name in _STATED}
    row["span_from"], row["span_to"] = fact.span
    return row


_FIELDS = (
    "subject, attribute, value, key, positive, functional, changed, ended, valid_from, valid_to, number, unit, "
    "span_from, span_to"
)
_STATED = tuple(name for name in _FIELDS.split(", ") if not name.startswith("span"))
# Facts that another method found in the same text keep their places.
_INSERT = f"""
    INSERT INTO fact (tenant_id, memory_id, version, ordinal, namespace_id, owner, {_FIELDS}, method, known_from)
    SELECT m.tenant_id, m.id, m.content_version, coalesce(o.last, -1) + row_number() OVER (PARTITION BY m.id ORDER BY f.place),
        m.namespace_id, coalesce(m.user_id, ''), {", ".join(f"f.{name}" for name in _FIELDS.split(", "))}, :method, {KNOWN_FROM}
    FROM {GIVEN}
    JOIN ROWS FROM (jsonb_to_recordset(CAST(:rows AS jsonb)) AS (memory_id uuid, subject text, attribute text, value text,
        key text, positive boolean, functional boolean, changed boolean, ended boolean, valid_from timestamptz,
        valid_to timestamptz, number double precision, unit text, span_from integer, span_to integer))
        WITH ORDINALITY AS f (memory_id, subject, attribute, value, key, positive, functional, changed, ended, valid_from,
        valid_to, number, unit, span_from, span_to, place) ON f.memory_id = m.id
    LEFT JOIN LATERAL (SELECT max(x.ordinal) AS last FROM fact x WHERE x.tenant_id = :tenant AND x.memory_id = m.id
        AND x.version = m.content_version) o ON true
"""


def end_facts(session: Session, tenant_id: UUID, ids: Sequence[UUID], *, now: datetime) -> None:
    """Say that memories no longer state what their text stated until now; they wait to be read anew."""
    session.execute(
        text(
            "UPDATE fact SET known_to = greatest(:now, known_from) "
            "WHERE tenant_id = :tenant AND memory_id = ANY(CAST(:ids AS uuid[])) AND known_to = 'infinity'"
        ),
        {"tenant": tenant_id, "ids": list(ids), "now": now},
    )


def facts_of(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, tuple[Fact, ...]]:
    """Return what memories state now, in the order of their texts; those that state nothing are left out.

    Where a model has read a text as well as rules, both are there.
    """
    if not ids:
        return {}
    rows = session.execute(
        text(
            f"SELECT memory_id, {_FIELDS} FROM fact WHERE tenant_id = :tenant AND memory_id = ANY(CAST(:ids AS uuid[])) "
            "AND known_to = 'infinity' ORDER BY memory_id, ordinal"
        ),
        {"tenant": tenant_id, "ids": list(ids)},
    ).mappings()
    found: dict[UUID, list[Fact]] = {}
    for row in rows:
        values = dict(row)
        memory_id = values.pop("memory_id")
        span = (values.pop("span_from"), values.pop("span_to"))
        found.setdefault(memory_id, []).append(Fact(**values, span=span))
    return {memory_id: tuple(facts) for memory_id, facts in found.items()}


def same_attribute(
    session: Session, tenant_id: UUID, namespace_id: UUID, ids: Sequence[UUID], *, most: int = MOST_PER_FACT
) -> dict[UUID, tuple[UUID, ...]]:
    """Return by memory the others of its user that give a value of the same functional attribute of the same subject.

    Only live ones, the latest observed first, at most `most` for each fact. What they say need not be near in the space of
    vectors: "I'm single" and "I got married to Ruth" are not.
    """
    if not ids:
        return {}
    rows = session.execute(
        text(_SAME_ATTRIBUTE), {"tenant": tenant_id, "namespace": namespace_id, "ids": list(ids), "most": most}
    )
    found: dict[UUID, dict[UUID, None]] = {}
    for row in rows:
        found.setdefault(row.memory_id, {})[row.other_id] = None
    return {memory_id: tuple(others) for memory_id, others in found.items()}


# Facts that end ("I used to …") are no values of the present; denials are facts of their own attribute all the same.
_SAME_ATTRIBUTE = """
    SELECT f.memory_id, o.memory_id AS other_id
    FROM unnest(CAST(:ids AS uuid[])) AS k (id)
    JOIN fact f ON f.tenant_id = :tenant AND f.memory_id = k.id AND f.known_to = 'infinity' AND NOT f.ended
        AND (f.functional OR NOT f.positive)
    CROSS JOIN LATERAL (
        SELECT x.memory_id, m.observed_at FROM fact x
        JOIN memory m ON m.tenant_id = :tenant AND m.id = x.memory_id
        WHERE x.tenant_id = :tenant AND x.namespace_id = :namespace AND x.attribute = f.attribute AND x.subject = f.subject
            AND x.owner = f.owner AND x.known_to = 'infinity' AND NOT x.ended AND x.memory_id <> f.memory_id
            AND m.archived_at IS NULL AND m.superseded_by IS NULL
        ORDER BY m.observed_at DESC, x.memory_id LIMIT :most
    ) o
    WHERE f.namespace_id = :namespace
    ORDER BY f.memory_id, o.observed_at DESC, o.memory_id
"""


def list_facts(
    session: Session,
    tenant_id: UUID,
    *,
    memory_id: UUID | None = None,
    namespace_id: UUID | None = None,
    subject: str | None = None,
    attribute: str | None = None,
    before: tuple[UUID, int] | None = None,
    limit: int,
    now: datetime,
) -> Sequence[RowMapping]:
    """Return facts of live memories, those of the latest memory first, one page of them; of one memory whatever its state.

    Args:
        session: a transaction of the tenant.
        tenant_id: whose facts.
        memory_id: of this memory only.
        namespace_id: of this namespace only.
        subject: of this subject only, folded.
        attribute: of this attribute only.
        before: memory and ordinal of the last fact of the page before.
        limit: how many.
        now: the present; what has expired by then is not live.
    """
    conditions = ["f.tenant_id = :tenant", "f.known_to = 'infinity'"]
    if memory_id is not None:
        conditions.append("f.memory_id = :memory")
    else:
        conditions.append("m.archived_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > :now)")
    if namespace_id is not None:
        conditions.append("f.namespace_id = :namespace")
    if subject is not None:
        conditions.append("f.subject = :subject")
    if attribute is not None:
        conditions.append("f.attribute = :attribute")
    if before is not None:
        conditions.append("(f.memory_id < :before OR f.memory_id = :before AND f.ordinal > :ordinal)")
    last, ordinal = before or (None, None)
    return (
        session.execute(
            text(
                f"SELECT f.memory_id, p.path AS namespace, f.ordinal, {', '.join(f'f.{name}' for name in _FIELDS.split(', '))}, "
                "f.method, m.superseded_by, m.observed_at FROM fact f "
                "JOIN memory m ON m.tenant_id = :tenant AND m.id = f.memory_id "
                "JOIN namespace p ON p.tenant_id = :tenant AND p.id = f.namespace_id "
                f"WHERE {' AND '.join(conditions)} ORDER BY f.memory_id DESC, f.ordinal LIMIT :limit"
            ),
            {
                "tenant": tenant_id, "memory": memory_id, "namespace": namespace_id, "subject": subject, "attribute": attribute,
                "before": last, "ordinal": ordinal, "limit": limit, "now": now,
            },
        )
        .mappings()
        .all()
    )  # fmt: skip
