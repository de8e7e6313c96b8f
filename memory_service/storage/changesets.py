"""What runs changed: changesets with their changes, row by row, as they are stored."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, RowMapping, text
from sqlalchemy.orm import Session

from memory_service.storage.database import only_one
from memory_service.storage.erased_rows import QUOTED
from memory_service.storage.sql import to_jsonb

APPLIED, REVERTED = "applied", "reverted"

LOCK_TIMEOUT_MS = 10_000


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One change, in ids and versions.

    `before` and `after` hold values that no version keeps: fields that were computed in place, an edge, a row of a structure.
    """

    change: str
    step: str
    reason: str
    method: str
    score: float | None = None
    memory_id: UUID | None = None
    other_id: UUID | None = None
    target_id: UUID | None = None
    version_before: int | None = None
    version_after: int | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


def lock_namespace(session: Session, namespace_id: UUID, *, timeout_ms: int = LOCK_TIMEOUT_MS) -> None:
    """Keep other runs out of a namespace until the end of the transaction, waiting for one that is at it for a while.

    Raises:
        DBAPIError: it took too long (SQLSTATE 55P03); the edge of the transaction makes `Unavailable` of it.
    """
    before = session.scalar(text("SELECT current_setting('lock_timeout')"))
    session.execute(text("SELECT set_config('lock_timeout', CAST(:ms AS text), true)"), {"ms": timeout_ms})
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('consolidate' || CAST(:namespace AS text), 0))"),
        {"namespace": namespace_id},
    )
    session.execute(text("SELECT set_config('lock_timeout', :before, true)"), {"before": before})


def only_run(engine: Engine, namespace_id: UUID) -> AbstractContextManager[bool]:
    """Say whether no other run is at a namespace; for as long as the context lasts or this process lives."""
    return only_one(engine, f"memory_service.consolidate.{namespace_id}")


def keep_changeset(
    session: Session,
    tenant_id: UUID,
    changeset_id: UUID,
    *,
    namespace_id: UUID,
    kind: str,
    job_id: UUID | None,
    counts: Mapping[str, int],
    usage: Mapping[str, Any] | None,
    now: datetime,
) -> None:
    """Store the head of a changeset."""
    session.execute(
        text(
            "INSERT INTO changeset (tenant_id, id, namespace_id, job_id, kind, status, counts, usage, created_at) VALUES "
            "(:tenant, :id, :namespace, :job, :kind, 'applied', CAST(:counts AS jsonb), CAST(:usage AS jsonb), :now)"
        ),
        {
            "tenant": tenant_id,
            "id": changeset_id,
            "namespace": namespace_id,
            "job": job_id,
            "kind": kind,
            "counts": to_jsonb(counts),
            "usage": to_jsonb(usage) if usage else None,
            "now": now,
        },
    )


def keep_changes(session: Session, tenant_id: UUID, changeset_id: UUID, rows: Sequence[ChangeRow]) -> None:
    """Store the changes of a changeset, in order."""
    if rows:
        session.execute(
            text(
                """
                INSERT INTO change (tenant_id, changeset_id, ordinal, change, step, memory_id, other_id, target_id,
                    version_before, version_after, before, after, score, reason, method)
                SELECT :tenant, :changeset, c.ordinal, c.change, c.step, c.memory_id, c.other_id, c.target_id,
                    c.version_before, c.version_after, c.before, c.after, c.score, c.reason, c.method
                FROM jsonb_populate_recordset(CAST(NULL AS change), CAST(:rows AS jsonb)) AS c
                """
            ),
            {
                "tenant": tenant_id,
                "changeset": changeset_id,
                "rows": to_jsonb([{"ordinal": at, **_row(row)} for at, row in enumerate(rows, start=1)]),
            },
        )


_COLUMNS = tuple(one.name for one in fields(ChangeRow))


def _row(change: ChangeRow) -> dict[str, Any]:
    """Return a change by column; `asdict` would copy every value in depth, at a third of the cost of applying a plan."""
    return {name: getattr(change, name) for name in _COLUMNS}


_SHOWN = "c.id, c.namespace_id, n.path AS namespace, c.job_id, c.kind, c.status, c.counts, c.usage, c.created_at, c.reverted_at"
_FROM = (
    "FROM changeset c JOIN namespace n ON n.tenant_id = :tenant AND n.id = c.namespace_id WHERE c.tenant_id = :tenant"
)


def get_changeset(session: Session, tenant_id: UUID, changeset_id: UUID) -> RowMapping | None:
    """Return the head of one changeset."""
    statement = text(f"SELECT {_SHOWN} {_FROM} AND c.id = :id")
    return session.execute(statement, {"tenant": tenant_id, "id": changeset_id}).mappings().one_or_none()


def list_changesets(
    session: Session, tenant_id: UUID, *, namespace_id: UUID | None, before: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """Return changesets of a namespace, or of all, the newest first."""
    conditions = "" if namespace_id is None else "AND c.namespace_id = :namespace "
    conditions += "" if before is None else "AND c.id < :before "
    statement = text(f"SELECT {_SHOWN} {_FROM} {conditions} ORDER BY c.id DESC LIMIT :limit")
    params = {"tenant": tenant_id, "namespace": namespace_id, "before": before, "limit": limit}
    return session.execute(statement, params).mappings().all()


def changes_of(
    session: Session, tenant_id: UUID, changeset_id: UUID, *, after: int = 0, limit: int | None = None
) -> Sequence[RowMapping]:
    """Return the changes of a changeset in the order in which they were made."""
    statement = text(
        "SELECT ordinal, change, step, memory_id, other_id, target_id, version_before, version_after, before, after, score, "
        "reason, method FROM change WHERE tenant_id = :tenant AND changeset_id = :changeset AND ordinal > :after "
        "ORDER BY ordinal LIMIT :limit"
    )
    params = {"tenant": tenant_id, "changeset": changeset_id, "after": after, "limit": limit}
    return session.execute(statement, params).mappings().all()


def mark_reverted(session: Session, tenant_id: UUID, changeset_id: UUID, *, now: datetime) -> bool:
    """Say that a changeset was reverted; False says that it had been."""
    statement = text(
        "UPDATE changeset SET status = 'reverted', reverted_at = :now WHERE tenant_id = :tenant AND id = :id "
        "AND status = 'applied' RETURNING id"
    )
    params = {"tenant": tenant_id, "id": changeset_id, "now": now}
    return session.execute(statement, params).one_or_none() is not None


def forget_memories(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> None:
    """Drop what changes, reviews and results of jobs say of memories that are being erased."""
    params = {"tenant": tenant_id, "ids": list(ids)}
    memories = "CAST(:ids AS uuid[])"
    for statement in (
        f"DELETE FROM change WHERE tenant_id = :tenant AND memory_id = ANY({memories})",
        f"DELETE FROM review WHERE tenant_id = :tenant AND memory_id = ANY({memories})",
        f"DELETE FROM review WHERE tenant_id = :tenant AND other_id = ANY({memories})",
        "UPDATE job SET result = NULL WHERE tenant_id = :tenant AND result IS NOT NULL AND EXISTS (SELECT FROM "
        f"regexp_matches(CAST(result AS text), {QUOTED}) AS f (found) WHERE CAST(f.found[1] AS uuid) = ANY({memories}))",
    ):
        session.execute(text(statement), params)
