"""Answers that were given to idempotency keys."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from memory_service.storage.erased_rows import QUOTED
from memory_service.storage.tables import idempotency_key
from memory_service.types import Caller


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer as it was sent, and a hash of the request it was sent to."""

    request_hash: bytes
    status: int
    headers: dict[str, str]
    body: bytes


def try_lock(session: Session, caller: Caller, key: str, *, reserved: bool = False) -> bool:
    """Take the key until the end of the transaction; say whether nobody else holds it.

    Args:
        session: whose transaction takes it.
        caller: whose key it is.
        key: as it came.
        reserved: whether this very request has reserved it (`Reservations`); else nobody may have.
    """
    numbers = [_number(caller, key)] if reserved else [_number(caller, key), reservation_of(caller, key)]
    statement = text("SELECT bool_and(pg_try_advisory_xact_lock(n)) FROM unnest(CAST(:numbers AS bigint[])) AS n")
    return bool(session.scalar(statement, {"numbers": numbers}))


def reservation_of(caller: Caller, key: str) -> int:
    """Return the number under which a key is reserved while its request works outside of any transaction."""
    return _number(caller, f"reserved {key}")  # no key holds a space


def _number(caller: Caller, name: str) -> int:
    digest = hashlib.sha256(f"{caller.tenant_id}/{caller.key_id}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def find_answer(session: Session, caller: Caller, key: str, *, now: datetime) -> StoredAnswer | None:
    """Return the answer that was given to this key, unless it has expired."""
    columns = idempotency_key.c
    row = session.execute(
        select(columns.request_hash, columns.status, columns.headers, columns.body).where(
            columns.tenant_id == caller.tenant_id,
            columns.api_key_id == caller.key_id,
            columns.key == key,
            columns.expires_at > now,
        )
    ).one_or_none()
    return StoredAnswer(*row) if row else None


def keep_answer(
    session: Session, caller: Caller, key: str, answer: StoredAnswer, *, now: datetime, expires_at: datetime
) -> None:
    """Store an answer, in place of an expired one."""
    values = {
        "request_hash": answer.request_hash,
        "status": answer.status,
        "headers": answer.headers,
        "body": answer.body,
        "created_at": now,
        "expires_at": expires_at,
    }
    columns = idempotency_key.c
    statement = insert(idempotency_key).values(tenant_id=caller.tenant_id, api_key_id=caller.key_id, key=key, **values)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[columns.tenant_id, columns.api_key_id, columns.key], set_=values
        )
    )


def forget_answers(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> None:
    """Drop the answers that name any of these ids: with the record goes what quotes it."""
    session.execute(
        text(
            "DELETE FROM idempotency_key i WHERE i.tenant_id = :tenant AND EXISTS (SELECT FROM "
            f"regexp_matches(encode(i.body, 'escape'), {QUOTED}) AS f (found) "
            "WHERE CAST(f.found[1] AS uuid) = ANY(CAST(:ids AS uuid[])))"
        ),
        {"tenant": tenant_id, "ids": list(ids)},
    )
