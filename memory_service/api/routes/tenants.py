"""Tenants, for operators."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from memory_service.api.answers import answer
from memory_service.api.auditing import note
from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.idempotency import idempotent
from memory_service.api.pages import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, page
from memory_service.api.routes.api_keys import Name, NewKeyOut, new_key_json, without_secret
from memory_service.api.strict_json import Body, StrictRoute
from memory_service.errors import Conflict
from memory_service.lifecycle.records import rfc3339
from memory_service.storage import keys
from memory_service.storage.tenants import as_tenant, create_tenant, list_tenants
from memory_service.types import Action, Caller, KeyScope

router = APIRouter(prefix="/v1/tenants", tags=["tenants"], route_class=StrictRoute)

Operator = Annotated[Caller, require(KeyScope.OPERATOR)]
# A new tenant's first key may do everything inside the tenant, and nothing to others.
FIRST_KEY_SCOPES = tuple(scope.value for scope in KeyScope if scope is not KeyScope.OPERATOR)


class TenantIn(Body):
    """A tenant to make."""

    name: Name


class TenantOut(BaseModel):
    """A tenant."""

    id: UUID
    name: str
    created_at: datetime


class NewTenantOut(TenantOut):
    """A tenant just made, with its first key."""

    api_key: NewKeyOut


class TenantsOut(BaseModel):
    """A page of tenants."""

    data: list[TenantOut]
    next_cursor: str | None
    has_more: bool


def _tenant_json(tenant_id: UUID, name: str, created_at: datetime) -> dict[str, Any]:
    return {"id": str(tenant_id), "name": name, "created_at": rfc3339(created_at)}


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
        tenant = _tenant_json(tenant_id, body.name, now)
        return answer({**tenant, "api_key": first_key}, status=201)

    return idempotent(request, caller, session, produce, keep=without_secret)


@router.get("", response_model=TenantsOut)
def list_all_tenants(
    caller: Operator,
    session: SessionDep,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List tenants, oldest first."""
    query = {"list": "tenants"}
    after = decode_cursor(cursor, of=UUID, tenant_id=caller.tenant_id, query=query)
    rows = list_tenants(session, after=after, limit=limit + 1)
    return answer(
        page(
            rows,
            limit=limit,
            position=lambda row: row["id"],
            render=lambda row: _tenant_json(row["id"], row["name"], row["created_at"]),
            tenant_id=caller.tenant_id,
            query=query,
        )
    )
