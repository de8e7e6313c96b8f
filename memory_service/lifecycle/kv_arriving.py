"""Blobs on their way in: checked, written to the store before their record, and cleared away where none came of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import BinaryIO
from uuid import UUID

from sqlalchemy import RowMapping

from memory_service.activation.errors import BlobRefused
from memory_service.activation.saved_file import RAW, check_blocks, read_entries
from memory_service.blobs.protocol import BlobStore, blob_name
from memory_service.errors import InvalidRequest
from memory_service.lifecycle.kv_checking import check
from memory_service.lifecycle.kv_looks import Looks
from memory_service.lifecycle.kv_saving import Arrived, Part, Saved, plan_for, present
from memory_service.lifecycle.kv_sweeping import Open, remove_blobs
from memory_service.storage import kv_memories
from memory_service.storage.ids import new_id


def bring(
    open_session: Open,
    blobs: BlobStore,
    looks: Looks,
    tenant_id: UUID,
    part: Part,
    file: BinaryIO,
    *,
    size: int,
    checksum: str,
    now: datetime,
) -> Arrived:
    """Check a file against its plan and write it to the store, unless its blocks are kept already; no transaction is open then.

    Who saves what is kept could not load it, or was as quick as another: what is kept is read and compared with its checksum,
    unless that was done a moment ago. A record whose blob is lost or damaged is marked, and the file takes its place.

    Raises:
        NotFound: there is no such plan.
        InvalidRequest: the plan does not fit, or the file is none of these blocks; code ``kv_blob_refused``.
        Unavailable: the store does not answer; or too many are looked at, code ``busy``.
    """
    kept = _kept(open_session, tenant_id, part, now=now)
    _check_file(file, part, size)
    while kept is not None and check(open_session, blobs, looks, tenant_id, kept, now=now) is not None:
        kept = _kept(open_session, tenant_id, part, now=now)
    arrived = Arrived(new_id(), size, checksum, in_store=kept is None)
    if arrived.in_store:
        blobs.put(blob_name(tenant_id, arrived.id), file)
    return arrived


def _kept(open_session: Open, tenant_id: UUID, part: Part, *, now: datetime) -> RowMapping | None:
    """Return the record that holds all blocks of a part already.

    Raises:
        NotFound: there is no such plan.
        InvalidRequest: the plan does not fit.
    """
    with open_session(tenant_id) as session:
        plan = plan_for(session, tenant_id, part, now=now)
        kept = present(session, tenant_id, part, plan, now=now)
        return kv_memories.get_record(session, tenant_id, kept) if kept is not None else None


def settle(
    open_session: Open, blobs: BlobStore, tenant_id: UUID, arrived: Arrived, saved: Saved | None, *, now: datetime
) -> None:
    """Clear away after a save, or after one that failed: a blob that no record came to name, and those that made room.

    Where nobody knows whether the commit was made, the database is asked.
    """
    if arrived.in_store and (saved is None or not saved.is_new):
        with open_session(tenant_id) as session:
            known = kv_memories.with_blobs(session, tenant_id, [arrived.id], stale=False)
        if not known:
            blobs.remove([blob_name(tenant_id, arrived.id)])
    evicted: Sequence[UUID] = saved.evicted if saved is not None else ()
    if evicted:
        remove_blobs(open_session, blobs, tenant_id, evicted, now=now)


def _check_file(file: BinaryIO, part: Part, size: int) -> None:
    try:
        entries = read_entries(file, size=size)
        if part.codec == RAW:
            check_blocks(entries, blocks=part.count)
    except BlobRefused as error:
        raise InvalidRequest(f"The file is not one of a KV memory: {error}.", code="kv_blob_refused") from None
    file.seek(0)
