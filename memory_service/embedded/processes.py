"""Recognise processes for certain: an id alone may have been given to somebody else since."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
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


def session_members(leader: ProcessIdentity) -> list[ProcessIdentity]:
    """Return the live processes of the session that `leader` opened, with the leader itself.

    While any of them lives the kernel gives the leader's id to nobody else; if the id now names another process, that
    one opened its session after all of ours were gone.
    """
    present = identify(leader.pid)
    if present is not None and present != leader:
        return []
    members = []
    for pid in psutil.pids():
        with contextlib.suppress(OSError):
            if os.getsid(pid) == leader.pid and (member := identify(pid)):
                members.append(member)
    return members


def processes_of_cluster(cluster: Path) -> list[ProcessIdentity]:
    """Return live Postgres processes whose working folder is `cluster`, whoever started them."""
    found = []
    for process in psutil.process_iter(["name"]):
        if not (process.info["name"] or "").startswith("postgres"):
            continue
        with contextlib.suppress(psutil.Error, OSError):
            if Path(process.cwd()) == cluster and (identity := identify(process.pid)):
                found.append(identity)
    return found


def wait_until(condition: Callable[[], bool], *, timeout_s: float, step_s: float = 0.05) -> bool:
    """Wait for `condition`; return whether it came true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(step_s)
    return True


def send(identity: ProcessIdentity, number: signal.Signals) -> None:
    """Signal this very process, if it still runs."""
    if identity.alive():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(identity.pid, number)


def end(identities: Iterable[ProcessIdentity], *, first: signal.Signals, grace_s: float) -> None:
    """Ask processes to end with `first`; after `grace_s` seconds kill those that are still there."""
    waiting = list(identities)
    for identity in waiting:
        send(identity, first)
    if wait_until(lambda: not any(identity.alive() for identity in waiting), timeout_s=grace_s):
        return
    for identity in waiting:
        send(identity, signal.SIGKILL)
    wait_until(lambda: not any(identity.alive() for identity in waiting), timeout_s=10)
