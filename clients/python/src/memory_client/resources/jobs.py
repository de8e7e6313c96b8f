"""Jobs: look at background work, follow it, cancel it, try it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memory_client import models
from memory_client.calls import E, Procedure, call, listing, stream
from memory_client.operation import Ask
from memory_client.resources.base import Resource
from memory_client.waiting import follow_job, job_ended

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from memory_client.fields import Id
    from memory_client.flow import Emission, Flow
    from memory_client.models import DeadLetter, Job
    from memory_client.operation import Reading, Writing


class Jobs(Resource[E]):
    """Calls about background work."""

    @listing("GET", "/v1/jobs")
    def list(
        self,
        *,
        namespace: str | None = None,
        status: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        **options: Unpack[Reading],
    ) -> Ask[Job]:
        """List jobs, newest first, without what became of each item."""
        return Ask(models.Job, query={"namespace": namespace, "status": status, "limit": limit, "cursor": cursor})

    @call("GET", "/v1/jobs/{job_id}")
    def get(self, job_id: Id, **options: Unpack[Reading]) -> Ask[Job]:
        """Return one job with what became of each item so far."""
        return Ask(models.Job, job_id)

    @call("POST", "/v1/jobs/{job_id}/cancel")
    def cancel(self, job_id: Id, **options: Unpack[Writing]) -> Ask[Job]:
        """End a job; what it has done so far stays.

        Raises:
            Conflict: it has ended already.
        """
        return Ask(models.Job, job_id)

    @call("POST", "/v1/jobs/{job_id}/retry")
    def retry(self, job_id: Id, **options: Unpack[Writing]) -> Ask[Job]:
        """Queue a failed or cancelled job again.

        Raises:
            Conflict: it is neither.
        """
        return Ask(models.Job, job_id)

    @listing("GET", "/v1/jobs/{job_id}/dead-letters")
    def dead_letters(self, job_id: Id, *, limit: int | None = None, **options: Unpack[Reading]) -> Ask[DeadLetter]:
        """List replies of a language model that the job could not use."""
        return Ask(models.DeadLetter, job_id, query={"limit": limit})

    @stream("GET", "/v1/jobs/{job_id}/events")
    def watch(self, job_id: Id, *, timeout: float | None = None) -> Emission[Job]:
        """Follow a job: yield it at every change until it has ended, over as many connections as that takes.

        Raises:
            NotFound: there is no such job, or not any more.
            RateLimited, ServiceUnavailable: the service asks to be left alone for longer than ``timeout`` leaves.
            TimedOut: it has not ended within ``timeout`` seconds, whatever its stream says meanwhile; it goes on all the same.
        """
        return follow_job(self._executor, job_id, timeout=timeout)

    @Procedure
    def wait(self, job_id: Id, *, timeout: float | None = 60.0) -> Flow[Job]:
        """Wait until a job has ended, and return it.

        Raises:
            JobFailed: it failed, or was cancelled.
            TimedOut: it has not ended within ``timeout`` seconds; it goes on all the same.
        """
        return job_ended(self._executor, job_id, timeout=timeout)
