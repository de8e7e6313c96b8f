"""Runs of consolidation, seen through HTTP, through a worker in this process, and in the rows."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from consolidation.planning import Change, Plan
from consolidation.records import Ref
from memory_service.lifecycle.apply import apply
from memory_service.storage.database import Database
from tests.integration.rows import Rows

Snapshot = Callable[[], dict[str, Any]]

STATE = """
    SELECT m.id, m.state, m.content, m.title, m.context, m.keywords, m.tags, m.entities, m.importance, m.memory_type,
        m.valid_from, m.valid_to, m.superseded_by, m.pinned, m.external_id, m.archived_at IS NULL AS live, m.dedupe_hash,
        m.changeset_id, m.computed,
        (SELECT array_agg(s.ref ORDER BY s.ordinal) FROM source s
            WHERE s.tenant_id = m.tenant_id AND s.memory_id = m.id) AS sources,
        (SELECT count(*) FROM embedding e WHERE e.tenant_id = m.tenant_id AND e.memory_id = m.id
            AND e.known_to = 'infinity' AND e.version = m.content_version) AS vectors,
        (SELECT count(*) FROM posting p WHERE p.tenant_id = m.tenant_id AND p.memory_id = m.id
            AND p.known_to = 'infinity') AS postings
    FROM memory m WHERE m.tenant_id = :t
"""
LINKS = """
    SELECT source_id, target_id, type, weight, derivation_method FROM link WHERE tenant_id = :t AND known_to = 'infinity'
"""


@pytest.fixture
def snapshot(rows: Rows, me: Any) -> Snapshot:
    """Return a function that says what holds now: every memory without its history, every edge."""

    def take() -> dict[str, Any]:
        return {
            "memories": {row.id: tuple(row) for row in rows.all(STATE, t=me.tenant_id)},
            "links": sorted(tuple(row) for row in rows.all(LINKS, t=me.tenant_id)),
            "reviews": rows.all("SELECT count(*) FROM review WHERE tenant_id = :t AND status = 'open'", t=me.tenant_id),
        }

    return take


@pytest.fixture
def namespace_id(rows: Rows, me: Any) -> Callable[[], UUID]:
    """Return a function that says which namespace the tenant's only memories are in."""
    return lambda: rows.one("SELECT id FROM namespace WHERE tenant_id = :t", t=me.tenant_id).id


@pytest.fixture
def ref(rows: Rows, me: Any) -> Callable[[str], Ref]:
    """Return a function that names a memory in its present version."""

    def name(memory_id: str) -> Ref:
        row = rows.one("SELECT id, version FROM memory WHERE tenant_id = :t AND id = :id", t=me.tenant_id, id=memory_id)
        return Ref(row.id, row.version)

    return name


@pytest.fixture
def do(database: Database, me: Any, namespace_id: Callable[[], UUID]) -> Callable[..., UUID | None]:
    """Return a function that applies changes as one changeset."""

    def apply_changes(*changes: Change) -> UUID | None:
        with database.transaction(me.tenant_id) as session:
            return apply(session, me.tenant_id, Plan(namespace_id(), changes), now=datetime.now(UTC))

    return apply_changes
