"""Workflows of the background: load what is pending, decide with pure functions, apply in one transaction."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from consolidation.enrichment import enrich
from memory_service.lifecycle import archive
from memory_service.lifecycle.erase import erase
from memory_service.storage import jobs, pending
from memory_service.types import JobStatus

OpenTransaction = Callable[[], AbstractContextManager[Session]]

BATCH = 200
LEASE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Tenancy:
    """One tenant as a worker sees it: how to open its transactions, and what time it is."""

    tenant_id: UUID
    open: OpenTransaction
    clock: Callable[[], datetime]


def enrich_pending(tenancy: Tenancy, *, ids: Sequence[UUID] | None = None) -> int:
    """Enrich memories that wait for it, batch by batch; return how many.

    Rows that another worker has locked are left to it. Running it twice changes nothing: what is enriched is marked in
    the same transaction.
    """
    done = 0
    remaining = list(ids) if ids is not None else None
    while True:
        chunk = remaining[:BATCH] if remaining is not None else None
        with tenancy.open() as session:
            rows = pending.lock_pending(session, tenancy.tenant_id, ids=chunk, limit=BATCH)
            pending.keep_enrichment(session, tenancy.tenant_id, [(row, _decide(row)) for row in rows])
        done += len(rows)
        if remaining is not None:
            remaining = remaining[BATCH:]
            if not remaining:
                return done
        elif len(rows) < BATCH:
            return done


def _decide(row: Any) -> dict[str, Any]:
    found = enrich(
        row["content"],
        stated_language=row["language"],
        has_keywords=bool(row["keywords"]),
        has_entities=bool(row["entities"]),
        speakers=[row["speaker"]] if row["speaker"] else [],
    )
    return {
        "language": found.language,
        "keywords": list(found.keywords) if found.keywords is not None else None,
        "entities": list(found.entities) if found.entities is not None else None,
    }


def run_job(tenancy: Tenancy, job_id: UUID) -> bool:
    """Take a job's lease and work on it; False when it has ended or another worker holds it.

    A worker that dies keeps the lease until it runs out; then the sweep hands the job to the next.
    """
    with tenancy.open() as session:
        job = jobs.claim_job(session, tenancy.tenant_id, job_id, now=tenancy.clock(), lease=LEASE)
    if job is None:
        return False
    try:
        _WORK[job["kind"]](tenancy, job)
    except Exception as error:
        with tenancy.open() as session:
            jobs.finish_job(
                session,
                tenancy.tenant_id,
                job_id,
                status=JobStatus.FAILED,
                now=tenancy.clock(),
                error=f"{type(error).__name__}: the log of the worker says more under this job's id.",
            )
        raise
    return True


def _enrich_job(tenancy: Tenancy, job: Any) -> None:
    """Enrich the memories of a job and report each of them."""
    ids = [UUID(i) for i in job["payload"]["memory_ids"]]
    done = job["done"]
    for start in range(done, len(ids), BATCH):
        chunk = ids[start : start + BATCH]
        enrich_pending(tenancy, ids=chunk)
        with tenancy.open() as session:
            left = set(pending.still_pending(session, tenancy.tenant_id, chunk))
            items = [{"memory_id": str(i), "status": "pending" if i in left else "succeeded"} for i in chunk]
            done += len(chunk)
            going_on = jobs.report_progress(
                session, tenancy.tenant_id, job["id"], done=done, items=items, lease_until=tenancy.clock() + LEASE
            )
        if not going_on:
            return
    _succeed(tenancy, job["id"])


def _erase_job(tenancy: Tenancy, job: Any) -> None:
    """Erase the memories of a job; the receipt says of each whether it was there."""
    ids = [UUID(i) for i in job["payload"]["memory_ids"]]
    with tenancy.open() as session:
        erased = set(erase(session, tenancy.tenant_id, ids, now=tenancy.clock()))
        items = [{"memory_id": str(i), "status": "erased" if i in erased else "absent"} for i in ids]
        jobs.report_progress(session, tenancy.tenant_id, job["id"], done=len(ids), items=items)
        jobs.finish_job(session, tenancy.tenant_id, job["id"], status=JobStatus.SUCCEEDED, now=tenancy.clock())


def _succeed(tenancy: Tenancy, job_id: UUID) -> None:
    with tenancy.open() as session:
        jobs.finish_job(session, tenancy.tenant_id, job_id, status=JobStatus.SUCCEEDED, now=tenancy.clock())


_WORK: dict[str, Callable[[Tenancy, Any], None]] = {"enrich": _enrich_job, "erase": _erase_job}


def expire_due(tenancy: Tenancy, ids: Sequence[UUID]) -> int:
    """Mark memories whose time has come."""
    with tenancy.open() as session:
        return len(archive.expire(session, tenancy.tenant_id, ids, now=tenancy.clock()))


def fold_corpus(tenancy: Tenancy, namespace_id: UUID) -> bool:
    """Fold document counts of a namespace, and renew the frequencies of its common terms when it has grown."""
    with tenancy.open() as session:
        return pending.fold_corpus(session, tenancy.tenant_id, namespace_id)
