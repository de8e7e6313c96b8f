"""How many cores this process may compute on."""

import os
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
