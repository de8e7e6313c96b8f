"""Save what a model computed: a blob first, then the record that names it, in one transaction with the look at its sources.

A process that dies between the two leaves a blob that no record names; the sweep removes it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.activation.chain import ROOT
from memory_service.activation.covering import Place, cover
from memory_service.activation.eviction import Held, make_room
from memory_service.activation.exactness import Exactness
from memory_service.errors import Conflict, FieldError, InvalidRequest, NotFound, OverQuota, TooLarge, Unavailable
from memory_service.storage import kv_blocks, kv_engines, kv_memories, kv_plans, kv_room
from memory_service.storage.kv_memories import KvSource
from memory_service.storage.kv_plans import KvPlan

ASSUMED_TOKENS_PER_S: Final = 1_000.0
"""Prefill of an engine that has not said how fast it is; only the comparison within one engine is then meaningful."""


@dataclass(frozen=True, slots=True)
class Part:
    """Which blocks of which plan a save brings, and how they are written."""

    plan_id: UUID
    engine: str
    first_block: int
    count: int
    codec: str
    exactness: Exactness


@dataclass(frozen=True, slots=True)
class Arrived:
    """A blob; `in_store` is false where its blocks were kept already, and none was written."""

    id: UUID
    bytes: int
    checksum: str
    in_store: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator allows."""

    tenant_bytes: int
    ttl: timedelta


@dataclass(frozen=True, slots=True)
class Saved:
    """The record under which the blocks can be loaded; `evicted` made room for it."""

    id: UUID
    is_new: bool
    evicted: tuple[UUID, ...] = ()


def plan_for(session: Session, tenant_id: UUID, part: Part, *, now: datetime) -> KvPlan:
    """Return the plan that a save belongs to.

    Raises:
        NotFound: there is none, or it has expired.
        InvalidRequest: the plan is of another engine, or does not admit these blocks.
    """
    plan = kv_plans.get_plan(session, tenant_id, part.plan_id, now=now)
    if plan is None:
        raise NotFound("There is no such plan in this tenant; plans live for minutes. Ask for a new one.")
    if plan.engine != part.engine:
        raise _invalid("engine", "The plan was made for another engine.")
    if part.first_block + part.count > plan.admitted:
        raise _invalid("count", f"The plan admits its first {plan.admitted} blocks only.")
    return plan


def present(session: Session, tenant_id: UUID, part: Part, plan: KvPlan, *, now: datetime) -> UUID | None:
    """Return a record that holds all blocks of a save already, written the same way."""
    hashes = plan.block_hashes[part.first_block : part.first_block + part.count]
    holders = kv_blocks.holders_of(
        session, tenant_id, hashes, engine=part.engine, codecs=[part.codec], exactness=[part.exactness], now=now
    )
    runs = cover(hashes, {one: [Place(h.kv_memory_id, h.position) for h in found] for one, found in holders.items()})
    return runs[0].kv_memory_id if runs and runs[0].count == part.count else None


def save(session: Session, tenant_id: UUID, part: Part, arrived: Arrived, *, limits: Limits, now: datetime) -> Saved:
    """Store the record of a blob, unless its blocks are kept already; make room for it where that is worth it.

    Raises:
        NotFound: the plan has gone.
        InvalidRequest: the plan does not fit.
        Conflict: a source is not what it was when the plan was made; code ``kv_source_changed``.
        TooLarge: no eviction could make the blob fit.
        OverQuota: what would have to go is worth more.
        Unavailable: the blocks were kept when the blob came, and are not any more; code ``busy``.
    """
    kv_memories.lock_tenant(session, tenant_id)
    plan = plan_for(session, tenant_id, part, now=now)
    if (kept := present(session, tenant_id, part, plan, now=now)) is not None:
        return Saved(kept, False)
    if not arrived.in_store:
        raise Unavailable("These blocks were here and are not any more; save them again.", code="busy", retry_after_s=1)
    end = part.first_block + part.count
    sources = [
        KvSource(one.memory_id, one.version, one.token_start, one.token_end)
        for one in kv_plans.sources_of(session, tenant_id, plan.id, blocks=end)
    ]
    as_they_were, ends_at = kv_memories.sources_as_they_were(session, tenant_id, sources, now=now)
    if not as_they_were:
        raise Conflict("A memory in this prompt has changed since the plan was made.", code="kv_source_changed")
    engine = kv_engines.get_engine(session, tenant_id, plan.engine)
    if engine is None:
        raise NotFound("The engine of the plan is not known any more; announce it anew.")
    seconds = part.count * plan.block_size / (engine.prefill_tokens_per_s or ASSUMED_TOKENS_PER_S)
    newcomer = Held(arrived.id, arrived.bytes, seconds, 1.0, now)
    evicted = _make_room(session, tenant_id, plan.namespace_id, newcomer, limits=limits, now=now)
    latest = now + limits.ttl
    # It never outlives a source, whether or not a sweep has come by.
    expires_at = min(latest, ends_at) if ends_at is not None else latest
    values = {
        **_described(part, plan, engine),
        **_kept(arrived, newcomer),
        "created_at": now,
        "expires_at": expires_at,
    }
    hashes = plan.block_hashes[part.first_block : end]
    kv_memories.insert_record(session, tenant_id, values, hashes=hashes, sources=sources)
    return Saved(arrived.id, True, evicted)


def _described(part: Part, plan: KvPlan, engine: kv_engines.Engine) -> dict[str, Any]:
    """Return what a record says of the blocks: of which prompt they are, who computed them, how they are written."""
    return {
        "namespace_id": plan.namespace_id,
        "plan_id": plan.id,
        "model": plan.model,
        "engine": bytes.fromhex(plan.engine),
        "fingerprint": asdict(engine.fingerprint),
        "block_size": plan.block_size,
        "first_block": part.first_block,
        "blocks": part.count,
        "n_tokens": part.count * plan.block_size,
        "parent_hash": bytes.fromhex(plan.block_hashes[part.first_block - 1] if part.first_block else ROOT),
        "last_hash": bytes.fromhex(plan.block_hashes[part.first_block + part.count - 1]),
        "token_ids_hash": bytes.fromhex(plan.token_ids_hash),
        "text_hash": bytes.fromhex(plan.text_hash),
        "codec": part.codec,
        "exactness": str(part.exactness),
    }


def _kept(arrived: Arrived, newcomer: Held) -> dict[str, Any]:
    """Return what a record says of the blob, and by what it is kept or evicted."""
    return {
        "id": arrived.id,
        "bytes": arrived.bytes,
        "checksum": bytes.fromhex(arrived.checksum),
        "prefill_s": newcomer.prefill_s,
        "state": "live",
        "has_blob": True,
        "heat": newcomer.heat,
        "heat_at": newcomer.heat_at,
        "hits": 0,
    }


def _make_room(
    session: Session, tenant_id: UUID, namespace_id: UUID, newcomer: Held, *, limits: Limits, now: datetime
) -> tuple[UUID, ...]:
    """Evict what has to go, first in the namespace, then in the tenant as a whole."""
    said = kv_room.quotas(session, tenant_id)
    whole = min(said.get(None, limits.tenant_bytes), limits.tenant_bytes)
    evicted: list[UUID] = []
    quotas: Sequence[tuple[UUID | None, int | None]] = ((namespace_id, said.get(namespace_id)), (None, whole))
    for of, quota in quotas:
        if quota is None:
            continue
        if newcomer.bytes > quota:
            raise TooLarge(
                f"These blocks take {newcomer.bytes:,} bytes; the quota of KV memories is {quota:,}. Save fewer blocks at a "
                "time, or raise the quota with PUT /v1/kv/quota.",
                code="kv_over_quota",
            )
        room = quota - kv_room.taken(session, tenant_id, of)
        if room >= newcomer.bytes:
            continue
        going = make_room(kv_room.held(session, tenant_id, of), newcomer, room=room, now=now)
        if going is None:
            raise OverQuota(
                "The quota of KV memories is used up, and what is kept is expected to spare more than these blocks would."
            )
        evicted += kv_memories.mark_stale(session, tenant_id, going, reason=kv_memories.EVICTED, now=now)
    return tuple(evicted)


def _invalid(name: str, detail: str) -> InvalidRequest:
    return InvalidRequest(detail, code="kv_plan_mismatch", errors=(FieldError(f"/{name}", detail),))
