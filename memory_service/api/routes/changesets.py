"""Changesets: what each run changed, and the way back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy import RowMapping

from memory_service.api.answers import answer
from memory_service.api.auditing import note
from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.idempotency import idempotent
from memory_service.api.pages import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, page
from memory_service.api.strict_json import Body, StrictRoute
from memory_service.errors import NotFound
from memory_service.lifecycle.records import rfc3339
from memory_service.lifecycle.revert import revert
from memory_service.storage import changesets
from memory_service.storage.namespaces import find_namespace_id
from memory_service.types import Action, Caller, KeyScope

router = APIRouter(prefix="/v1/changesets", tags=["consolidation"], route_class=StrictRoute)

Reader = Annotated[Caller, require(KeyScope.READ)]
Writer = Annotated[Caller, require(KeyScope.WRITE)]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]

SHOWN = 1_000  # changes in the answer for one changeset; the rest are pages


class ChangesetOut(BaseModel):
    """What one run changed, in numbers."""

    id: UUID
    namespace: str
    job_id: UUID | None
    kind: str
    status: str
    counts: dict[str, int]
    usage: dict[str, Any] | None
    created_at: datetime
    reverted_at: datetime | None


class ChangeOut(BaseModel):
    """One change: which step wanted it and why, and the versions before and after."""

    ordinal: int
    change: str
    step: str
    memory_id: UUID | None
    other_id: UUID | None
    target_id: UUID | None
    version_before: int | None
    version_after: int | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    score: float | None
    reason: str
    method: str


class WholeChangesetOut(ChangesetOut):
    """A changeset with its changes, the first thousand of them."""

    changes: list[ChangeOut]
    truncated: bool


class ChangesetsOut(BaseModel):
    """A page of changesets, the newest first."""

    data: list[ChangesetOut]
    next_cursor: str | None
    has_more: bool


class ChangesOut(BaseModel):
    """A page of changes, in the order in which they were made."""

    data: list[ChangeOut]
    next_cursor: str | None
    has_more: bool


class RevertIn(Body):
    """How to revert."""

    on_conflict: Literal["error", "skip"] = "error"


class RevertedOut(ChangesetOut):
    """A reverted changeset: which memories were put back, and which had changed since and were left alone."""

    memories: list[UUID]
    conflicts: list[UUID]


def changeset_json(row: RowMapping) -> dict[str, Any]:
    """Return the head of a changeset as JSON."""
    return {
        "id": str(row["id"]),
        "namespace": row["namespace"],
        "job_id": str(row["job_id"]) if row["job_id"] else None,
        **{name: row[name] for name in ("kind", "status", "counts", "usage")},
        "created_at": rfc3339(row["created_at"]),
        "reverted_at": rfc3339(row["reverted_at"]),
    }


def _change_json(row: RowMapping) -> dict[str, Any]:
    ids = {name: str(row[name]) if row[name] else None for name in ("memory_id", "other_id", "target_id")}
    plain = (
        "ordinal",
        "change",
        "step",
        "version_before",
        "version_after",
        "before",
        "after",
        "score",
        "reason",
        "method",
    )
    return {**{name: row[name] for name in plain}, **ids}


def _get(session: SessionDep, tenant_id: UUID, changeset_id: UUID) -> RowMapping:
    row = changesets.get_changeset(session, tenant_id, changeset_id)
    if row is None:
        raise NotFound(f"There is no changeset {changeset_id}.", code="changeset_not_found")
    return row


@router.get("", response_model=ChangesetsOut)
def list_changesets(
    caller: Reader,
    session: SessionDep,
    namespace: Annotated[str | None, Query(description="Only this namespace; without it, all.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List what runs changed, the newest first."""
    tenant_id = caller.tenant_id
    query = {"list": "changesets", "namespace": namespace}
    before = decode_cursor(cursor, of=UUID, tenant_id=tenant_id, query=query)
    space = None if namespace is None else find_namespace_id(session, tenant_id, namespace, pointer="?namespace")
    rows: Sequence[RowMapping] = ()
    if namespace is None or space is not None:
        rows = changesets.list_changesets(session, tenant_id, namespace_id=space, before=before, limit=limit + 1)
    return answer(
        page(rows, limit=limit, position=lambda row: row["id"], render=changeset_json, tenant_id=tenant_id, query=query)
    )


@router.get("/{changeset_id}", response_model=WholeChangesetOut)
def get_changeset(changeset_id: UUID, caller: Reader, session: SessionDep) -> Response:
    """Return one changeset with its changes."""
    head = changeset_json(_get(session, caller.tenant_id, changeset_id))
    rows = changesets.changes_of(session, caller.tenant_id, changeset_id, limit=SHOWN + 1)
    return answer({**head, "changes": [_change_json(row) for row in rows[:SHOWN]], "truncated": len(rows) > SHOWN})


@router.get("/{changeset_id}/changes", response_model=ChangesOut)
def list_changes(
    changeset_id: UUID,
    caller: Reader,
    session: SessionDep,
    limit: Limit = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List the changes of one changeset in the order in which they were made."""
    query = {"list": "changes", "changeset": str(changeset_id)}
    after = decode_cursor(cursor, of=int, tenant_id=caller.tenant_id, query=query)
    _get(session, caller.tenant_id, changeset_id)
    rows = changesets.changes_of(session, caller.tenant_id, changeset_id, after=after or 0, limit=limit + 1)
    return answer(
        page(
            rows,
            limit=limit,
            position=lambda row: int(row["ordinal"]),
            render=_change_json,
            tenant_id=caller.tenant_id,
            query=query,
        )
    )


@router.post("/{changeset_id}/revert", response_model=RevertedOut)
def revert_changeset(
    changeset_id: UUID,
    request: Request,
    caller: Writer,
    services: ServicesDep,
    session: SessionDep,
    body: RevertIn | None = None,
) -> Response:
    """Put back what a changeset changed.

    409 names the memories that have changed since; nothing is reverted then. With `on_conflict: skip` those are left alone and
    the others are put back.
    """
    skip = body is not None and body.on_conflict == "skip"

    def produce() -> Response:
        done = revert(session, caller.tenant_id, changeset_id, skip_conflicts=skip, now=services.clock())
        counts = {"memories": len(done.memory_ids), "conflicts": len(done.conflicts)}
        row = _get(session, caller.tenant_id, changeset_id)
        note(
            session, services, caller, Action.CHANGESET_REVERT, subject=("changeset", changeset_id),
            namespace_id=row["namespace_id"], counts=counts,
        )  # fmt: skip
        return answer(
            {
                **changeset_json(row),
                "memories": [str(i) for i in done.memory_ids],
                "conflicts": [str(i) for i in done.conflicts],
            }
        )

    return idempotent(request, caller, session, produce)
