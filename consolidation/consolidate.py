"""Workflows of the background: load what is pending, decide with pure functions, apply in one transaction."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from time import monotonic
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from consolidation.archiving import archive_selected
from consolidation.enriching import BATCH, enrich_pending
from consolidation.erasing import erase_selected
from consolidation.importing import import_bundle
from consolidation.learning import learn_job
from consolidation.leases import LEASE, TRUSTED, held, lease_of
from consolidation.outcome import Outcome
from consolidation.planning import Step
from consolidation.precomputing import precompute_job
from consolidation.reading import read_document
from consolidation.reindexing import drop_job, reindex_job
from consolidation.run import run
from consolidation.tenancy import Tenancy
from consolidation.training import train_job
from consolidation.wanted import Wanted
from memory_service.errors import Unavailable
from memory_service.lifecycle import archive
from memory_service.lifecycle.audit import SEALED_AT_ONCE, seal_pending
from memory_service.lifecycle.documents import READ
from memory_service.lifecycle.erasures import ERASE
from memory_service.lifecycle.scopes import ARCHIVE
from memory_service.lifecycle.teach import LEARN
from memory_service.storage import consolidated, jobs, pending
from memory_service.types import CONSOLIDATE, DROP_VECTORS, IMPORT, PRECOMPUTE, REINDEX, TRAIN, JobStatus

# 2, 4, 8 … seconds after each attempt: more than four minutes in all before a job is given up.
FIRST_RETRY = timedelta(seconds=2)
MAX_ATTEMPTS = 8

LOOK_AGAIN = timedelta(seconds=5)  # for a namespace at which another run is
REST = timedelta(minutes=10)  # of a namespace whose tiers cannot go on

log = structlog.get_logger(__name__)


def run_job(tenancy: Tenancy, job_id: UUID) -> bool:
    """Take a job's lease and work on it; False when it has ended or another worker holds it.

    The lease of a worker that dies runs out within a minute; then the sweep hands the job to the next. One whose workers die again
    and again waits longer each time, up to an hour. When the database is
    busy or down, or others hold what the job waits for, the job is given back to be tried again later, a few times.

    Raises:
        Unavailable: the database was busy or down.
    """
    with tenancy.open() as session:
        job = jobs.claim_job(session, tenancy.tenant_id, job_id, now=tenancy.clock(), lease=LEASE)
        if job is not None and job["attempts"] > TRUSTED:
            _suspect(session, tenancy, job)
    if job is None:
        return False
    try:
        with held(tenancy, job_id, attempt=job["attempts"]):
            done = _WORK[job["kind"]](tenancy, job)
        if not done:
            _give_back(tenancy, job, "Some of its memories are being worked on elsewhere.")
    except Unavailable as error:
        _give_back(tenancy, job, error.detail)
        raise
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


def _suspect(session: Session, tenancy: Tenancy, job: Any) -> None:
    """Have a job that has been taken up often wait for longer, should this worker die, too, and say so."""
    rest = lease_of(job["attempts"])
    log.warning("job_taken_up_often", job_id=str(job["id"]), attempts=job["attempts"])
    error = (
        f"Taken up {job['attempts']} times and not ended: its workers were killed or hung, or what it needs was away. "
        f"The next one waits {rest}."
    )
    jobs.release_job(session, tenancy.tenant_id, job["id"], retry_at=tenancy.clock() + rest, error=error)


def _give_back(tenancy: Tenancy, job: Any, reason: str) -> None:
    """Let a job be tried again, the later the more often it was; after the last attempt it has failed."""
    now = tenancy.clock()
    with tenancy.open() as session:
        if job["attempts"] < MAX_ATTEMPTS:
            retry_at = now + FIRST_RETRY * 2 ** (job["attempts"] - 1)
            jobs.release_job(
                session, tenancy.tenant_id, job["id"], retry_at=retry_at, error=f"To be tried again: {reason}"
            )
            return
        error = f"Given up after {MAX_ATTEMPTS} attempts: {reason}"
        jobs.finish_job(session, tenancy.tenant_id, job["id"], status=JobStatus.FAILED, now=now, error=error)


def _enrich_job(tenancy: Tenancy, job: Any) -> bool:
    """Enrich the memories of a job and report each of them; False when some still wait."""
    ids = [UUID(i) for i in job["payload"]["memory_ids"]]
    done = job["done"]
    for start in range(done, len(ids), BATCH):
        chunk = ids[start : start + BATCH]
        enrich_pending(tenancy, ids=chunk)
        with tenancy.open() as session:
            if pending.still_pending(session, tenancy.tenant_id, chunk):
                return False
            gone = pending.absent(session, tenancy.tenant_id, chunk)
            items = [{"memory_id": str(i), "status": "absent" if i in gone else "succeeded"} for i in chunk]
            done += len(chunk)
            going_on = jobs.report_progress(session, tenancy.tenant_id, job["id"], done=done, items=items)
        if not going_on:
            return True
    with tenancy.open() as session:
        jobs.finish_job(session, tenancy.tenant_id, job["id"], status=JobStatus.SUCCEEDED, now=tenancy.clock())
    return True


def _consolidate_job(tenancy: Tenancy, job: Any) -> bool:
    """Consolidate the namespace of a job; what another run is at waits for it, and what takes too long goes on later.

    Neither is a failure: no attempt is used up.
    """
    payload, namespace_id = job["payload"], job["namespace_id"]
    # What another worker is enriching would be no part of the run, and the job would have done nothing of it.
    enrich_pending(tenancy, all_of=namespace_id)
    until = monotonic() + tenancy.turn_s
    wanted = Wanted(
        steps=frozenset(Step(step) for step in payload["steps"]),
        again=payload["again"],
        dry_run=payload["dry_run"],
        turn_over=lambda: not payload["dry_run"] and (monotonic() > until or tenancy.others_wait()),
    )

    def report(done: int, total: int, items: Sequence[Mapping[str, Any]]) -> bool:
        with tenancy.open() as session:
            going_on = jobs.report_progress(session, tenancy.tenant_id, job["id"], done=done, total=total, items=items)
        return going_on and (payload["dry_run"] or tenancy.go_on())

    with tenancy.alone(namespace_id) as mine:
        if not mine:
            with tenancy.open() as session:
                jobs.pause_job(session, tenancy.tenant_id, job["id"], until=tenancy.clock() + LOOK_AGAIN)
            return True
        outcome = run(tenancy, namespace_id, wanted, report=report, job_id=job["id"], so_far=Outcome.of(job["result"]))
    with tenancy.open() as session:
        now = tenancy.clock()
        if not outcome.stopped:
            status, error = JobStatus.SUCCEEDED, None
            if outcome.failed:
                steps = ", ".join(outcome.failed)
                status, error = JobStatus.FAILED, f"All was done but {steps}: the log of the worker says more."
            jobs.finish_job(
                session, tenancy.tenant_id, job["id"], status=status, now=now, error=error, result=outcome.json()
            )
            return True
        # Of a job that was cancelled nothing is left to pause.
        goes_on = jobs.pause_job(session, tenancy.tenant_id, job["id"], until=now, result=outcome.json())
    if goes_on:
        tenancy.nudge(job["id"])
    return True


def consolidate_due(tenancy: Tenancy, namespace_id: UUID, *, go_on: Callable[[], bool]) -> int:
    """Consolidate what is due in a namespace, unless another run is at it; return how many memories were considered."""
    with tenancy.alone(namespace_id) as mine:
        if not mine:
            return 0
        try:
            wanted = Wanted(due_only=True, turn_over=lambda: tenancy.others_wait() or not go_on())
            outcome = run(tenancy, namespace_id, wanted, report=lambda *_: True)
        except Unavailable:
            raise
        except Exception:
            _let_rest(tenancy, namespace_id)
            raise
    if outcome.failed:
        _let_rest(tenancy, namespace_id)
    if outcome.counts:
        log.info("consolidated", considered=outcome.considered, **outcome.counts)
    return outcome.considered


def _let_rest(tenancy: Tenancy, namespace_id: UUID) -> None:
    """Put off what the tiers of a namespace owe: it would fail again at once, and at every sweep."""
    with tenancy.open() as session:
        consolidated.postpone(session, tenancy.tenant_id, namespace_id, until=tenancy.clock() + REST)


def _document_job(tenancy: Tenancy, job: Any) -> bool:
    """Read a document, and enrich what became of it."""
    made = read_document(tenancy, job)
    if made:
        enrich_pending(tenancy, ids=made)
    return True


def _import_job(tenancy: Tenancy, job: Any) -> bool:
    """Take in the lines of a bundle; what takes too long goes on later, and no attempt is used up."""
    import_bundle(tenancy, job)
    return True


def _precompute_job(tenancy: Tenancy, job: Any) -> bool:
    """Compute blocks of a prompt ahead."""
    return precompute_job(tenancy, tenancy.models_here(), job)


# What a job of each kind does; False says that it is not done yet and must be tried again.
_WORK: dict[str, Callable[[Tenancy, Any], bool]] = {
    "enrich": _enrich_job,
    ERASE: erase_selected,
    ARCHIVE: archive_selected,
    LEARN: learn_job,
    CONSOLIDATE: _consolidate_job,
    READ: _document_job,
    IMPORT: _import_job,
    PRECOMPUTE: _precompute_job,
    REINDEX: reindex_job,
    DROP_VECTORS: drop_job,
    TRAIN: train_job,
}


def expire_due(tenancy: Tenancy, ids: Sequence[UUID]) -> int:
    """Mark memories whose time has come."""
    with tenancy.open() as session:
        return len(archive.expire(session, tenancy.tenant_id, ids, now=tenancy.clock()))


def seal_audit(tenancy: Tenancy) -> int:
    """Seal what waits for it in the audit chain of a tenant; return how many events."""
    done = 0
    while True:
        with tenancy.open() as session:
            sealed = seal_pending(session, tenancy.tenant_id)
        done += sealed
        if sealed < SEALED_AT_ONCE:
            return done


def fold_corpus(tenancy: Tenancy, namespace_id: UUID) -> bool:
    """Fold document counts of a namespace, and renew the frequencies of its common terms when it has grown."""
    with tenancy.open() as session:
        return pending.fold_corpus(session, tenancy.tenant_id, namespace_id)
