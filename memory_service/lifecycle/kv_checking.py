"""Whether a stored blob is still the one that was saved; a record whose blob is not is marked, so that it is computed anew."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from memory_service.activation.exactness import Exactness
from memory_service.blobs.protocol import BlobMissing, BlobStore, blob_name
from memory_service.lifecycle.kv_loading import look_up
from memory_service.lifecycle.kv_looks import Looks
from memory_service.lifecycle.kv_sweeping import Open
from memory_service.storage import kv_memories, kv_upkeep
from memory_service.storage.kv_upkeep import Upkeep

STALE: Final = "stale"
"""Said of a record that went stale while its blob was looked at: what is wrong with the blob says nothing any more."""


def wrong_with(blobs: BlobStore, tenant_id: UUID, row: Any, *, whole: bool = True) -> str | None:
    """Return why the blob of a record cannot be served, None where it is what was saved.

    Args:
        blobs: the store; no transaction is to be open while it is asked.
        tenant_id: whose record it is.
        row: of the record: `id`, `bytes` and `checksum` are read.
        whole: read all of it, at most one upload; else only whether it is there and of its size.

    Raises:
        Unavailable: the store does not answer; then nothing is known.
    """
    try:
        with blobs.open(blob_name(tenant_id, row["id"])) as opened:
            if opened.size != row["bytes"]:
                return kv_memories.DAMAGED
            if not whole:
                return None
            digest = sha256()
            for part in opened.parts:
                digest.update(part)
    except BlobMissing:
        return kv_memories.LOST
    return None if digest.digest() == row["checksum"] else kv_memories.DAMAGED


def check(
    open_session: Open, blobs: BlobStore, looks: Looks, tenant_id: UUID, row: Any, *, now: datetime, anew: bool = False
) -> str | None:
    """Look at the blob of a record and mark the record where it is not what was saved; return what is wrong.

    That is `STALE` where the record went stale meanwhile, by whatever took its blob. A blob that was found sound a moment ago is
    not read again (`Looks`): only whether it is there, and of its size, is seen each time.

    Raises:
        Unavailable: the store does not answer; or too many are looked at, code ``busy``.
    """
    with looks.turn(tenant_id, row["id"], anew=anew) as turn:
        wrong = wrong_with(blobs, tenant_id, row, whole=turn.whole)
        turn.sound = wrong is None
    if wrong is not None and not mark(open_session, tenant_id, row["id"], wrong, now=now):
        return STALE
    return wrong


def sound_blocks(
    open_session: Open,
    blobs: BlobStore,
    looks: Looks,
    tenant_id: UUID,
    hashes: Sequence[str],
    *,
    engine: str,
    codec: str,
    exactness: Exactness,
    now: datetime,
) -> int:
    """Return how many leading blocks are stored, after a look at every blob that holds one of them.

    Raises:
        Unavailable: the store does not answer; or too many are looked at, code ``busy``.
    """
    looked_at = set[str]()
    while True:
        with open_session(tenant_id) as session:
            found = look_up(
                session, tenant_id, hashes, engine=engine, codecs=[codec], exactness=[str(exactness)], now=now
            )
            ids = [one for run in found["runs"] if (one := run["kv_memory_id"]) not in looked_at]
            rows = [row for one in ids if (row := kv_memories.get_record(session, tenant_id, UUID(one))) is not None]
        if not ids:
            return int(found["stored"])
        looked_at.update(ids)
        for row in rows:
            check(open_session, blobs, looks, tenant_id, row, now=now)


def mark(open_session: Open, tenant_id: UUID, kv_memory_id: UUID, wrong: str, *, now: datetime) -> bool:
    """Make a record unloadable whose blob is lost or damaged, and count it once; a sweep removes what is left of the blob.

    False where it was not loadable any more: who evicted or erased it took the blob, and nothing was lost.
    """
    with open_session(tenant_id) as session:
        if not kv_memories.mark_stale(session, tenant_id, [kv_memory_id], reason=wrong, now=now):
            return False
        found = Upkeep(lost=1) if wrong == kv_memories.LOST else Upkeep(damaged=1)
        kv_upkeep.add(session, tenant_id, found, now=now)
        return True
