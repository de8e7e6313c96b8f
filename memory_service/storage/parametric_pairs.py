"""Pairs that cubes were taught, or are to be: a cue, the memory it is to bring, and the vectors of both."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping, delete, func, insert, or_, select, text
from sqlalchemy.orm import Session

from memory_service.storage.tables import parametric_pair

MOST_PAIRS: Final = 5_000  # of one cube, those that wait among them
MOST_GIVEN: Final = 1_000  # of one training

_p = parametric_pair.c


@dataclass(frozen=True, slots=True)
class NewPair:
    """A pair that a training brings; of a question that was asked, with whoever asked it."""

    cue: str
    memory_id: UUID
    origin: str = "given"
    user_id: str | None = None
    agent_id: str | None = None
    session_id: str | None = None
    canary: bool = False  # asked before the version is put in force, not learned


@dataclass(frozen=True, slots=True)
class Vectors:
    """What a pair is learned by: float32 little-endian, of which text of the memory, and of which encoder."""

    key: bytes
    value: bytes
    memory_version: int
    encoder_id: int


def cue_hash(cue: str) -> bytes:
    """Return what makes two cues the same: their words."""
    return hashlib.sha256(cue.encode()).digest()


def count(session: Session, tenant_id: UUID, cube_id: UUID, lineage: Sequence[int]) -> int:
    """Return how many pairs a version is made of, and how many wait to be learned."""
    query = select(func.count()).where(
        _p.tenant_id == tenant_id,
        _p.parametric_memory_id == cube_id,
        or_(_p.version.in_(lineage), _p.version.is_(None)),
    )
    return session.scalar(query) or 0


def known(session: Session, tenant_id: UUID, cube_id: UUID, lineage: Sequence[int]) -> set[tuple[bytes, UUID]]:
    """Return cues, by their hash, with the memories they bring: those of a version, and those that wait."""
    query = select(_p.cue_hash, _p.memory_id).where(
        _p.tenant_id == tenant_id,
        _p.parametric_memory_id == cube_id,
        or_(_p.version.in_(lineage), _p.version.is_(None)),
    )
    return {(row.cue_hash, row.memory_id) for row in session.execute(query)}


def teachable(session: Session, tenant_id: UUID, namespace_id: UUID, ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return those of the memories that are live and in a namespace, with the version of their text."""
    rows = session.execute(
        text(
            "SELECT id, content_version FROM memory WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[])) "
            "AND namespace_id = :namespace AND archived_at IS NULL ORDER BY id"
        ),
        {"tenant": tenant_id, "namespace": namespace_id, "ids": list(ids)},
    )
    return {row.id: row.content_version for row in rows}


def add_waiting(
    session: Session,
    tenant_id: UUID,
    cube_id: UUID,
    pairs: Sequence[NewPair],
    *,
    namespace_id: UUID,
    versions: dict[UUID, int],
    job_id: UUID,
    now: datetime,
) -> None:
    """Store pairs of a locked cube that a job is to teach it; `versions` are those of the texts of their memories."""
    first = _next_position(session, tenant_id, cube_id)
    session.execute(
        insert(parametric_pair),
        [
            {
                "tenant_id": tenant_id, "parametric_memory_id": cube_id, "position": first + at, "namespace_id": namespace_id,
                "memory_id": pair.memory_id, "memory_version": versions[pair.memory_id], "cue": pair.cue,
                "cue_hash": cue_hash(pair.cue), "origin": pair.origin, "user_id": pair.user_id,
                "agent_id": pair.agent_id, "session_id": pair.session_id, "job_id": job_id, "canary": pair.canary,
                "created_at": now,
            }
            for at, pair in enumerate(pairs)
        ],
    )  # fmt: skip


def _next_position(session: Session, tenant_id: UUID, cube_id: UUID) -> int:
    query = select(func.coalesce(func.max(_p.position) + 1, 0)).where(
        _p.tenant_id == tenant_id, _p.parametric_memory_id == cube_id
    )
    return int(session.execute(query).scalar_one())


# In the order in which they were learned; those that wait come last.
_PAIRS: Final = """
    SELECT p.position, p.memory_id, p.memory_version, p.cue, p.canary, p.version, p.encoder_id, p.key, p.value,
        m.content_version, {content} AS content
    FROM parametric_pair p JOIN memory m ON m.tenant_id = :tenant AND m.id = p.memory_id
    WHERE p.tenant_id = :tenant AND p.parametric_memory_id = :cube
        AND (p.version = ANY(CAST(:lineage AS integer[])) OR p.job_id = :job)
    ORDER BY p.version NULLS LAST, p.position
"""
_WITH_TEXTS: Final = text(_PAIRS.format(content="m.content"))
_LOCKED: Final = text(f"{_PAIRS.format(content='CAST(NULL AS text)')} FOR UPDATE OF p")


def pairs_of(
    session: Session, tenant_id: UUID, cube_id: UUID, lineage: Sequence[int], *, job_id: UUID | None, lock: bool = False
) -> Sequence[RowMapping]:
    """Return the pairs a version is made of, and those that wait for a job, with the texts of their memories.

    Locked, they come without texts, and nobody takes one away before the transaction ends; their memories are locked before.
    """
    params = {"tenant": tenant_id, "cube": cube_id, "lineage": list(lineage), "job": job_id}
    return session.execute(_LOCKED if lock else _WITH_TEXTS, params).mappings().all()


def taught(session: Session, tenant_id: UUID, cube_id: UUID, lineage: Sequence[int]) -> Sequence[RowMapping]:
    """Return memory, cue, key and value of the pairs a version is made of, in the order in which they were learned."""
    query = select(_p.memory_id, _p.cue, _p.key, _p.value).where(
        _p.tenant_id == tenant_id, _p.parametric_memory_id == cube_id, _p.version.in_(lineage)
    )
    return session.execute(query.order_by(_p.version, _p.position)).mappings().all()


def lock_sources(session: Session, tenant_id: UUID, ids: Sequence[UUID], namespace_ids: Sequence[UUID]) -> set[UUID]:
    """Lock memories, then their namespaces, against change until the transaction ends; return the memories that are there."""
    memories = text(
        "SELECT id FROM memory WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR SHARE"
    )
    found = set(session.scalars(memories, {"tenant": tenant_id, "ids": sorted(ids)}))
    spaces = text(
        "SELECT id FROM namespace WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR SHARE"
    )
    session.execute(spaces, {"tenant": tenant_id, "ids": sorted(namespace_ids)})
    return found


_KEEP: Final = text(
    """
    UPDATE parametric_pair p SET key = k.key, value = k.value, memory_version = k.memory_version, encoder_id = k.encoder_id,
        version = coalesce(p.version, CAST(:version AS integer)), job_id = NULL
    FROM unnest(CAST(:positions AS integer[]), CAST(:keys AS bytea[]), CAST(:values AS bytea[]),
        CAST(:memory_versions AS integer[]), CAST(:encoders AS smallint[]))
        AS k (position, key, value, memory_version, encoder_id)
    WHERE p.tenant_id = :tenant AND p.parametric_memory_id = :cube AND p.position = k.position
    """
)


def keep_vectors(
    session: Session, tenant_id: UUID, cube_id: UUID, vectors: dict[int, Vectors], *, version: int
) -> None:
    """Write the vectors of pairs, by position; those that waited belong to a version from now on."""
    if not vectors:
        return
    positions = sorted(vectors)
    session.execute(
        _KEEP,
        {
            "tenant": tenant_id,
            "cube": cube_id,
            "version": version,
            "positions": positions,
            "keys": [vectors[at].key for at in positions],
            "values": [vectors[at].value for at in positions],
            "memory_versions": [vectors[at].memory_version for at in positions],
            "encoders": [vectors[at].encoder_id for at in positions],
        },
    )


_COPY: Final = text(
    """
    INSERT INTO parametric_pair (tenant_id, parametric_memory_id, position, namespace_id, memory_id, memory_version, cue,
        cue_hash, origin, user_id, agent_id, session_id, job_id, canary, version, encoder_id, key, value, created_at)
    SELECT :tenant, :to, :first + row_number() OVER (ORDER BY p.version, p.position) - 1, p.namespace_id, p.memory_id,
        p.memory_version, p.cue, p.cue_hash, p.origin, p.user_id, p.agent_id, p.session_id, NULL, false, 1, p.encoder_id,
        p.key, p.value, p.created_at
    FROM parametric_pair p WHERE p.tenant_id = :tenant AND p.parametric_memory_id = :cube
        AND p.version = ANY(CAST(:lineage AS integer[]))
    """
)


def copy(session: Session, tenant_id: UUID, cube_id: UUID, lineage: Sequence[int], *, to: UUID) -> None:
    """Let the first version of another cube be made of the pairs of a version, too, after those it has."""
    first = _next_position(session, tenant_id, to)
    session.execute(_COPY, {"tenant": tenant_id, "cube": cube_id, "lineage": list(lineage), "to": to, "first": first})


def drop_waiting(session: Session, tenant_id: UUID, job_id: UUID) -> None:
    """Delete the pairs that wait for a job."""
    session.execute(delete(parametric_pair).where(_p.tenant_id == tenant_id, _p.job_id == job_id))
