"""Cubes of parametric memory, and their versions: written once, marked stale by triggers, never changed otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, delete, func, insert, select, text, update
from sqlalchemy.orm import Session

from memory_service.storage.tables import parametric_memory, parametric_version

MOST_CUBES: Final = 100  # of a namespace
MOST_ROUTED: Final = 1_000  # cubes that one query is compared with
VERSIONS_KEPT: Final = 10  # of a cube in each state, and the one in force where it is older

_m, _v = parametric_memory.c, parametric_version.c


@dataclass(frozen=True, slots=True)
class Made:
    """A new version, as it is stored; without weights it was rejected."""

    version: int
    parent: int | None
    lineage: Sequence[int]
    cause: str  # trained, rebuilt or merged
    job_id: UUID | None
    encoder_id: int
    dimension: int
    pairs: int
    weights: bytes | None
    checksum: bytes | None
    centroid: bytes | None
    canary: dict[str, Any] | None


def count_cubes(session: Session, tenant_id: UUID, namespace_id: UUID) -> int:
    """Return how many cubes a namespace has; nobody else makes one in it before the transaction ends."""
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('cubes' || CAST(:namespace AS text), 0))"),
        {"namespace": namespace_id},
    )
    query = select(func.count()).where(_m.tenant_id == tenant_id, _m.namespace_id == namespace_id)
    return session.scalar(query) or 0


def create(
    session: Session,
    tenant_id: UUID,
    cube_id: UUID,
    *,
    namespace_id: UUID,
    name: str,
    kind: str,
    gamma: float,
    ridge: float,
    now: datetime,
) -> bool:
    """Store a cube that knows nothing yet; False when the name is taken in its namespace."""
    made = session.scalar(
        text(
            "INSERT INTO parametric_memory (tenant_id, id, namespace_id, name, kind, gamma, ridge, last_version, created_at, "
            "updated_at) VALUES (:tenant, :id, :namespace, :name, :kind, :gamma, :ridge, 0, :now, :now) "
            "ON CONFLICT (tenant_id, namespace_id, name) DO NOTHING RETURNING id"
        ),
        {
            "tenant": tenant_id, "id": cube_id, "namespace": namespace_id, "name": name, "kind": kind, "gamma": gamma,
            "ridge": ridge, "now": now,
        },
    )  # fmt: skip
    return made is not None


# A cube with what is in force of it. The encoder is that of the version, or the one a first training would use.
_SHOWN: Final = """
    SELECT m.*, n.path AS namespace, n.encoder_id AS namespace_encoder_id, v.state, v.reason, v.pairs, v.checksum,
        v.canary, v.lineage, coalesce(octet_length(v.weights), 0) AS bytes, e.name AS encoder_name, e.dimension,
        e.fingerprint
    FROM parametric_memory m JOIN namespace n ON n.tenant_id = :tenant AND n.id = m.namespace_id
    LEFT JOIN parametric_version v ON v.tenant_id = :tenant AND v.parametric_memory_id = m.id AND v.version = m.active_version
    JOIN encoder e ON e.id = coalesce(v.encoder_id, n.encoder_id)
    WHERE m.tenant_id = :tenant
"""


def get_cube(session: Session, tenant_id: UUID, cube_id: UUID) -> RowMapping | None:
    """Return a cube with what is in force of it, weights left out."""
    params = {"tenant": tenant_id, "id": cube_id}
    return session.execute(text(f"{_SHOWN} AND m.id = :id"), params).mappings().one_or_none()


def list_cubes(
    session: Session, tenant_id: UUID, *, namespace_id: UUID | None, before: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """Return cubes with what is in force of them, newest first."""
    conditions = "" if namespace_id is None else " AND m.namespace_id = :namespace"
    conditions += "" if before is None else " AND m.id < :before"
    params = {"tenant": tenant_id, "namespace": namespace_id, "before": before, "limit": limit}
    return session.execute(text(f"{_SHOWN}{conditions} ORDER BY m.id DESC LIMIT :limit"), params).mappings().all()


def lock_cubes(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> None:
    """Let changes of some cubes come one after another until the transaction ends; erasures of their memories need no lock."""
    statement = select(_m.id).where(_m.tenant_id == tenant_id, _m.id.in_(ids))
    session.execute(statement.order_by(_m.id).with_for_update(key_share=True))


def delete_cube(session: Session, tenant_id: UUID, cube_id: UUID) -> bool:
    """Remove a cube with its pairs and versions; False when there was none. Its memories are locked before."""
    gone = session.execute(
        delete(parametric_memory).where(_m.tenant_id == tenant_id, _m.id == cube_id).returning(_m.id)
    )
    return gone.one_or_none() is not None


_LISTED = tuple(column for column in _v if column.name not in {"weights", "centroid"})


def versions_of(session: Session, tenant_id: UUID, cube_id: UUID) -> Sequence[RowMapping]:
    """Return the versions of a cube, newest first, without their weights but with how many bytes those take."""
    size = text("coalesce(octet_length(parametric_version.weights), 0) AS bytes")
    query = select(*_LISTED, size).where(_v.tenant_id == tenant_id, _v.parametric_memory_id == cube_id)
    return session.execute(query.order_by(_v.version.desc())).mappings().all()


def weights_of(session: Session, tenant_id: UUID, cube_id: UUID, version: int) -> RowMapping | None:
    """Return weights of a version that may be served, with what they were made of; None once it may not."""
    query = select(_v.weights, _v.checksum, _v.dimension, _v.lineage, _v.pairs).where(
        _v.tenant_id == tenant_id, _v.parametric_memory_id == cube_id, _v.version == version, _v.state == "kept"
    )
    return session.execute(query).mappings().one_or_none()


_ROUTED: Final = text(
    """
    SELECT m.id, m.name, m.ridge, m.active_version, n.path AS namespace, v.state, v.reason, v.encoder_id, v.centroid
    FROM parametric_memory m JOIN namespace n ON n.tenant_id = :tenant AND n.id = m.namespace_id
    LEFT JOIN parametric_version v ON v.tenant_id = :tenant AND v.parametric_memory_id = m.id AND v.version = m.active_version
    WHERE m.tenant_id = :tenant AND m.namespace_id = ANY(CAST(:namespaces AS uuid[])) ORDER BY m.id DESC LIMIT :limit
    """
)


def routed(session: Session, tenant_id: UUID, namespace_ids: Sequence[UUID]) -> Sequence[RowMapping]:
    """Return the cubes of some namespaces with the middle of their keys, where they may be served, newest first.

    One more than may be compared where there are more.
    """
    params = {"tenant": tenant_id, "namespaces": list(namespace_ids), "limit": MOST_ROUTED + 1}
    return session.execute(_ROUTED, params).mappings().all()


def add_version(session: Session, tenant_id: UUID, cube_id: UUID, made: Made, *, now: datetime) -> None:
    """Store a version of a locked cube, put it in force unless it was rejected, and drop the oldest of many."""
    kept = made.weights is not None
    session.execute(
        insert(parametric_version).values(
            tenant_id=tenant_id,
            parametric_memory_id=cube_id,
            version=made.version,
            parent=made.parent,
            lineage=list(made.lineage),
            cause=made.cause,
            job_id=made.job_id,
            state="kept" if kept else "rejected",
            encoder_id=made.encoder_id,
            dimension=made.dimension,
            pairs=made.pairs,
            weights=made.weights,
            checksum=made.checksum,
            centroid=made.centroid,
            canary=made.canary,
            created_at=now,
        )
    )
    numbered = {"last_version": made.version, "updated_at": now, "rest_until": None}
    session.execute(
        update(parametric_memory)
        .where(_m.tenant_id == tenant_id, _m.id == cube_id)
        .values(**numbered, **({"active_version": made.version} if kept else {}))
    )
    _drop_old(session, tenant_id, cube_id)


def put_in_force(session: Session, tenant_id: UUID, cube_id: UUID, version: int | None, *, now: datetime) -> None:
    """Let a locked cube be served by one of its versions; None: by none."""
    session.execute(
        update(parametric_memory)
        .where(_m.tenant_id == tenant_id, _m.id == cube_id)
        .values(active_version=version, updated_at=now, rest_until=None)
    )


def let_rest(session: Session, tenant_id: UUID, cube_id: UUID, *, until: datetime) -> None:
    """Let the sweep make other stale cubes anew before this one, and not this one before a moment."""
    session.execute(
        update(parametric_memory).where(_m.tenant_id == tenant_id, _m.id == cube_id).values(rest_until=until)
    )


def mark_damaged(session: Session, tenant_id: UUID, cube_id: UUID, version: int, *, now: datetime) -> None:
    """Let a version that is not what was written be served no more; a sweep makes it anew from its pairs."""
    session.execute(
        update(parametric_version)
        .where(_v.tenant_id == tenant_id, _v.parametric_memory_id == cube_id, _v.version == version, _v.state == "kept")
        .values(state="stale", reason="damaged", stale_at=now, weights=None, checksum=None, centroid=None)
    )


_OLD: Final = text(
    """
    SELECT v.version FROM parametric_version v WHERE v.tenant_id = :tenant AND v.parametric_memory_id = :cube AND v.version <= (
        SELECT o.version FROM parametric_version o WHERE o.tenant_id = :tenant AND o.parametric_memory_id = :cube
            AND o.state = v.state
        ORDER BY o.version DESC OFFSET :kept LIMIT 1)
    AND NOT EXISTS (SELECT FROM parametric_memory m WHERE m.tenant_id = :tenant AND m.id = :cube
        AND m.active_version = v.version)
    """
)
# What no version is made of any more.
_DROP_PAIRS: Final = text(
    """
    DELETE FROM parametric_pair p WHERE p.tenant_id = :tenant AND p.parametric_memory_id = :cube AND p.version IS NOT NULL
    AND NOT EXISTS (SELECT FROM parametric_version v WHERE v.tenant_id = :tenant AND v.parametric_memory_id = :cube
        AND v.version <> ALL (CAST(:old AS integer[])) AND p.version = ANY (v.lineage))
    """
)
_DROP: Final = text(
    "DELETE FROM parametric_version WHERE tenant_id = :tenant AND parametric_memory_id = :cube "
    "AND version = ANY(CAST(:old AS integer[]))"
)


def _drop_old(session: Session, tenant_id: UUID, cube_id: UUID) -> None:
    params = {"tenant": tenant_id, "cube": cube_id}
    if old := list(session.scalars(_OLD, {**params, "kept": VERSIONS_KEPT})):
        # Pairs first, then versions, as in an erasure.
        session.execute(_DROP_PAIRS, {**params, "old": old})
        session.execute(_DROP, {**params, "old": old})
