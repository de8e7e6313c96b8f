"""Users, agents and sessions: archived altogether by a job, memories and documents."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.lifecycle.archive import archive
from memory_service.lifecycle.documents import archive_document
from memory_service.lifecycle.selection import Selection
from memory_service.storage import documents, erasures, jobs, memories, scope_rows
from memory_service.storage.sql import Sql, all_of

ARCHIVE: Final = "archive"  # the kind of job
ARCHIVED_AT_ONCE: Final = 500
_LIVE: Final = Sql("m.archived_at IS NULL")


def is_known(session: Session, tenant_id: UUID, selection: Selection, *, live: bool) -> bool:
    """Say whether anything belongs to a user, agent or session; with `live`, anything that is not archived."""
    where = all_of(selection.condition(), _LIVE) if live else selection.condition()
    if erasures.selected(session, tenant_id, where=where, limit=1):
        return True
    scope = selection.whole
    if scope is None:
        return False
    if live:
        return bool(scope_rows.live_documents(session, tenant_id, scope, limit=1))
    return scope_rows.has_rows(session, tenant_id, scope)


def begin_archive(session: Session, tenant_id: UUID, selection: Selection, *, ttl: timedelta) -> UUID:
    """Queue the job that archives what belongs to a user, agent or session, and return its id."""
    return jobs.create_job(
        session,
        tenant_id,
        kind=ARCHIVE,
        namespace_id=selection.namespace_id,
        payload={"selection": selection.to_json()},
        total=memories.count_matching(session, tenant_id, where=all_of(selection.condition(), _LIVE)),
        now=selection.before,
        ttl=ttl,
    )


def archive_some(session: Session, tenant_id: UUID, selection: Selection, *, now: datetime) -> Mapping[str, Any]:
    """Archive the next memories of a selection, or once none is live its documents; say how many of both.

    Nothing left to archive is told by zeros.
    """
    where = all_of(selection.condition(), _LIVE)
    ids = memories.matching_ids(session, tenant_id, where=where, limit=ARCHIVED_AT_ONCE)
    if ids:
        return {"memories": len(archive(session, tenant_id, ids, now=now)), "documents": 0}
    scope = selection.whole
    found = scope_rows.live_documents(session, tenant_id, scope, limit=ARCHIVED_AT_ONCE) if scope is not None else []
    for document_id in found:
        row = documents.lock_document(session, tenant_id, document_id)
        if row is not None and row["archived_at"] is None:
            archive_document(session, tenant_id, row, now=now)
    return {"memories": 0, "documents": len(found)}
