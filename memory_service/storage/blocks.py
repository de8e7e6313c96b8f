"""Core memory blocks: where each is found, and every text it ever had."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from memory_service.storage.idempotency import forget_answers
from memory_service.storage.ids import new_id
from memory_service.storage.scopes import belonging
from memory_service.storage.tables import block

STATE = ("value", "description", "max_characters", "read_only", "metadata", "archived", "operation", "edited_by")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a block is found: a label in a namespace, of a user, of an agent, of both, or of nobody, which is shared."""

    label: str
    user_id: str | None = None
    agent_id: str | None = None


def _as_known(condition: str) -> str:
    """Return the SELECT of blocks as they were known at ``:known``, and now when that is null."""
    return f"""
        SELECT b.id, b.namespace_id, n.path AS namespace, b.label, b.user_id, b.agent_id, b.created_at, v.version, v.value,
            v.description, v.max_characters, v.read_only, v.metadata, v.archived, v.operation, v.edited_by,
            v.known_from AS updated_at
        FROM block b JOIN namespace n ON n.tenant_id = :tenant AND n.id = b.namespace_id
            CROSS JOIN LATERAL (
                SELECT s.* FROM block_version s WHERE s.tenant_id = :tenant AND s.block_id = b.id
                    AND (CAST(:known AS timestamptz) IS NULL OR s.known_from <= CAST(:known AS timestamptz))
                ORDER BY s.version DESC LIMIT 1) v
        WHERE b.tenant_id = :tenant AND {condition}"""


def _at(at: Address) -> str:
    """Return the condition of an address; IS NOT DISTINCT FROM would be asked of every block of that label."""
    user = "b.user_id IS NULL" if at.user_id is None else "b.user_id = :user"
    agent = "b.agent_id IS NULL" if at.agent_id is None else "b.agent_id = :agent"
    return f"b.namespace_id = :namespace AND {user} AND {agent} AND b.label = :label"


def find_block(
    session: Session, tenant_id: UUID, namespace_id: UUID, at: Address, *, known: datetime | None = None
) -> RowMapping | None:
    """Return the block at an address, archived or not, as it is or as it was known; None when there was none."""
    params = _params(tenant_id, namespace_id, at) | {"known": known}
    return session.execute(text(_as_known(_at(at))), params).mappings().one_or_none()


def lock_block(session: Session, tenant_id: UUID, namespace_id: UUID, at: Address) -> RowMapping | None:
    """Return the block at an address, which nobody else changes until the end of the transaction."""
    found = session.scalar(
        text(f"SELECT b.id FROM block b WHERE b.tenant_id = :tenant AND {_at(at)} FOR UPDATE"),
        _params(tenant_id, namespace_id, at),
    )
    # Read in a statement of its own: what another transaction wrote while we waited is seen.
    return None if found is None else find_block(session, tenant_id, namespace_id, at)


def _params(tenant_id: UUID, namespace_id: UUID, at: Address) -> dict[str, Any]:
    return {
        "tenant": tenant_id,
        "namespace": namespace_id,
        "label": at.label,
        "user": at.user_id,
        "agent": at.agent_id,
    }


def insert_block(
    session: Session, tenant_id: UUID, namespace_id: UUID, at: Address, state: Mapping[str, Any], *, now: datetime
) -> bool:
    """Make a block with its first version; False when another transaction has made it in between."""
    block_id = session.scalar(
        text(
            "INSERT INTO block (tenant_id, id, namespace_id, label, user_id, agent_id, version, created_at, updated_at) "
            "VALUES (:tenant, :id, :namespace, :label, :user, :agent, 1, :now, :now) ON CONFLICT DO NOTHING RETURNING id"
        ),
        _params(tenant_id, namespace_id, at) | {"id": new_id(), "now": now},
    )
    if block_id is None:
        return False
    _insert_version(session, tenant_id, block_id, 1, state, now=now)
    return True


def add_version(
    session: Session, tenant_id: UUID, block_id: UUID, version: int, state: Mapping[str, Any], *, now: datetime
) -> None:
    """Give a locked block its next version."""
    session.execute(
        text("UPDATE block SET version = :version, updated_at = :now WHERE tenant_id = :tenant AND id = :id"),
        {"tenant": tenant_id, "id": block_id, "version": version, "now": now},
    )
    _insert_version(session, tenant_id, block_id, version, state, now=now)


_INSERT_VERSION = text(
    f"INSERT INTO block_version (tenant_id, block_id, version, {', '.join(STATE)}, known_from) "
    f"VALUES (:tenant, :block, :version, {', '.join(f':{name}' for name in STATE)}, :now)"
).bindparams(bindparam("metadata", type_=JSONB))


def _insert_version(
    session: Session, tenant_id: UUID, block_id: UUID, version: int, state: Mapping[str, Any], *, now: datetime
) -> None:
    values = {name: state[name] for name in STATE}
    session.execute(_INSERT_VERSION, {"tenant": tenant_id, "block": block_id, "version": version, "now": now, **values})


def list_blocks(
    session: Session,
    tenant_id: UUID,
    *,
    namespace_id: UUID | None,
    label: str | None,
    user_id: str | None,
    agent_id: str | None,
    before: UUID | None,
    limit: int,
) -> Sequence[RowMapping]:
    """Return live blocks, the newest first; of a user or an agent only those that are addressed by it."""
    wanted = {"namespace_id": namespace_id, "label": label, "user_id": user_id, "agent_id": agent_id}
    conditions = ["NOT v.archived", *(f"b.{name} = :{name}" for name, value in wanted.items() if value is not None)]
    if before is not None:
        conditions.append("b.id < :before")
    query = f"{_as_known(' AND '.join(conditions))} ORDER BY b.id DESC LIMIT :limit"
    params = {"tenant": tenant_id, "known": None, "before": before, "limit": limit, **wanted}
    return session.execute(text(query), params).mappings().all()


# The narrower address wins: an agent's own block over a user's, and both over the shared one of the same label.
_SEEN = """
    SELECT DISTINCT ON (s.label) s.* FROM ({blocks}) s
    ORDER BY s.label, s.agent_id IS NULL, s.user_id IS NULL, s.namespace, s.id LIMIT :limit
"""


def _seen_by(user_id: str | None, agent_id: str | None, *, labels: bool) -> str:
    """Return the condition on blocks that an agent sees: one term for each kind of address, which the index answers."""
    users = ["b.user_id IS NULL", *(["b.user_id = :user"] if user_id is not None else [])]
    agents = ["b.agent_id IS NULL", *(["b.agent_id = :agent"] if agent_id is not None else [])]
    parts = [
        "b.namespace_id = ANY(CAST(:namespaces AS uuid[]))",
        f"({' OR '.join(f'({user} AND {agent})' for user in users for agent in agents)})",
        "NOT v.archived",
        *(["b.label = ANY(CAST(:labels AS text[]))"] if labels else []),
    ]
    return " AND ".join(parts)


def blocks_seen(
    session: Session,
    tenant_id: UUID,
    namespace_ids: Sequence[UUID],
    *,
    user_id: str | None,
    agent_id: str | None,
    labels: Sequence[str] | None,
    known: datetime | None = None,
    limit: int,
) -> Sequence[RowMapping]:
    """Return what an agent that talks with a user sees: one block a label, in order of label.

    Args:
        session: the caller's transaction.
        tenant_id: whose blocks.
        namespace_ids: where to look.
        user_id: with whom the agent talks; None sees no user's blocks.
        agent_id: who looks; None sees no agent's blocks.
        labels: only these, None for all.
        known: as they were known then, None for now.
        limit: how many at most.
    """
    return (
        session.execute(
            text(_SEEN.format(blocks=_as_known(_seen_by(user_id, agent_id, labels=labels is not None)))),
            {
                "tenant": tenant_id,
                "namespaces": list(namespace_ids),
                "user": user_id,
                "agent": agent_id,
                "labels": None if labels is None else list(labels),
                "known": known,
                "limit": limit,
            },
        )
        .mappings()
        .all()
    )


def list_versions(
    session: Session, tenant_id: UUID, block_id: UUID, *, before: int | None, limit: int
) -> Sequence[RowMapping]:
    """Return the states of a block, the newest first, each with the time until which it was the known one."""
    # Each was known until the next, whatever page that is on.
    condition = "" if before is None else "AND s.version < :before"
    query = f"""
        SELECT s.*, (SELECT n.known_from FROM block_version n WHERE n.tenant_id = :tenant AND n.block_id = :block
            AND n.version > s.version ORDER BY n.version LIMIT 1) AS known_to
        FROM block_version s WHERE s.tenant_id = :tenant AND s.block_id = :block {condition}
        ORDER BY s.version DESC LIMIT :limit"""
    params = {"tenant": tenant_id, "block": block_id, "before": before, "limit": limit}
    return session.execute(text(query), params).mappings().all()


def ids_of(
    session: Session, tenant_id: UUID, *, columns: Mapping[str, str], namespace_id: UUID | None, before: datetime
) -> list[UUID]:
    """Return the blocks, archived ones too, that belong to somebody: all of the scope columns have these values.

    No block belongs to a session. With no columns, those of a namespace are meant.
    """
    if "session_id" in columns:
        return []
    return belonging(session, tenant_id, block, columns, namespace_id=namespace_id, before=before)


def erase(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> int:
    """Delete blocks with every text they ever had and the answers that quote them; return how many there were."""
    if not ids:
        return 0
    forget_answers(session, tenant_id, ids)
    found = session.scalars(
        text("DELETE FROM block WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[])) RETURNING id"),
        {"tenant": tenant_id, "ids": list(ids)},
    )
    return len(found.all())
