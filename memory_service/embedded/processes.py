"""Find processes, signal them and wait for them."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

from memory_service.process_identity import ProcessIdentity, identify


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
