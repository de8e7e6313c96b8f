"""Teach: keep what feedback says of a search, for the fusion of its namespace to learn from."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.lifecycle.redacting import IDENTIFIERS
from memory_service.redaction.redactor import Counts
from memory_service.storage import feedback, fusion_weights, jobs, saved_queries
from memory_service.storage.namespaces import find_namespaces, get_namespace
from memory_service.storage.redactions import redactors_in
from memory_service.storage.saved_queries import QuerySource

LEARN: Final = "learn"  # the kind of job
NEW_JUDGEMENTS: Final = 10  # since the last decision, before the next is worth its work

# What makes a ranking another than the one weights are learned for: channels of the caller's choice, another time, more
# memories. Everything else a search says narrows it or shapes its answer.
_OTHER: Final = ("channels", "as_of", "window", "now", "include")
_SCOPE: Final = ("user_id", "agent_id", "session_id")


def filter_of(request: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the scope and filter of a search as one filter.

    >>> filter_of({"query": "tea?", "user_id": "ana", "filter": {"tags": "drinks"}})
    {'AND': [{'user_id': 'ana'}, {'tags': 'drinks'}]}
    >>> filter_of({"query": "tea?"}) is None
    True
    """
    parts = [{name: request[name]} for name in _SCOPE if request.get(name) is not None]
    if request.get("filter"):
        parts.append(request["filter"])
    return {"AND": parts} if parts else None


def keep_judgement(
    session: Session,
    tenant_id: UUID,
    trace: Mapping[str, Any],
    memory_id: UUID,
    *,
    useful: bool,
    cited: bool,
    now: datetime,
    job_ttl: timedelta,
) -> UUID | None:
    """Keep what was said of one result; where the namespace learns, save its query and start learning when it is time.

    A search of several namespaces, of the past or by channels of the caller's choice teaches nothing: what is learned is the
    ranking that one namespace has by default.

    Returns:
        the job that learns, if one was made.
    """
    request = trace["request"]
    if len(trace["namespaces"]) != 1 or any(request.get(name) for name in _OTHER):
        return None
    (path,) = trace["namespaces"]
    namespace = find_namespaces(session, tenant_id, [path]).get(path)
    if namespace is None:
        return None
    query, where = trace["query"], filter_of(request)
    redactor = redactors_in(session).by_id.get(namespace.id)
    if redactor is not None:
        # The search may be older than the policy.
        query = redactor.masking.text(query, Counts())
        where = redactor.masking.json(where, Counts(), keep=IDENTIFIERS)
    feedback.keep_feedback(
        session,
        tenant_id,
        trace_id=trace["id"],
        memory_id=memory_id,
        namespace_id=namespace.id,
        query=query,
        where=where,
        useful=useful,
        cited=cited,
        now=now,
        expires_at=trace["expires_at"],
    )
    if not namespace.settings.get("fusion", {}).get("learn", False):
        return None
    if useful:
        saved_queries.save_query(
            session, tenant_id, namespace.id, query, [memory_id], where=where, source=QuerySource.FEEDBACK, now=now
        )
    else:
        saved_queries.take_back(session, tenant_id, namespace.id, query, where, memory_id)
    last = fusion_weights.last_decision(session, tenant_id, namespace.id)
    if feedback.count_since(session, tenant_id, namespace.id, last) < NEW_JUDGEMENTS:
        return None
    return start_learning(session, tenant_id, namespace.id, now=now, job_ttl=job_ttl)


def take_judgement_back(session: Session, tenant_id: UUID, trace_id: UUID, memory_id: UUID, *, now: datetime) -> None:
    """Forget what was said of one result; the question that grew from feedback says what the other judgements say.

    Weights that were learned meanwhile stay: they are taken back by themselves.
    """
    dropped = feedback.drop_feedback(session, tenant_id, trace_id, memory_id)
    if dropped is None:  # it taught nothing, or has expired
        return
    namespace_id, query, where = dropped["namespace_id"], dropped["query"], dropped["filter"]
    useful = feedback.last_said(session, tenant_id, namespace_id, memory_id, query=query, where=where, now=now)
    if not useful:
        saved_queries.take_back(session, tenant_id, namespace_id, query, where, memory_id)
        return
    settings = get_namespace(session, tenant_id, namespace_id).settings
    if settings.get("fusion", {}).get("learn", False):
        saved_queries.save_query(
            session, tenant_id, namespace_id, query, [memory_id], where=where, source=QuerySource.FEEDBACK, now=now
        )


def start_learning(
    session: Session, tenant_id: UUID, namespace_id: UUID, *, now: datetime, job_ttl: timedelta
) -> UUID | None:
    """Make a job that learns the weights of a namespace; None while one has not ended."""
    fusion_weights.lock(session, tenant_id, namespace_id)
    if jobs.has_open(session, tenant_id, namespace_id, kind=LEARN):
        return None
    return jobs.create_job(
        session, tenant_id, kind=LEARN, payload={}, now=now, ttl=job_ttl, namespace_id=namespace_id, total=1
    )
