"""API keys of the caller's tenant: made, listed, rotated, revoked by administrators."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import AfterValidator, BaseModel, Field
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from memory_service.api.answers import answer
from memory_service.api.auditing import note
from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.fields import ShortText, Time, not_blank
from memory_service.api.idempotency import idempotent
from memory_service.api.pages import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, page
from memory_service.api.services import Services
from memory_service.api.strict_json import Body, StrictRoute
from memory_service.errors import Conflict, FieldError, Forbidden, InvalidRequest, NotFound
from memory_service.lifecycle.records import rfc3339
from memory_service.storage import keys
from memory_service.storage.database import after_commit
from memory_service.storage.namespaces import find_namespace_id
from memory_service.types import Action, Caller, KeyScope

router = APIRouter(prefix="/v1/api-keys", tags=["api-keys"], route_class=StrictRoute)

Admin = Annotated[Caller, require(KeyScope.ADMIN)]


Name = Annotated[ShortText, AfterValidator(not_blank)]


class KeyIn(Body):
    """A key to make."""

    name: Name
    scopes: Annotated[list[KeyScope], Field(min_length=1, max_length=len(KeyScope))]
    expires_at: Time | None = None


class KeyOut(BaseModel):
    """A key without its secret; ``prefix`` is how the secret begins."""

    id: UUID
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class NewKeyOut(KeyOut):
    """A key just made: ``key`` is shown this once, and null when the answer is replayed."""

    key: str | None


class KeysOut(BaseModel):
    """A page of keys."""

    data: list[KeyOut]
    next_cursor: str | None
    has_more: bool


def key_json(row: RowMapping) -> dict[str, Any]:
    """Return a key as JSON, without its secret."""
    times = ("created_at", "expires_at", "revoked_at", "last_used_at")
    return {
        "id": str(row["id"]),
        "name": row["name"],
        "prefix": row["prefix"],
        "scopes": list(row["scopes"]),
        **{name: rfc3339(row[name]) for name in times},
    }


def new_key_json(session: Session, tenant_id: UUID, key_id: UUID, secret: str) -> dict[str, Any]:
    """Return a key just made as JSON, with its secret."""
    row = keys.get_key(session, tenant_id, key_id)
    assert row is not None
    return {**key_json(row), "key": secret}


def without_secret(body: bytes) -> bytes:
    """Return an answer as it may be stored: a key is kept as its hash alone."""
    stored = json.loads(body)
    made: dict[str, Any] = stored.get("api_key", stored)
    made["key"] = None
    return json.dumps(stored).encode()


def _created(made: dict[str, Any]) -> Response:
    return answer(made, status=201, headers={"Location": f"/v1/api-keys/{made['id']}"})


def _get(session: Session, caller: Caller, key_id: UUID) -> RowMapping:
    row = keys.get_key(session, caller.tenant_id, key_id)
    if row is None:
        raise NotFound("There is no such API key in this tenant.")
    return row


def _check_within(caller: Caller, scopes: Iterable[KeyScope], sentence: str) -> None:
    beyond = [scope.value for scope in scopes if not caller.may(scope)]
    if beyond:
        raise Forbidden(f"{sentence}: {', '.join(beyond)}.")


def _check_power(caller: Caller, row: RowMapping) -> None:
    """Refuse to touch a key that may do more than the caller's."""
    scopes = [KeyScope(scope) for scope in row["scopes"]]
    _check_within(caller, scopes, "A key cannot rotate or revoke one that may do what it may not do itself")


@router.post("", status_code=201, response_model=NewKeyOut)
def create_api_key(
    request: Request, body: KeyIn, caller: Admin, services: ServicesDep, session: SessionDep
) -> Response:
    """Make a key. Its secret is in this answer and nowhere else; a replayed answer has null in its place."""
    _check_within(caller, body.scopes, "A key cannot grant what it may not do itself")
    now = services.clock()
    if body.expires_at is not None and body.expires_at <= now:
        detail = "lies in the past"
        raise InvalidRequest(f"/expires_at: {detail}", errors=(FieldError("/expires_at", detail),))

    def produce() -> Response:
        scopes = sorted({scope.value for scope in body.scopes})
        key_id, secret = keys.create_key(
            session, caller.tenant_id, name=body.name, scopes=scopes, expires_at=body.expires_at, now=now
        )
        note(session, services, caller, Action.KEY_CREATE, subject=("api_key", key_id), scopes=scopes)
        return _created(new_key_json(session, caller.tenant_id, key_id, secret))

    return idempotent(request, caller, session, produce, keep=without_secret)


@router.get("", response_model=KeysOut)
def list_api_keys(
    caller: Admin,
    session: SessionDep,
    namespace: Annotated[
        str | None, Query(description="Those that reach this namespace: a key reaches every one of its tenant.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List keys, newest first, revoked and expired ones too."""
    if namespace is not None:
        find_namespace_id(session, caller.tenant_id, namespace, pointer="?namespace")
    query = {"list": "api-keys", "namespace": namespace}
    before = decode_cursor(cursor, of=UUID, tenant_id=caller.tenant_id, query=query)
    rows = keys.list_keys(session, caller.tenant_id, before=before, limit=limit + 1)
    return answer(
        page(
            rows,
            limit=limit,
            position=lambda row: row["id"],
            render=key_json,
            tenant_id=caller.tenant_id,
            query=query,
        )
    )


@router.get("/{key_id}", response_model=KeyOut)
def get_api_key(key_id: UUID, caller: Admin, session: SessionDep) -> Response:
    """Return one key, without its secret."""
    return answer(key_json(_get(session, caller, key_id)))


@router.delete("/{key_id}", status_code=204, response_class=Response)
def revoke_api_key(key_id: UUID, caller: Admin, services: ServicesDep, session: SessionDep) -> Response:
    """Revoke a key, for good. It is refused at once, on other machines within ten seconds."""
    row = _get(session, caller, key_id)
    _check_power(caller, row)
    if row["revoked_at"] is None:
        _revoke(services, session, caller, key_id)
        note(session, services, caller, Action.KEY_REVOKE, subject=("api_key", key_id))
    return Response(status_code=204)


@router.post("/{key_id}/rotate", status_code=201, response_model=NewKeyOut)
def rotate_api_key(
    request: Request, key_id: UUID, caller: Admin, services: ServicesDep, session: SessionDep
) -> Response:
    """Revoke a key and make another with the same name, scopes and expiry."""

    def produce() -> Response:
        row = _get(session, caller, key_id)
        now = services.clock()
        if row["revoked_at"] is not None or (row["expires_at"] is not None and row["expires_at"] <= now):
            raise Conflict(
                "This key is revoked or expired; make a new one with POST /v1/api-keys.", code="key_not_active"
            )
        _check_power(caller, row)
        _revoke(services, session, caller, key_id)
        new_id, secret = keys.create_key(
            session, caller.tenant_id, name=row["name"], scopes=row["scopes"], expires_at=row["expires_at"], now=now
        )
        note(session, services, caller, Action.KEY_ROTATE, subject=("api_key", key_id), new_key_id=str(new_id))
        return _created(new_key_json(session, caller.tenant_id, new_id, secret))

    return idempotent(request, caller, session, produce, keep=without_secret)


def _revoke(services: Services, session: Session, caller: Caller, key_id: UUID) -> None:
    keys.change_key(session, caller.tenant_id, key_id, revoked_at=services.clock())
    after_commit(session, services.authenticator.forget)
