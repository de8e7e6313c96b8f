"""How many cores this process may compute on, and where one of its threads does."""

import ctypes
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")


def usable_cores(quota: Path = _QUOTA) -> int:
    """Return how many cores this process may keep busy, at least 1.

    What it is bound to counts, and what its container may use (cgroup v2, seen from inside of it). Linux alone tells either;
    elsewhere all cores count.

    Args:
        quota: a file as cgroup v2 writes it: microseconds of computing in so many microseconds, or ``max``.
    """
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        allowed, period = quota.read_text(encoding="ascii").split()
        granted = round(int(allowed) / int(period))
    except (OSError, ValueError, ZeroDivisionError):  # no such file, or ``max``
        return bound
    return max(1, min(bound, granted))


def _asks_for_core() -> Callable[[], int] | None:
    """Return what tells the core that the calling thread runs on; None where the system does not."""
    if sys.platform != "linux":
        return None
    asks: Callable[[], int] | None = getattr(ctypes.CDLL(None), "sched_getcpu", None)
    return asks


class Elsewhere:
    """Keeps one thread off the core of whoever gives it work.

    Linux wakes a thread on the core of the one that wakes it, nine times in ten here although the other core was idle; there it
    interrupts what it was to run beside. Anywhere else, and where there is one core, this does nothing.
    """

    def __init__(self, thread: int) -> None:
        """Keep the thread with this native id off."""
        self._thread = thread
        self._core_of_caller = _asks_for_core()
        self._cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set[int]()

    def move(self) -> None:
        """Bind the thread to the cores but that of the calling thread; 2 microseconds. What it starts is bound likewise."""
        if self._core_of_caller is None or len(self._cores) < 2:
            return
        self._bind(self._cores - {self._core_of_caller()})

    def let_go(self) -> None:
        """Let the thread run anywhere: its caller has nothing more to do, and the other cores may be busy."""
        if len(self._cores) > 1:
            self._bind(self._cores)

    def _bind(self, cores: set[int]) -> None:
        # Where cores were taken from the container since, or binding is forbidden, it stays where it may be.
        with suppress(OSError):
            os.sched_setaffinity(self._thread, cores)
