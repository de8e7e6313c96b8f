"""KV memories: records of what a model computed for the first tokens of a prompt, with the blocks they hold and their sources."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, delete, func, insert, select, text, update
from sqlalchemy.orm import Session

from memory_service.storage.tables import STATE_COLUMNS, kv_block, kv_memory, kv_source, namespace

CHANGED: Final = "changed"
ERASED: Final = "erased"
EXPIRED: Final = "expired"
EVICTED: Final = "evicted"
DELETED: Final = "deleted"
LOST: Final = "lost"
DAMAGED: Final = "damaged"

UNSHOWN: Final = frozenset(
    {
        "version", "updated_at", "written", "content_version", "enriched_version", "consolidated_version", "external_id",
        "title", "context", "keywords", "tags", "entities", "metadata", "value", "importance", "confidence", "pinned",
        "language", "derivation_method", "derivation_parents", "changeset_id", "computed", "extract", "terms", "traits",
        "precision_tier", "precision_since", "precision_wanted", "surprise", "dedupe_hash", "redactions",
    }
)  # fmt: skip
"""Columns of a memory that no prompt shows and no end of it depends on; the trigger `mark_kv` has the same list."""

_COMPARED: Final = tuple(name for name in STATE_COLUMNS if name not in UNSHOWN and name != "state")
_SAME_STATE: Final = (
    "(m.state = v.state OR (m.state IN ('activated', 'frozen') AND v.state IN ('activated', 'frozen')))"
)

_m = kv_memory.c
_SHOWN = (*(column for column in _m), namespace.c.path.label("namespace"))
_FROM = kv_memory.join(
    namespace, (namespace.c.tenant_id == kv_memory.c.tenant_id) & (namespace.c.id == kv_memory.c.namespace_id)
)


@dataclass(frozen=True, slots=True)
class KvSource:
    """A memory in the prefix of a record, as it was then: its tokens, end exclusive."""

    memory_id: UUID
    version: int
    token_start: int
    token_end: int


def lock_tenant(session: Session, tenant_id: UUID) -> None:
    """Let saves of one tenant come one after another until the transaction ends: each counts what is kept, then adds to it."""
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('kv ' || :tenant, 0))"), {"tenant": str(tenant_id)}
    )


def sources_as_they_were(
    session: Session, tenant_id: UUID, sources: Sequence[KvSource], *, now: datetime, lock: bool = True
) -> tuple[bool, datetime | None]:
    """Lock memories against change until the transaction ends; say whether all are what they were, and when the first expires.

    Another version is what it was where nothing has changed but what no prompt shows (`UNSHOWN`). One who changes such a memory
    waits for us, and then finds what we have saved; one who came before us is seen here. Who saves nothing needs no
    lock.
    """
    wanted = {source.memory_id: source.version for source in sources}
    rows = session.execute(
        text(
            "SELECT id, version, expires_at, archived_at FROM memory WHERE tenant_id = :tenant "
            f"AND id = ANY(CAST(:ids AS uuid[])) ORDER BY id{' FOR SHARE' if lock else ''}"
        ),
        {"tenant": tenant_id, "ids": sorted(wanted)},
    ).all()
    ends = [row.expires_at for row in rows if row.expires_at is not None]
    first = min(ends, default=None)
    moved_on = {row.id: wanted[row.id] for row in rows if row.version != wanted[row.id]}
    alive = all(row.archived_at is None for row in rows) and shows_the_same(session, tenant_id, moved_on)
    return alive and len(rows) == len(wanted) and (first is None or first > now), first


def shows_the_same(session: Session, tenant_id: UUID, versions: Mapping[UUID, int]) -> bool:
    """Say whether memories show in a prompt what they showed as of earlier versions.

    A statement of its own, so that after a lock it sees what those have written who held the rows before.
    """
    if not versions:
        return True
    columns = ", ".join
    same = session.scalar(
        text(
            "SELECT count(*) FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS integer[])) AS k (id, version) "
            "JOIN memory m ON m.tenant_id = :tenant AND m.id = k.id "
            "JOIN memory_version v ON v.tenant_id = :tenant AND v.id = k.id AND v.version = k.version "
            f"WHERE {_SAME_STATE} AND ROW({columns(f'm.{one}' for one in _COMPARED)}) "
            f"IS NOT DISTINCT FROM ROW({columns(f'v.{one}' for one in _COMPARED)})"
        ),
        {"tenant": tenant_id, "ids": list(versions), "versions": list(versions.values())},
    )
    return int(same or 0) == len(versions)


def insert_record(
    session: Session,
    tenant_id: UUID,
    values: Mapping[str, Any],
    *,
    hashes: Sequence[str],
    sources: Sequence[KvSource],
) -> None:
    """Store a record with its blocks and sources; its blob is already there."""
    session.execute(insert(kv_memory).values(tenant_id=tenant_id, **values))
    session.execute(
        text(
            "INSERT INTO kv_block (tenant_id, hash, kv_memory_id, position) "
            "SELECT :tenant, decode(h.hash, 'hex'), :id, h.n - 1 "
            "FROM unnest(CAST(:hashes AS text[])) WITH ORDINALITY AS h (hash, n)"
        ),
        {"tenant": tenant_id, "id": values["id"], "hashes": list(hashes)},
    )
    if sources:
        session.execute(
            insert(kv_source),
            [
                {
                    "tenant_id": tenant_id,
                    "kv_memory_id": values["id"],
                    "memory_id": source.memory_id,
                    "version": source.version,
                    "token_start": source.token_start,
                    "token_end": source.token_end,
                }
                for source in sources
            ],
        )


def get_record(session: Session, tenant_id: UUID, kv_memory_id: UUID) -> RowMapping | None:
    """Return a record with the path of its namespace, stale ones too."""
    query = select(*_SHOWN).select_from(_FROM).where(_m.tenant_id == tenant_id, _m.id == kv_memory_id)
    return session.execute(query).mappings().one_or_none()


def list_records(
    session: Session,
    tenant_id: UUID,
    *,
    namespace_id: UUID | None,
    engine: str | None,
    memory_id: UUID | None,
    before: UUID | None,
    limit: int,
    now: datetime,
) -> Sequence[RowMapping]:
    """Return records that can be loaded, newest first."""
    query = select(*_SHOWN).select_from(_FROM).where(_m.tenant_id == tenant_id, _m.state == "live", _m.expires_at > now)
    if namespace_id is not None:
        query = query.where(_m.namespace_id == namespace_id)
    if engine is not None:
        query = query.where(_m.engine == bytes.fromhex(engine))
    if memory_id is not None:
        made = select(kv_source.c.kv_memory_id).where(
            kv_source.c.tenant_id == tenant_id, kv_source.c.memory_id == memory_id
        )
        query = query.where(_m.id.in_(made))
    if before is not None:
        query = query.where(_m.id < before)
    return session.execute(query.order_by(_m.id.desc()).limit(limit)).mappings().all()


def sources_of(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, list[KvSource]]:
    """Return the sources of records, in the order of their tokens; those of erased memories are gone."""
    s = kv_source.c
    columns = (s.kv_memory_id, s.memory_id, s.version, s.token_start, s.token_end)
    query = select(*columns).where(s.tenant_id == tenant_id, s.kv_memory_id.in_(ids))
    found: dict[UUID, list[KvSource]] = {one: [] for one in ids}
    for row in session.execute(query.order_by(s.token_start, s.memory_id)):
        found[row.kv_memory_id].append(KvSource(row.memory_id, row.version, row.token_start, row.token_end))
    return found


def hashes_of(session: Session, tenant_id: UUID, kv_memory_id: UUID) -> list[str]:
    """Return the hashes of the blocks of a record, first block first; none of one that is stale."""
    b = kv_block.c
    query = select(b.hash).where(b.tenant_id == tenant_id, b.kv_memory_id == kv_memory_id).order_by(b.position)
    return [found.hex() for found in session.scalars(query)]


def mark_stale(session: Session, tenant_id: UUID, ids: Sequence[UUID], *, reason: str, now: datetime) -> list[UUID]:
    """Make records unloadable from this commit on, and return those that were live; their blobs are removed after it."""
    if not ids:
        return []
    live = (_m.tenant_id == tenant_id, _m.id.in_(ids), _m.state == "live")
    # In the order of their ids, as everybody locks several.
    session.execute(select(_m.id).where(*live).order_by(_m.id).with_for_update())
    statement = update(kv_memory).where(*live).values(state="stale", reason=reason, stale_at=now)
    marked = list(session.scalars(statement.returning(_m.id)))
    if marked:
        session.execute(delete(kv_block).where(kv_block.c.tenant_id == tenant_id, kv_block.c.kv_memory_id.in_(marked)))
    return marked


def expired_among(session: Session, tenant_id: UUID, ids: Sequence[UUID], *, now: datetime) -> list[UUID]:
    """Return those records that are live and past their end."""
    query = select(_m.id).where(_m.tenant_id == tenant_id, _m.id.in_(ids), _m.state == "live", _m.expires_at <= now)
    return list(session.scalars(query.order_by(_m.id)))


def with_blobs(session: Session, tenant_id: UUID, ids: Sequence[UUID], *, stale: bool) -> set[UUID]:
    """Return those of the ids that are records with a blob; with `stale` only of those that cannot be loaded."""
    query = select(_m.id).where(_m.tenant_id == tenant_id, _m.id.in_(ids), _m.has_blob)
    return set(session.scalars(query.where(_m.state == "stale") if stale else query))


def some_with_blobs(session: Session, tenant_id: UUID, *, limit: int) -> list[UUID]:
    """Return some of the records of a tenant that have a blob, whatever their state."""
    query = select(_m.id).where(_m.tenant_id == tenant_id, _m.has_blob).limit(limit)
    return list(session.scalars(query))


def blob_sizes(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return how large the blobs are to be of those of the ids that are records with one."""
    query = select(_m.id, _m.bytes).where(_m.tenant_id == tenant_id, _m.id.in_(ids), _m.has_blob)
    return {row.id: row.bytes for row in session.execute(query)}


def blobs_removed(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> None:
    """Write down that the blobs of stale records are removed."""
    session.execute(
        update(kv_memory).where(_m.tenant_id == tenant_id, _m.id.in_(ids), _m.state == "stale").values(has_blob=False)
    )


def forget_stale(session: Session, tenant_id: UUID, ids: Sequence[UUID], *, before: datetime) -> int:
    """Delete records that went stale before a moment and whose blobs are removed."""
    gone = session.execute(
        delete(kv_memory)
        .where(
            _m.tenant_id == tenant_id, _m.id.in_(ids), _m.state == "stale", _m.has_blob.is_(False), _m.stale_at < before
        )
        .returning(_m.id)
    )
    return len(gone.all())


def ids_of(
    session: Session, tenant_id: UUID, *, columns: Mapping[str, str], namespace_id: UUID | None, before: datetime
) -> list[UUID]:
    """Return the records of a namespace; those of a user, an agent or a session go with the memories they were made of."""
    if columns or namespace_id is None:
        return []
    query = select(_m.id).where(
        _m.tenant_id == tenant_id, _m.namespace_id == namespace_id, _m.state == "live", _m.created_at <= before
    )
    return list(session.scalars(query.order_by(_m.id)))


def erase(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> int:
    """Make records unloadable and take their digests of text away; the sweep removes their blobs. Return how many there were."""
    if not ids:
        return 0
    now = session.execute(select(func.statement_timestamp())).scalar_one()
    marked = mark_stale(session, tenant_id, ids, reason=ERASED, now=now)
    where = (_m.tenant_id == tenant_id, _m.id.in_(marked))
    session.execute(update(kv_memory).where(*where).values(token_ids_hash=None, text_hash=None))
    return len(marked)
