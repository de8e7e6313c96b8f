"""The service's API as a process of its own, over the database of the tests."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.vllm.beforehand import CHECKOUT
from tests.vllm.process import answering, free_port


@contextmanager
def serving_app(settings: Any, log: Path, more: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Run the API as `make run` starts it, with the settings of tests and more of them as variables: address and process id."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "uvicorn", "memory_service.api.app:create_app", "--factory", "--no-access-log"]
    command += ["--host=127.0.0.1", f"--port={port}"]
    known = ("DATABASE_URL", "BROKER_URL", "LLM_BASE_URL")
    ours = {
        name: value
        for name, value in os.environ.items()
        if name not in known and not name.startswith("MEMORY_SERVICE_")
    }
    around = {
        **ours,
        "OMP_NUM_THREADS": "1",
        "MEMORY_SERVICE_DATA_DIR": str(settings.data_dir),
        "MEMORY_SERVICE_SERVICE_DATABASE_URL": settings.service_database_url,
        "MEMORY_SERVICE_MAINTENANCE_DATABASE_URL": settings.maintenance_database_url,
        "MEMORY_SERVICE_LOG_LEVEL": "error",
        "MEMORY_SERVICE_RATE_LIMIT_PER_MINUTE": "0",
        **more,
    }
    with answering(command, f"{url}/readyz", log, environment=around, folder=CHECKOUT) as pid:
        yield url, pid
