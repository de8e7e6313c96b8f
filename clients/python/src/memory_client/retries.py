"""When a call is tried again, and after what pause."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from memory_client.errors import ConnectionFailed, MemoryClientError, ServiceError, StillRunning

TRANSIENT = frozenset({429, 502, 503, 504})
# The one 503 of the service after which the change may stand; the others say that nothing was changed.
OUTCOME_UNKNOWN = "outcome_unknown"


@dataclass(frozen=True)
class Retries:
    """How often a call is tried, and how the pauses grow.

    A pause is drawn evenly between nothing and a bound that doubles ("full jitter"), so that clients that failed together
    do not come back together. ``Retry-After`` of the service is waited for in any case.
    """

    attempts: int = 5
    base_s: float = 0.2
    cap_s: float = 8.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.base_s < 0 or self.cap_s < 0:
            raise ValueError("attempts are at least 1, and pauses not negative")

    def pause(self, attempt: int, error: MemoryClientError, *, random: Callable[[], float]) -> float:
        """Return the seconds between an attempt, counted from 1, and the next.

        >>> Retries().pause(3, MemoryClientError("gone"), random=lambda: 1.0)
        0.8
        """
        drawn = random() * min(self.cap_s, self.base_s * 2.0 ** min(attempt - 1, 30))
        asked = error.retry_after_s if isinstance(error, ServiceError) else None
        return drawn if asked is None else asked + drawn


NO_RETRIES = Retries(attempts=1)


def is_transient(error: MemoryClientError) -> bool:
    """Say whether the same call may succeed a moment later."""
    if isinstance(error, ServiceError):
        return error.status in TRANSIENT or isinstance(error, StillRunning)
    return isinstance(error, ConnectionFailed)


def may_have_happened(error: MemoryClientError) -> bool:
    """Say whether the call may have been carried out although it failed.

    A gateway's 502 or 504 (or a 503 that is no problem document) stands between us and what happened.
    """
    if isinstance(error, ConnectionFailed):
        return error.sent
    if isinstance(error, ServiceError):
        ours = not error.code.startswith("http_")
        return error.code == OUTCOME_UNKNOWN or (error.status in {502, 503, 504} and not ours)
    return False
