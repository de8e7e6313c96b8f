"""Encoders that made the stored vectors: which one is the default, and whether it still is the same model."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, create_engine, text
from sqlalchemy.pool import NullPool

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


def _encoder_row(row: Row[Any]) -> EncoderRow:
    probe = np.asarray(row.probe, dtype=np.float32)
    return EncoderRow(row.id, row.name, row.dimension, row.max_tokens, row.fingerprint, probe, row.shelf)


def default_encoder(connection: Connection) -> EncoderRow | None:
    """Return the encoder that new namespaces use, None in a new database."""
    row = connection.execute(text(f"SELECT {_COLUMNS} FROM encoder WHERE is_default")).one_or_none()
    return _encoder_row(row) if row else None


def register_encoder(
    maintenance_url: str,
    *,
    name: str,
    dimension: int,
    max_tokens: int,
    fingerprint: str,
    probe: NDArray[np.float32],
    now: datetime,
) -> EncoderRow:
    """Return the default encoder of the database, making this one the default when there is none.

    Several processes may start at once: the first one decides, the others get what it wrote.
    """
    engine = create_engine(maintenance_url, poolclass=NullPool)
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('memory_service.encoder'))"))
            present = default_encoder(connection)
            if present is not None:
                return present
            row = connection.execute(
                text(
                    f"INSERT INTO encoder ({_COLUMNS}, created_at) "
                    "SELECT coalesce(max(id), 0) + 1, :name, :dimension, :max_tokens, :fingerprint, "
                    f"CAST(:probe AS float4[]), :shelf, true, :now FROM encoder RETURNING {_COLUMNS}"
                ),
                {
                    "name": name,
                    "dimension": dimension,
                    "max_tokens": max_tokens,
                    "fingerprint": fingerprint,
                    "probe": probe.tolist(),
                    "shelf": 0 if dimension <= MAX_INDEXED_DIMENSION else 1,
                    "now": now,
                },
            ).one()
            return _encoder_row(row)
    finally:
        engine.dispose()
