"""Tenants, for operators."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from memory_service.api.answers import answer
from memory_service.api.auditing import note
from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.idempotency import idempotent
from memory_service.api.pages import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, page
from memory_service.api.routes.api_keys import Name, NewKeyOut, new_key_json, without_secret
from memory_service.api.strict_json import Body, StrictRoute
from memory_service.errors import Conflict, FieldError, InvalidRequest, NotFound
from memory_service.lifecycle.records import rfc3339
from memory_service.storage import keys
from memory_service.storage.database import after_commit
from memory_service.storage.namespaces import find_namespace_id
from memory_service.storage.tenants import (
    as_tenant,
    begin_deletion,
    count_rows,
    create_tenant,
    find_tenant,
    list_tenants,
)
from memory_service.types import Action, Caller, KeyScope

router = APIRouter(prefix="/v1/tenants", tags=["tenants"], route_class=StrictRoute)

Operator = Annotated[Caller, require(KeyScope.OPERATOR)]
# A new tenant's first key may do everything inside the tenant, and nothing to others.
FIRST_KEY_SCOPES = tuple(scope.value for scope in KeyScope if scope is not KeyScope.OPERATOR)

COUNTED = 100_000
"""Rows of each table that a preview counts at most."""


class TenantIn(Body):
    """A tenant to make."""

    name: Name


class TenantOut(BaseModel):
    """A tenant; `deleting_at` says since when it goes, `removed` which rows are gone by now, by table."""

    id: UUID
    name: str
    created_at: datetime
    deleting_at: datetime | None
    removed: dict[str, int]


class NewTenantOut(TenantOut):
    """A tenant just made, with its first key."""

    api_key: NewKeyOut


class TenantsOut(BaseModel):
    """A page of tenants."""

    data: list[TenantOut]
    next_cursor: str | None
    has_more: bool


class DepartureOut(BaseModel):
    """What would go with a tenant: rows by table, and whether there are more than were counted."""

    id: UUID
    counts: dict[str, int]
    truncated: bool


def _tenant_json(row: RowMapping) -> dict[str, Any]:
    going = row["deleting_at"]
    return {
        "id": str(row["id"]),
        "name": row["name"],
        "created_at": rfc3339(row["created_at"]),
        "deleting_at": None if going is None else rfc3339(going),
        "removed": row["removed"],
    }


@router.post("", status_code=201, response_model=NewTenantOut)
def create_tenant_with_key(
    request: Request, body: TenantIn, caller: Operator, services: ServicesDep, session: SessionDep
) -> Response:
    """Make a tenant and its first key, whose secret is in this answer and nowhere else."""

    def produce() -> Response:
        now = services.clock()
        tenant_id = create_tenant(session, name=body.name, now=now)
        if tenant_id is None:
            raise Conflict(f"There is a tenant {body.name!r} already.", code="tenant_exists")
        with as_tenant(session, tenant_id):
            key_id, secret = keys.create_key(
                session, tenant_id, name="first key", scopes=FIRST_KEY_SCOPES, expires_at=None, now=now
            )
            first_key = new_key_json(session, tenant_id, key_id, secret)
        note(session, services, caller, Action.TENANT_CREATE, subject=("tenant", tenant_id))
        tenant = _tenant_json(_found(session, tenant_id))
        return answer({**tenant, "api_key": first_key}, status=201)

    return idempotent(request, caller, session, produce, keep=without_secret)


@router.get("", response_model=TenantsOut)
def list_all_tenants(
    caller: Operator,
    session: SessionDep,
    namespace: Annotated[
        str | None,
        Query(description="The key's own tenant, where it has this namespace: those of others are theirs to know."),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List tenants, oldest first."""
    query = {"list": "tenants", "namespace": namespace}
    after = decode_cursor(cursor, of=UUID, tenant_id=caller.tenant_id, query=query)
    if namespace is None:
        rows = list_tenants(session, after=after, limit=limit + 1)
    else:
        find_namespace_id(session, caller.tenant_id, namespace, pointer="?namespace")
        rows = [_found(session, caller.tenant_id)]
    return answer(
        page(
            rows,
            limit=limit,
            position=lambda row: row["id"],
            render=_tenant_json,
            tenant_id=caller.tenant_id,
            query=query,
        )
    )


@router.get("/{tenant_id}", response_model=TenantOut)
def get_tenant(tenant_id: UUID, caller: Operator, session: SessionDep) -> Response:
    """Read one tenant: how far its deletion is, too. Once it is gone it answers 404."""
    return answer(_tenant_json(_found(session, tenant_id)))


@router.delete("/{tenant_id}", status_code=202, response_model=TenantOut, responses={200: {"model": DepartureOut}})
def delete_tenant(
    tenant_id: UUID,
    request: Request,
    caller: Operator,
    services: ServicesDep,
    session: SessionDep,
    name: Annotated[str | None, Query(description="The tenant's name, as a check; not asked with `dry_run`.")] = None,
    dry_run: Annotated[bool, Query(description="Count what would go, and change nothing.")] = False,
) -> Response:
    """Delete a tenant with everything in it. Its keys end at once; the rest goes in the background and does not come back."""

    def produce() -> Response:
        tenant = _found(session, tenant_id)
        if tenant_id == caller.tenant_id:
            raise Conflict(
                "This is the tenant of the key that asks; another tenant's operator may delete it.", code="own_tenant"
            )
        if dry_run:
            counts, more = count_rows(session, tenant_id, most=COUNTED)
            return answer({"id": str(tenant_id), "counts": counts, "truncated": more})
        if name is None or name != tenant["name"]:
            detail = "Name the tenant that is to go, exactly: what is deleted does not come back."
            raise InvalidRequest(detail, errors=(FieldError("?name", detail),))
        now = services.clock()
        if begin_deletion(session, tenant_id, name=name, now=now) != "begun":
            raise Conflict("The tenant was changed meanwhile; look again.", code="tenant_changed")
        if tenant["deleting_at"] is None:
            note(session, services, caller, Action.TENANT_DELETE, subject=("tenant", tenant_id))
        # Its keys end with the commit in all processes behind this socket; on other machines within seconds.
        after_commit(session, services.authenticator.forget)
        after_commit(session, lambda: services.residents.forget(tenant_id))
        after_commit(session, services.deleted.change)
        after_commit(session, services.measured.clear)
        return answer(_tenant_json(_found(session, tenant_id)), status=202)

    return idempotent(request, caller, session, produce)


def _found(session: Session, tenant_id: UUID) -> RowMapping:
    tenant = find_tenant(session, tenant_id)
    if tenant is None:
        raise NotFound("There is no such tenant.", code="tenant_not_found")
    return tenant
