"""The review inbox: what rules or a model were not sure about, for a person to decide."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy import RowMapping

from consolidation.planning import ReviewKind
from memory_service.api.answers import answer
from memory_service.api.auditing import note
from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.idempotency import idempotent
from memory_service.api.pages import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, page
from memory_service.api.strict_json import StrictRoute
from memory_service.errors import NotFound
from memory_service.lifecycle import reviews as deciding
from memory_service.lifecycle.records import rfc3339
from memory_service.storage import reviews
from memory_service.storage.namespaces import find_namespace_id
from memory_service.types import Action, Caller, KeyScope

router = APIRouter(prefix="/v1/reviews", tags=["consolidation"], route_class=StrictRoute)

Reader = Annotated[Caller, require(KeyScope.READ)]
Writer = Annotated[Caller, require(KeyScope.WRITE)]


class ReviewOut(BaseModel):
    """A question about memories; for `proposal` merge and supersede: what goes, then what stays."""

    id: UUID
    namespace: str
    kind: ReviewKind
    proposal: str
    status: str
    memory_ids: list[UUID]
    score: float | None
    reason: str
    method: str
    changeset_id: UUID | None
    decision_changeset_id: UUID | None
    created_at: datetime
    decided_at: datetime | None


class ReviewsOut(BaseModel):
    """A page of reviews, the newest first."""

    data: list[ReviewOut]
    next_cursor: str | None
    has_more: bool


def _json(row: RowMapping) -> dict[str, Any]:
    ids = {name: str(row[name]) if row[name] else None for name in ("changeset_id", "decision_changeset_id")}
    return {
        **{name: row[name] for name in ("namespace", "kind", "proposal", "status", "score", "reason", "method")},
        "id": str(row["id"]),
        "memory_ids": [str(i) for i in row["memory_ids"]],
        **ids,
        "created_at": rfc3339(row["created_at"]),
        "decided_at": rfc3339(row["decided_at"]),
    }


@router.get("", response_model=ReviewsOut)
def list_reviews(
    caller: Reader,
    session: SessionDep,
    namespace: Annotated[str | None, Query(description="Only this namespace; without it, all.")] = None,
    kind: ReviewKind | None = None,
    status: Literal["open", "approved", "declined", "withdrawn"] | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List duplicates, conflicts and texts of low trust that wait for a person or were decided, the newest first."""
    tenant_id = caller.tenant_id
    query = {"list": "reviews", "namespace": namespace, "kind": kind, "status": status}
    before = decode_cursor(cursor, of=UUID, tenant_id=tenant_id, query=query)
    space = None if namespace is None else find_namespace_id(session, tenant_id, namespace, pointer="?namespace")
    rows: Sequence[RowMapping] = ()
    if namespace is None or space is not None:
        rows = reviews.list_reviews(
            session, tenant_id, namespace_id=space, kind=kind, status=status, before=before, limit=limit + 1
        )
    return answer(
        page(rows, limit=limit, position=lambda row: row["id"], render=_json, tenant_id=tenant_id, query=query)
    )


@router.get("/{review_id}", response_model=ReviewOut)
def get_review(review_id: UUID, caller: Reader, session: SessionDep) -> Response:
    """Return one review."""
    row = reviews.get_review(session, caller.tenant_id, review_id)
    if row is None:
        raise NotFound(f"There is no review {review_id}.", code="review_not_found")
    return answer(_json(row))


Decide = Callable[..., RowMapping]


def _add(name: str, decide: Decide, action: Action, description: str) -> None:
    """Add ``POST /v1/reviews/{review_id}/<name>``."""

    def decided(
        review_id: UUID, request: Request, caller: Writer, services: ServicesDep, session: SessionDep
    ) -> Response:
        def produce() -> Response:
            row = decide(session, caller.tenant_id, review_id, now=services.clock())
            note(session, services, caller, action, subject=("review", review_id), namespace_id=row["namespace_id"])
            return answer(_json(row))

        return idempotent(request, caller, session, produce)

    decided.__name__ = f"{name}_review"  # the operation's name in the OpenAPI document
    router.add_api_route(
        f"/{{review_id}}/{name}", decided, methods=["POST"], response_model=ReviewOut, description=description
    )


_add("approve", deciding.approve, Action.REVIEW_APPROVE, "Do what is proposed, as a changeset of its own.")
_add("decline", deciding.decline, Action.REVIEW_DECLINE, "Leave everything as it is; it is not asked again.")
_add("undo", deciding.undo, Action.REVIEW_UNDO, "Take the decision back: what approval changed is reverted.")
