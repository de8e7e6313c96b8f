"""Engines: which model a tenant's prompts are run by, how, and what a token costs there."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, literal_column, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from memory_service.activation.fingerprint import Fingerprint, Parallelism
from memory_service.storage.sql import Row
from memory_service.storage.tables import kv_engine

_t = kv_engine.c


@dataclass(frozen=True, slots=True)
class Engine:
    """One model run one way; `prefill_tokens_per_s` is None where nobody has measured it."""

    digest: str
    model: str
    fingerprint: Fingerprint
    bytes_per_token: int
    prefill_tokens_per_s: float | None
    created_at: datetime
    announced_at: datetime


def announce(
    session: Session,
    tenant_id: UUID,
    fingerprint: Fingerprint,
    *,
    model: str,
    bytes_per_token: int,
    prefill_tokens_per_s: float | None,
    now: datetime,
) -> tuple[Engine, bool]:
    """Write an engine down, or that it is still there; return it, and whether it is new.

    The engine of a model that was announced last is the one that plans for the model are made for.
    """
    digest = bytes.fromhex(fingerprint.digest())
    values = {
        "model": model,
        "fingerprint": asdict(fingerprint),
        "bytes_per_token": bytes_per_token,
        "prefill_tokens_per_s": prefill_tokens_per_s,
    }
    row = (
        session.execute(
            insert(kv_engine)
            .values(tenant_id=tenant_id, digest=digest, created_at=now, announced_at=now, **values)
            .on_conflict_do_update(
                index_elements=["tenant_id", "digest"],
                set_={**values, "announced_at": func.greatest(_t.announced_at, now)},
            )
            .returning(*kv_engine.c, literal_column("xmax = 0").label("new"))  # nobody has written the row before
        )
        .mappings()
        .one()
    )
    return _engine(row), bool(row["new"])


def get_engine(session: Session, tenant_id: UUID, digest: str) -> Engine | None:
    """Return an engine of a tenant by the digest of its fingerprint."""
    query = select(kv_engine).where(_t.tenant_id == tenant_id, _t.digest == bytes.fromhex(digest))
    row = session.execute(query).mappings().one_or_none()
    return None if row is None else _engine(row)


def latest_engine(session: Session, tenant_id: UUID, model: str) -> Engine | None:
    """Return the engine that was announced last for a model."""
    query = (
        select(kv_engine)
        .where(_t.tenant_id == tenant_id, _t.model == model)
        .order_by(_t.announced_at.desc(), _t.digest)
        .limit(1)
    )
    row = session.execute(query).mappings().one_or_none()
    return None if row is None else _engine(row)


def list_engines(
    session: Session, tenant_id: UUID, *, model: str | None, after: str | None, limit: int
) -> Sequence[Engine]:
    """Return engines in order of their digests."""
    query = select(kv_engine).where(_t.tenant_id == tenant_id)
    if model is not None:
        query = query.where(_t.model == model)
    if after is not None:
        query = query.where(_t.digest > bytes.fromhex(after))
    return [_engine(row) for row in session.execute(query.order_by(_t.digest).limit(limit)).mappings()]


def fingerprint_of(said: Mapping[str, Any]) -> Fingerprint:
    """Return the fingerprint that fields as JSON describe.

    Raises:
        ActivationError: a digest is none, or a size is not positive.
        TypeError: a field is missing or unknown.
    """
    return Fingerprint(**{**said, "parallelism": Parallelism(**said["parallelism"])})


def _engine(row: Row) -> Engine:
    return Engine(
        digest=row["digest"].hex(),
        model=row["model"],
        fingerprint=fingerprint_of(row["fingerprint"]),
        bytes_per_token=row["bytes_per_token"],
        prefill_tokens_per_s=row["prefill_tokens_per_s"],
        created_at=row["created_at"],
        announced_at=row["announced_at"],
    )
