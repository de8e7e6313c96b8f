"""Make records and blobs agree, whatever was killed in between: no blob that no record names, no record without its blob.

Every step can be repeated. A blob is removed only when the database says that no record that could be loaded names it, and a
record that lost its blob, or a part of it, is marked, never served.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.blobs.protocol import PART, BlobStore, Stored, blob_name, named_by
from memory_service.storage import kv_memories, kv_upkeep
from memory_service.storage.kv_upkeep import Upkeep

ASKED_AT_ONCE: Final = 500
GRACE: Final = timedelta(hours=1)
"""An upload is not yet an orphan while its record may still come: longer than any request lasts."""
REMEMBERED: Final = timedelta(days=1)
"""How long a stale record answers 410; then it is not known any more."""

Open = Callable[[UUID], AbstractContextManager[Session]]


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep found and put right."""

    expired: int = 0
    blobs: int = 0
    forgotten: int = 0
    orphans: int = 0
    dangling: int = 0
    damaged: int = 0


def remove_blobs(open_session: Open, blobs: BlobStore, tenant_id: UUID, ids: Sequence[UUID], *, now: datetime) -> int:
    """Remove the blobs of stale records, and write down that they are removed; called once the mark is committed."""
    with open_session(tenant_id) as session:
        going = sorted(kv_memories.with_blobs(session, tenant_id, ids, stale=True))
    if going:
        blobs.remove([blob_name(tenant_id, one) for one in going])
        with open_session(tenant_id) as session:
            kv_memories.blobs_removed(session, tenant_id, going)
            kv_upkeep.add(session, tenant_id, Upkeep(removed=len(going)), now=now)
    return len(going)


def sweep_spent(open_session: Open, blobs: BlobStore, tenant_id: UUID, ids: Sequence[UUID], *, now: datetime) -> Swept:
    """Mark what has expired, remove the blobs of what is stale, and forget what went stale long ago."""
    with open_session(tenant_id) as session:
        due = kv_memories.expired_among(session, tenant_id, ids, now=now)
        expired = kv_memories.mark_stale(session, tenant_id, due, reason=kv_memories.EXPIRED, now=now)
    removed = remove_blobs(open_session, blobs, tenant_id, ids, now=now)
    with open_session(tenant_id) as session:
        forgotten = kv_memories.forget_stale(session, tenant_id, ids, before=now - REMEMBERED)
    return Swept(expired=len(expired), blobs=removed, forgotten=forgotten)


def sweep_store(
    open_session: Open,
    blobs: BlobStore,
    live: Callable[[], Iterable[tuple[UUID, UUID]]],
    *,
    now: datetime,
    grace: timedelta = GRACE,
) -> Swept:
    """Compare the store with the records: remove blobs that none names, mark records whose blob is not there or of another size.

    `live` reads the records that were there before the listing; a blob comes before its record and goes after it, so each of
    them has to be in the listing.
    """
    records = list(live())
    orphans, damaged, present = 0, 0, set[tuple[UUID, UUID]]()
    for batch in _batches(blobs.listing()):
        of_records: dict[UUID, dict[UUID, Stored]] = {}
        going: list[str] = []
        whose = Counter[UUID]()
        for stored in batch:
            owner = named_by(stored.name)
            if owner is not None:
                present.add(owner)
            if stored.modified_at > now - grace:
                continue
            if owner is None:
                # A part of an upload that was killed, or no file of ours: only parts go.
                if stored.name.endswith(PART):
                    going.append(stored.name)
                    whose.update(_folder_of(stored.name))
            else:
                of_records.setdefault(owner[0], {})[owner[1]] = stored
        for tenant_id, names in of_records.items():
            with open_session(tenant_id) as session:
                known = kv_memories.blob_sizes(session, tenant_id, list(names))
                wrong = [one for one, stored in names.items() if known.get(one, stored.bytes) != stored.bytes]
                marked = kv_memories.mark_stale(session, tenant_id, wrong, reason=kv_memories.DAMAGED, now=now)
                kv_upkeep.add(session, tenant_id, Upkeep(damaged=len(marked)), now=now)
            damaged += len(marked)
            unnamed = [stored.name for one, stored in names.items() if one not in known]
            going += unnamed
            whose[tenant_id] += len(unnamed)
        blobs.remove(going)
        orphans += len(going)
        for tenant_id, count in whose.items():
            with open_session(tenant_id) as session:
                kv_upkeep.add(session, tenant_id, Upkeep(orphans=count), now=now)
    dangling = 0
    lost: dict[UUID, list[UUID]] = {}
    for tenant_id, one in records:
        if (tenant_id, one) not in present:
            lost.setdefault(tenant_id, []).append(one)
    for tenant_id, ids in lost.items():
        with open_session(tenant_id) as session:
            marked = kv_memories.mark_stale(session, tenant_id, ids, reason=kv_memories.LOST, now=now)
            kv_upkeep.add(session, tenant_id, Upkeep(lost=len(marked)), now=now)
        dangling += len(marked)
    return Swept(orphans=orphans, dangling=dangling, damaged=damaged)


def _folder_of(name: str) -> list[UUID]:
    """Return the tenant in whose folder a name lies, nothing where it is no tenant's."""
    try:
        return [UUID(name.partition("/")[0])]
    except ValueError:
        return []


def _batches(items: Iterable[Stored]) -> Iterator[list[Stored]]:
    left = iter(items)
    while batch := list(islice(left, ASKED_AT_ONCE)):
        yield batch
