"""Workflows of the background: load what is pending, decide with pure functions, apply in one transaction."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from consolidation.enrichment import enrich, name_entities, time_mentions
from consolidation.formation import Formed, form, keep_echoes
from consolidation.learning import EncodeQuery, learn_job
from consolidation.planning import Step
from consolidation.reading import read_document
from consolidation.run import Outcome, Wanted, run
from memory_service.analysis.facts import facts
from memory_service.analysis.names import people_of
from memory_service.chat_model.protocol import ChatModel
from memory_service.errors import Misconfigured, Unavailable
from memory_service.lifecycle import archive
from memory_service.lifecycle.documents import READ
from memory_service.lifecycle.draft import Encoding
from memory_service.lifecycle.erase import erase
from memory_service.lifecycle.teach import LEARN
from memory_service.storage import consolidated, entities, jobs, pending
from memory_service.storage.database import translate_errors
from memory_service.storage.facts import keep_facts
from memory_service.storage.time_mentions import keep_time_mentions
from memory_service.types import CONSOLIDATE, JobStatus

OpenTransaction = Callable[[], AbstractContextManager[Session]]

BATCH = 200
LEASE = timedelta(minutes=5)

# 2, 4, 8 … seconds after each attempt: more than four minutes in all before a job is given up.
FIRST_RETRY = timedelta(seconds=2)
MAX_ATTEMPTS = 8

LOOK_AGAIN = timedelta(seconds=5)  # for a namespace at which another run is
REST = timedelta(minutes=10)  # of a namespace whose tiers cannot go on

log = structlog.get_logger(__name__)


def no_encoder() -> AbstractContextManager[EncodeQuery]:
    """Say that this process reads no queries.

    Raises:
        Misconfigured: always.
    """
    raise Misconfigured("This worker has no encoder, and learning has to read queries.")


def no_encoding() -> AbstractContextManager[Encoding]:
    """Say that this process encodes nothing.

    Raises:
        Misconfigured: always.
    """
    raise Misconfigured("This worker has no encoder, and documents and what a model derives have to be encoded.")


@dataclass(frozen=True, slots=True)
class Spending:
    """What a run may spend on a model."""

    job_tokens: int = 200_000
    context_tokens: int = 8192
    reply_ttl: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Tenancy:
    """One tenant as a worker sees it: how to open its transactions, what time it is, what encodes queries and texts."""

    tenant_id: UUID
    open: OpenTransaction
    clock: Callable[[], datetime]
    open_encoder: Callable[[], AbstractContextManager[EncodeQuery]] = no_encoder
    # The model that runs may ask, and what each may spend on it; None: rules do everything.
    chat: ChatModel | None = None
    spending: Spending = Spending()
    open_encoding: Callable[[], AbstractContextManager[Encoding]] = no_encoding
    # Keeps other runs out of a namespace while one is at it; says whether nobody else was.
    alone: Callable[[UUID], AbstractContextManager[bool]] = lambda _: nullcontext(True)
    # Says whether there is time for more: what takes longer is given back in between, and goes on in another task.
    go_on: Callable[[], bool] = lambda: True
    # A job that takes longer gives its worker back and goes on as another task, behind what others wait for meanwhile.
    turn_s: float = math.inf
    nudge: Callable[[UUID], None] = lambda _: None  # asks for that task; without it a sweep finds the job


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
            _enrich_rows(session, tenancy.tenant_id, rows, now=tenancy.clock())
        done += len(rows)
        if remaining is not None:
            remaining = remaining[BATCH:]
            if not remaining:
                return done
        elif len(rows) < BATCH:
            return done


def _enrich_rows(session: Session, tenant_id: UUID, rows: Sequence[Any], *, now: datetime) -> None:
    """Enrich locked rows; one that cannot be is marked as done without a finding, so that it never holds up the others.

    Raises:
        Unavailable: the database, not a row, is at fault; all of them wait on.
    """
    if not rows:
        return
    try:
        with session.begin_nested(), translate_errors():
            formed = form(session, tenant_id, rows)
            pending.keep_enrichment(session, tenant_id, [(one.row, _decide(one)) for one in formed])
            keep_echoes(session, tenant_id, formed, now=now)
            # What follows reads what each memory says in its own words.
            said = [one.row for one in formed]
            _keep_times(session, tenant_id, said)
            _keep_facts(session, tenant_id, said)
            _keep_mentions(session, tenant_id, said)
    except Unavailable:
        raise
    except Exception as error:
        if len(rows) > 1:
            for row in rows:
                _enrich_rows(session, tenant_id, [row], now=now)
            return
        # The message of the error may quote the text.
        log.warning("enrichment_failed", memory_id=str(rows[0]["id"]), error=type(error).__name__)
        pending.keep_enrichment(session, tenant_id, [(rows[0], {})])


def _decide(formed: Formed) -> dict[str, Any]:
    row = formed.row
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
        **formed.values,
    }


def _keep_times(session: Session, tenant_id: UUID, rows: Sequence[Any]) -> None:
    """Store the moments that texts speak of, resolved against when each was observed."""
    found = {
        row["id"]: (
            row["content_version"],
            time_mentions(row["content"], observed_at=row["observed_at"], stated_language=row["language"]),
        )
        for row in rows
    }
    keep_time_mentions(session, tenant_id, found)


def _keep_facts(session: Session, tenant_id: UUID, rows: Sequence[Any]) -> None:
    """Store what texts state as subject, attribute and value."""
    found = {
        row["id"]: (
            row["content_version"],
            facts(
                row["content"],
                speaker=row["speaker"],
                role=row["role"],
                language=row["language"],
                observed_at=row["observed_at"],
            ),
        )
        for row in rows
    }
    keep_facts(session, tenant_id, found)


def _keep_mentions(session: Session, tenant_id: UUID, rows: Sequence[Any]) -> None:
    """Store which entities the texts name; short forms are resolved against those who speak in the namespace."""
    namespaces = {row["namespace_id"] for row in rows}
    speakers = entities.speakers_in(session, tenant_id, namespaces)
    apart = entities.apart_in(session, tenant_id, namespaces)
    found = []
    for row in rows:
        heard = speakers.get(row["namespace_id"], [])
        names = name_entities(
            row["content"],
            speaker=row["speaker"],
            stated=row["entities"],
            stated_language=row["language"],
            people=people_of(
                {*heard, row["speaker"]} if row["speaker"] else heard,
                apart=apart.get(row["namespace_id"], frozenset()),
            ),
        )
        found.append(entities.Mentioned(row["id"], row["namespace_id"], row["content_version"], names))
    entities.keep_mentions(session, tenant_id, found)


def run_job(tenancy: Tenancy, job_id: UUID) -> bool:
    """Take a job's lease and work on it; False when it has ended or another worker holds it.

    A worker that dies keeps the lease until it runs out; then the sweep hands the job to the next. When the database is
    busy or down, or others hold what the job waits for, the job is given back to be tried again later, a few times.

    Raises:
        Unavailable: the database was busy or down.
    """
    with tenancy.open() as session:
        job = jobs.claim_job(session, tenancy.tenant_id, job_id, now=tenancy.clock(), lease=LEASE)
    if job is None:
        return False
    try:
        if not _WORK[job["kind"]](tenancy, job):
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
            going_on = jobs.report_progress(
                session, tenancy.tenant_id, job["id"], done=done, items=items, lease_until=tenancy.clock() + LEASE
            )
        if not going_on:
            return True
    with tenancy.open() as session:
        jobs.finish_job(session, tenancy.tenant_id, job["id"], status=JobStatus.SUCCEEDED, now=tenancy.clock())
    return True


def _erase_job(tenancy: Tenancy, job: Any) -> bool:
    """Erase the memories of a job; the receipt says of each whether it was there."""
    ids = [UUID(i) for i in job["payload"]["memory_ids"]]
    with tenancy.open() as session:
        # Asked in the transaction that erases: the row stays locked, so a cancel comes before all of it or after.
        if not jobs.report_progress(session, tenancy.tenant_id, job["id"], done=0):
            return True
        erased = set(erase(session, tenancy.tenant_id, ids, now=tenancy.clock()))
        items = [{"memory_id": str(i), "status": "erased" if i in erased else "absent"} for i in ids]
        items += [{"memory_id": str(i), "status": "erased", "with": "its source"} for i in sorted(erased - set(ids))]
        jobs.report_progress(session, tenancy.tenant_id, job["id"], done=len(ids), items=items)
        jobs.finish_job(session, tenancy.tenant_id, job["id"], status=JobStatus.SUCCEEDED, now=tenancy.clock())
    return True


def _consolidate_job(tenancy: Tenancy, job: Any) -> bool:
    """Consolidate the namespace of a job; what another run is at waits for it, and what takes too long goes on later.

    Neither is a failure: no attempt is used up.
    """
    payload, namespace_id = job["payload"], job["namespace_id"]
    enrich_pending(tenancy)
    until = monotonic() + tenancy.turn_s
    wanted = Wanted(
        steps=frozenset(Step(step) for step in payload["steps"]),
        again=payload["again"],
        dry_run=payload["dry_run"],
        turn_over=lambda: not payload["dry_run"] and monotonic() > until,
    )

    def report(done: int, total: int, items: Sequence[Mapping[str, Any]]) -> bool:
        with tenancy.open() as session:
            lease = tenancy.clock() + LEASE
            going_on = jobs.report_progress(
                session, tenancy.tenant_id, job["id"], done=done, total=total, items=items, lease_until=lease
            )
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
            jobs.finish_job(
                session, tenancy.tenant_id, job["id"], status=JobStatus.SUCCEEDED, now=now, result=outcome.json()
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
            wanted = Wanted(due_only=True, turn_over=lambda: not go_on())
            outcome = run(tenancy, namespace_id, wanted, report=lambda *_: True)
        except Unavailable:
            raise
        except Exception:
            # It would fail again at once, and at every sweep.
            with tenancy.open() as session:
                consolidated.postpone(session, tenancy.tenant_id, namespace_id, until=tenancy.clock() + REST)
            raise
    if outcome.counts:
        log.info("consolidated", considered=outcome.considered, **outcome.counts)
    return outcome.considered


def _document_job(tenancy: Tenancy, job: Any) -> bool:
    """Read a document, and enrich what became of it."""
    made = read_document(tenancy, job, lease=LEASE)
    if made:
        enrich_pending(tenancy, ids=made)
    return True


# What a job of each kind does; False says that it is not done yet and must be tried again.
_WORK: dict[str, Callable[[Tenancy, Any], bool]] = {
    "enrich": _enrich_job,
    "erase": _erase_job,
    LEARN: learn_job,
    CONSOLIDATE: _consolidate_job,
    READ: _document_job,
}


def expire_due(tenancy: Tenancy, ids: Sequence[UUID]) -> int:
    """Mark memories whose time has come."""
    with tenancy.open() as session:
        return len(archive.expire(session, tenancy.tenant_id, ids, now=tenancy.clock()))


def fold_corpus(tenancy: Tenancy, namespace_id: UUID) -> bool:
    """Fold document counts of a namespace, and renew the frequencies of its common terms when it has grown."""
    with tenancy.open() as session:
        return pending.fold_corpus(session, tenancy.tenant_id, namespace_id)
