"""Let namespaces change their encoder: begin, cut over, roll back, finish. Each is one transaction; workers do the rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from memory_service.errors import Conflict, NotFound
from memory_service.lifecycle.reindex_states import (
    UNDER_WAY,
    ReindexState,
    ReindexStep,
    after,
    worse_than_allowed,
)
from memory_service.storage import jobs, reindexes
from memory_service.types import DROP_VECTORS, REINDEX, JobStatus


@dataclass(frozen=True, slots=True)
class Begun:
    """The job that goes on with what was begun, and the namespaces it is about."""

    job_id: UUID
    namespace_ids: tuple[UUID, ...]


def begin(
    session: Session,
    tenant_id: UUID,
    namespace_ids: Sequence[UUID] | None,
    *,
    to: int,
    now: datetime,
    job_ttl: timedelta,
) -> Begun:
    """Write new texts under another encoder, too, and queue the job that does so with the old ones.

    What is on its way to this encoder already goes on; asked of all namespaces, those that cannot begin now are left out.

    Args:
        session: the transaction.
        tenant_id: whose namespaces.
        namespace_ids: which; None for all.
        to: the id of the new encoder.
        now: the moment.
        job_ttl: how long the job is kept.

    Raises:
        Conflict: the one that was named has this encoder, is changing to another, or is moving to a shelf of its own.
    """
    rows = reindexes.lock_namespaces(session, tenant_id, namespace_ids)
    fresh, again = [], []
    for row in rows:
        known = reindexes.find_reindex(session, tenant_id, row["id"])
        problem = _in_the_way(row, known, to)
        if problem is None and known is not None and known["state"] in UNDER_WAY:
            again.append(known)
        elif problem is None:
            fresh.append(row)
        elif namespace_ids is not None:
            raise problem
    ids = (*(row["id"] for row in fresh), *(row["namespace_id"] for row in again))
    job_id = jobs.create_job(
        session,
        tenant_id,
        kind=REINDEX,
        namespace_id=ids[0] if len(ids) == 1 else None,
        payload={"namespace_ids": [str(one) for one in ids], "to": to},
        status=JobStatus.QUEUED if ids else JobStatus.SUCCEEDED,
        now=now,
        ttl=job_ttl,
    )
    if fresh:
        reindexes.begin(session, tenant_id, fresh, to=to, job_id=job_id, now=now)
    for row in again:
        # Looked through once more: what is there already is left alone.
        reindexes.change(session, tenant_id, row["namespace_id"], job_id=job_id, state=ReindexState.BACKFILLING.value)
    return Begun(job_id, ids)


def _in_the_way(row: RowMapping, known: RowMapping | None, to: int) -> Conflict | None:
    under_way = known is not None and known["state"] in UNDER_WAY
    if known is not None and under_way:
        if known["to_encoder_id"] == to and known["state"] in {ReindexState.BACKFILLING, ReindexState.READY}:
            return None
        detail = f"The namespace {row['path']!r} is changing its encoder: it is {known['state']}."
        return Conflict(detail, code="reindex_in_progress")
    if row["encoder_id"] == to:
        return Conflict(f"The namespace {row['path']!r} has this encoder.", code="encoder_in_use")
    if row["moving_to"] is not None:
        return Conflict(
            f"The namespace {row['path']!r} is moving to a shelf of its own; try again when it has.",
            code="namespace_moving",
        )
    return None


def cut_over(
    session: Session,
    tenant_id: UUID,
    namespace_id: UUID,
    *,
    to: int,
    force: bool,
    least_overlap: float,
    most_recall_lost: float,
    now: datetime,
) -> None:
    """Let searches use the new encoder.

    Raises:
        NotFound: the namespace is not on its way to this encoder.
        Conflict: texts lack vectors under it, or the comparison speaks against it and `force` does not say so.
    """
    row = _under_way(session, tenant_id, namespace_id, to)
    direction = reindexes.direction_of(row)
    if row["state"] == ReindexState.BACKFILLING:
        raise Conflict("The job that fills it has not come to an end yet.", code="reindex_incomplete")
    following = _step(row, ReindexStep.CUT_OVER)
    if reindexes.is_lacking(session, tenant_id, direction):
        raise Conflict(
            "Some texts have no vectors under the new encoder yet; ask for the reindex again, it goes on where it stopped.",
            code="reindex_incomplete",
        )
    worse = None
    if row["comparison"] is not None:
        worse = worse_than_allowed(row["comparison"], least_overlap=least_overlap, most_recall_lost=most_recall_lost)
    if worse is not None and not force:
        raise Conflict(
            f"The comparison speaks against it: {worse}. Cut over all the same with force.", code="reindex_worse"
        )
    reindexes.serve(session, tenant_id, namespace_id, encoder_id=direction.new, also=direction.old, shelf=None)
    reindexes.change(session, tenant_id, namespace_id, state=following.value, turned_at=now)


def roll_back(session: Session, tenant_id: UUID, namespace_id: UUID, *, to: int, now: datetime) -> None:
    """Let searches use the old encoder again, whose vectors were kept and followed every change.

    Raises:
        NotFound: the namespace is not on its way to this encoder.
        Conflict: it has not been cut over.
    """
    row = _under_way(session, tenant_id, namespace_id, to)
    following = _step(row, ReindexStep.ROLL_BACK)
    direction = reindexes.direction_of(row)
    reindexes.serve(
        session, tenant_id, namespace_id, encoder_id=direction.old, also=direction.new, shelf=direction.shelf
    )
    reindexes.change(session, tenant_id, namespace_id, state=following.value, turned_at=now)


def finish(
    session: Session, tenant_id: UUID, namespace_id: UUID, *, to: int, now: datetime, job_ttl: timedelta
) -> UUID:
    """Keep the encoder that searches use, and queue the job that drops the vectors of the other; return it.

    Where a job was to drop them and was cancelled or failed, another one goes on.

    Raises:
        NotFound: the namespace is not on its way to this encoder.
        Conflict: a job is dropping them already.
    """
    row = _under_way(session, tenant_id, namespace_id, to)
    if is_dropped_by_a_job(session, tenant_id, row):
        raise Conflict("A job is dropping the vectors of the other encoder already.", code="reindex_state")
    following = _step(row, ReindexStep.FINISH)
    direction = reindexes.direction_of(row)
    kept = row["encoder_id"]
    dropped = direction.old if kept == direction.new else direction.new
    job_id = jobs.create_job(
        session,
        tenant_id,
        kind=DROP_VECTORS,
        namespace_id=namespace_id,
        payload={"encoder_id": dropped},
        now=now,
        ttl=job_ttl,
    )
    reindexes.serve(session, tenant_id, namespace_id, encoder_id=kept, also=None, shelf=row["shelf"])
    reindexes.change(session, tenant_id, namespace_id, state=following.value, job_id=job_id, waits_for=None)
    return job_id


def is_dropped_by_a_job(session: Session, tenant_id: UUID, row: RowMapping) -> bool:
    """Say whether a job drops the vectors of the other encoder, from `find_reindex`; one that has ended, or is gone, does not."""
    if row["state"] != ReindexState.DROPPING:
        return False
    job = jobs.get_job(session, tenant_id, row["job_id"])
    return job is not None and job["status"] in jobs.OPEN


def _under_way(session: Session, tenant_id: UUID, namespace_id: UUID, to: int) -> RowMapping:
    """Lock a namespace that is on its way to an encoder.

    Raises:
        NotFound: it is not.
    """
    reindexes.lock_namespaces(session, tenant_id, [namespace_id])
    row = reindexes.find_reindex(session, tenant_id, namespace_id)
    if row is None or row["to_encoder_id"] != to or row["state"] not in UNDER_WAY:
        raise NotFound("The namespace is not changing to this encoder.", code="reindex_not_found")
    return row


def _step(row: RowMapping, step: ReindexStep) -> ReindexState:
    """Return where a step leads.

    Raises:
        Conflict: it cannot be taken now.
    """
    following = after(ReindexState(row["state"]), step)
    if following is None:
        raise Conflict(f"The namespace is {row['state']}: {step.value} is not possible now.", code="reindex_state")
    return following
