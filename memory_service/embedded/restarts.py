"""When to start a part again that died: at once the first time, ever later if it keeps dying."""

from dataclasses import replace

from memory_service.failing_parts import STEADY_S, FailingPart

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
DOUBLED = 16  # times at most: the longest delay is reached after six, and a power of ten thousand is no number any more


class Restarts:
    """Backoff per part. Times are seconds of any steady clock, given by the caller.

    >>> restarts = Restarts()
    >>> restarts.ended("api", "ended with status 1", now=100.0)
    0.5
    >>> restarts.due("api", now=100.4), restarts.due("api", now=100.5)
    (False, True)
    >>> restarts.started("api", now=100.5)
    >>> restarts.ended("api", "ended with status 1", now=101.0)
    1.0
    >>> restarts.failed("api", now=102.0)
    2.0
    >>> restarts.failing() == [FailingPart(name="api", failures=3, how="cannot be started", started_at=100.5, next_at=104.0)]
    True
    """

    def __init__(self) -> None:
        self._parts: dict[str, FailingPart] = {}

    def ended(self, name: str, how: str, *, now: float) -> float:
        """Note that a part died; return the seconds until it is started again."""
        part = self._parts.get(name, FailingPart(name))
        return self._again(replace(part, failures=0 if now - part.started_at > STEADY_S else part.failures), how, now)

    def failed(self, name: str, *, now: float) -> float:
        """Note that a dead part could not even be started; return the seconds until the next attempt."""
        return self._again(self._parts[name], "cannot be started", now)

    def _again(self, part: FailingPart, how: str, now: float) -> float:
        delay = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(part.failures, DOUBLED))
        self._parts[part.name] = replace(part, failures=part.failures + 1, how=how, next_at=now + delay)
        return delay

    def waiting(self, name: str) -> bool:
        """Tell whether the part is dead and noted as such."""
        part = self._parts.get(name)
        return part is not None and part.next_at is not None

    def due(self, name: str, *, now: float) -> bool:
        """Tell whether the time to start it has come."""
        part = self._parts.get(name)
        return part is not None and part.next_at is not None and now >= part.next_at

    def started(self, name: str, *, now: float) -> None:
        """Note that it was started."""
        self._parts[name] = replace(self._parts[name], started_at=now, next_at=None)

    def failing(self) -> list[FailingPart]:
        """Return every part that failed, also long ago, by name."""
        return sorted(self._parts.values(), key=lambda part: part.name)
