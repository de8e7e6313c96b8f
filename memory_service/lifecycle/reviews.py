"""Answers to what a run was not sure about: approve, decline, undo."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from consolidation.planning import Archive, Change, Merge, Plan, Step, Supersede, Why
from consolidation.records import Ref
from memory_service.errors import Conflict, FieldError, NotFound
from memory_service.lifecycle.apply import REVIEW, EvidenceLost, apply
from memory_service.lifecycle.revert import revert
from memory_service.storage import memories, reviews
from memory_service.storage.changesets import lock_namespace
from memory_service.storage.sql import Row

PERSON = "person"  # the method of what a person decided


def approve(session: Session, tenant_id: UUID, review_id: UUID, *, now: datetime) -> RowMapping:
    """Do what was proposed, as a changeset of its own.

    Raises:
        NotFound: there is no such review.
        Conflict: it was decided before, what it is about is no longer live or says something else (`review_outdated`), or
            sources would be lost that were merged into what is to be archived (`evidence_lost`).
    """
    row = _open(session, tenant_id, review_id)
    rows = memories.lock_memories(session, tenant_id, row["memory_ids"])
    live = [rows[i] for i in row["memory_ids"] if i in rows and rows[i]["archived_at"] is None]
    if len(live) < len(row["memory_ids"]):
        raise Conflict("A memory of this review is no longer live; decline it.", code="review_outdated")
    if reviews.reworded(session, tenant_id, row["memory_ids"], since=row["created_at"]):
        raise Conflict("A memory of this review says something else now; decline it.", code="review_outdated")
    plan = Plan(row["namespace_id"], (_change(row, live),))
    try:
        changeset_id = apply(session, tenant_id, plan, kind=REVIEW, now=now)
    except EvidenceLost as lost:
        raise Conflict(
            f"{len(lost.memory_ids)} memories were merged into this one and would be lost with it; restore them first.",
            errors=tuple(FieldError(f"/memories/{i}", "It was merged into this one.") for i in sorted(lost.memory_ids)),
            code="evidence_lost",
        ) from lost
    return _decide(session, tenant_id, review_id, reviews.APPROVED, changeset_id, now=now)


def decline(session: Session, tenant_id: UUID, review_id: UUID, *, now: datetime) -> RowMapping:
    """Leave everything as it is; it is not asked again.

    Raises:
        NotFound: there is no such review.
        Conflict: it was decided before.
    """
    _open(session, tenant_id, review_id)
    return _decide(session, tenant_id, review_id, reviews.DECLINED, None, now=now)


def undo(session: Session, tenant_id: UUID, review_id: UUID, *, now: datetime) -> RowMapping:
    """Take a decision back: what approval changed is reverted, and the question is open again.

    Raises:
        NotFound: there is no such review.
        Conflict: it is not decided, or what approval changed has changed since.
    """
    row = _get(session, tenant_id, review_id)
    if row["status"] not in {reviews.APPROVED, reviews.DECLINED}:
        raise Conflict(f"This review is {row['status']}; there is no decision to undo.", code="review_not_decided")
    if row["decision_changeset_id"] is not None:
        # It opens the question again, too.
        revert(session, tenant_id, row["decision_changeset_id"], now=now)
    return _decide(session, tenant_id, review_id, reviews.OPEN, None, now=None)


def _change(row: RowMapping, live: Sequence[Row]) -> Change:
    why = Why(Step.CONFLICTS, f"a person approved: {row['reason']}", row["score"], PERSON)
    goes, *stays = (Ref(memory["id"], memory["version"]) for memory in live)
    match row["proposal"]:
        case "merge":
            return Merge(goes, stays[0], why)
        case "supersede":
            newer = live[1]
            return Supersede(goes, stays[0], newer["valid_from"] or newer["observed_at"], why)
        case _:
            return Archive(goes, why)


def _get(session: Session, tenant_id: UUID, review_id: UUID) -> RowMapping:
    seen = reviews.get_review(session, tenant_id, review_id)
    if seen is not None:
        # Before any row, as runs do: otherwise each could wait for what the other holds.
        lock_namespace(session, seen["namespace_id"])
    row = reviews.get_review(session, tenant_id, review_id, lock=True)
    if row is None:
        raise NotFound(f"There is no review {review_id}.", code="review_not_found")
    return row


def _open(session: Session, tenant_id: UUID, review_id: UUID) -> RowMapping:
    row = _get(session, tenant_id, review_id)
    if row["status"] != reviews.OPEN:
        raise Conflict(f"This review was {row['status']} already.", code="review_decided")
    return row


def _decide(
    session: Session, tenant_id: UUID, review_id: UUID, status: str, changeset_id: UUID | None, *, now: datetime | None
) -> RowMapping:
    reviews.decide(session, tenant_id, review_id, status=status, decision_changeset_id=changeset_id, now=now)
    return _get(session, tenant_id, review_id)
