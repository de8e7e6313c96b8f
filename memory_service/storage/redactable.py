"""The words of memories and of what they were, as a redaction policy looks at them."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

_WORDS: Final = "content, title, context, speaker, role, keywords, tags, entities, metadata, value"


def present(
    session: Session, tenant_id: UUID, namespace_id: UUID, *, before: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """Return memories of a namespace as they are, the newest first, archived ones included."""
    words = ", ".join(f"m.{name}" for name in _WORDS.split(", "))
    query = text(
        f"SELECT m.id, {words}, s.ref AS source_ref FROM memory m "
        "LEFT JOIN source s ON s.tenant_id = :tenant AND s.memory_id = m.id AND s.ordinal = 0 "
        "WHERE m.tenant_id = :tenant AND m.namespace_id = :namespace "
        f"{'' if before is None else 'AND m.id < :before '}ORDER BY m.id DESC LIMIT :limit"
    )
    params = {"tenant": tenant_id, "namespace": namespace_id, "before": before, "limit": limit}
    return session.execute(query, params).mappings().all()


def versions(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, list[RowMapping]]:
    """Return the earlier versions of memories, by memory."""
    query = text(
        f"SELECT id, version, {_WORDS} FROM memory_version WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[])) "
        "ORDER BY id, version"
    )
    found: dict[UUID, list[Any]] = {}
    for row in session.execute(query, {"tenant": tenant_id, "ids": list(ids)}).mappings():
        found.setdefault(row["id"], []).append(row)
    return found
