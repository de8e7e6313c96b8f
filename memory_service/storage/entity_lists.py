"""Entities as they are listed: with all their names, and how many memories name them since when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Self
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from memory_service.storage.memories import RECORD_JOINS, RECORD_NOW


class EntityOrder(StrEnum):
    """What of a list of entities comes first; of those that are alike, the latest found."""

    LATEST = "latest"
    MENTIONS = "mentions"  # of live memories, most first
    NAME = "name"  # as it is folded: without case and accents


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of entities ended: by its id, and by what the list is ordered by."""

    id: UUID
    mentions: int = 0
    folded: str = ""

    @classmethod
    def parse(cls, text: str, order: EntityOrder) -> Self:
        """Read what `of` wrote.

        Raises:
            ValueError: it is none.
        """
        id, _, value = text.partition(" ")
        if order is EntityOrder.MENTIONS:
            mentions = int(value)
            if not 0 <= mentions < 2**63:
                raise ValueError("no number of mentions")
            return cls(UUID(id), mentions=mentions)
        return cls(UUID(id), folded=value)

    @classmethod
    def of(cls, row: RowMapping, order: EntityOrder) -> str:
        """Write the place of a row in an order."""
        value = {EntityOrder.MENTIONS: str(row["mentions"]), EntityOrder.NAME: row["folded"]}.get(order, "")
        return f"{row['id']} {value}"


# What live memories say of an entity now: neither archived nor expired, whether or not a sweep has passed.
_LIVE: Final = "m.archived_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > :now)"
# The page is chosen before anything is counted: what one in three memories names takes its time.
_ENTITY: Final = """
    SELECT e.id, p.path AS namespace, e.name, e.kind, e.merged_into, e.folded, {numbers},
        ARRAY(SELECT n.name FROM entity_name n WHERE n.tenant_id = :tenant AND n.entity_id = e.id AND n.folded <> e.folded
            ORDER BY n.folded) AS aliases
    FROM ({page}) e JOIN namespace p ON p.tenant_id = :tenant AND p.id = e.namespace_id {counted}
"""
_COLUMNS: Final = "e.id, e.namespace_id, e.name, e.kind, e.merged_into, e.folded"
_NUMBERS: Final = "count(*) AS mentions, min(m.observed_at) AS first_seen, max(m.observed_at) AS last_seen"
_NAMING: Final = f"""
    FROM mention x JOIN memory m ON m.tenant_id = :tenant AND m.id = x.memory_id
    WHERE x.tenant_id = :tenant AND x.known_to = 'infinity' AND {_LIVE}
"""
_OF_THE_PAGE: Final = f"CROSS JOIN LATERAL (SELECT {_NUMBERS} {_NAMING} AND x.entity_id = e.id) c"
# To put them in order all are counted, in one pass: the numbers of the page are among them.
_OF_ALL: Final = f"LEFT JOIN (SELECT x.entity_id AS id, {_NUMBERS} {_NAMING} {{here}} GROUP BY 1) k ON k.id = e.id"
# Not LIKE: nothing in the words has a meaning of its own, and neither would reach an index under row level security.
_NAMED: Final = """
    AND e.id IN (SELECT n.entity_id FROM entity_name n WHERE n.tenant_id = :tenant AND strpos(n.folded, :words) > 0 {here})
"""
_CALLED: Final = """
    AND e.id IN (SELECT n.entity_id FROM entity_name n WHERE n.tenant_id = :tenant AND n.folded = :name {here})
"""
_RANK: Final = "coalesce(k.mentions, 0)"
_ORDERS: Final = {
    EntityOrder.LATEST: ("e.id DESC", "e.id < :after_id"),
    EntityOrder.MENTIONS: (f"{_RANK} DESC, e.id DESC", f"({_RANK}, e.id) < (:after_mentions, CAST(:after_id AS uuid))"),
    EntityOrder.NAME: (
        "e.folded, e.id DESC",
        "(e.folded > :after_folded OR (e.folded = :after_folded AND e.id < :after_id))",
    ),
}
_SHOWN_AS: Final = {
    EntityOrder.LATEST: "e.id DESC",
    EntityOrder.MENTIONS: "e.mentions DESC, e.id DESC",
    EntityOrder.NAME: "e.folded, e.id DESC",
}

# The same memories as the count above has.
_MENTIONS: Final = f"""
    {RECORD_NOW}, k.mentioned_spans, k.mentioned_names FROM (
        SELECT x.memory_id, x.spans AS mentioned_spans, ARRAY(SELECT n.name FROM entity_name n WHERE n.tenant_id = :tenant
            AND n.namespace_id = x.namespace_id AND n.folded = ANY(x.names) ORDER BY n.folded) AS mentioned_names
        FROM mention x JOIN memory m ON m.tenant_id = :tenant AND m.id = x.memory_id
        WHERE x.tenant_id = :tenant AND x.entity_id = :entity AND x.known_to = 'infinity' AND m.archived_at IS NULL
            AND (m.expires_at IS NULL OR m.expires_at > :now) {{further}}
        ORDER BY x.memory_id DESC LIMIT :limit
    ) k JOIN memory m ON m.tenant_id = :tenant AND m.id = k.memory_id {RECORD_JOINS} ORDER BY m.id DESC
"""


def list_entities(
    session: Session,
    tenant_id: UUID,
    *,
    namespace_id: UUID | None,
    after: Place | None,
    limit: int,
    now: datetime,
    words: str = "",
    name: str = "",
    order: EntityOrder = EntityOrder.LATEST,
) -> Sequence[RowMapping]:
    """Return one page of entities; those that were merged into others are left out.

    Args:
        session: a transaction of the tenant.
        tenant_id: whose.
        namespace_id: only of this namespace; None: of all.
        after: from behind this place in the order.
        limit: entities at most.
        now: what has expired by then is not counted.
        words: only those that have them in one of their names, folded as names are.
        name: only those of which this is a name, folded as names are.
        order: what comes first.
    """

    def here(table: str) -> str:
        return "" if namespace_id is None else f"AND {table}.namespace_id = :namespace"

    by, beyond = _ORDERS[order]
    counted = order is EntityOrder.MENTIONS
    found, joined = _COLUMNS, ""
    if counted:
        found = f"{_COLUMNS}, {_RANK} AS mentions, k.first_seen, k.last_seen"
        joined = _OF_ALL.format(here=f"{here('x')} {here('m')}")
    named = f"{_NAMED if words else ''} {_CALLED if name else ''}".format(here=here("n"))
    page = f"""
        SELECT {found} FROM entity e {joined}
        WHERE e.tenant_id = :tenant AND e.merged_into IS NULL {here("e")} {named}
            {"" if after is None else f"AND {beyond}"} ORDER BY {by} LIMIT :limit
    """
    params: dict[str, Any] = {
        "tenant": tenant_id,
        "namespace": namespace_id,
        "words": words,
        "name": name,
        "limit": limit,
        "now": now,
    }
    if after is not None:
        params |= {"after_id": after.id, "after_mentions": after.mentions, "after_folded": after.folded}
    statement = f"{_entities(page, counted=counted)} ORDER BY {_SHOWN_AS[order]}"
    return session.execute(text(statement), params).mappings().all()


def _entities(page: str, *, counted: bool) -> str:
    """Return the entities of a page with their numbers, which it has already or has not."""
    of = "e" if counted else "c"
    numbers = f"{of}.mentions, {of}.first_seen, {of}.last_seen"
    return _ENTITY.format(page=page, numbers=numbers, counted="" if counted else _OF_THE_PAGE)


def get_entity(session: Session, tenant_id: UUID, entity_id: UUID, *, now: datetime) -> RowMapping | None:
    """Return one entity, or nothing."""
    params = {"tenant": tenant_id, "id": entity_id, "now": now}
    page = f"SELECT {_COLUMNS} FROM entity e WHERE e.tenant_id = :tenant AND e.id = :id"
    return session.execute(text(_entities(page, counted=False)), params).mappings().one_or_none()


def list_mentions(
    session: Session, tenant_id: UUID, entity_id: UUID, *, before: UUID | None, limit: int, now: datetime
) -> Sequence[RowMapping]:
    """Return the records of live memories that name an entity now, the latest stored first, one page of them.

    Beside a record stand `mentioned_names`, as they were first written, and `mentioned_spans` in the content.
    """
    params = {"tenant": tenant_id, "entity": entity_id, "before": before, "limit": limit, "now": now}
    further = "" if before is None else "AND x.memory_id < :before"
    return session.execute(text(_MENTIONS.format(further=further)), params).mappings().all()
