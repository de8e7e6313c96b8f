"""Recognise a process for certain: its id alone may have been given to somebody else since."""

import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process id together with the moment that process was started."""

    pid: int
    started: str

    def alive(self) -> bool:
        """Tell whether this very process still runs; a zombie does not."""
        return identify(self.pid) == self


@lru_cache(maxsize=1)
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def identify(pid: int) -> ProcessIdentity | None:
    """Return the identity of a running process, None when there is none or it is a zombie."""
    try:
        if sys.platform.startswith("linux"):
            # Fields after the parenthesised name: state is the first, the start in clock ticks the twentieth. Ticks
            # since boot do not move when somebody sets the clock, which the time of day would.
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            return None if fields[0] in "ZX" else ProcessIdentity(pid, f"{_boot()}/{fields[19]}")
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return ProcessIdentity(pid, f"{process.create_time():.2f}")
    except (OSError, psutil.Error):
        return None
