"""What can be loaded: the stored runs of a prompt's blocks, and one record that is not stale."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from memory_service.activation.covering import Place, cover
from memory_service.errors import Gone, NotFound
from memory_service.storage import kv_blocks, kv_memories, kv_plans


def look_up(
    session: Session,
    tenant_id: UUID,
    hashes: Sequence[str],
    *,
    engine: str,
    codecs: Sequence[str],
    exactness: Sequence[str],
    now: datetime,
) -> dict[str, Any]:
    """Return how many leading blocks are stored, and in which runs of which records."""
    found = kv_blocks.holders_of(session, tenant_id, hashes, engine=engine, codecs=codecs, exactness=exactness, now=now)
    runs = cover(hashes, {one: [Place(h.kv_memory_id, h.position) for h in some] for one, some in found.items()})
    records = {holder.kv_memory_id: holder for some in found.values() for holder in some}
    return {
        "stored": sum(run.count for run in runs),
        "runs": [
            {
                "kv_memory_id": str(run.kv_memory_id),
                "first": run.first,
                "count": run.count,
                "offset_blocks": run.offset,
                "blocks": records[run.kv_memory_id].blocks,
                "bytes": records[run.kv_memory_id].bytes,
                "checksum": records[run.kv_memory_id].checksum,
                "codec": records[run.kv_memory_id].codec,
                "exactness": records[run.kv_memory_id].exactness,
            }
            for run in runs
        ],
    }


def still_admitted(
    session: Session, tenant_id: UUID, plan: kv_plans.KvPlan, hashes: Sequence[str], *, now: datetime
) -> int:
    """Return how many of some leading blocks a plan admits, for tensors that somebody else keeps; none once a memory changed."""
    if list(plan.block_hashes[: len(hashes)]) != list(hashes):
        return 0
    sources = [
        kv_memories.KvSource(one.memory_id, one.version, one.token_start, one.token_end)
        for one in kv_plans.sources_of(session, tenant_id, plan.id)
    ]
    as_they_were, _ = kv_memories.sources_as_they_were(session, tenant_id, sources, now=now, lock=False)
    return min(plan.admitted, len(hashes)) if as_they_were else 0


GONE_BECAUSE = {
    kv_memories.CHANGED: "a memory it was made of has changed",
    kv_memories.ERASED: "a memory it was made of was erased",
    kv_memories.EXPIRED: "it has expired",
    kv_memories.EVICTED: "it made room for others",
    kv_memories.DELETED: "it was deleted",
    kv_memories.LOST: "its blob is lost",
    kv_memories.DAMAGED: "its blob is damaged",
}


def loadable(session: Session, tenant_id: UUID, kv_memory_id: UUID, *, now: datetime) -> RowMapping:
    """Return a record that can be loaded.

    Raises:
        NotFound: there is none of this id, or it went stale some time ago.
        Gone: it went stale; code ``kv_stale``.
    """
    row = kv_memories.get_record(session, tenant_id, kv_memory_id)
    if row is None:
        raise NotFound("There is no such KV memory in this tenant.")
    reason = kv_memories.EXPIRED if row["state"] == "live" and row["expires_at"] <= now else row["reason"]
    if reason is not None:
        raise Gone(f"This KV memory cannot be loaded any more: {GONE_BECAUSE[reason]}.", code="kv_stale")
    return row
