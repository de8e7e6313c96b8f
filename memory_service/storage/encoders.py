"""Encoders that made the stored vectors: which one is the default, and whether it still is the same model."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, create_engine, text
from sqlalchemy.pool import NullPool

from memory_service.encoder.protocol import EncoderIdentity

MAX_INDEXED_DIMENSION = 1280  # A B-tree entry holds 2,704 bytes: longer vectors live on the shelf that reads the heap.

_COLUMNS = "id, name, dimension, max_tokens, fingerprint, probe, shelf, is_default"


@dataclass(frozen=True, slots=True)
class EncoderRow:
    """An encoder as the database knows it; ``probe`` is float32[dimension]."""

    id: int
    name: str
    dimension: int
    max_tokens: int
    fingerprint: str
    probe: NDArray[np.float32]
    shelf: int
    is_default: bool


def _encoder_row(row: Row[Any]) -> EncoderRow:
    probe = np.asarray(row.probe, dtype=np.float32)
    return EncoderRow(
        row.id, row.name, row.dimension, row.max_tokens, row.fingerprint, probe, row.shelf, row.is_default
    )


def default_encoder(connection: Connection) -> EncoderRow | None:
    """Return the encoder that new namespaces use, None in a new database."""
    row = connection.execute(text(f"SELECT {_COLUMNS} FROM encoder WHERE is_default")).one_or_none()
    return _encoder_row(row) if row else None


def find_encoder(connection: Connection, encoder_id: int) -> EncoderRow | None:
    """Return an encoder by its id."""
    row = connection.execute(text(f"SELECT {_COLUMNS} FROM encoder WHERE id = :id"), {"id": encoder_id}).one_or_none()
    return _encoder_row(row) if row else None


def fingerprint_known(connection: Connection, fingerprint: str) -> EncoderRow | None:
    """Return the encoder with the model files of a fingerprint."""
    row = connection.execute(
        text(f"SELECT {_COLUMNS} FROM encoder WHERE fingerprint = :fingerprint"), {"fingerprint": fingerprint}
    ).one_or_none()
    return _encoder_row(row) if row else None


def list_encoders(connection: Connection) -> list[EncoderRow]:
    """Return the encoders of the database, the oldest first."""
    return [_encoder_row(row) for row in connection.execute(text(f"SELECT {_COLUMNS} FROM encoder ORDER BY id"))]


def register_encoder(maintenance_url: str, *, identity: EncoderIdentity, now: datetime) -> EncoderRow:
    """Return the default encoder of the database, making this one the default when there is none.

    Several processes may start at once: the first one decides, the others get what it wrote.
    """
    with _registering(maintenance_url) as connection:
        return default_encoder(connection) or _insert(connection, identity, default=True, now=now)


def add_encoder(maintenance_url: str, *, identity: EncoderIdentity, now: datetime) -> tuple[EncoderRow, bool]:
    """Register a further encoder; return it, and whether it is new: the same model under another name is not."""
    with _registering(maintenance_url) as connection:
        known = fingerprint_known(connection, identity.fingerprint)
        return (known, False) if known else (_insert(connection, identity, default=False, now=now), True)


def make_default(maintenance_url: str, encoder_id: int) -> None:
    """Let new namespaces begin with an encoder."""
    with _registering(maintenance_url) as connection:
        connection.execute(
            text("UPDATE encoder SET is_default = false WHERE is_default AND id <> :id"), {"id": encoder_id}
        )
        connection.execute(text("UPDATE encoder SET is_default = true WHERE id = :id"), {"id": encoder_id})


@contextmanager
def _registering(maintenance_url: str) -> Iterator[Connection]:
    """Open a transaction of the maintenance role in which nobody else changes the encoders."""
    engine = create_engine(maintenance_url, poolclass=NullPool)
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('memory_service.encoder'))"))
            yield connection
    finally:
        engine.dispose()


def _insert(connection: Connection, identity: EncoderIdentity, *, default: bool, now: datetime) -> EncoderRow:
    row = connection.execute(
        text(
            f"INSERT INTO encoder ({_COLUMNS}, created_at) "
            "SELECT coalesce(max(id), 0) + 1, :name, :dimension, :max_tokens, :fingerprint, "
            f"CAST(:probe AS float4[]), :shelf, :default, :now FROM encoder RETURNING {_COLUMNS}"
        ),
        {
            "name": identity.name,
            "dimension": identity.dimension,
            "max_tokens": identity.max_tokens,
            "fingerprint": identity.fingerprint,
            "probe": identity.probe.tolist(),
            "shelf": 0 if identity.dimension <= MAX_INDEXED_DIMENSION else 1,
            "default": default,
            "now": now,
        },
    ).one()
    return _encoder_row(row)
