"""What a new memory is compared with: what searches recalled before it, and the vectors of what came before it."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from memory_service.storage.ids import new_id
from memory_service.storage.sql import uuid_array

TRACES_READ: Final = 50  # the last searches of a namespace
TRACES_SEEN: Final = 1_000  # searches of the tenant among which those are looked for
STREAM_SEEN: Final = 200  # memories of a namespace among which those without a session are looked for
_HEADER: Final = 2  # halfvec_send writes the dimension and a reserved number before the values, 16 bits each


def recently_recalled(
    session: Session, tenant_id: UUID, namespaces: Collection[UUID], *, since: datetime
) -> dict[UUID, list[RowMapping]]:
    """Return the memories that the last searches of namespaces recalled, by namespace.

    Args:
        session: the transaction.
        tenant_id: whose.
        namespaces: where was searched; what a search of several recalled may lie in another one.
        since: searches before this are left out.
    """
    rows = session.execute(
        text(
            """
            WITH asked AS MATERIALIZED (
                SELECT t.id, t.namespaces, t.result FROM trace t
                WHERE t.tenant_id = :tenant AND t.id >= CAST(:oldest AS uuid) ORDER BY t.id DESC LIMIT :seen
            ), of AS (
                SELECT n.id AS namespace_id, s.result FROM namespace n CROSS JOIN LATERAL (
                    SELECT a.result FROM asked a WHERE n.path = ANY (a.namespaces) ORDER BY a.id DESC LIMIT :read
                ) s WHERE n.tenant_id = :tenant AND n.id = ANY (CAST(:namespaces AS uuid[]))
            ), shown AS (
                SELECT DISTINCT o.namespace_id, CAST(r ->> 'memory_id' AS uuid) AS id
                FROM of o CROSS JOIN LATERAL jsonb_array_elements(o.result -> 'results') r
            )
            SELECT h.namespace_id, m.id, m.content, m.derivation_method, m.derivation_parents, m.trust, m.flags
            FROM shown h JOIN memory m ON m.tenant_id = :tenant AND m.id = h.id ORDER BY h.namespace_id, m.id
            """
        ),
        {
            "tenant": tenant_id,
            "namespaces": list(namespaces),
            "oldest": _first_id(since),
            "seen": TRACES_SEEN,
            "read": TRACES_READ,
        },
    ).mappings()
    found: dict[UUID, list[RowMapping]] = defaultdict(list)
    for row in rows:
        found[row["namespace_id"]].append(row)
    return found


def _first_id(moment: datetime) -> UUID:
    """Return the least UUIDv7 of a moment.

    >>> from datetime import UTC
    >>> _first_id(datetime(2024, 1, 1, tzinfo=UTC))
    UUID('018cc251-f400-7000-8000-000000000000')
    """
    return UUID(int=int(moment.timestamp() * 1000) << 80 | 0x7 << 76 | 0x8 << 60)


def link_echoes(session: Session, tenant_id: UUID, echoes: Sequence[tuple[UUID, UUID, UUID]], *, now: datetime) -> None:
    """Draw an edge from each echo to what it repeats, by which an erasure finds it: (namespace, echo, parent)."""
    session.execute(
        text(
            """
            INSERT INTO link (tenant_id, id, namespace_id, source_id, target_id, type, weight, derivation_method, known_from)
            SELECT :tenant, k.id, k.namespace_id, k.echo, k.parent, 'derived_from', 1, 'recalled', :now
            FROM unnest(CAST(:ids AS uuid[]), CAST(:namespaces AS uuid[]), CAST(:echoes AS uuid[]), CAST(:parents AS uuid[]))
                AS k (id, namespace_id, echo, parent)
            JOIN memory p ON p.tenant_id = :tenant AND p.id = k.parent
            """
        ),
        {
            "tenant": tenant_id,
            "ids": [new_id() for _ in echoes],
            "namespaces": [namespace_id for namespace_id, _, _ in echoes],
            "echoes": [echo for _, echo, _ in echoes],
            "parents": [parent for _, _, parent in echoes],
            "now": now,
        },
    )


def unlink_echoes(session: Session, tenant_id: UUID, ids: Sequence[UUID], *, now: datetime) -> None:
    """End the edges of memories that are echoes no more."""
    session.execute(
        text(
            "UPDATE link SET known_to = :now WHERE tenant_id = :tenant AND source_id = ANY(CAST(:ids AS uuid[])) "
            "AND type = 'derived_from' AND derivation_method = 'recalled' AND known_to > :now"
        ),
        {"tenant": tenant_id, "ids": list(ids), "now": now},
    )


@dataclass(frozen=True, slots=True)
class Stream:
    """Memories in the order in which they came: those of one session, or of a namespace outside sessions."""

    namespace_id: UUID
    session_id: str | None
    before: UUID  # the first memory that is looked at


@dataclass(frozen=True, slots=True)
class Earlier:
    """A memory that came before, and how surprising it was as far as that is known."""

    id: UUID
    surprise: float | None


def came_before(session: Session, tenant_id: UUID, streams: Sequence[Stream], *, limit: int) -> list[list[Earlier]]:
    """Return for each stream the memories just before its first, oldest first."""
    rows = session.execute(
        text(
            """
            SELECT k.at, b.id, b.surprise FROM unnest(CAST(:at AS integer[]), CAST(:namespaces AS uuid[]),
                CAST(:sessions AS text[]), CAST(:firsts AS uuid[])) AS k (at, namespace_id, session_id, first)
            CROSS JOIN LATERAL (
                SELECT m.id, m.surprise FROM memory m WHERE m.tenant_id = :tenant AND m.session_id = k.session_id
                    AND m.namespace_id = k.namespace_id AND m.id < k.first ORDER BY m.id DESC LIMIT :limit
            ) b WHERE k.session_id IS NOT NULL
            UNION ALL
            SELECT k.at, b.id, b.surprise FROM unnest(CAST(:at AS integer[]), CAST(:namespaces AS uuid[]),
                CAST(:sessions AS text[]), CAST(:firsts AS uuid[])) AS k (at, namespace_id, session_id, first)
            CROSS JOIN LATERAL (
                SELECT s.id, s.surprise FROM (
                    SELECT m.id, m.surprise, m.session_id FROM memory m WHERE m.tenant_id = :tenant
                        AND m.namespace_id = k.namespace_id AND m.id < k.first ORDER BY m.id DESC LIMIT :seen
                ) s WHERE s.session_id IS NULL ORDER BY s.id DESC LIMIT :limit
            ) b WHERE k.session_id IS NULL
            ORDER BY 1, 2
            """
        ),
        {
            "tenant": tenant_id,
            "at": list(range(len(streams))),
            "namespaces": [stream.namespace_id for stream in streams],
            "sessions": [stream.session_id for stream in streams],
            "firsts": [stream.before for stream in streams],
            "limit": limit,
            "seen": STREAM_SEEN,
        },
    )
    found: list[list[Earlier]] = [[] for _ in streams]
    for row in rows:
        found[row.at].append(Earlier(row.id, row.surprise))
    return found


def vectors_of(session: Session, tenant_id: UUID, ids: Collection[UUID]) -> dict[UUID, NDArray[np.float32]]:
    """Return the vector of what each memory says now, as the encoder of its namespace sees it: float32[d], normalised.

    That of a text in several parts is their mean. A memory without vectors is absent.
    """
    if not ids:
        return {}
    rows: list[Any] = list(
        session.execute(
            text(
                """
                SELECT DISTINCT ON (e.memory_id, e.chunk) e.memory_id, halfvec_send(e.vector) AS vector
                FROM unnest(CAST(:ids AS uuid[])) AS k (id) JOIN memory m ON m.tenant_id = :tenant AND m.id = k.id
                JOIN namespace n ON n.tenant_id = :tenant AND n.id = m.namespace_id
                JOIN embedding e ON e.tenant_id = :tenant AND e.memory_id = m.id AND e.version = m.content_version
                    AND e.encoder_id = n.encoder_id
                ORDER BY e.memory_id, e.chunk
                """
            ),
            {"tenant": tenant_id, "ids": uuid_array(ids)},
        )
    )
    if not rows:
        return {}
    raw = [np.frombuffer(row.vector, dtype=">f2")[_HEADER:].astype(np.float32) for row in rows]
    parts: dict[UUID, list[NDArray[np.float32]]] = defaultdict(list)
    for row, vector in zip(rows, raw, strict=True):
        parts[row.memory_id].append(vector)
    return {memory_id: _mean(vectors) for memory_id, vectors in parts.items()}


def _mean(vectors: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    mean: NDArray[np.float32] = np.mean(vectors, axis=0) if len(vectors) > 1 else vectors[0]
    norm = float(np.linalg.norm(mean))
    return mean / np.float32(norm) if norm > 0 else mean
