"""When to start a part again that died: at once the first time, ever later if it keeps dying."""

from dataclasses import dataclass, replace

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
STEADY_S = 60.0  # A part that ran this long has recovered; its next death counts as the first.


@dataclass(frozen=True, slots=True)
class _State:
    failures: int = 0
    started_at: float = 0.0
    next_at: float | None = None


class Restarts:
    """Backoff per part. Times are seconds of any steady clock, given by the caller.

    >>> restarts = Restarts()
    >>> restarts.ended("api", now=100.0)
    0.5
    >>> restarts.due("api", now=100.4), restarts.due("api", now=100.5)
    (False, True)
    >>> restarts.started("api", now=100.5)
    >>> restarts.ended("api", now=101.0)
    1.0
    >>> restarts.failed("api", now=102.0)
    2.0
    """

    def __init__(self) -> None:
        self._states: dict[str, _State] = {}

    def ended(self, name: str, *, now: float) -> float:
        """Note that a part died; return the seconds until it is started again."""
        state = self._states.get(name, _State())
        failures = 0 if now - state.started_at > STEADY_S else state.failures
        delay = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0**failures)
        self._states[name] = replace(state, failures=failures + 1, next_at=now + delay)
        return delay

    def failed(self, name: str, *, now: float) -> float:
        """Note that a dead part could not even be started; return the seconds until the next attempt."""
        state = self._states[name]
        delay = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0**state.failures)
        self._states[name] = replace(state, failures=state.failures + 1, next_at=now + delay)
        return delay

    def waiting(self, name: str) -> bool:
        """Tell whether the part is dead and noted as such."""
        state = self._states.get(name)
        return state is not None and state.next_at is not None

    def due(self, name: str, *, now: float) -> bool:
        """Tell whether the time to start it has come."""
        state = self._states.get(name)
        return state is not None and state.next_at is not None and now >= state.next_at

    def started(self, name: str, *, now: float) -> None:
        """Note that it was started."""
        self._states[name] = replace(self._states[name], started_at=now, next_at=None)
