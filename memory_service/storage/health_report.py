"""What tells how well a memory is kept: counted from the rows themselves."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from memory_service.analysis.trust import LOW_TRUST
from memory_service.storage.sql import Row

_LIVE: Final = "m.archived_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > :now)"
# One pass over the memories tells all of it.
_MEMORIES: Final = f"""
    SELECT CASE WHEN m.expires_at <= :now AND m.state <> 'archived' THEN 'expired' ELSE m.state END AS state, m.memory_type,
        count(*) AS memories, count(*) FILTER (WHERE {_LIVE}) AS live, count(*) FILTER (WHERE {_LIVE} AND m.pinned) AS pinned,
        count(*) FILTER (WHERE {_LIVE} AND m.superseded_by IS NOT NULL) AS superseded,
        count(*) FILTER (WHERE {_LIVE} AND m.trust < :low_trust) AS low_trust,
        count(*) FILTER (WHERE m.created_at >= :since) AS created,
        count(*) FILTER (WHERE m.state = 'archived' AND m.archived_at >= :since) AS archived,
        count(*) FILTER (WHERE m.state = 'merged' AND m.archived_at >= :since) AS merged
    FROM memory m WHERE m.tenant_id = :tenant {{here}} GROUP BY 1, 2
"""
# An id ends in random bits: its last byte chooses evenly, and the same ones every time. They are chosen
# from the index alone, and then looked up: the planner takes a third of all for the share, and would read all of them.
_HOLDING: Final = f"""
    SELECT m.memory_type, m.created_at, m.importance, m.pinned, m.surprise, s.kind AS source_kind, r.stability_days,
        r.difficulty, r.recall_count, r.last_recalled_at, r.refreshed_at, r.spaced_uses, m.content ~ '[[:alnum:]]' AS has_words,
        CAST(p.retention_policy AS text) AS retention_policy
    FROM memory m JOIN namespace p ON p.tenant_id = :tenant AND p.id = m.namespace_id
    LEFT JOIN source s ON s.tenant_id = :tenant AND s.memory_id = m.id AND s.ordinal = 0
    LEFT JOIN retention r ON r.tenant_id = :tenant AND r.memory_id = m.id
    WHERE m.tenant_id = :tenant AND {_LIVE} AND m.id = ANY(ARRAY(
        SELECT m.id FROM memory m WHERE m.tenant_id = :tenant {{here}} AND {_LIVE} AND get_byte(uuid_send(m.id), 15) < :share
        LIMIT :most))
"""
_LINKS: Final = """
    SELECT count(*) FILTER (WHERE m.type = 'contradicts' AND m.known_to = 'infinity') AS contradictions,
        count(*) FILTER (WHERE m.type = 'supersedes' AND m.known_from >= :since) AS superseded
    FROM link m WHERE m.tenant_id = :tenant {here} AND m.type IN ('contradicts', 'supersedes')
"""
_REVIEWS: Final = """
    SELECT m.kind, count(*) AS open FROM review m WHERE m.tenant_id = :tenant {here} AND m.status = 'open' GROUP BY 1
"""
_VERSIONS: Final = "SELECT count(*) FROM memory_version m WHERE m.tenant_id = :tenant {here} AND m.known_to >= :since"
_ERASED: Final = "SELECT count(*) FROM tombstone m WHERE m.tenant_id = :tenant {here} AND m.erased_at >= :since"
_UNREAD: Final = """
    SELECT count(*) FROM memory m WHERE m.tenant_id = :tenant {here} AND m.enriched_version < m.content_version
        AND m.extract <> 'none'
"""
_UNCONSOLIDATED: Final = """
    SELECT count(*) FROM memory m WHERE m.tenant_id = :tenant {here} AND m.consolidated_version < m.content_version
        AND m.extract <> 'none' AND m.archived_at IS NULL
"""
_LAST: Final = """
    SELECT m.id, m.job_id, m.kind, m.counts, m.created_at FROM changeset m
    WHERE m.tenant_id = :tenant {here} AND m.status = 'applied' ORDER BY m.id DESC LIMIT 1
"""


class Place:
    """A namespace of a tenant, or all of them, looked at from one moment."""

    def __init__(
        self, session: Session, tenant_id: UUID, *, namespace_id: UUID | None, now: datetime, since: datetime
    ) -> None:
        """Bind the statements; `since` is where "lately" begins."""
        self._session = session
        self._here = "AND m.namespace_id = :namespace" if namespace_id is not None else ""
        self._params = {
            "tenant": tenant_id,
            "namespace": namespace_id,
            "now": now,
            "since": since,
            "low_trust": LOW_TRUST,
        }

    def memories(self) -> Sequence[Row]:
        """Return counts by state and type."""
        return self._rows(_MEMORIES)

    def holding(self, *, share: int, most: int) -> Sequence[Row]:
        """Return how firmly live memories hold: `share` of every 256 of them, `most` at most."""
        return self._rows(_HOLDING, share=share, most=most)

    def links(self) -> Row:
        """Return how many contradictions stand, and how often something was superseded lately."""
        return self._rows(_LINKS)[0]

    def reviews(self) -> dict[str, int]:
        """Return how many open reviews there are of each kind."""
        return {row["kind"]: row["open"] for row in self._rows(_REVIEWS)}

    def versions(self) -> int:
        """Return how many changes were made to memories lately."""
        return self._number(_VERSIONS)

    def erased(self) -> int:
        """Return how many memories were erased lately."""
        return self._number(_ERASED)

    def unread(self) -> int:
        """Return how many memories wait to be enriched."""
        return self._number(_UNREAD)

    def unconsolidated(self) -> int:
        """Return how many memories no consolidation has seen as they are."""
        return self._number(_UNCONSOLIDATED)

    def last_changeset(self) -> Row | None:
        """Return the latest changeset that is in force."""
        return next(iter(self._rows(_LAST)), None)

    def _rows(self, statement: str, **more: Any) -> Sequence[Row]:
        return self._session.execute(text(statement.format(here=self._here)), {**self._params, **more}).mappings().all()

    def _number(self, statement: str) -> int:
        return int(self._session.scalar(text(statement.format(here=self._here)), self._params) or 0)
