"""A circuit breaker: when an endpoint keeps failing it is left alone for a while, then one call may try it. Pure.

Closed lets every call through and counts failures in a row. Open lets none through until its time is up. Half-open lets
one call through, whose outcome decides: closed again, or open for twice as long. Times are seconds of any monotonic clock.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

STANDARD_FAILURES: Final = 3  # Each has been retried by then, so three are a minute or more of nobody answering.
STANDARD_OPEN_S: Final = 30.0
STANDARD_LONGEST_S: Final = 600.0  # Whoever repairs an endpoint should not wait longer for the next try.


class Circuit(StrEnum):
    """What a breaker does with calls."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """When a circuit opens and for how long."""

    failures: int = STANDARD_FAILURES
    open_s: float = STANDARD_OPEN_S
    longest_s: float = STANDARD_LONGEST_S


@dataclass(frozen=True, slots=True)
class BreakerState:
    """What a breaker remembers."""

    circuit: Circuit = Circuit.CLOSED
    failures: int = 0  # in a row
    until: float = 0.0  # Open: until when. Half-open: until when the call that tries it is waited for.
    open_s: float = 0.0  # how long it was opened for last


def admit(state: BreakerState, *, now: float, rules: BreakerRules) -> tuple[bool, BreakerState]:
    """Say whether a call may go through, and what the breaker is then.

    >>> rules = BreakerRules(failures=1, open_s=30)
    >>> opened = failed(BreakerState(), now=100.0, rules=rules)
    >>> admit(opened, now=129.9, rules=rules)[0]
    False
    >>> may, trying = admit(opened, now=130.0, rules=rules)
    >>> may, trying.circuit.value, admit(trying, now=131.0, rules=rules)[0]
    (True, 'half_open', False)
    """
    if state.circuit is Circuit.CLOSED:
        return True, state
    if now < state.until:
        return False, state
    # The call that was to try it may have died with its thread: after as long again the next one tries.
    return True, replace(state, circuit=Circuit.HALF_OPEN, until=now + max(state.open_s, rules.open_s))


def succeeded(state: BreakerState) -> BreakerState:
    """Return the state after a call was answered: closed, and nothing counted."""
    return BreakerState()


def failed(state: BreakerState, *, now: float, rules: BreakerRules, retry_after_s: float | None = None) -> BreakerState:
    """Return the state after a call failed; an endpoint that says when to come back is left alone for that long at least.

    >>> rules = BreakerRules(failures=2, open_s=30, longest_s=50)
    >>> once = failed(BreakerState(), now=0.0, rules=rules)
    >>> once.circuit.value, failed(once, now=1.0, rules=rules).until
    ('closed', 31.0)
    >>> trying = BreakerState(Circuit.HALF_OPEN, failures=2, until=61.0, open_s=30)
    >>> failed(trying, now=40.0, rules=rules).until     # twice 30, at most 50
    90.0
    """
    failures = state.failures + 1
    if state.circuit is Circuit.CLOSED and failures < rules.failures and retry_after_s is None:
        return replace(state, failures=failures)
    tried = state.circuit is not Circuit.CLOSED
    open_s = min(2 * state.open_s if tried else rules.open_s, rules.longest_s)
    wait = min(max(open_s, retry_after_s or 0.0), rules.longest_s)
    return BreakerState(Circuit.OPEN, failures=failures, until=now + wait, open_s=open_s)
