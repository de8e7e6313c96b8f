"""KV memories as the outside sees them: the MemCube of payload_type activation."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from memory_service.activation.eviction import cooled
from memory_service.lifecycle.records import rfc3339
from memory_service.storage.kv_memories import KvSource
from memory_service.storage.sql import Row
from memory_service.types import PayloadType


def record_json(row: Row, sources: Sequence[KvSource], *, now: datetime) -> dict[str, Any]:
    """Return the header of a record."""
    return {
        "id": str(row["id"]),
        "payload_type": str(PayloadType.ACTIVATION),
        "namespace": row["namespace"],
        "model": row["model"],
        "engine": row["engine"].hex(),
        "fingerprint": row["fingerprint"],
        "block_size": row["block_size"],
        "first_block": row["first_block"],
        "blocks": row["blocks"],
        "n_tokens": row["n_tokens"],
        "parent_hash": row["parent_hash"].hex(),
        "last_hash": row["last_hash"].hex(),
        "token_ids_hash": row["token_ids_hash"].hex() if row["token_ids_hash"] else None,
        "text_hash": row["text_hash"].hex() if row["text_hash"] else None,
        "codec": row["codec"],
        "exactness": row["exactness"],
        "bytes": row["bytes"],
        "checksum": row["checksum"].hex(),
        "prefill_s": row["prefill_s"],
        "state": row["state"],
        "heat": round(cooled(row["heat"], since=now - row["heat_at"]), 6),
        "hits": row["hits"],
        "last_hit_at": rfc3339(row["last_hit_at"]),
        "created_at": rfc3339(row["created_at"]),
        "expires_at": rfc3339(row["expires_at"]),
        "sources": [
            {
                "memory_id": str(source.memory_id),
                "version": source.version,
                "token_start": source.token_start,
                "token_end": source.token_end,
            }
            for source in sources
        ],
    }
