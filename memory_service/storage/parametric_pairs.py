"""Pairs that cubes were taught, or are to be: a cue, the memory it is to bring, and the vectors of both."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping, delete, func, insert, select, text
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
    probe: bool = False  # asked before the version is put in force, not learned
    said_at: datetime | None = None  # when the question was asked; None: now, with the training


@dataclass(frozen=True, slots=True)
class Vectors:
    """What a pair is learned by: float32 little-endian, and of which text of the memory."""

    key: bytes
    value: bytes
    memory_version: int


def cue_hash(cue: str) -> bytes:
    """Return what makes two cues the same: their words."""
    return hashlib.sha256(cue.encode()).digest()


# Those of a version, and those that wait for a job that is to be worked on; the pairs of one that was cancelled, or has failed,
# stay for whoever takes it up again, and are in nobody's way.
_HELD: Final = text(
    """
    SELECT p.cue_hash, p.memory_id FROM parametric_pair p WHERE p.tenant_id = :tenant AND p.parametric_memory_id = :cube
    AND (p.version = ANY(CAST(:lineage AS integer[])) OR EXISTS (SELECT FROM job j WHERE j.tenant_id = :tenant
        AND j.id = p.job_id AND j.status IN ('queued', 'running')))
    """
)


def held(session: Session, tenant_id: UUID, cube_id: UUID, lineage: Sequence[int]) -> list[tuple[bytes, UUID]]:
    """Return cues, by their hash, with the memories they bring, pair by pair: those of a version, and those that wait."""
    rows = session.execute(_HELD, {"tenant": tenant_id, "cube": cube_id, "lineage": list(lineage)})
    return [(bytes(row.cue_hash), row.memory_id) for row in rows]


_COUNT_WAITING: Final = text(
    "SELECT count(*) FROM parametric_pair WHERE tenant_id = :tenant AND parametric_memory_id = :cube AND version IS NULL"
)
_DROP_ENDED: Final = text(
    """
    DELETE FROM parametric_pair p USING job j WHERE p.tenant_id = :tenant AND p.parametric_memory_id = :cube
        AND p.version IS NULL AND j.tenant_id = :tenant AND j.id = p.job_id AND j.status NOT IN ('queued', 'running')
    """
)


def make_room(session: Session, tenant_id: UUID, cube_id: UUID, *, wanted: int) -> None:
    """Forget what trainings of a locked cube that were cancelled, or failed, were to teach, where it takes too much room."""
    mine = {"tenant": tenant_id, "cube": cube_id}
    if (session.scalar(_COUNT_WAITING, mine) or 0) + wanted > MOST_PAIRS:
        session.execute(_DROP_ENDED, mine)


LIVE: Final = (
    "archived_at IS NULL AND superseded_by IS NULL AND (expires_at IS NULL OR expires_at > :now) "
    "AND (valid_to IS NULL OR valid_to > :now)"
)
"""Which memories are taught and named."""


def teachable(
    session: Session, tenant_id: UUID, namespace_id: UUID, ids: Sequence[UUID], *, now: datetime
) -> dict[UUID, int]:
    """Return those of the memories that are live and in a namespace, with the version of their text.

    Nobody erases them before the transaction ends.
    """
    rows = session.execute(
        text(
            "SELECT id, content_version FROM memory WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[])) "
            f"AND namespace_id = :namespace AND {LIVE} ORDER BY id FOR KEY SHARE"
        ),
        {"tenant": tenant_id, "namespace": namespace_id, "ids": list(ids), "now": now},
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
                "agent_id": pair.agent_id, "session_id": pair.session_id, "job_id": job_id, "probe": pair.probe,
                # An erasure of whoever asked reaches what was asked before it, whenever it is learned.
                "created_at": pair.said_at or now,
            }
            for at, pair in enumerate(pairs)
        ],
    )  # fmt: skip


def _next_position(session: Session, tenant_id: UUID, cube_id: UUID) -> int:
    query = select(func.coalesce(func.max(_p.position) + 1, 0)).where(
        _p.tenant_id == tenant_id, _p.parametric_memory_id == cube_id
    )
    return int(session.execute(query).scalar_one())


_MINE: Final = """
    p.tenant_id = :tenant AND p.parametric_memory_id = :cube
    AND (p.version = ANY(CAST(:lineage AS integer[])) OR p.job_id = :job)
"""
_SOURCES: Final = text(f"SELECT DISTINCT p.memory_id FROM parametric_pair p WHERE {_MINE}")
# In the order in which they were learned; those that wait come last.
_LOCKED: Final = text(
    f"""
    SELECT p.position, p.memory_id, p.memory_version, p.cue_hash, p.origin, p.probe, p.version, p.encoder_id, p.key, p.value,
        m.content_version
    FROM parametric_pair p JOIN memory m ON m.tenant_id = :tenant AND m.id = p.memory_id
    WHERE {_MINE} ORDER BY p.version NULLS LAST, p.position FOR UPDATE OF p
    """
)


def sources_of(
    session: Session, tenant_id: UUID, cube_id: UUID, lineage: Sequence[int], *, job_id: UUID | None
) -> set[UUID]:
    """Return the memories of the pairs that a version is made of, and of those that wait for a job."""
    params = {"tenant": tenant_id, "cube": cube_id, "lineage": list(lineage), "job": job_id}
    return set(session.scalars(_SOURCES, params))


def all_sources_of(session: Session, tenant_id: UUID, cube_id: UUID) -> set[UUID]:
    """Return the memories of all pairs of a cube, those of no version among them."""
    query = select(_p.memory_id).distinct().where(_p.tenant_id == tenant_id, _p.parametric_memory_id == cube_id)
    return set(session.scalars(query))


def lock_pairs(
    session: Session, tenant_id: UUID, cube_id: UUID, lineage: Sequence[int], *, job_id: UUID | None
) -> Sequence[RowMapping]:
    """Return the pairs a version is made of, and those that wait for a job; nobody takes one away before the end.

    Their memories are locked before.
    """
    params = {"tenant": tenant_id, "cube": cube_id, "lineage": list(lineage), "job": job_id}
    return session.execute(_LOCKED, params).mappings().all()


_LACKING: Final = f"""
    FROM parametric_pair p JOIN memory m ON m.tenant_id = :tenant AND m.id = p.memory_id
    WHERE {_MINE} AND (p.encoder_id IS DISTINCT FROM :encoder OR p.memory_version <> m.content_version)
"""
_NEXT_LACKING: Final = text(
    f"""
    SELECT p.position, p.memory_id, p.cue, CASE WHEN p.encoder_id = :encoder THEN p.key END AS key, m.content_version,
        octet_length(m.content) AS bytes
    {_LACKING} AND (p.memory_id, p.position) > (:after_memory, :after_position)
    ORDER BY p.memory_id, p.position LIMIT :limit
    """
)
_COUNT_LACKING: Final = text(f"SELECT count(*) {_LACKING}")


def count_lacking(
    session: Session, tenant_id: UUID, cube_id: UUID, lineage: Sequence[int], *, job_id: UUID | None, encoder_id: int
) -> int:
    """Return how many pairs of a version, and of a job, lack the vectors of their texts as they are now."""
    params = {"tenant": tenant_id, "cube": cube_id, "lineage": list(lineage), "job": job_id, "encoder": encoder_id}
    return int(session.scalar(_COUNT_LACKING, params) or 0)


def next_lacking(
    session: Session,
    tenant_id: UUID,
    cube_id: UUID,
    lineage: Sequence[int],
    *,
    job_id: UUID | None,
    encoder_id: int,
    after: tuple[UUID, int],
    limit: int,
) -> Sequence[RowMapping]:
    """Return some of the pairs that lack vectors, by memory, with what can be kept of them and how long the text is."""
    params = {
        "tenant": tenant_id, "cube": cube_id, "lineage": list(lineage), "job": job_id, "encoder": encoder_id,
        "after_memory": after[0], "after_position": after[1], "limit": limit,
    }  # fmt: skip
    return session.execute(_NEXT_LACKING, params).mappings().all()


# A text has one vector under an encoder, whichever cube it was encoded for.
_VALUES: Final = text(
    """
    SELECT DISTINCT ON (p.memory_id) p.memory_id, p.memory_version, p.value
    FROM parametric_pair p JOIN memory m ON m.tenant_id = :tenant AND m.id = p.memory_id
    WHERE p.tenant_id = :tenant AND p.memory_id = ANY(CAST(:ids AS uuid[])) AND p.encoder_id = :encoder
        AND p.memory_version = m.content_version ORDER BY p.memory_id
    """
)
_TEXTS: Final = text(
    "SELECT id AS memory_id, content_version AS memory_version, content FROM memory "
    "WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))"
)


def values_encoded(
    session: Session, tenant_id: UUID, ids: Sequence[UUID], *, encoder_id: int
) -> dict[tuple[UUID, int], bytes]:
    """Return the vectors that texts of memories have under an encoder already, by memory and version."""
    rows = session.execute(_VALUES, {"tenant": tenant_id, "ids": list(ids), "encoder": encoder_id})
    return {(row.memory_id, row.memory_version): row.value for row in rows}


def texts_of(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> dict[tuple[UUID, int], str]:
    """Return the texts of memories, by memory and version."""
    rows = session.execute(_TEXTS, {"tenant": tenant_id, "ids": list(ids)})
    return {(row.memory_id, row.memory_version): row.content for row in rows}


# The window counts before the memories are made distinct.
_TAUGHT: Final = text(
    """
    SELECT DISTINCT ON (p.memory_id) p.memory_id, p.value, count(*) OVER () AS pairs FROM parametric_pair p
    WHERE p.tenant_id = :tenant AND p.parametric_memory_id = :cube AND p.version = ANY(CAST(:lineage AS integer[]))
    ORDER BY p.memory_id, p.version, p.position
    """
)
_CUES: Final = text(
    """
    SELECT p.memory_id, p.cue, p.key FROM parametric_pair p
    WHERE p.tenant_id = :tenant AND p.parametric_memory_id = :cube AND p.version = ANY(CAST(:lineage AS integer[]))
        AND p.memory_id = ANY(CAST(:ids AS uuid[])) ORDER BY p.version, p.position
    """
)


def memories_taught(session: Session, tenant_id: UUID, cube_id: UUID, lineage: Sequence[int]) -> Sequence[RowMapping]:
    """Return the memories a version was taught, each with its value, and of how many pairs in all."""
    return session.execute(_TAUGHT, {"tenant": tenant_id, "cube": cube_id, "lineage": list(lineage)}).mappings().all()


def cues_of(
    session: Session, tenant_id: UUID, cube_id: UUID, lineage: Sequence[int], ids: Sequence[UUID]
) -> Sequence[RowMapping]:
    """Return the cues with which a version was taught some memories, and their keys, as learned."""
    params = {"tenant": tenant_id, "cube": cube_id, "lineage": list(lineage), "ids": list(ids)}
    return session.execute(_CUES, params).mappings().all()


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
    UPDATE parametric_pair p SET key = k.key, value = k.value, memory_version = k.memory_version, encoder_id = :encoder
    FROM unnest(CAST(:positions AS integer[]), CAST(:keys AS bytea[]), CAST(:values AS bytea[]),
        CAST(:memory_versions AS integer[])) AS k (position, key, value, memory_version),
        memory m, namespace n
    WHERE p.tenant_id = :tenant AND p.parametric_memory_id = :cube AND p.position = k.position
        AND m.tenant_id = :tenant AND m.id = p.memory_id AND m.content_version = k.memory_version
        AND n.tenant_id = :tenant AND n.id = p.namespace_id AND n.encoder_id = :encoder
    """
)


def keep_vectors(
    session: Session, tenant_id: UUID, cube_id: UUID, vectors: dict[int, Vectors], *, encoder_id: int
) -> None:
    """Write the vectors of pairs, by position. Their memories and their namespace are locked before.

    Of a pair that is gone nothing is written, nor of one whose text or encoder is another one by now: somebody else may have
    given it the vectors of that.
    """
    positions = sorted(vectors)
    session.execute(
        _KEEP,
        {
            "tenant": tenant_id,
            "cube": cube_id,
            "encoder": encoder_id,
            "positions": positions,
            "keys": [vectors[at].key for at in positions],
            "values": [vectors[at].value for at in positions],
            "memory_versions": [vectors[at].memory_version for at in positions],
        },
    )


_JOIN: Final = text(
    """
    UPDATE parametric_pair SET version = :version, job_id = NULL
    WHERE tenant_id = :tenant AND parametric_memory_id = :cube AND position = ANY(CAST(:positions AS integer[]))
    """
)


def join_version(session: Session, tenant_id: UUID, cube_id: UUID, positions: Sequence[int], *, version: int) -> None:
    """Let pairs that waited belong to a version from now on."""
    params = {"tenant": tenant_id, "cube": cube_id, "positions": list(positions), "version": version}
    session.execute(_JOIN, params)


_COPY: Final = text(
    """
    INSERT INTO parametric_pair (tenant_id, parametric_memory_id, position, namespace_id, memory_id, memory_version, cue,
        cue_hash, origin, user_id, agent_id, session_id, job_id, probe, version, encoder_id, key, value, created_at)
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
