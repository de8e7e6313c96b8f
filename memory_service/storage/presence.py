"""What is already there under the keys of some drafts, asked in one round trip."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from memory_service.storage.driver import in_driver_words, later
from memory_service.storage.namespaces import Namespace


@dataclass(frozen=True, slots=True)
class Key:
    """By what one draft may be known already."""

    path: str
    external_id: str | None
    dedupe_hash: bytes | None
    said_hash: bytes


@dataclass(frozen=True, slots=True)
class Holder:
    """A live memory that holds one of the keys."""

    namespace_id: UUID
    id: UUID
    external_id: str | None
    dedupe_hash: bytes | None


@dataclass(frozen=True, slots=True)
class ErasedText:
    """That a text was erased in a namespace: with which memory, last, and when."""

    memory_id: UUID
    erased_at: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """What one look finds; `due` has expired, and no sweep has marked it yet."""

    namespaces: dict[str, Namespace]
    due: list[UUID]
    holders: list[Holder]
    erased: dict[tuple[UUID, bytes], ErasedText]


# Every branch has the same columns; `kind` says what they mean. Keys are joined to what the indexes of `memory` hold, one
# probe each; the namespaces come along, since nothing else is known before the first of them is.
#
# Making this plan takes longer than carrying it out, so it is made once for a connection, whatever the batch, and once more
# when a table was analysed. OFFSET 0 keeps it from joining tables as a whole, which suits no batch; which index it takes is
# its own choice, and a poor one while the tables are new, as it is where every look-up is planned anew.
_LOOK_UP: Final = in_driver_words(
    """
    WITH n AS MATERIALIZED (
        SELECT id, path, settings, encoder_id, also_encoder_id, shelf, languages, CAST(retention_policy AS text) AS retention_policy
        FROM namespace
        WHERE tenant_id = :tenant AND path = ANY(CAST(:paths AS text[]))
    ), k AS MATERIALIZED (
        SELECT n.id AS namespace_id, g.external_id, g.dedupe_hash, g.said_hash
        FROM unnest(CAST(:key_paths AS text[]), CAST(:externals AS text[]), CAST(:dedupe AS bytea[]),
            CAST(:said AS bytea[])) AS g (path, external_id, dedupe_hash, said_hash)
        JOIN n ON n.path = g.path
    ), due AS MATERIALIZED (
        SELECT m.namespace_id, m.id FROM memory m
        WHERE m.tenant_id = :tenant AND m.expires_at IS NOT NULL AND m.expires_at <= :now
            AND m.state NOT IN ('expired', 'archived')
    )
    SELECT 'namespace' AS kind, n.id AS namespace_id, CAST(NULL AS uuid) AS id, n.path AS name, CAST(NULL AS bytea) AS hash,
        CAST(NULL AS timestamptz) AS at, n.settings, n.encoder_id, n.shelf, n.languages, n.retention_policy,
        n.also_encoder_id FROM n
    UNION ALL
    SELECT 'due', d.namespace_id, d.id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM due d
        JOIN n ON n.id = d.namespace_id
    UNION ALL
    SELECT 'holder', k.namespace_id, m.id, m.external_id, m.dedupe_hash, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM k
        CROSS JOIN LATERAL (SELECT m.id, m.external_id, m.dedupe_hash FROM memory m
            WHERE m.tenant_id = :tenant AND m.namespace_id = k.namespace_id AND m.external_id = k.external_id
                AND m.archived_at IS NULL OFFSET 0) m
    UNION ALL
    SELECT 'holder', k.namespace_id, m.id, m.external_id, m.dedupe_hash, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM k
        CROSS JOIN LATERAL (SELECT m.id, m.external_id, m.dedupe_hash FROM memory m
            WHERE m.tenant_id = :tenant AND m.namespace_id = k.namespace_id AND m.external_id = k.external_id
                AND m.state = 'merged' OFFSET 0) m
    UNION ALL
    SELECT 'holder', k.namespace_id, m.id, m.external_id, m.dedupe_hash, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM k
        CROSS JOIN LATERAL (SELECT m.id, m.external_id, m.dedupe_hash FROM memory m
            WHERE m.tenant_id = :tenant AND m.namespace_id = k.namespace_id AND m.dedupe_hash = k.dedupe_hash OFFSET 0) m
    UNION ALL
    SELECT 'erased', k.namespace_id, e.memory_id, NULL, k.said_hash, e.erased_at, NULL, NULL, NULL, NULL, NULL, NULL FROM k
        CROSS JOIN LATERAL (SELECT e.memory_id, e.erased_at FROM erased_text e
            WHERE e.tenant_id = :tenant AND e.namespace_id = k.namespace_id AND e.hash = k.said_hash OFFSET 0) e
    """
)


class _Row(NamedTuple):
    kind: str
    namespace_id: UUID
    id: UUID
    name: str
    hash: bytes
    at: datetime
    settings: dict[str, Any]
    encoder_id: int
    shelf: int
    languages: Sequence[str]
    retention_policy: str | None
    also_encoder_id: int | None


def look_up(session: Session, tenant_id: UUID, keys: Sequence[Key], *, now: datetime) -> Found:
    """Return the namespaces of the keys as far as they exist, what holds a key there, and what was erased there."""
    found = Found({}, [], [], {})
    asked = later(
        session,
        _LOOK_UP,
        {
            "tenant": tenant_id,
            "now": now,
            "paths": _distinct(key.path for key in keys),
            "key_paths": [key.path for key in keys],
            "externals": [key.external_id for key in keys],
            "dedupe": [key.dedupe_hash for key in keys],
            "said": [key.said_hash for key in keys],
        },
        one_plan=True,
    )
    for row in (_Row(*values) for values in asked.rows()):
        if row.kind == "namespace":
            found.namespaces[row.name] = Namespace(
                row.namespace_id,
                row.name,
                row.settings,
                row.encoder_id,
                row.shelf,
                tuple(row.languages),
                row.retention_policy,
                row.also_encoder_id,
            )
        elif row.kind == "due":
            found.due.append(row.id)
        elif row.kind == "holder":
            found.holders.append(Holder(row.namespace_id, row.id, row.name, row.hash))
        else:
            found.erased[row.namespace_id, row.hash] = ErasedText(row.id, row.at)
    return found


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def stand_in_line(session: Session, tenant_id: UUID, keys: Collection[tuple[str, str]]) -> None:
    """Wait for everybody who holds one of these external_ids in this way, until the end of the transaction.

    Args:
        session: the transaction.
        tenant_id: whose.
        keys: path of the namespace and external_id.
    """
    # In one order, so that two who want the same two do not wait for each other.
    for path, external_id in sorted(keys):
        session.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended('external' || CAST(:tenant AS text) || :key, 0))"),
            {"tenant": str(tenant_id), "key": f"{len(path)} {path} {external_id}"},
        )
