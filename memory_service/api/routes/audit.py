"""The audit chain: who changed what, and whether the record of it is whole."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel
from sqlalchemy import RowMapping

from memory_service.api.answers import answer
from memory_service.api.dependencies import SessionDep, require
from memory_service.api.fields import Time
from memory_service.api.pages import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, page
from memory_service.api.strict_json import StrictRoute
from memory_service.errors import FieldError, InvalidRequest
from memory_service.lifecycle.audit import Verdict, verify
from memory_service.storage import audit
from memory_service.storage.namespaces import find_namespace_id
from memory_service.types import Action, Caller, KeyScope

router = APIRouter(prefix="/v1/audit", tags=["audit"], route_class=StrictRoute)

Admin = Annotated[Caller, require(KeyScope.ADMIN)]


class EventOut(BaseModel):
    """One change: who, what, to which thing; its place in the chain once a worker has sealed it."""

    id: UUID
    at: datetime
    actor: UUID | None
    action: Action
    subject: str | None
    subject_id: UUID | None
    namespace: str | None
    namespace_id: UUID | None
    details: dict[str, Any]
    seq: int | None
    hash: str | None


class EventsOut(BaseModel):
    """A page of events, newest first."""

    data: list[EventOut]
    next_cursor: str | None
    has_more: bool


class HeadOut(BaseModel):
    """The end of the chain, to be kept elsewhere."""

    seq: int
    hash: str


class BreakOut(BaseModel):
    """The first place where the chain is not what it was."""

    seq: int
    event_id: UUID | None
    reason: Literal["hash_differs", "event_missing", "seal_missing", "head_differs"]


class VerdictOut(BaseModel):
    """Whether the chain is whole."""

    intact: bool
    checked: int
    unsealed: int
    stray: int
    head: HeadOut | None
    broken_at: BreakOut | None


def _event_json(row: RowMapping) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        # To the microsecond, as the seal is made of it.
        "at": row["at"].isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "actor": str(row["api_key_id"]) if row["api_key_id"] else None,
        "action": row["action"],
        "subject": row["subject"],
        "subject_id": str(row["subject_id"]) if row["subject_id"] else None,
        "namespace": row["namespace"],
        "namespace_id": str(row["namespace_id"]) if row["namespace_id"] else None,
        "details": row["details"],
        "seq": row["seq"],
        "hash": row["hash"].hex() if row["hash"] is not None else None,
    }


@router.get("", response_model=EventsOut)
def list_audit_events(
    caller: Admin,
    session: SessionDep,
    action: Annotated[Action | None, Query(description="Only this kind of change.")] = None,
    actor: Annotated[UUID | None, Query(description="Only changes by this API key.")] = None,
    since: Annotated[Time | None, Query(description="Only from this moment on.")] = None,
    until: Annotated[Time | None, Query(description="Only before this moment.")] = None,
    namespace: Annotated[str | None, Query(description="Only changes in this namespace; without it, all.")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List what was changed by whom, newest first. What was written a moment ago has no `seq` and no `hash` yet."""
    query = {"list": "audit", "action": action, "actor": actor, "since": since, "until": until, "namespace": namespace}
    before = decode_cursor(cursor, of=UUID, tenant_id=caller.tenant_id, query=query)
    space = None if namespace is None else find_namespace_id(session, caller.tenant_id, namespace, pointer="?namespace")
    rows: Sequence[RowMapping] = ()
    if namespace is None or space is not None:
        rows = audit.list_events(
            session,
            caller.tenant_id,
            action=action.value if action else None,
            actor=actor,
            namespace_id=space,
            since=since,
            until=until,
            before=before,
            limit=limit + 1,
        )
    return answer(
        page(
            rows,
            limit=limit,
            position=lambda row: row["id"],
            render=_event_json,
            tenant_id=caller.tenant_id,
            query=query,
        )
    )


@router.get("/verify", response_model=VerdictOut)
def verify_audit_chain(
    caller: Admin,
    session: SessionDep,
    seq: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="A place of which you kept the hash.")] = None,
    hash: Annotated[str | None, Query(pattern="^[0-9a-f]{64}$", description="The hash you kept of it.")] = None,
) -> Response:
    """Work out the whole chain anew, and say where it breaks.

    Whoever can write to the database as its owner can make a whole chain anew. So keep a `head` elsewhere, and hand it in
    as `seq` and `hash`: then the chain has to lead through it.
    """
    if (seq is None) != (hash is None):
        detail = "seq and hash belong together: the head that an earlier answer gave."
        raise InvalidRequest(detail, errors=(FieldError("?seq" if seq is None else "?hash", detail),))
    found = verify(session, caller.tenant_id)
    kept = None
    if seq is not None and hash is not None:
        there = audit.hash_at(session, caller.tenant_id, seq)
        if there is None or there.hex() != hash:
            kept = {"seq": seq, "event_id": None, "reason": "head_differs"}
    return answer(_verdict_json(found, kept))


def _verdict_json(found: Verdict, kept: dict[str, Any] | None) -> dict[str, Any]:
    broken = kept
    if found.broken is not None:
        event_id = str(found.broken.event_id) if found.broken.event_id else None
        broken = {"seq": found.broken.seq, "event_id": event_id, "reason": found.broken.reason}
    return {
        "intact": broken is None and not found.stray,
        "checked": found.checked,
        "unsealed": found.unsealed,
        "stray": found.stray,
        "head": {"seq": found.head.seq, "hash": found.head.hash.hex()} if found.head else None,
        "broken_at": broken,
    }
