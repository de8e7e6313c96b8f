"""Users, agents and sessions: not records of their own, but what memories say they belong to."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, Table, and_, func, or_, select, text
from sqlalchemy.orm import Session

from memory_service.storage.tables import memory


class ScopeColumn(StrEnum):
    """The columns of a memory that say whose it is."""

    USER = "user_id"
    AGENT = "agent_id"
    SESSION = "session_id"


def live(now: datetime) -> ColumnElement[bool]:
    """Return the condition that a memory is neither archived nor expired, whether or not a sweep has passed."""
    return and_(memory.c.archived_at.is_(None), or_(memory.c.expires_at.is_(None), memory.c.expires_at > now))


def list_scopes(
    session: Session,
    tenant_id: UUID,
    column: ScopeColumn,
    *,
    namespace_id: UUID | None,
    after: str | None,
    limit: int,
    now: datetime,
) -> Sequence[RowMapping]:
    """Return ids with the number of their live memories and the time of the latest write, in order of id.

    The index of the column is in that order, so a page costs what it shows, not what there is.
    """
    name = memory.c[column.value]
    query = (
        select(name.label("id"), func.count().label("count"), func.max(memory.c.updated_at).label("last_activity"))
        .where(memory.c.tenant_id == tenant_id, name.is_not(None), live(now))
        .group_by(name)
        .order_by(name)
        .limit(limit)
    )
    if namespace_id is not None:
        query = query.where(memory.c.namespace_id == namespace_id)
    if after is not None:
        query = query.where(name > after)
    return session.execute(query).mappings().all()


def belonging(
    session: Session,
    tenant_id: UUID,
    table: Table,
    columns: Mapping[str, str],
    *,
    namespace_id: UUID | None,
    before: datetime,
) -> list[UUID]:
    """Return the ids of rows of a table that somebody owns, made up to a moment.

    Args:
        session: the caller's transaction.
        tenant_id: whose rows.
        table: has the scope columns, a namespace, and times of creation.
        columns: scope columns and the values they must have, all of them.
        namespace_id: only of this namespace.
        before: the moment.

    Raises:
        ValueError: neither a scope column nor a namespace is named, which would mean everything.
    """
    if not columns.keys() <= {column.value for column in ScopeColumn} or not (columns or namespace_id):
        raise ValueError("name a user, an agent, a session or a namespace")
    query = select(table.c.id).where(table.c.tenant_id == tenant_id, table.c.created_at <= before)
    for name, value in columns.items():
        query = query.where(table.c[name] == value)
    if namespace_id is not None:
        query = query.where(table.c.namespace_id == namespace_id)
    return list(session.scalars(query.order_by(table.c.id)))


_OWNERS = """
    SELECT o.type, o.name, count(*) AS count, min(m.observed_at) AS first, max(m.updated_at) AS last,
        count(*) OVER () AS total
    FROM memory m CROSS JOIN LATERAL (
        VALUES (1, 'user', m.user_id), (2, 'agent', m.agent_id), (3, 'app', m.metadata ->> 'app_id'), (4, 'run', m.session_id)
    ) AS o (place, type, name)
    WHERE m.tenant_id = :tenant AND m.namespace_id = :namespace AND o.name <> ''
        AND m.archived_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > :now)
    GROUP BY o.place, o.type, o.name ORDER BY o.place, o.name LIMIT :limit OFFSET :offset
"""


def list_owners(
    session: Session, tenant_id: UUID, namespace_id: UUID, *, limit: int, offset: int, now: datetime
) -> Sequence[RowMapping]:
    """Return users, agents, apps and runs of a namespace in one list, with how many live memories each has.

    An app is what the metadata call `app_id`. The whole namespace is read: clients of mem0 ask for this list rarely.
    """
    params = {"tenant": tenant_id, "namespace": namespace_id, "limit": limit, "offset": offset, "now": now}
    return session.execute(text(_OWNERS), params).mappings().all()
