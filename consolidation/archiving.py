"""The job that archives all that belongs to a user, agent or session, batch by batch."""

from time import monotonic
from typing import Any

from consolidation.tenancy import Tenancy
from memory_service.lifecycle.scopes import archive_some
from memory_service.lifecycle.selection import Selection
from memory_service.storage import jobs
from memory_service.types import JobStatus


def archive_selected(tenancy: Tenancy, job: Any) -> bool:
    """Archive what a job selects; True once it has ended, was cancelled, or goes on as another task.

    What is archived is selected no more, so whoever goes on finds what is left.
    """
    selection = Selection.of(job["payload"]["selection"])
    result = dict(job["result"] or {"memories": 0, "documents": 0})
    until = monotonic() + tenancy.turn_s
    tenant_id, job_id = tenancy.tenant_id, job["id"]
    while True:
        with tenancy.open() as session:
            # Asked in the transaction that archives: a cancel comes before all of a batch or after.
            done = result["memories"]
            if not jobs.report_progress(session, tenant_id, job_id, done=done):
                return True
            changed = archive_some(session, tenant_id, selection, now=tenancy.clock())
            result = {name: result[name] + changed[name] for name in result}
            if not any(changed.values()):
                jobs.report_progress(session, tenant_id, job_id, done=done, total=done)
                jobs.forget_payload(session, tenant_id, job_id)
                now = tenancy.clock()
                jobs.finish_job(session, tenant_id, job_id, status=JobStatus.SUCCEEDED, now=now, result=result)
                return True
            total = max(job["total"], result["memories"])
            jobs.report_progress(session, tenant_id, job_id, done=result["memories"], total=total)
            jobs.keep_result(session, tenant_id, job_id, result)
            turn_over = monotonic() > until or not tenancy.go_on()
            if turn_over:
                jobs.pause_job(session, tenant_id, job_id, until=tenancy.clock())
        if turn_over:
            tenancy.nudge(job_id)
            return True
        tenancy.give_way()
