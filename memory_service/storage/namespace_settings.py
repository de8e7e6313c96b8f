"""Namespaces as their owners see them: a list, settings, how much is in one."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from memory_service.storage.scopes import live
from memory_service.storage.tables import memory, namespace

_SHOWN = (namespace.c.id, namespace.c.path, namespace.c.settings, namespace.c.created_at)


def list_namespaces(
    session: Session,
    tenant_id: UUID,
    *,
    prefix: str | None,
    after: str | None,
    limit: int,
    path: str | None = None,
    occupied_at: datetime | None = None,
) -> list[dict[str, Any]]:
    """Return namespaces in order of path; a prefix matches whole segments.

    With `path` that one at most, with `occupied_at` only those that hold a live memory at that moment.
    """
    query = select(*_SHOWN).where(namespace.c.tenant_id == tenant_id).order_by(namespace.c.path).limit(limit)
    if prefix is not None:
        # '0' is the character after '/': comparison can use the index under row level security, LIKE cannot.
        below = (namespace.c.path >= f"{prefix}/") & (namespace.c.path < f"{prefix}0")
        query = query.where((namespace.c.path == prefix) | below)
    if path is not None:
        query = query.where(namespace.c.path == path)
    if after is not None:
        query = query.where(namespace.c.path > after)
    if occupied_at is not None:
        held = select(memory.c.id).where(
            memory.c.tenant_id == tenant_id, memory.c.namespace_id == namespace.c.id, live(occupied_at)
        )
        query = query.where(held.exists())
    return [dict(row) for row in session.execute(query).mappings()]


def get_namespace(session: Session, tenant_id: UUID, path: str) -> dict[str, Any] | None:
    """Return one namespace."""
    query = select(*_SHOWN).where(namespace.c.tenant_id == tenant_id, namespace.c.path == path)
    row = session.execute(query).mappings().one_or_none()
    return dict(row) if row else None


def count_memories(session: Session, tenant_id: UUID, namespace_id: UUID, *, now: datetime) -> int:
    """Return how many live memories a namespace holds; reads them all."""
    query = select(func.count()).where(
        memory.c.tenant_id == tenant_id, memory.c.namespace_id == namespace_id, live(now)
    )
    return session.scalar(query) or 0


def change_settings(session: Session, tenant_id: UUID, path: str, changes: Mapping[str, Any]) -> dict[str, Any] | None:
    """Merge changes into the settings of a namespace and return it; None removes a setting."""
    merged = func.jsonb_strip_nulls(namespace.c.settings.concat(dict(changes)))
    statement = (
        update(namespace)
        .where(namespace.c.tenant_id == tenant_id, namespace.c.path == path)
        .values(settings=merged)
        .returning(*_SHOWN)
    )
    row = session.execute(statement).mappings().one_or_none()
    return dict(row) if row else None
