"""The command lines of our own processes: those of the API, worker and beat."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from memory_service.embedded.child import Child
from memory_service.embedded.endpoints import Endpoints
from memory_service.embedded.logs import BoundedLog
from memory_service.pulse import PULSES
from memory_service.settings import CHECKOUT, Settings

API = "api"  # the first of its processes; the others are numbered from 2
WORKER_APP = "consolidation.worker:app"
API_GRACE_S = 10
WORKER_GRACE_S = 20  # A warm stop finishes the task at hand; a killed one is delivered again.
BEAT_GRACE_S = 5


def base_environment(settings: Settings) -> dict[str, str]:
    """Return the environment every process of ours starts with."""
    return {
        **os.environ,
        "MEMORY_SERVICE_DATA_DIR": str(settings.data_dir),
        "PYTHONUNBUFFERED": "1",
        # Two threads spin against each other on two cores: 500 ms per query instead of 10.
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        "OMP_WAIT_POLICY": "passive",
        "TOKENIZERS_PARALLELISM": "false",
        # Threads of the request pool would each keep an arena of freed memory.
        "MALLOC_ARENA_MAX": os.environ.get("MALLOC_ARENA_MAX", "2"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
    }


def part_log(settings: Settings, name: str) -> BoundedLog:
    """Return the log of one part."""
    return BoundedLog(settings.data_dir / "logs" / f"{name}.log")


def make_services(
    settings: Settings, endpoints: Endpoints, *, listening: Sequence[int], shared: Path
) -> tuple[list[Child], Child, Child]:
    """Return the API processes, worker and beat.

    Args:
        settings: of the service.
        endpoints: where database and broker answer.
        listening: the file descriptors of the sockets that the API processes accept connections from.
        shared: the folder that they have in common, in which all of them say that they live.
    """
    environment = {**base_environment(settings), **endpoints.environment()}
    environment.pop("DATABASE_URL", None)  # The administrator's login, which they have no business with.
    environment.pop("MEMORY_SERVICE_OWNER_DATABASE_URL", None)
    background = {**environment, PULSES: str(shared)}
    names = [API, *(f"{API}-{number}" for number in range(2, settings.api_processes + 1))]
    return (
        [
            _service(settings, name, _api(name, listening, shared), environment, API_GRACE_S, inherits=listening)
            for name in names
        ],
        _service(settings, "worker", _worker(), background, WORKER_GRACE_S),
        _service(settings, "beat", _beat(settings.data_dir / "run" / "beat-schedule"), background, BEAT_GRACE_S),
    )


def is_api(name: str) -> bool:
    """Say whether a part is an API process.

    >>> [is_api(name) for name in ("api", "api-2", "worker")]
    [True, True, False]
    """
    return name.partition("-")[0] == API


def _service(
    settings: Settings,
    name: str,
    arguments: list[str],
    environment: Mapping[str, str],
    grace_s: float,
    *,
    inherits: Sequence[int] = (),
) -> Child:
    return Child(
        name,
        [sys.executable, "-m", *arguments],
        log=part_log(settings, name),
        environment=environment,
        folder=CHECKOUT,
        grace_s=grace_s,
        inherits=inherits,
    )


def _api(name: str, listening: Sequence[int], shared: Path) -> list[str]:
    return [
        "memory_service.api.serve",
        f"--name={name}",
        *(f"--socket={number}" for number in listening),
        f"--shared={shared}",
        f"--grace={API_GRACE_S - 2}",
    ]


def _worker() -> list[str]:
    return [
        "celery",
        f"--app={WORKER_APP}",
        "worker",
        # One pool process: tasks are CPU work, and the API needs the other core. A pool rather than `solo`, which
        # would take 50 MB less, because only a pool can end a task that hangs.
        "--pool=prefork",
        "--concurrency=1",
        "--hostname=worker@%h",
        "--loglevel=INFO",
        # There is one worker; it has nobody to gossip with.
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
    ]


def _beat(schedule: Path) -> list[str]:
    return ["celery", f"--app={WORKER_APP}", "beat", f"--schedule={schedule}", "--pidfile=", "--loglevel=INFO"]
