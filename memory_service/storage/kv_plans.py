"""Plans of prompts: hashes of tokens and blocks, and which memories stand in which blocks; no text."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.orm import Session

from memory_service.storage.sql import to_jsonb
from memory_service.storage.tables import kv_plan, kv_plan_source

HASH_BYTES: Final = 32

_p = kv_plan.c
_s = kv_plan_source.c


@dataclass(frozen=True, slots=True)
class KvPlan:
    """What was decided for one prompt; hashes are hexadecimal, `admitted` counts leading blocks that may be saved."""

    id: UUID
    namespace_id: UUID
    engine: str
    model: str
    token_count: int
    token_ids_hash: str
    text_hash: str
    block_size: int
    block_hashes: tuple[str, ...]
    admitted: int
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class PlanSource:
    """A memory in a prompt: its tokens, end exclusive, and the first block whose numbers depend on it."""

    memory_id: UUID
    version: int
    kind: str
    token_start: int
    token_end: int
    first_block: int


_FIELDS: Final = tuple(field.name for field in fields(PlanSource))


def keep_plan(session: Session, tenant_id: UUID, plan: KvPlan, sources: Sequence[PlanSource]) -> None:
    """Store a plan with its sources."""
    session.execute(
        insert(kv_plan).values(
            tenant_id=tenant_id,
            id=plan.id,
            namespace_id=plan.namespace_id,
            engine=bytes.fromhex(plan.engine),
            model=plan.model,
            token_count=plan.token_count,
            token_ids_hash=bytes.fromhex(plan.token_ids_hash),
            text_hash=bytes.fromhex(plan.text_hash),
            block_size=plan.block_size,
            block_hashes=bytes.fromhex("".join(plan.block_hashes)),
            admitted=plan.admitted,
            created_at=plan.created_at,
            expires_at=plan.expires_at,
        )
    )
    if sources:
        # One statement, however many there are: a plan of fifty memories is made while somebody waits.
        session.execute(
            text(
                "INSERT INTO kv_plan_source (tenant_id, plan_id, memory_id, version, kind, token_start, token_end, first_block) "
                "SELECT :tenant, :plan, r.memory_id, r.version, r.kind, r.token_start, r.token_end, r.first_block "
                "FROM jsonb_populate_recordset(CAST(NULL AS kv_plan_source), CAST(:rows AS jsonb)) r"
            ),
            {"tenant": tenant_id, "plan": plan.id, "rows": to_jsonb([_row(source) for source in sources])},
        )


def _row(source: PlanSource) -> dict[str, Any]:
    # Not `asdict`, which copies every value, ids too.
    return {name: getattr(source, name) for name in _FIELDS}


def get_plan(session: Session, tenant_id: UUID, plan_id: UUID, *, now: datetime) -> KvPlan | None:
    """Return a plan of a tenant; None when there is none, or it has expired."""
    query = select(kv_plan).where(_p.tenant_id == tenant_id, _p.id == plan_id, _p.expires_at > now)
    row = session.execute(query).mappings().one_or_none()
    if row is None:
        return None
    hashes: bytes = row["block_hashes"]
    return KvPlan(
        id=row["id"],
        namespace_id=row["namespace_id"],
        engine=row["engine"].hex(),
        model=row["model"],
        token_count=row["token_count"],
        token_ids_hash=row["token_ids_hash"].hex(),
        text_hash=row["text_hash"].hex(),
        block_size=row["block_size"],
        block_hashes=tuple(hashes[start : start + HASH_BYTES].hex() for start in range(0, len(hashes), HASH_BYTES)),
        admitted=row["admitted"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
    )


def sources_of(session: Session, tenant_id: UUID, plan_id: UUID, *, blocks: int | None = None) -> Sequence[PlanSource]:
    """Return the memories in a plan, in their order; with `blocks` those that its first blocks depend on."""
    columns = (_s.memory_id, _s.version, _s.kind, _s.token_start, _s.token_end, _s.first_block)
    query = select(*columns).where(_s.tenant_id == tenant_id, _s.plan_id == plan_id)
    if blocks is not None:
        query = query.where(_s.first_block < blocks)
    rows = session.execute(query.order_by(_s.token_start, _s.memory_id)).mappings()
    return [PlanSource(**row) for row in rows]


def forget_memories(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> int:
    """Remove the plans in which some memories stand: a hash of a short text tells the text to who can guess it."""
    within = select(_s.plan_id).where(_s.tenant_id == tenant_id, _s.memory_id == func.any(list(ids)))
    removed = session.execute(delete(kv_plan).where(_p.tenant_id == tenant_id, _p.id.in_(within)).returning(_p.id))
    return len(removed.all())
