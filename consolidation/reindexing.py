"""The jobs of a changed encoder: give old texts vectors under the new one, and drop those that are needed no more.

Both are idempotent and may stop anywhere: what is to be done is what is not there, asked of the database batch by batch.
"""

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import RowMapping

from consolidation.comparing import Side, compare
from consolidation.tenancy import Tenancy
from memory_service.errors import Unavailable
from memory_service.lifecycle.draft import Encoding
from memory_service.lifecycle.reindex_states import ReindexState, ReindexStep, after
from memory_service.storage import jobs, reindexes
from memory_service.storage.namespaces import get_namespace
from memory_service.storage.reindexes import Direction, Filling, Text
from memory_service.types import JobStatus

FILLED_AT_ONCE = 64  # texts encoded at once: about a second of the packaged model
LOOKED_AT = 1_000
DROPPED_AT_ONCE = 500  # memories

LOOK_AGAIN = timedelta(seconds=1)  # for transactions that began before and have not ended
WAIT_S = 5.0  # for them, before the worker is given back
# A search learns which encoder a namespace goes by, encodes, then reads: never longer than this in between.
GRACE = timedelta(seconds=60)

_LOCK_TIMEOUT_MS = 300

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Work:
    """One turn of one job."""

    tenancy: Tenancy
    job: Any
    opened: ExitStack
    until: float
    done: int = 0
    encoding: Encoding | None = None
    stopped: bool = field(default=False)  # it was cancelled

    def under(self, encoder_id: int) -> Encoding:
        """Return the encoding under an encoder, loading models when the first text needs one."""
        if self.encoding is None:
            self.encoding = self.opened.enter_context(self.tenancy.open_encoding())
        return self.encoding.of(encoder_id)

    def report(self, done: int) -> bool:
        """Add to what is done; False when the job was cancelled or its turn is over."""
        self.done += done
        with self.tenancy.open() as session:
            going_on = jobs.report_progress(session, self.tenancy.tenant_id, self.job["id"], done=self.done)
        self.stopped = not going_on
        if self.stopped or self.turn_over:
            return False
        self.tenancy.give_way()
        return True

    @property
    def turn_over(self) -> bool:
        """Say whether others should have the worker now."""
        return monotonic() > self.until or not self.tenancy.go_on() or self.tenancy.others_wait()


def reindex_job(tenancy: Tenancy, job: Any) -> bool:
    """Fill the namespaces of a job and compare the encoders on each; what takes long goes on later as another task."""
    tenant_id = tenancy.tenant_id
    ids = [UUID(one) for one in job["payload"]["namespace_ids"]]
    with tenancy.open() as session:
        rows = [reindexes.find_reindex(session, tenant_id, one) for one in ids]
        waiting = [row for row in rows if row is not None and _is_ours(row, job)]
        total = sum(reindexes.count_texts(session, tenant_id, reindexes.direction_of(row)) for row in waiting)
        jobs.report_progress(session, tenant_id, job["id"], done=0, total=total)
    with ExitStack() as opened:
        work = _Work(tenancy, job, opened, monotonic() + tenancy.turn_s)
        for row in waiting:
            if not _reindex(work, row):
                if not work.stopped:
                    _pause(work, timedelta())
                return True
    with tenancy.open() as session:
        jobs.finish_job(session, tenant_id, job["id"], status=JobStatus.SUCCEEDED, now=tenancy.clock())
    return True


def _is_ours(row: RowMapping, job: Any) -> bool:
    """Say whether a namespace still waits for this job: it may have been given up, or begun again by another one."""
    return bool(row["job_id"] == job["id"] and row["state"] == ReindexState.BACKFILLING)


def _reindex(work: _Work, row: RowMapping) -> bool:
    """Bring one namespace to the state in which it can be cut over; False when the turn ends before."""
    tenancy, direction = work.tenancy, reindexes.direction_of(row)
    if row["waits_for"] is None:
        _note_readers(tenancy, direction.namespace_id)
    if not _fill(work, direction) or not _await_readers(work, direction.namespace_id):
        return False
    # Once more: what those wrote who did not know of the new encoder. Nobody else can have.
    if not _fill(work, direction):
        return False
    with tenancy.open() as session:
        namespace = get_namespace(session, tenancy.tenant_id, direction.namespace_id)
    comparison = compare(
        tenancy,
        namespace,
        Side(direction.old, direction.shelf),
        # New vectors lie on the shared shelves, both of which every search reads.
        Side(direction.new, 0),
        encode=lambda encoder_id, query: work.under(encoder_id).encode([query])[0],
        go_on=lambda: monotonic() < work.until and tenancy.go_on(),
    )
    if comparison is None:
        return False
    with tenancy.open() as session:
        reindexes.lock_namespaces(session, tenancy.tenant_id, [direction.namespace_id])
        now = reindexes.find_reindex(session, tenancy.tenant_id, direction.namespace_id)
        if now is None or not _is_ours(now, work.job):
            return True
        following = after(ReindexState(now["state"]), ReindexStep.FILLED)
        assert following is not None  # it is backfilling
        reindexes.change(
            session, tenancy.tenant_id, direction.namespace_id, state=following.value, comparison=comparison,
            ready_at=tenancy.clock(),
        )  # fmt: skip
        item = {"namespace": now["namespace"], "status": "ready", "comparison": comparison}
        jobs.report_progress(session, tenancy.tenant_id, work.job["id"], done=work.done, items=[item])
    log.info("reindexed", namespace_id=str(direction.namespace_id), encoder_id=direction.new)
    return True


def _fill(work: _Work, direction: Direction) -> bool:
    """Give every text that has none vectors under the new encoder; False when the turn ends before."""
    tenancy = work.tenancy
    last: tuple[UUID, int] | None = None
    while True:
        with tenancy.open() as session:
            row = reindexes.find_reindex(session, tenancy.tenant_id, direction.namespace_id)
            texts = reindexes.next_texts(session, tenancy.tenant_id, direction, after=last, limit=LOOKED_AT)
        if row is None or not _is_ours(row, work.job):
            return True  # given up meanwhile: the rest of the job goes on
        if not texts:
            return True
        lacking = [text for text in texts if not text.filled and text.content]
        for start in range(0, len(lacking), FILLED_AT_ONCE):
            _fill_batch(work, direction, lacking[start : start + FILLED_AT_ONCE])
            if not work.report(0):
                return False
        last = (texts[-1].memory_id, texts[-1].version)
        if not work.report(len(texts)):
            return False


def _fill_batch(work: _Work, direction: Direction, texts: list[Text]) -> None:
    """Encode texts, holding no connection, and store their vectors."""
    chunked = work.under(direction.new).chunks(
        [text.content or "" for text in texts], starts=[text.start for text in texts]
    )
    rows = [
        Filling(text.memory_id, text.version, number, chunk.span, chunk.vector)
        for text, chunks in zip(texts, chunked, strict=True)
        for number, chunk in enumerate(chunks)
    ]
    tenancy = work.tenancy
    with tenancy.open() as session:
        reindexes.lock_memories(session, tenancy.tenant_id, sorted({row.memory_id for row in rows}))
        # Locked against being given up: what is added after that would never be dropped. After the memories, as in every
        # change of theirs.
        reindexes.lock_namespaces(session, tenancy.tenant_id, [direction.namespace_id])
        now = reindexes.find_reindex(session, tenancy.tenant_id, direction.namespace_id)
        if now is not None and _is_ours(now, work.job):
            reindexes.fill(session, tenancy.tenant_id, direction, rows)


def _note_readers(tenancy: Tenancy, namespace_id: UUID) -> None:
    """Note who may still write as the namespace was before: whoever had read it by now."""
    with tenancy.open() as session:
        reindexes.change(session, tenancy.tenant_id, namespace_id, waits_for=sorted(reindexes.readers(session)))


def _await_readers(work: _Work, namespace_id: UUID) -> bool:
    """Wait until all of them have ended; False, with the job put off, when that takes longer."""
    tenancy = work.tenancy
    deadline = monotonic() + WAIT_S
    while True:
        with tenancy.open() as session:
            row = reindexes.find_reindex(session, tenancy.tenant_id, namespace_id)
            waits_for = set(row["waits_for"] or ()) if row is not None else set()
            if not waits_for & reindexes.readers(session):
                return True
        if monotonic() > deadline:
            _pause(work, LOOK_AGAIN)
            work.stopped = True
            return False
        time.sleep(0.1)


def _pause(work: _Work, rest: timedelta) -> None:
    """Give the job back: it goes on as another task, behind what others wait for, and no attempt is used up."""
    tenancy, job_id = work.tenancy, work.job["id"]
    with tenancy.open() as session:
        goes_on = jobs.pause_job(session, tenancy.tenant_id, job_id, until=tenancy.clock() + rest)
    if goes_on and not rest:
        tenancy.nudge(job_id)


def _drops(row: RowMapping, job: Any) -> bool:
    """Say whether a namespace waits for this job to drop vectors: it may have ended, or another job may be at it."""
    return bool(row["job_id"] == job["id"] and row["state"] == ReindexState.DROPPING)


def drop_job(tenancy: Tenancy, job: Any) -> bool:
    """Delete the vectors that a namespace needs no more: of the old encoder, or of one that was given up."""
    tenant_id, namespace_id, encoder_id = tenancy.tenant_id, job["namespace_id"], job["payload"]["encoder_id"]
    with tenancy.open() as session:
        row = reindexes.find_reindex(session, tenant_id, namespace_id)
    if row is None or not _drops(row, job):
        with tenancy.open() as session:
            jobs.finish_job(session, tenant_id, job["id"], status=JobStatus.SUCCEEDED, now=tenancy.clock())
        return True
    with ExitStack() as opened:
        work = _Work(tenancy, job, opened, monotonic() + tenancy.turn_s)
        if _drop(work, row, encoder_id):
            _end_drop(work, row, encoder_id)
    return True


def _drop(work: _Work, row: RowMapping, encoder_id: int) -> bool:
    """Delete the vectors of a namespace once nobody reads or writes them; False, with the job put off, when that takes longer."""
    tenancy, namespace_id = work.tenancy, work.job["namespace_id"]
    if row["turned_at"] is not None and (left := row["turned_at"] + GRACE - tenancy.clock()) > timedelta():
        _pause(work, left)
        return False
    if row["waits_for"] is None:
        _note_readers(tenancy, namespace_id)
    # Those who began before may still write under both.
    if not _await_readers(work, namespace_id):
        return False
    # On its own shelf the namespace is alone.
    if row["from_shelf"] > 1 and row["from_encoder_id"] == encoder_id and not _drop_shelf(work, namespace_id):
        return False
    while True:
        with tenancy.open() as session:
            dropped = reindexes.drop_some(session, tenancy.tenant_id, namespace_id, encoder_id, limit=DROPPED_AT_ONCE)
        # Of texts with several vectors fewer memories than asked may come, and there are more all the same.
        if not dropped:
            return True
        if not work.report(dropped):
            if not work.stopped:
                _pause(work, timedelta())
            return False


def _drop_shelf(work: _Work, namespace_id: UUID) -> bool:
    """Drop the own shelf of a namespace; False, with the job put off, while others hold it."""
    try:
        with work.tenancy.open() as session:
            reindexes.drop_shelf(session, namespace_id, lock_timeout_ms=_LOCK_TIMEOUT_MS)
    except Unavailable as error:
        if error.specific_code not in {"timeout", "busy"}:
            raise
        _pause(work, LOOK_AGAIN)
        return False
    return True


def _end_drop(work: _Work, row: RowMapping, encoder_id: int) -> None:
    """Say which encoder was kept, and that the job is done."""
    tenancy, job = work.tenancy, work.job
    tenant_id, namespace_id = tenancy.tenant_id, job["namespace_id"]
    step = ReindexStep.KEPT_NEW if row["from_encoder_id"] == encoder_id else ReindexStep.KEPT_OLD
    following = after(ReindexState.DROPPING, step)
    assert following is not None
    with tenancy.open() as session:
        now = tenancy.clock()
        # Another job may have gone on meanwhile, after this one was cancelled, and the namespace may be on its way anew.
        reindexes.lock_namespaces(session, tenant_id, [namespace_id])
        current = reindexes.find_reindex(session, tenant_id, namespace_id)
        if current is not None and _drops(current, job):
            reindexes.change(session, tenant_id, namespace_id, state=following.value, finished_at=now)
            items = [{"namespace": row["namespace"], "status": following.value}]
            jobs.report_progress(session, tenant_id, job["id"], done=work.done, items=items)
        jobs.finish_job(session, tenant_id, job["id"], status=JobStatus.SUCCEEDED, now=now)
