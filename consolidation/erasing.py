"""The job of an erasure: batch by batch, each whole with its lines of the receipt, and a check at the end."""

from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from consolidation.tenancy import Tenancy
from memory_service.lifecycle.erase import remove_counted, take
from memory_service.lifecycle.erasures import absent
from memory_service.lifecycle.selection import Selection
from memory_service.storage import audit, erased_rows, erasures, jobs, scope_rows
from memory_service.storage.sql import Sql, all_of
from memory_service.types import Action, JobStatus

ERASED_AT_ONCE = 500  # memories; what was made of them comes on top
CHECKED_AT_ONCE = 5_000

log = structlog.get_logger(__name__)


def erase_selected(tenancy: Tenancy, job: Any) -> bool:
    """Erase what a job selects; True once it has ended, was cancelled, or goes on as another task.

    Each batch is one transaction with what the receipt says of it, and what is erased is selected no more: a worker that
    dies leaves whole batches, and the next goes on with what is left.
    """
    payload = job["payload"]
    work = _Work(tenancy, job)
    if "selection" not in payload:
        # Made without a receipt: by an earlier release.
        ids = tuple(UUID(i) for i in payload["memory_ids"])
        work.selection = Selection(before=tenancy.clock(), ids=ids)
    else:
        work.selection = Selection.of(payload["selection"])
        work.erasure_id = UUID(payload["erasure_id"])
    if tenancy.kept is not None:
        tenancy.kept.drop(tenancy.tenant_id)  # Runs that follow read what is left.
    until = monotonic() + tenancy.turn_s
    while work.step():
        if monotonic() > until or not tenancy.go_on():
            with tenancy.open() as session:
                goes_on = jobs.pause_job(session, tenancy.tenant_id, job["id"], until=tenancy.clock())
            if goes_on:
                tenancy.nudge(job["id"])
            break
        tenancy.give_way()
    return True


class _Work:
    """One job while a worker is at it."""

    def __init__(self, tenancy: Tenancy, job: Any) -> None:
        self.tenancy = tenancy
        self.job = job
        self.selection: Selection
        self.erasure_id: UUID | None = None
        self.done: int = job["done"]
        # What batches before this one said, for jobs without a receipt.
        self.erased = {UUID(i["memory_id"]) for i in job["items"] if i["status"] == "erased"}

    def step(self) -> bool:
        """Erase one batch, or finish where none is left; False when there is no more to do."""
        tenancy = self.tenancy
        with tenancy.open() as session:
            # Asked in the transaction that erases: the row stays locked, so a cancel comes before all of it or after.
            if not self._report(session, []):
                return False
            where = self.selection.condition()
            ids = erasures.selected(session, tenancy.tenant_id, where=where, limit=ERASED_AT_ONCE)
            if not ids:
                self._finish(session)
                return False
            taken = set(take(session, tenancy.tenant_id, ids))
            direct = sorted(taken & {*ids, *self._selected_of(session, taken - set(ids))})
            derived = sorted(taken - set(direct))
            counts = remove_counted(session, tenancy.tenant_id, sorted(taken), now=tenancy.clock())
            self.done += len(direct)
            self.erased |= taken
            self._note(session, direct, derived, counts)
            items = [{"memory_id": str(i), "status": "erased"} for i in direct]
            items += [{"memory_id": str(i), "status": "erased", "with": "its source"} for i in derived]
            self._report(session, items)
        return True

    def _selected_of(self, session: Session, ids: set[UUID]) -> list[UUID]:
        """Return those of the ids that the job selects by themselves: a later batch would have taken them."""
        among = Sql("m.id = ANY(CAST(:among AS uuid[]))", {"among": sorted(ids)})
        where = all_of(self.selection.condition(), among)
        return erasures.selected(session, self.tenancy.tenant_id, where=where, limit=len(ids)) if ids else []

    def _note(
        self, session: Session, direct: Sequence[UUID], derived: Sequence[UUID], counts: Mapping[str, int]
    ) -> None:
        if self.erasure_id is not None:
            tenant_id = self.tenancy.tenant_id
            erasures.add_items(session, tenant_id, self.erasure_id, direct, status="erased", derived=False)
            erasures.add_items(session, tenant_id, self.erasure_id, derived, status="erased", derived=True)
            erasures.add_counts(session, tenant_id, self.erasure_id, counts)

    def _report(self, session: Session, items: Sequence[Mapping[str, Any]]) -> bool:
        # Items of a job are one value, rewritten whenever some are added: the receipt keeps those of larger erasures.
        return jobs.report_progress(
            session,
            self.tenancy.tenant_id,
            self.job["id"],
            done=self.done,
            total=max(self.done, self.job["total"]),
            items=items if self.selection.ids is not None else [],
        )

    def _finish(self, session: Session) -> None:
        """Remove what else belongs to the scope, look whether anything is left, and end job and receipt."""
        tenancy, tenant_id, job_id = self.tenancy, self.tenancy.tenant_id, self.job["id"]
        now = tenancy.clock()
        scope = self.selection.whole
        rest = scope_rows.remove(session, tenant_id, scope, now=now) if scope is not None else {}
        erased = self.erased
        if self.erasure_id is not None:
            erasures.add_counts(session, tenant_id, self.erasure_id, rest)
            erased = erased | set(erasures.erased_ids(session, tenant_id, self.erasure_id))
        missing = absent(self.selection.ids or (), erased)
        items = [{"memory_id": str(i), "status": "absent"} for i in missing]
        self.done = len(self.selection.ids) if self.selection.ids is not None else self.done
        self._report(session, items)
        remains = self._remains(session, sorted(erased))
        if scope is not None:
            remains |= scope_rows.count(session, tenant_id, scope)
        if self.erasure_id is not None:
            erasures.add_items(session, tenant_id, self.erasure_id, missing, status="absent", derived=False)
            erasures.close_erasure(session, tenant_id, self.erasure_id, remains=remains, now=now)
            audit.record(
                session, tenant_id, Action.ERASURE_FINISH, api_key_id=None, at=now, subject="erasure",
                subject_id=self.erasure_id, namespace_id=self.job["namespace_id"],
                details={**erasures.item_counts(session, tenant_id, self.erasure_id), "verified": not remains},
            )  # fmt: skip
        error = f"Rows are left in {', '.join(sorted(remains))}; try again." if remains else None
        status = JobStatus.FAILED if remains else JobStatus.SUCCEEDED
        if not remains:
            jobs.forget_payload(session, tenant_id, job_id)
        jobs.finish_job(session, tenant_id, job_id, status=status, now=now, error=error)
        log.info("erased", memories=len(erased), absent=len(missing), left=sum(remains.values()))

    def _remains(self, session: Session, erased: Sequence[UUID]) -> dict[str, int]:
        found: dict[str, int] = {}
        for start in range(0, len(erased), CHECKED_AT_ONCE):
            chunk = erased[start : start + CHECKED_AT_ONCE]
            for table, number in erased_rows.left(session, self.tenancy.tenant_id, chunk).items():
                found[table] = found.get(table, 0) + number
        return found
