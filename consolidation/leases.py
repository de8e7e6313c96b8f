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

log = structlog.get_logger(__name__)


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
                    until = tenancy.clock() + LEASE
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
