"""Hold the lease of a job while it is worked on, however long that takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Thread
from typing import Final
from uuid import UUID

import structlog

from consolidation.tenancy import Tenancy
from memory_service.errors import Unavailable
from memory_service.storage import jobs

LEASE: Final = timedelta(minutes=1)  # so long a job of a worker that died waits for another
EXTEND_EVERY_S: Final = 15.0
TRUSTED: Final = 8  # times a job may have been taken up before it is suspected of ending its workers
DOUBLED_AT_MOST: Final = 6

log = structlog.get_logger(__name__)


def lease_of(attempt: int) -> timedelta:
    """Return for how long a job waits, should the worker die that took it up as its `attempt`.

    One that hangs, or takes all memory, ends every worker that takes it up. It is not given up, since it may not be its fault,
    but what else waits is to have its turn in between.

    >>> [lease_of(attempt) // LEASE for attempt in (1, 8, 9, 10, 99)]
    [1, 1, 2, 4, 64]
    """
    return LEASE * (1 << min(max(attempt - TRUSTED, 0), DOUBLED_AT_MOST))


@contextmanager
def held(tenancy: Tenancy, job_id: UUID, *, attempt: int, every_s: float = EXTEND_EVERY_S) -> Iterator[None]:
    """Extend the lease of a claimed job until the block ends, from a thread that dies with its process.

    The attempt says whose lease it is: one that ran out and was claimed by another worker, or that was given back
    meanwhile, is left alone.
    """
    ended = Event()

    def extend() -> None:
        while not ended.wait(every_s):
            try:
                with tenancy.open() as session:
                    until = tenancy.clock() + lease_of(attempt)
                    if not jobs.extend_lease(session, tenancy.tenant_id, job_id, attempt=attempt, until=until):
                        return
            except Unavailable as error:  # The next time will do: a lease outlives three that fail.
                log.info("lease_not_extended", job_id=str(job_id), reason=error.detail)

    thread = Thread(target=extend, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
