"""Wait for the background, for a bounded time and without holding a connection."""

import time
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.api.services import Services
from memory_service.errors import Unavailable
from memory_service.jobs import CONSOLIDATE_NAMESPACE
from memory_service.storage.considered import awaiting
from memory_service.storage.database import commit, run_after_commit
from memory_service.storage.pending import still_pending
from memory_service.types import Caller

POLL_S = 0.05
TELL_AGAIN_S = 2.0


def wait_until_consolidated(
    services: Services, session: Session, caller: Caller, ids: Sequence[UUID], *, timeout_s: float
) -> bool:
    """Commit what the session holds, then wait until the workers have enriched and consolidated the memories.

    Once they are enriched, the workers are told to consolidate their namespaces now. Where a namespace is consolidated by hand
    only, being enriched is enough.

    Returns:
        Whether they had within ``timeout_s`` seconds; the memories are stored and findable either way.
    """
    commit(session)
    run_after_commit(session)
    deadline = time.monotonic() + timeout_s
    told: dict[UUID, float] = {}
    while True:
        try:
            with services.database.transaction(caller.tenant_id) as glance:
                waiting = still_pending(glance, caller.tenant_id, ids)
                namespaces = set() if waiting else awaiting(glance, caller.tenant_id, ids)
        except Unavailable:
            # They are stored; an error now would say that they are not.
            return False
        if not waiting and not namespaces:
            return True
        for namespace_id in namespaces:
            # Told again: one that came while another run was at the namespace was for nothing.
            if time.monotonic() >= told.get(namespace_id, 0.0):
                services.nudger.nudge(CONSOLIDATE_NAMESPACE, str(caller.tenant_id), str(namespace_id))
                told[namespace_id] = time.monotonic() + TELL_AGAIN_S
        if time.monotonic() >= deadline:
            return False
        # A plain sleep: the route runs in a thread of its own, and polling needs no broker.
        time.sleep(POLL_S)
