"""Read which memories were of use to the same searches, and the links that came of it."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from consolidation.records import Edge
from consolidation.zettelkasten.co_recall import CoRecalls, Recalled
from memory_service.types import LinkType

MOST: Final = 50_000  # recalls read at once, the newest


def load_co_recalls(session: Session, tenant_id: UUID, namespace_id: UUID, since: datetime | None) -> CoRecalls:
    """Return all recalls of the memories that were recalled since a moment, and the links of common use at them.

    Args:
        session: a transaction of the tenant.
        tenant_id: whose memories.
        namespace_id: where they are.
        since: the moment; None for all memories of the namespace, so that also links fade that nobody used since.

    A link's weight follows from all recalls of its two memories, so those of what it leads to are read as well.
    """
    params = {
        "tenant": tenant_id,
        "namespace": namespace_id,
        "since": since,
        "type": LinkType.CO_RECALLED,
        "most": MOST,
    }
    touched = {row.memory_id for row in session.execute(text(_TOUCHED), params)}
    if not touched:
        return CoRecalls()
    edges = tuple(Edge(*row) for row in session.execute(text(_EDGES), {**params, "ids": sorted(touched)}))
    ids = sorted(touched | {end for edge in edges for end in (edge.source, edge.target)})
    recalls = tuple(Recalled(*row) for row in session.execute(text(_RECALLS), {**params, "ids": ids}))
    found = sorted({*ids, *(recall.memory_id for recall in recalls)})
    live = frozenset(row.id for row in session.execute(text(_LIVE), {**params, "ids": found}))
    without = [] if len(recalls) == MOST else _without_use(edges, recalls)
    drawn = session.execute(text(_DRAWN_HERE), {**params, "links": without}) if without else ()
    return CoRecalls(recalls, edges, live, frozenset(row.id for row in drawn))


def _without_use(edges: Iterable[Edge], recalls: Iterable[Recalled]) -> list[UUID]:
    """Return the links whose two memories no known search recalled together."""
    searches: dict[UUID, set[UUID]] = defaultdict(set)
    for recall in recalls:
        searches[recall.memory_id].add(recall.trace_id)
    return sorted(edge.id for edge in edges if searches[edge.source].isdisjoint(searches[edge.target]))


_TOUCHED: Final = """
    SELECT DISTINCT r.memory_id FROM recall r JOIN memory m ON m.tenant_id = :tenant AND m.id = r.memory_id
    WHERE r.tenant_id = :tenant AND m.namespace_id = :namespace
        AND (CAST(:since AS timestamptz) IS NULL OR r.recalled_at >= :since)
    UNION
    SELECT e.id FROM link l CROSS JOIN LATERAL (VALUES (l.source_id), (l.target_id)) AS e (id)
    WHERE CAST(:since AS timestamptz) IS NULL AND l.tenant_id = :tenant AND l.namespace_id = :namespace
        AND l.type = :type AND l.known_to = 'infinity'
"""
_EDGES: Final = """
    SELECT l.id, l.source_id, l.target_id, l.type, l.weight FROM link l
    WHERE l.tenant_id = :tenant AND l.source_id = ANY(CAST(:ids AS uuid[])) AND l.known_to = 'infinity' AND l.type = :type
    UNION
    SELECT l.id, l.source_id, l.target_id, l.type, l.weight FROM link l
    WHERE l.tenant_id = :tenant AND l.target_id = ANY(CAST(:ids AS uuid[])) AND l.known_to = 'infinity' AND l.type = :type
"""
# What else was recalled by the same searches counts with it; what lies in other namespaces does not.
_RECALLS: Final = """
    SELECT r.memory_id, r.trace_id, r.rank, r.useful, r.cited, r.recalled_at FROM recall r
    JOIN memory m ON m.tenant_id = :tenant AND m.id = r.memory_id AND m.namespace_id = :namespace
    WHERE r.tenant_id = :tenant AND r.trace_id IN (
        SELECT t.trace_id FROM recall t WHERE t.tenant_id = :tenant AND t.memory_id = ANY(CAST(:ids AS uuid[])))
    ORDER BY r.recalled_at DESC, r.id LIMIT :most
"""
# An imported link came without its recalls, and without the changes of the run that drew it.
_DRAWN_HERE: Final = """
    SELECT l.id FROM link l
    JOIN change c ON c.tenant_id = :tenant AND c.changeset_id = l.changeset_id AND c.target_id = l.id
    WHERE l.tenant_id = :tenant AND l.id = ANY(CAST(:links AS uuid[]))
"""
_LIVE: Final = """
    SELECT id FROM memory WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[])) AND archived_at IS NULL
        AND superseded_by IS NULL
"""
