"""How much there is and how much was asked: counted from the rows themselves."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

# One pass over the memories tells all of it: how many of each state, how long, how many of each day.
_MEMORIES: Final = """
    SELECT m.state, CASE WHEN m.created_at >= :since THEN CAST(m.created_at AT TIME ZONE 'UTC' AS date) END AS day,
        count(*) AS memories, coalesce(sum(octet_length(m.content)), 0) AS bytes
    FROM memory m WHERE m.tenant_id = :tenant {here} GROUP BY 1, 2
"""
_VERSIONS: Final = """
    SELECT coalesce(sum(octet_length(v.content)), 0) FROM memory_version v WHERE v.tenant_id = :tenant {here}
"""
_DOCUMENTS: Final = """
    SELECT coalesce(sum(octet_length(x.content)), 0) FROM document d JOIN document_text x ON x.tenant_id = :tenant
        AND x.document_id = d.id WHERE d.tenant_id = :tenant {here}
"""
_SEARCHES: Final = """
    SELECT CAST(t.created_at AT TIME ZONE 'UTC' AS date) AS day, count(*) AS searches
    FROM trace t WHERE t.tenant_id = :tenant AND t.created_at >= :since {here} GROUP BY 1 ORDER BY 1
"""
_MODELS: Final = """
    SELECT u.model, sum(u.calls) AS calls, sum(u.prompt_tokens) AS prompt_tokens, sum(u.completion_tokens) AS completion_tokens
    FROM model_usage u LEFT JOIN job j ON j.tenant_id = :tenant AND j.id = u.job_id
    WHERE u.tenant_id = :tenant AND u.created_at >= :since {here} GROUP BY u.model ORDER BY u.model
"""


def memories(session: Session, tenant_id: UUID, *, namespace_id: UUID | None, since: datetime) -> Sequence[RowMapping]:
    """Return counts and bytes of memories by state and by the day of their making; null for days before `since`."""
    return _rows(session, tenant_id, _MEMORIES, "m.namespace_id = :namespace", namespace_id=namespace_id, since=since)


def bytes_of_versions(session: Session, tenant_id: UUID, *, namespace_id: UUID | None) -> int:
    """Return the bytes of the contents of earlier versions."""
    here = "AND v.namespace_id = :namespace" if namespace_id is not None else ""
    params = {"tenant": tenant_id, "namespace": namespace_id}
    return int(session.scalar(text(_VERSIONS.format(here=here)), params) or 0)


def bytes_of_documents(session: Session, tenant_id: UUID, *, namespace_id: UUID | None) -> int:
    """Return the bytes of the texts of documents, in every version."""
    here = "AND d.namespace_id = :namespace" if namespace_id is not None else ""
    params = {"tenant": tenant_id, "namespace": namespace_id}
    return int(session.scalar(text(_DOCUMENTS.format(here=here)), params) or 0)


def searches(
    session: Session, tenant_id: UUID, *, namespace_id: UUID | None, path: str | None, since: datetime
) -> Sequence[RowMapping]:
    """Return the number of searches by day, as far as their traces are kept; a search of several namespaces is one of each."""
    return _rows(
        session, tenant_id, _SEARCHES, ":path = ANY(t.namespaces)", namespace_id=namespace_id, since=since, path=path
    )


def models(session: Session, tenant_id: UUID, *, namespace_id: UUID | None, since: datetime) -> Sequence[RowMapping]:
    """Return what was asked of each language model, as far as it is kept."""
    return _rows(session, tenant_id, _MODELS, "j.namespace_id = :namespace", namespace_id=namespace_id, since=since)


def _rows(
    session: Session,
    tenant_id: UUID,
    statement: str,
    here: str,
    *,
    namespace_id: UUID | None,
    since: datetime,
    path: str | None = None,
) -> Sequence[RowMapping]:
    params = {"tenant": tenant_id, "namespace": namespace_id, "since": since, "path": path}
    condition = f"AND {here}" if namespace_id is not None else ""
    return session.execute(text(statement.format(here=condition)), params).mappings().all()
