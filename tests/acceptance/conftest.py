"""The application in a process of its own, behind a real socket."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import pytest

START_S = 120  # With the one-time export of the model, on a busy machine.
STOP_S = 20

Serve = Callable[..., AbstractContextManager["Served"]]


class Served:
    """One running server."""

    def __init__(self, port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.process = process
        self.log = log

    def client(self, key: str) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {key}"}, timeout=60)

    def ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False


@contextmanager
def serve(data_dir: Path, log: Path, **environment: str) -> Iterator[Served]:
    """Run the application until the block ends; settings are environment variables."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    kept = {
        n: v
        for n, v in os.environ.items()
        if not n.startswith("MEMORY_SERVICE_") and n not in {"DATABASE_URL", "BROKER_URL"}
    }
    command = [sys.executable, "-m", "uvicorn", "--factory", "memory_service.api.app:create_app", "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--no-access-log", "--http=memory_service.api.connections:BoundedHttp"],
            env={**kept, "MEMORY_SERVICE_DATA_DIR": str(data_dir), **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    served = Served(port, process, log)
    try:
        deadline = time.monotonic() + START_S
        while not served.ready():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield served
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(name="serve", scope="session")
def serve_fixture() -> Serve:
    """Return the context manager that runs the application."""
    return serve
