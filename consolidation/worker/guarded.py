"""One piece of a sweep at a time, whatever goes wrong in another."""

from collections.abc import Callable
from typing import Final
from uuid import UUID

import structlog

from memory_service.errors import Unavailable

log = structlog.get_logger(__name__)

# The database answers and something is in the way of this piece of work only.
LOCAL_FAULTS: Final = frozenset({"busy", "timeout"})


def guarded(work: Callable[[], int], event: str, **ids: UUID) -> int:
    """Do one piece of a sweep; what goes wrong in it is logged and keeps nothing else from its turn.

    Raises:
        Unavailable: the database is down, and the rest of the sweep would only find the same.
    """
    with structlog.contextvars.bound_contextvars(**{name: str(value) for name, value in ids.items()}):
        try:
            return work()
        except Unavailable as error:
            if error.specific_code not in LOCAL_FAULTS:
                raise
            log.warning(event, reason=error.detail)
        except Exception:
            log.exception(event)
    return 0
