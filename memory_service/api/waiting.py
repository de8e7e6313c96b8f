"""Wait for the background, for a bounded time and without holding a connection."""

import time
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.api.services import Services
from memory_service.errors import Unavailable
from memory_service.storage.database import commit, run_after_commit
from memory_service.storage.pending import still_pending
from memory_service.types import Caller

POLL_S = 0.05


def wait_until_enriched(
    services: Services, session: Session, caller: Caller, ids: Sequence[UUID], *, timeout_s: float
) -> bool:
    """Commit what the session holds, then wait until the workers have enriched the memories.

    Returns:
        Whether they had within ``timeout_s`` seconds; the memories are stored and findable either way.
    """
    commit(session)
    run_after_commit(session)
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            with services.database.transaction(caller.tenant_id) as glance:
                if not still_pending(glance, caller.tenant_id, ids):
                    return True
        except Unavailable:
            # They are stored; an error now would say that they are not.
            return False
        if time.monotonic() >= deadline:
            return False
        # A plain sleep: the route runs in a thread of its own, and polling needs no broker.
        time.sleep(POLL_S)
