"""What the processes of an embedded service use, as the operating system counts it."""

import json
from dataclasses import dataclass
from pathlib import Path

import psutil

from memory_service.cli.failures import CommandFailure


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds used so far, and memory held now."""

    cpu_s: float
    rss_mib: float
    """Resident memory, shared pages counted in every process that maps them."""
    pss_mib: float
    """Proportional memory: shared pages divided among their users; NaN where the system does not tell."""
    processes: int


def service_processes(data_dir: Path) -> list[psutil.Process]:
    """Return the supervisor of ``data_dir``, the parts that it started, and all their descendants.

    Raises:
        CommandFailure: no embedded service runs there.
    """
    found: dict[int, psutil.Process] = {}
    for pid in parts(data_dir).values():
        try:
            leader = psutil.Process(pid)
            for process in (*_supervisor(leader), leader, *leader.children(recursive=True)):
                found[process.pid] = process
        except psutil.NoSuchProcess:
            continue
    if not found:
        raise CommandFailure(f"no embedded service runs in {data_dir}", hint="Start it with `make run`.")
    return list(found.values())


def _supervisor(leader: psutil.Process) -> list[psutil.Process]:
    """Return the process that started a part, none when that died."""
    parent = leader.parent()
    words = " ".join(parent.cmdline()) if parent else ""
    return [parent] if parent and ("memory_service.embedded" in words or "memory-service run" in words) else []


def parts(data_dir: Path) -> dict[str, int]:
    """Return the process id of each part by name.

    Raises:
        CommandFailure: the supervisor's list cannot be read.
    """
    path = data_dir / "run" / "parts.json"
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return {name: int(pid) for name, (pid, _) in stored.items()}
    except (OSError, ValueError, TypeError) as error:
        raise CommandFailure(
            f"no embedded service is known in {data_dir}: {error}",
            hint="Start it with `make run`, and set MEMORY_SERVICE_DATA_DIR when its data lie elsewhere.",
        ) from error


def usage(data_dir: Path) -> Usage:
    """Return what the whole tree uses, with the time of processes that ended and were waited for."""
    cpu_s, rss, pss, count = 0.0, 0, 0.0, 0
    for process in service_processes(data_dir):
        try:
            times = process.cpu_times()
            memory = process.memory_full_info()
        except psutil.NoSuchProcess:
            continue
        cpu_s += times.user + times.system + times.children_user + times.children_system
        rss += memory.rss
        pss += getattr(memory, "pss", float("nan"))
        count += 1
    return Usage(cpu_s=cpu_s, rss_mib=rss / 2**20, pss_mib=pss / 2**20, processes=count)
