"""The signs of life that this worker gives, where a supervisor asks for them.

Between two tasks it is to be given another one before long. How long a task takes nobody knows; one without a limit worth the
name says when it moves on.
"""

from functools import lru_cache

from memory_service.pulse import STEP, Pulse, own_pulse


@lru_cache(maxsize=1)
def _pulses() -> tuple[Pulse | None, Pulse | None]:
    """Return the sign that it waits for work, and the sign that its work moves on."""
    return own_pulse("worker"), own_pulse(STEP)


def begin() -> None:
    """Wait for work, in a process of this worker that has just begun."""
    _pulses.cache_clear()
    free()


def free() -> None:
    """Say that a task has ended and the next one may come."""
    waits, moves = _pulses()
    if waits:
        waits.beat()
    if moves:
        moves.hush()


def at_work() -> None:
    """Say that there is work: however long it takes, nobody need ask why no other begins."""
    for pulse in _pulses():
        if pulse:
            pulse.hush()


def moves_on() -> None:
    """Say that the task under way has come a step further; it will again, before long."""
    _, moves = _pulses()
    if moves:
        moves.beat()
