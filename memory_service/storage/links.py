"""Links: directed, typed, weighted edges between memories."""

from collections.abc import Sequence
from datetime import UTC
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from memory_service.storage.sql import Row


def links_of(
    session: Session, tenant_id: UUID, memory_id: UUID, *, before: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """Return the present edges from and to a memory, newest first."""
    columns = "id, source_id, target_id, type, weight, derivation_method, known_from"
    branch = (
        f"(SELECT {columns} FROM link WHERE tenant_id = :tenant AND {{}} = :memory AND known_to = 'infinity' "
        "AND (CAST(:before AS uuid) IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit)"
    )
    statement = f"{branch.format('source_id')} UNION {branch.format('target_id')} ORDER BY id DESC LIMIT :limit"
    params = {"tenant": tenant_id, "memory": memory_id, "before": before, "limit": limit}
    return session.execute(text(statement), params).mappings().all()


def list_links(
    session: Session, tenant_id: UUID, *, namespace_id: UUID | None, before: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """Return the present edges of a namespace, or of all, newest first."""
    conditions = []
    if namespace_id is not None:
        conditions.append("AND namespace_id = :namespace")
    if before is not None:
        conditions.append("AND id < :before")
    statement = (
        "SELECT id, source_id, target_id, type, weight, derivation_method, known_from FROM link WHERE tenant_id = :tenant "
        f"AND known_to = 'infinity' {' '.join(conditions)} ORDER BY id DESC LIMIT :limit"
    )
    params = {"tenant": tenant_id, "namespace": namespace_id, "before": before, "limit": limit}
    return session.execute(text(statement), params).mappings().all()


_EDGE = "id, source_id, target_id, type, weight, derivation_method, known_from"


def get(session: Session, tenant_id: UUID, link_id: UUID) -> RowMapping | None:
    """Return one present edge."""
    statement = text(f"SELECT {_EDGE} FROM link WHERE tenant_id = :tenant AND id = :id AND known_to = 'infinity'")
    return session.execute(statement, {"tenant": tenant_id, "id": link_id}).mappings().one_or_none()


def between(session: Session, tenant_id: UUID, source_id: UUID, target_id: UUID, type: str) -> Sequence[RowMapping]:
    """Return the present edges of one type from a memory to another."""
    statement = text(
        f"SELECT {_EDGE} FROM link WHERE tenant_id = :tenant AND source_id = :source AND target_id = :target "
        "AND type = :type AND known_to = 'infinity' ORDER BY id"
    )
    params = {"tenant": tenant_id, "source": source_id, "target": target_id, "type": str(type)}
    return session.execute(statement, params).mappings().all()


def link_json(row: Row) -> dict[str, Any]:
    """Return one edge as JSON."""
    return {
        "id": str(row["id"]),
        "source_id": str(row["source_id"]),
        "target_id": str(row["target_id"]),
        "type": row["type"],
        "weight": row["weight"],
        "derivation": {"method": row["derivation_method"]},
        "created_at": row["known_from"].astimezone(UTC).isoformat().replace("+00:00", "Z"),
    }
