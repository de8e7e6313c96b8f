"""Feedback: which memories a search found were of use; what the fusion of a namespace learns from.

A row holds the words of a query, so it expires with the trace it judges, and goes with the memory it is about.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, delete, func, null, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from memory_service.storage.sql import to_jsonb
from memory_service.storage.tables import feedback

MOST = 5_000  # judgements one round of learning reads, the newest


def keep_feedback(
    session: Session,
    tenant_id: UUID,
    *,
    trace_id: UUID,
    memory_id: UUID,
    namespace_id: UUID,
    query: str,
    where: Mapping[str, Any] | None,
    useful: bool,
    cited: bool,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Store one judgement; a later one about the same result replaces it."""
    judgement = {"useful": useful, "cited": cited, "created_at": now}
    session.execute(
        insert(feedback)
        .values(
            tenant_id=tenant_id,
            trace_id=trace_id,
            memory_id=memory_id,
            namespace_id=namespace_id,
            query=query,
            filter=where if where is not None else null(),
            expires_at=expires_at,
            **judgement,
        )
        .on_conflict_do_update(index_elements=["tenant_id", "trace_id", "memory_id"], set_=judgement)
    )


def count_since(session: Session, tenant_id: UUID, namespace_id: UUID, since: datetime | None) -> int:
    """Return how many judgements of a namespace are younger than a moment; all without one."""
    query = select(func.count()).where(feedback.c.tenant_id == tenant_id, feedback.c.namespace_id == namespace_id)
    if since is not None:
        query = query.where(feedback.c.created_at > since)
    return session.scalar(query) or 0


def list_feedback(session: Session, tenant_id: UUID, namespace_id: UUID, *, now: datetime) -> Sequence[RowMapping]:
    """Return the judgements of a namespace that have not expired, the newest first."""
    query = (
        select(feedback.c.query, feedback.c["filter"], feedback.c.memory_id, feedback.c.useful)
        .where(feedback.c.tenant_id == tenant_id, feedback.c.namespace_id == namespace_id, feedback.c.expires_at > now)
        .order_by(feedback.c.created_at.desc(), feedback.c.trace_id, feedback.c.memory_id)
        .limit(MOST)
    )
    return session.execute(query).mappings().all()


def drop_feedback(session: Session, tenant_id: UUID, trace_id: UUID, memory_id: UUID) -> RowMapping | None:
    """Delete one judgement and return what it was of: namespace_id, query, filter; nothing where there was none."""
    statement = (
        delete(feedback)
        .where(feedback.c.tenant_id == tenant_id, feedback.c.trace_id == trace_id, feedback.c.memory_id == memory_id)
        .returning(feedback.c.namespace_id, feedback.c.query, feedback.c["filter"])
    )
    return session.execute(statement).mappings().one_or_none()


def last_said(
    session: Session,
    tenant_id: UUID,
    namespace_id: UUID,
    memory_id: UUID,
    *,
    query: str,
    where: Mapping[str, Any] | None,
    now: datetime,
) -> bool | None:
    """Return whether a memory was of use to a question when it was last judged; nothing where it was not."""
    statement = text(
        "SELECT useful FROM feedback WHERE tenant_id = :tenant AND memory_id = :memory AND namespace_id = :namespace "
        "AND query = :query AND filter IS NOT DISTINCT FROM CAST(:filter AS jsonb) AND expires_at > :now "
        "ORDER BY created_at DESC, trace_id LIMIT 1"
    )
    params = {
        "tenant": tenant_id,
        "memory": memory_id,
        "namespace": namespace_id,
        "query": query,
        "filter": None if where is None else to_jsonb(where),
        "now": now,
    }
    said = session.scalar(statement, params)
    return None if said is None else bool(said)


def list_askers(
    session: Session, tenant_id: UUID, namespace_id: UUID, *, now: datetime, keep: bool = False
) -> Sequence[RowMapping]:
    """Return the judgements of a namespace that have not expired, the newest first, with who asked the question, and when.

    With `keep` none of them is erased before the transaction ends; whoever erases them waits, and then sees what was made of them.
    """
    statement = text(
        "SELECT f.query, f.memory_id, f.useful, t.created_at AS asked_at, "
        "t.request ->> 'user_id' AS user_id, t.request ->> 'agent_id' AS agent_id, t.request ->> 'session_id' AS session_id "
        "FROM feedback f JOIN trace t ON t.tenant_id = :tenant AND t.id = f.trace_id "
        "WHERE f.tenant_id = :tenant AND f.namespace_id = :namespace AND f.expires_at > :now "
        f"ORDER BY f.created_at DESC, f.trace_id, f.memory_id LIMIT :most{' FOR KEY SHARE OF f' if keep else ''}"
    )
    params = {"tenant": tenant_id, "namespace": namespace_id, "now": now, "most": MOST}
    return session.execute(statement, params).mappings().all()
