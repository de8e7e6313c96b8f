"""Sessions of the web view and the links that open one: random secrets, stored as hashes, each for one API key."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, ScalarSelect, Uuid, column, delete, func, insert, select, text
from sqlalchemy.orm import Session

from memory_service.storage.ids import new_id
from memory_service.storage.keys import KeyRow, hash_secret
from memory_service.storage.tables import api_key, login_link, tenant, web_session

SESSION_PREFIX: Final = "mss_"
LINK_PREFIX: Final = "msl_"
SESSION_LASTS: Final = timedelta(hours=12)
LINK_LASTS: Final = timedelta(minutes=15)
MOST_PER_KEY: Final = 50  # A key that logs in more often ends its oldest sessions.


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session that is open, as its owner sees it."""

    tenant: str
    key_id: UUID
    key_name: str
    scopes: list[str]
    expires_at: datetime


def find_session(connection: Connection, secret: str) -> KeyRow | None:
    """Look a session up, across tenants: the key it stands for, which expires no later than the session."""
    statement = text("SELECT * FROM authenticate_session(:hash)")
    row = connection.execute(statement, {"hash": hash_secret(secret)}).one_or_none()
    if row is None:
        return None
    return KeyRow(row.tenant_id, row.key_id, frozenset(row.scopes), row.expires_at, row.revoked_at)


def find_link(connection: Connection, secret: str) -> tuple[UUID, UUID] | None:
    """Look a link up, across tenants: its tenant and id, whether or not it has expired."""
    statement = text("SELECT * FROM find_login_link(:hash)")
    row = connection.execute(statement, {"hash": hash_secret(secret)}).one_or_none()
    return None if row is None else (row.tenant_id, row.link_id)


def create_link(session: Session, tenant_id: UUID, key_id: UUID, *, now: datetime) -> tuple[UUID, str, datetime]:
    """Store a link for a key and return its id, its secret, which is never shown again, and when it expires."""
    session.execute(delete(login_link).where(login_link.c.tenant_id == tenant_id, login_link.c.expires_at <= now))
    secret, expires_at, link_id = LINK_PREFIX + secrets.token_urlsafe(32), now + LINK_LASTS, new_id()
    session.execute(
        insert(login_link).values(
            tenant_id=tenant_id,
            id=link_id,
            hash=hash_secret(secret),
            api_key_id=key_id,
            created_at=now,
            expires_at=expires_at,
        )
    )
    return link_id, secret, expires_at


def redeem_link(session: Session, tenant_id: UUID, link_id: UUID, *, now: datetime) -> UUID | None:
    """Use a link up and return its key; None when it has expired or somebody was faster."""
    gone = session.execute(
        delete(login_link)
        .where(login_link.c.tenant_id == tenant_id, login_link.c.id == link_id)
        .returning(login_link.c.api_key_id, login_link.c.expires_at)
    ).one_or_none()
    return None if gone is None or gone.expires_at <= now else gone.api_key_id


def create_session(session: Session, tenant_id: UUID, key_id: UUID, *, now: datetime) -> tuple[UUID, str] | None:
    """Open a session for a key; return its id and secret, None when the key is unknown, revoked or expired.

    Sessions of the tenant that have expired are removed, and the oldest of a key that has too many.
    """
    of_tenant = web_session.c.tenant_id == tenant_id
    key = session.execute(
        select(api_key.c.expires_at).where(
            api_key.c.tenant_id == tenant_id,
            api_key.c.id == key_id,
            api_key.c.revoked_at.is_(None),
            api_key.c.expires_at.is_(None) | (api_key.c.expires_at > now),
        )
    ).one_or_none()
    if key is None:
        return None
    session.execute(delete(web_session).where(of_tenant, web_session.c.expires_at <= now))
    newest = (
        select(web_session.c.id)
        .where(of_tenant, web_session.c.api_key_id == key_id)
        .order_by(web_session.c.id.desc())
        .offset(MOST_PER_KEY - 1)
    )
    session.execute(delete(web_session).where(of_tenant, web_session.c.id.in_(newest)))
    secret, session_id = SESSION_PREFIX + secrets.token_urlsafe(32), new_id()
    ends = now + SESSION_LASTS
    session.execute(
        insert(web_session).values(
            tenant_id=tenant_id,
            id=session_id,
            hash=hash_secret(secret),
            api_key_id=key_id,
            created_at=now,
            expires_at=ends if key.expires_at is None else min(ends, key.expires_at),
        )
    )
    return session_id, secret


def describe_session(session: Session, tenant_id: UUID, secret: str) -> OpenSession | None:
    """Return what the owner of a session may know of it."""
    row = session.execute(
        select(tenant.c.name, api_key.c.id, api_key.c.name.label("key"), api_key.c.scopes, web_session.c.expires_at)
        .join(api_key, (api_key.c.tenant_id == web_session.c.tenant_id) & (api_key.c.id == web_session.c.api_key_id))
        .join(tenant, tenant.c.id == web_session.c.tenant_id)
        .where(
            tenant.c.id == tenant_id,
            api_key.c.tenant_id == tenant_id,
            web_session.c.tenant_id == tenant_id,
            web_session.c.id == _id_of(secret),
        )
    ).one_or_none()
    return None if row is None else OpenSession(row.name, row.id, row.key, list(row.scopes), row.expires_at)


def end_session(session: Session, tenant_id: UUID, secret: str) -> UUID | None:
    """Remove a session and return its id; None when there is none."""
    ended: UUID | None = session.scalar(
        delete(web_session)
        .where(web_session.c.tenant_id == tenant_id, web_session.c.id == _id_of(secret))
        .returning(web_session.c.id)
    )
    return ended


def _id_of(secret: str) -> ScalarSelect[UUID]:
    found = func.authenticate_session(hash_secret(secret)).table_valued(column("session_id", Uuid))
    return select(found.c.session_id).scalar_subquery()
