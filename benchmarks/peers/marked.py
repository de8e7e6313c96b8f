"""Find the processes that a peer started, by a mark in their environment that no other process has.

Children of a peer may leave its process group, and outlive it as daemons; what they inherited stays.
"""

import contextlib
import math
from collections.abc import Iterable

import psutil

from benchmarks.peers.contestants import Memory

MARK = "MEMORY_BENCHMARK_PEER"
GRACE_S = 5.0


def marked(token: str) -> list[psutil.Process]:
    """Return all processes that carry the mark."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # Gone, or not ours to look at.
            if process.environ().get(MARK) == token:
                found.append(process)
    return found


def end_marked(token: str) -> int:
    """End them, politely first, and return how many there were."""
    left = marked(token)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, stubborn = psutil.wait_procs(left, timeout=GRACE_S)
    for process in stubborn:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stubborn, timeout=GRACE_S)
    return len(left)


def memory_of(processes: Iterable[psutil.Process]) -> Memory:
    """Return what the processes hold together."""
    rss, pss = 0, 0.0
    for process in processes:
        try:
            held = process.memory_full_info()
        except psutil.NoSuchProcess:
            continue
        rss += held.rss
        pss += getattr(held, "pss", math.nan)
    return Memory(rss_mib=rss / 2**20, pss_mib=pss / 2**20)
