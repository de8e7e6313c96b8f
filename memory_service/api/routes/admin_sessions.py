"""Sessions of the web view: log in with a key or a link, see who one is, log out."""

import json
from datetime import datetime
from ipaddress import IPv6Address, ip_address
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field, SecretStr
from sqlalchemy.orm import Session

from memory_service import __version__
from memory_service.api import session_cookie
from memory_service.api.answers import answer
from memory_service.api.auditing import note
from memory_service.api.auth import ENDED, MAX_SECRET, REFUSED
from memory_service.api.dependencies import AnyCaller, ServicesDep, SessionDep
from memory_service.api.idempotency import idempotent
from memory_service.api.services import Services
from memory_service.api.strict_json import Body, StrictRoute
from memory_service.errors import InvalidRequest, Unauthenticated
from memory_service.lifecycle.records import rfc3339
from memory_service.storage import keys, web_sessions
from memory_service.storage.database import after_commit
from memory_service.types import Action, Caller

router = APIRouter(tags=["admin"], route_class=StrictRoute)

LOGIN: Final = "/admin/session"
MAX_LOGIN: Final = 8 * 1024  # bytes; nobody is known yet when this body is read
LINK_REFUSED: Final = (
    "The link is not valid: unknown, used or older than 15 minutes. `memory-service admin-link` makes another."
)
NOT_KEPT: Final = {"Cache-Control": "no-store"}

Secret = Annotated[SecretStr, Field(min_length=1, max_length=MAX_SECRET)]


class LoginIn(Body):
    """An API key, or the token of a link: one of them."""

    api_key: Secret | None = None
    token: Secret | None = None


class WebSessionOut(BaseModel):
    """A session that is open: for whom, what it may do, until when."""

    tenant: str
    key_id: UUID
    key_name: str
    scopes: list[str]
    expires_at: datetime
    service_version: str


class LoginLinkOut(BaseModel):
    """A link: ``path`` goes behind the address of the service; null, as is ``token``, when the answer is replayed."""

    id: UUID
    token: str | None
    path: str | None
    expires_at: datetime


async def _count_attempt(request: Request, services: ServicesDep) -> None:
    services.login_limiter.hit(_network(request.client.host if request.client else ""))


def _network(address: str) -> str:
    """Return who may try as one: an address, and of version 6 the network that one customer has."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return parsed.exploded[:19] if isinstance(parsed, IPv6Address) else address


@router.post(LOGIN, status_code=201, response_model=WebSessionOut, dependencies=[Depends(_count_attempt)])
def log_in(request: Request, body: LoginIn, services: ServicesDep) -> Response:
    """Open a session of twelve hours for a key, or for a link that is used up by it; the browser keeps it as a cookie."""
    session_cookie.check_origin(request)
    if (body.api_key is None) == (body.token is None):
        raise InvalidRequest("Send `api_key` or `token`, one of them.")
    if body.api_key is not None:
        secret, described = _by_key(services, body.api_key.get_secret_value())
    else:
        assert body.token is not None
        secret, described = _by_link(services, body.token.get_secret_value())
    response = answer(_session_json(described), status=201, headers=NOT_KEPT)
    session_cookie.keep(request, response, secret, lasts=described.expires_at - services.clock())
    return response


def _by_key(services: Services, secret: str) -> tuple[str, web_sessions.OpenSession]:
    with services.database.untenanted() as connection:
        found = keys.find_key(connection, secret)
    if found is None:
        raise Unauthenticated(REFUSED)
    with services.database.transaction(found.tenant_id) as session:
        return _begin(session, services, found.tenant_id, found.key_id, by="key", refusal=REFUSED)


def _by_link(services: Services, token: str) -> tuple[str, web_sessions.OpenSession]:
    with services.database.untenanted() as connection:
        found = web_sessions.find_link(connection, token)
    if found is None:
        raise Unauthenticated(LINK_REFUSED)
    tenant_id, link_id = found
    # One transaction: a link is used up if and only if a session was opened by it.
    with services.database.transaction(tenant_id) as session:
        key_id = web_sessions.redeem_link(session, tenant_id, link_id, now=services.clock())
        if key_id is None:
            raise Unauthenticated(LINK_REFUSED)
        return _begin(session, services, tenant_id, key_id, by="link", refusal=LINK_REFUSED)


def _begin(
    session: Session, services: Services, tenant_id: UUID, key_id: UUID, *, by: str, refusal: str
) -> tuple[str, web_sessions.OpenSession]:
    """Open a session, write it down, and return its secret with what its owner may know."""
    made = web_sessions.create_session(session, tenant_id, key_id, now=services.clock())
    if made is None:
        raise Unauthenticated(refusal)
    session_id, secret = made
    described = web_sessions.describe_session(session, tenant_id, secret)
    assert described is not None
    caller = Caller(tenant_id, key_id, frozenset(described.scopes))
    note(session, services, caller, Action.SESSION_BEGIN, subject=("web_session", session_id), by=by)
    return secret, described


async def _session_caller(request: Request, services: ServicesDep) -> Caller:
    """Return who is asking by the session alone: a key in a header says nothing about a session."""
    secret = session_cookie.session_of(request)
    if not secret:
        raise Unauthenticated("There is no session; log in at /admin/.")
    session_cookie.check_page(request)
    caller = await services.authenticator.authenticate_session(secret)
    request.state.tenant_id = caller.tenant_id
    services.rate_limiter.hit(caller.key_id)
    return caller


SessionCaller = Annotated[Caller, Depends(_session_caller)]


@router.get(LOGIN, response_model=WebSessionOut)
def get_web_session(request: Request, caller: SessionCaller, services: ServicesDep) -> Response:
    """Say for whom the session is, what it may do and when it ends."""
    with services.database.transaction(caller.tenant_id) as session:
        described = web_sessions.describe_session(session, caller.tenant_id, session_cookie.session_of(request))
    if described is None:
        raise Unauthenticated(ENDED)
    return answer(_session_json(described), headers=NOT_KEPT)


@router.delete(LOGIN, status_code=204, response_class=Response)
def log_out(request: Request, caller: SessionCaller, services: ServicesDep) -> Response:
    """End the session: at once, on other machines within ten seconds."""
    with services.database.transaction(caller.tenant_id) as session:
        ended = web_sessions.end_session(session, caller.tenant_id, session_cookie.session_of(request))
        if ended is not None:
            note(session, services, caller, Action.SESSION_END, subject=("web_session", ended))
            after_commit(session, services.authenticator.forget)
    response = Response(status_code=204, headers=NOT_KEPT)
    session_cookie.drop(request, response)
    return response


@router.post("/admin/links", status_code=201, response_model=LoginLinkOut)
def create_login_link(request: Request, caller: AnyCaller, services: ServicesDep, session: SessionDep) -> Response:
    """Make a link that logs a browser in once, within fifteen minutes, with what the key may do that asks for it."""

    def produce() -> Response:
        link_id, token, expires_at = web_sessions.create_link(
            session, caller.tenant_id, caller.key_id, now=services.clock()
        )
        note(session, services, caller, Action.LINK_CREATE, subject=("login_link", link_id))
        # Behind the #, so that it reaches no log of a proxy and no Referer.
        made = {
            "id": str(link_id),
            "token": token,
            "path": f"/admin/#login={token}",
            "expires_at": rfc3339(expires_at),
        }
        return answer(made, status=201, headers=NOT_KEPT)

    return idempotent(request, caller, session, produce, keep=_without_token)


def _without_token(body: bytes) -> bytes:
    """Return an answer as it may be stored: a token is kept as its hash alone."""
    return json.dumps({**json.loads(body), "token": None, "path": None}).encode()


def _session_json(described: web_sessions.OpenSession) -> dict[str, Any]:
    return {
        "tenant": described.tenant,
        "key_id": str(described.key_id),
        "key_name": described.key_name,
        "scopes": described.scopes,
        "expires_at": rfc3339(described.expires_at),
        "service_version": __version__,
    }
