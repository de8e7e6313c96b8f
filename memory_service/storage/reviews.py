"""What a person is to decide: pairs that rules or a model were not sure about."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from memory_service.storage.ids import new_id

OPEN, APPROVED, DECLINED, WITHDRAWN = "open", "approved", "declined", "withdrawn"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about memories; for `proposal` merge and supersede: what goes, then what stays."""

    kind: str
    proposal: str
    memory_ids: tuple[UUID, ...]
    score: float | None
    reason: str
    method: str


def ask(
    session: Session,
    tenant_id: UUID,
    namespace_id: UUID,
    questions: Sequence[Question],
    *,
    changeset_id: UUID | None,
    now: datetime,
) -> list[UUID | None]:
    """Put questions to the people of a tenant; return the id of each, None where it was asked before, whatever the answer."""
    if not questions:
        return []
    ids = [new_id() for _ in questions]
    statement = text(
        "INSERT INTO review (tenant_id, id, namespace_id, kind, proposal, status, memory_id, other_id, score, reason, "
        "method, changeset_id, created_at) SELECT :tenant, k.id, :namespace, k.kind, k.proposal, 'open', k.memory, k.other, "
        "k.score, k.reason, k.method, :changeset, :now FROM unnest(CAST(:ids AS uuid[]), CAST(:kinds AS text[]), "
        "CAST(:proposals AS text[]), CAST(:memories AS uuid[]), CAST(:others AS uuid[]), CAST(:scores AS float8[]), "
        "CAST(:reasons AS text[]), CAST(:methods AS text[])) "
        "AS k (id, kind, proposal, memory, other, score, reason, method) ON CONFLICT DO NOTHING RETURNING id"
    )
    rows = session.execute(
        statement,
        {
            "tenant": tenant_id,
            "namespace": namespace_id,
            "changeset": changeset_id,
            "now": now,
            "ids": ids,
            "kinds": [str(one.kind) for one in questions],
            "proposals": [one.proposal for one in questions],
            "memories": [one.memory_ids[0] for one in questions],
            "others": [one.memory_ids[1] if len(one.memory_ids) > 1 else None for one in questions],
            "scores": [one.score for one in questions],
            "reasons": [one.reason for one in questions],
            "methods": [one.method for one in questions],
        },
    )
    there = {row.id for row in rows}
    return [id if id in there else None for id in ids]


_SHOWN = (
    "r.id, r.namespace_id, n.path AS namespace, r.kind, r.proposal, r.status, "
    "array_remove(ARRAY[r.memory_id, r.other_id], NULL) AS memory_ids, "
    "r.score, r.reason, r.method, "
    "r.changeset_id, r.decision_changeset_id, r.created_at, r.decided_at"
)
_FROM = "FROM review r JOIN namespace n ON n.tenant_id = :tenant AND n.id = r.namespace_id WHERE r.tenant_id = :tenant"


def get_review(session: Session, tenant_id: UUID, review_id: UUID, *, lock: bool = False) -> RowMapping | None:
    """Return one review, locked for a decision when asked."""
    statement = text(f"SELECT {_SHOWN} {_FROM} AND r.id = :id{' FOR UPDATE OF r' if lock else ''}")
    return session.execute(statement, {"tenant": tenant_id, "id": review_id}).mappings().one_or_none()


def list_reviews(
    session: Session,
    tenant_id: UUID,
    *,
    namespace_id: UUID | None,
    kind: str | None,
    status: str | None,
    before: UUID | None,
    limit: int,
) -> Sequence[RowMapping]:
    """Return reviews, the newest first."""
    conditions = "".join(
        f" AND r.{column} = :{name}"
        for column, name, value in (
            ("namespace_id", "namespace", namespace_id),
            ("kind", "kind", kind),
            ("status", "status", status),
        )
        if value is not None
    )
    conditions += "" if before is None else " AND r.id < :before"
    params = {
        "tenant": tenant_id, "namespace": namespace_id, "kind": kind, "status": status, "before": before, "limit": limit,
    }  # fmt: skip
    statement = text(f"SELECT {_SHOWN} {_FROM}{conditions} ORDER BY r.id DESC LIMIT :limit")
    return session.execute(statement, params).mappings().all()


def decide(
    session: Session,
    tenant_id: UUID,
    review_id: UUID,
    *,
    status: str,
    decision_changeset_id: UUID | None,
    now: datetime | None,
) -> None:
    """Store what was decided; open again when `now` is None."""
    session.execute(
        text(
            "UPDATE review SET status = :status, decision_changeset_id = :changeset, decided_at = :now "
            "WHERE tenant_id = :tenant AND id = :id"
        ),
        {"tenant": tenant_id, "id": review_id, "status": status, "changeset": decision_changeset_id, "now": now},
    )


def reopen(session: Session, tenant_id: UUID, changeset_id: UUID) -> None:
    """Open again the questions whose approval made a changeset that is being reverted."""
    session.execute(
        text(
            "UPDATE review SET status = 'open', decision_changeset_id = NULL, decided_at = NULL WHERE tenant_id = :tenant "
            "AND decision_changeset_id = :changeset AND status = 'approved'"
        ),
        {"tenant": tenant_id, "changeset": changeset_id},
    )


def reworded(session: Session, tenant_id: UUID, ids: Sequence[UUID], *, since: datetime) -> list[UUID]:
    """Return those of the memories whose texts are others than at a moment."""
    statement = text(
        "SELECT m.id FROM memory m WHERE m.tenant_id = :tenant AND m.id = ANY(CAST(:ids AS uuid[])) AND m.updated_at > :since "
        "AND EXISTS (SELECT FROM memory_version v WHERE v.tenant_id = :tenant AND v.id = m.id AND v.updated_at <= :since "
        "AND v.known_to > :since AND v.content <> m.content)"
    )
    return [row.id for row in session.execute(statement, {"tenant": tenant_id, "ids": list(ids), "since": since})]


def withdraw(session: Session, tenant_id: UUID, changeset_id: UUID, *, now: datetime) -> None:
    """Take back the open questions of a changeset that is being reverted."""
    session.execute(
        text(
            "UPDATE review SET status = 'withdrawn', decided_at = :now WHERE tenant_id = :tenant "
            "AND changeset_id = :changeset AND status = 'open'"
        ),
        {"tenant": tenant_id, "changeset": changeset_id, "now": now},
    )
