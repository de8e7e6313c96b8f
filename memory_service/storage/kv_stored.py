"""Which blocks of a prompt can be loaded."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session


def stored_blocks(
    session: Session,
    tenant_id: UUID,
    block_hashes: Sequence[str],
    *,
    codecs: Sequence[str],
    exactness: Sequence[str],
    now: datetime,
) -> int:
    """Return how many leading blocks of a prompt are stored, alive and not expired, in one of the forms that are asked for.

    A hash names engine and tenant, too, and a block behind a missing one is of no use.
    """
    if not block_hashes:
        return 0
    found = session.scalars(
        text(
            "SELECT DISTINCT encode(b.hash, 'hex') FROM unnest(CAST(:hashes AS text[])) AS k (hash) "
            "JOIN kv_block b ON b.tenant_id = :tenant AND b.hash = decode(k.hash, 'hex') "
            "JOIN kv_memory m ON m.tenant_id = :tenant AND m.id = b.kv_memory_id "
            "WHERE m.state = 'live' AND m.expires_at > :now AND m.codec = ANY(CAST(:codecs AS text[])) "
            "AND m.exactness = ANY(CAST(:exactness AS text[]))"
        ),
        {
            "tenant": tenant_id,
            "hashes": list(block_hashes),
            "codecs": list(codecs),
            "exactness": [str(one) for one in exactness],
            "now": now,
        },
    )
    there = set(found)
    return next((at for at, one in enumerate(block_hashes) if one not in there), len(block_hashes))
