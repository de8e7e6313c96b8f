"""Which records hold which blocks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Holder:
    """A record that holds a block, and where: the first of its blocks has position 0."""

    kv_memory_id: UUID
    position: int
    blocks: int
    bytes: int
    checksum: str
    codec: str
    exactness: str


# One probe of the primary key for each hash, then one for each record.
_HOLDERS = text(
    """
    SELECT encode(b.hash, 'hex') AS hash, b.kv_memory_id, b.position, m.blocks, m.bytes,
        encode(m.checksum, 'hex') AS checksum, m.codec, m.exactness
    FROM unnest(CAST(:hashes AS text[])) AS k (hash)
    JOIN kv_block b ON b.tenant_id = :tenant AND b.hash = decode(k.hash, 'hex')
    JOIN kv_memory m ON m.tenant_id = :tenant AND m.id = b.kv_memory_id
    WHERE m.state = 'live' AND m.expires_at > :now AND m.engine = decode(:engine, 'hex')
        AND m.codec = ANY(CAST(:codecs AS text[])) AND m.exactness = ANY(CAST(:exactness AS text[]))
    ORDER BY b.kv_memory_id
    """
)


def holders_of(
    session: Session,
    tenant_id: UUID,
    hashes: Sequence[str],
    *,
    engine: str,
    codecs: Sequence[str],
    exactness: Sequence[str],
    now: datetime,
) -> Mapping[str, Sequence[Holder]]:
    """Return who holds each of some blocks, among the records that can be loaded now; blocks that nobody holds are left out."""
    found: dict[str, list[Holder]] = {}
    params = {
        "tenant": tenant_id, "hashes": list(hashes), "engine": engine, "codecs": list(codecs),
        "exactness": list(exactness), "now": now,
    }  # fmt: skip
    for row in session.execute(_HOLDERS, params).mappings():
        values = dict(row)
        found.setdefault(values.pop("hash"), []).append(Holder(**values))
    return found


def holds_any(session: Session, tenant_id: UUID, kv_memory_id: UUID, hashes: Sequence[str]) -> bool:
    """Say whether a record holds one of some blocks."""
    return bool(
        session.scalar(
            text(
                "SELECT EXISTS (SELECT FROM kv_block b WHERE b.tenant_id = :tenant AND b.kv_memory_id = :id "
                "AND encode(b.hash, 'hex') = ANY(CAST(:hashes AS text[])))"
            ),
            {"tenant": tenant_id, "id": kv_memory_id, "hashes": list(hashes)},
        )
    )
