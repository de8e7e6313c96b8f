"""Which stored memories count as the same as a new one: their identities, kept unique per namespace and external_id."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session


def free_identities(
    session: Session,
    tenant_id: UUID,
    wanted: Sequence[tuple[UUID, UUID, bytes, str | None]],
    *,
    leaving: Collection[UUID] = (),
) -> dict[UUID, bytes]:
    """Return the identities that no other memory has, by memory; of equal ones the first gets it.

    Args:
        session: the transaction that will take them.
        tenant_id: whose memories.
        wanted: (memory, namespace, identity, external_id).
        leaving: memories that give theirs up in the same transaction.
    """
    held = session.execute(
        text(
            """
            SELECT m.id, m.namespace_id, m.dedupe_hash, m.external_id
            FROM unnest(CAST(:namespaces AS uuid[]), CAST(:hashes AS bytea[])) AS k (namespace_id, hash)
            JOIN memory m ON m.tenant_id = :tenant AND m.namespace_id = k.namespace_id AND m.dedupe_hash = k.hash
            """
        ),
        {"tenant": tenant_id, "namespaces": [w[1] for w in wanted], "hashes": [w[2] for w in wanted]},
    ).all()
    asking = {*leaving, *(w[0] for w in wanted)}
    taken = {(r.namespace_id, bytes(r.dedupe_hash), r.external_id) for r in held if r.id not in asking}
    free: dict[UUID, bytes] = {}
    for memory_id, namespace_id, identity, external_id in wanted:
        key = (namespace_id, identity, external_id)
        if key not in taken:
            taken.add(key)
            free[memory_id] = identity
    return free


def set_identities(session: Session, tenant_id: UUID, identities: dict[UUID, bytes]) -> None:
    """Let memories count as the same as a new one with this identity; part of a change that made a version already."""
    if identities:
        session.execute(
            text(
                "UPDATE memory m SET dedupe_hash = k.hash "
                "FROM unnest(CAST(:ids AS uuid[]), CAST(:hashes AS bytea[])) AS k (id, hash) "
                "WHERE m.tenant_id = :tenant AND m.id = k.id"
            ),
            {"tenant": tenant_id, "ids": list(identities), "hashes": list(identities.values())},
        )
