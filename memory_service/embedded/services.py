"""The command lines of our own processes: API, worker and beat."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from memory_service.embedded.child import Child
from memory_service.embedded.endpoints import Endpoints
from memory_service.embedded.logs import BoundedLog
from memory_service.settings import CHECKOUT, Settings

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


def make_services(settings: Settings, endpoints: Endpoints) -> tuple[Child, Child, Child]:
    """Return API, worker and beat."""
    environment = {**base_environment(settings), **endpoints.environment()}
    environment.pop("DATABASE_URL", None)  # The administrator's login, which they have no business with.
    environment.pop("MEMORY_SERVICE_OWNER_DATABASE_URL", None)
    return (
        _service(settings, "api", _api(settings), environment, API_GRACE_S),
        _service(settings, "worker", _worker(), environment, WORKER_GRACE_S),
        _service(settings, "beat", _beat(settings.data_dir / "run" / "beat-schedule"), environment, BEAT_GRACE_S),
    )


def _service(
    settings: Settings, name: str, arguments: list[str], environment: Mapping[str, str], grace_s: float
) -> Child:
    return Child(
        name,
        [sys.executable, "-m", *arguments],
        log=part_log(settings, name),
        environment=environment,
        folder=CHECKOUT,
        grace_s=grace_s,
    )


def _api(settings: Settings) -> list[str]:
    return [
        "uvicorn",
        "memory_service.api.app:create_app",
        "--factory",
        f"--host={settings.host}",
        f"--port={settings.port}",
        "--no-access-log",
        "--no-server-header",
        f"--timeout-graceful-shutdown={API_GRACE_S - 2}",
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
