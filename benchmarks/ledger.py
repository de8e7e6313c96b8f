"""Look behind HTTP, into the database of an embedded service: what waits for the workers, and what is half there."""

import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg

from memory_service.cli.failures import CommandFailure
from memory_service.embedded.endpoints import read_endpoints

BACKLOG_TIMEOUT_S = 300.0
CONSOLIDATION_TIMEOUT_S = 1800.0
LOOK_EVERY_S = 0.1
LOOK_AT_CONSOLIDATION_EVERY_S = 2.0

WAITING = "SELECT count(*) FROM memory WHERE enriched_version < content_version AND extract <> 'none'"
UNCONSOLIDATED = """
SELECT count(*) FROM memory WHERE consolidated_version < content_version AND extract <> 'none' AND archived_at IS NULL
"""

# A memory is whole when it says where it comes from and both channels have all of its present content.
HALF = """
SELECT coalesce(m.external_id, m.id::text)
FROM memory m JOIN namespace n ON n.tenant_id = m.tenant_id AND n.id = m.namespace_id
WHERE n.path = %(namespace)s AND (
    NOT EXISTS (SELECT FROM source s WHERE s.tenant_id = m.tenant_id AND s.memory_id = m.id)
    OR NOT EXISTS (
        SELECT FROM embedding e
        WHERE e.tenant_id = m.tenant_id AND e.memory_id = m.id AND e.version = m.content_version
    ) AND NOT EXISTS (
        SELECT FROM embedding_coarse e
        WHERE e.tenant_id = m.tenant_id AND e.memory_id = m.id AND e.version = m.content_version
    )
    OR cardinality(m.terms) = 0
    OR EXISTS (
        SELECT FROM unnest(m.terms) AS t (term) WHERE NOT EXISTS (
            SELECT FROM posting p
            WHERE p.tenant_id = m.tenant_id AND p.namespace_id = m.namespace_id AND p.term = t.term COLLATE "C"
                AND p.memory_id = m.id AND p.version = m.content_version
        )
    )
)
ORDER BY 1
"""

COUNT = """
SELECT count(*) FROM memory m JOIN namespace n ON n.tenant_id = m.tenant_id AND n.id = m.namespace_id
WHERE n.path = %(namespace)s
"""

# Postings have no foreign key: what is left of a memory that was never committed would stay unseen.
ORPHANS = """
SELECT DISTINCT p.memory_id::text
FROM posting p JOIN namespace n ON n.tenant_id = p.tenant_id AND n.id = p.namespace_id
WHERE n.path = %(namespace)s
    AND NOT EXISTS (SELECT FROM memory m WHERE m.tenant_id = p.tenant_id AND m.id = p.memory_id)
ORDER BY 1
"""


class Ledger:
    """A connection as the maintenance role, which sees every tenant."""

    def __init__(self, data_dir: Path) -> None:
        """Connect.

        Raises:
            CommandFailure: no embedded service runs in ``data_dir``.
        """
        try:
            address = read_endpoints(data_dir).maintenance.replace("+psycopg", "", 1)
            self._connection: psycopg.Connection[tuple[Any, ...]] = psycopg.connect(address, autocommit=True)
        except (OSError, ValueError, psycopg.OperationalError) as error:
            raise CommandFailure(
                f"the database of {data_dir} cannot be reached ({type(error).__name__})",
                hint="Start it with `make run`.",
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def half_records(self, namespace: str) -> tuple[int, list[str]]:
        """Return how many memories were examined (all of the namespace) and the names of those that are not whole."""
        [(count,)] = self._connection.execute(COUNT, {"namespace": namespace}).fetchall()
        found = [
            name for query in (HALF, ORPHANS) for (name,) in self._connection.execute(query, {"namespace": namespace})
        ]
        return count, found

    def database_bytes(self) -> int:
        """Return the size of the whole database on disk, without the write-ahead log."""
        [(size,)] = self._connection.execute("SELECT pg_database_size(current_database())").fetchall()
        return int(size)

    def await_idle(self) -> float:
        """Wait until no memory waits for enrichment any more; return the seconds.

        Raises:
            CommandFailure: it takes too long; probably no worker runs.
        """
        return self._await_none(WAITING, "enrichment", every_s=LOOK_EVERY_S, timeout_s=BACKLOG_TIMEOUT_S)

    def await_consolidated(self) -> float:
        """Wait until every memory has been considered by consolidation; return the seconds.

        Raises:
            CommandFailure: it takes too long; probably no worker runs, or a namespace is not consolidated by itself.
        """
        return self._await_none(
            UNCONSOLIDATED, "consolidation", every_s=LOOK_AT_CONSOLIDATION_EVERY_S, timeout_s=CONSOLIDATION_TIMEOUT_S
        )

    def _await_none(self, count: str, what: str, *, every_s: float, timeout_s: float) -> float:
        began = time.monotonic()
        while True:
            [(waiting,)] = self._connection.execute(count).fetchall()
            waited = time.monotonic() - began
            if not waiting:
                return waited
            if waited > timeout_s:
                raise CommandFailure(f"{waiting} memories still wait for {what} after {waited:.0f} s")
            time.sleep(every_s)
