"""API keys: random, stored as hashes, shown once."""

import hashlib
import os
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, create_engine, insert, select, text, update
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from memory_service.storage.ids import new_id
from memory_service.storage.tables import api_key, tenant
from memory_service.types import KeyScope

PREFIX = "ms_"
SHOWN = 10  # characters of a key kept in clear, so that people can tell their keys apart


@dataclass(frozen=True, slots=True)
class KeyRow:
    """What a presented key stands for."""

    tenant_id: UUID
    key_id: UUID
    scopes: frozenset[str]
    expires_at: datetime | None
    revoked_at: datetime | None


def new_secret() -> str:
    """Return a fresh key: 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_secret(secret: str) -> bytes:
    """Hash a key for storage; keys are random, so a fast hash without salt is enough."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def find_key(connection: Connection, secret: str) -> KeyRow | None:
    """Look a presented key up, across tenants, through the one function that may."""
    row = connection.execute(text("SELECT * FROM authenticate_key(:hash)"), {"hash": hash_secret(secret)}).one_or_none()
    if row is None:
        return None
    return KeyRow(row.tenant_id, row.key_id, frozenset(row.scopes), row.expires_at, row.revoked_at)


def get_key_row(session: Session, tenant_id: UUID, key_id: UUID) -> KeyRow | None:
    """Return what a key of a tenant stands for, revoked and expired ones too."""
    row = get_key(session, tenant_id, key_id)
    if row is None:
        return None
    leaving = session.scalar(select(tenant.c.deleting_at).where(tenant.c.id == tenant_id))
    return KeyRow(tenant_id, key_id, frozenset(row["scopes"]), row["expires_at"], row["revoked_at"] or leaving)


def create_key(
    session: Session | Connection,
    tenant_id: UUID,
    *,
    name: str,
    scopes: Iterable[str],
    expires_at: datetime | None,
    now: datetime,
) -> tuple[UUID, str]:
    """Store a new key and return its id and the secret, which is never shown again."""
    secret = new_secret()
    key_id = new_id()
    session.execute(
        insert(api_key).values(
            tenant_id=tenant_id,
            id=key_id,
            name=name,
            prefix=secret[:SHOWN],
            hash=hash_secret(secret),
            scopes=sorted(scopes),
            created_at=now,
            expires_at=expires_at,
        )
    )
    return key_id, secret


def list_keys(session: Session, tenant_id: UUID, *, before: UUID | None, limit: int) -> Sequence[RowMapping]:
    """Return keys of the tenant, newest first, without hashes."""
    columns = [c for c in api_key.c if c.name != "hash"]
    query = select(*columns).where(api_key.c.tenant_id == tenant_id).order_by(api_key.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(api_key.c.id < before)
    return session.execute(query).mappings().all()


def get_key(session: Session, tenant_id: UUID, key_id: UUID) -> RowMapping | None:
    """Return one key without its hash."""
    columns = [c for c in api_key.c if c.name != "hash"]
    query = select(*columns).where(api_key.c.tenant_id == tenant_id, api_key.c.id == key_id)
    return session.execute(query).mappings().one_or_none()


def change_key(session: Session, tenant_id: UUID, key_id: UUID, **values: Any) -> bool:
    """Set columns of a key; say whether it exists."""
    result = session.execute(
        update(api_key)
        .where(api_key.c.tenant_id == tenant_id, api_key.c.id == key_id)
        .values(**values)
        .returning(api_key.c.id)
    )
    return result.one_or_none() is not None


def ensure_first_key(maintenance_url: str, data_dir: Path) -> Path:
    """Make sure tenant ``default`` and one key with every scope exist; return the file that holds the key.

    A key file that no longer matches the database (restored from elsewhere, say), or whose key was revoked or has expired
    while no other key has the operator scope, is replaced by a new key: the owner of the folder is never locked out.
    """
    file = data_dir / "api-key"
    now = datetime.now(UTC)
    engine = create_engine(maintenance_url, poolclass=NullPool)
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('memory_service.first_key'))"))
            tenant_id = connection.scalar(select(tenant.c.id).where(tenant.c.name == "default"))
            if tenant_id is None:
                tenant_id = new_id()
                connection.execute(insert(tenant).values(id=tenant_id, name="default", created_at=now))
            kept = find_key(connection, file.read_text().strip()) if file.exists() else None
            # A key that was revoked on purpose stays revoked, as long as somebody else can still make new ones.
            if kept is not None and (_valid(kept, now) or _somebody_operates(connection, tenant_id, now)):
                return file
            _, secret = create_key(
                connection, tenant_id, name="first key", scopes=[s.value for s in KeyScope], expires_at=None, now=now
            )
            _write_secret(file, secret)
    finally:
        engine.dispose()
    return file


def _valid(key: KeyRow, now: datetime) -> bool:
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > now)


def _somebody_operates(connection: Connection, tenant_id: UUID, now: datetime) -> bool:
    """Say whether the tenant has a valid key with the operator scope."""
    found = connection.scalar(
        select(api_key.c.id)
        .where(
            api_key.c.tenant_id == tenant_id,
            api_key.c.scopes.any(KeyScope.OPERATOR.value),
            api_key.c.revoked_at.is_(None),
            api_key.c.expires_at.is_(None) | (api_key.c.expires_at > now),
        )
        .limit(1)
    )
    return found is not None


def _write_secret(file: Path, secret: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(secret + "\n")
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(file)
