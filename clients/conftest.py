"""A real service with all its parts in processes of its own, for the tests of every client."""

import importlib
import importlib.util
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
# The service has an environment of its own: frameworks that clients serve pin what it needs in other versions.
PYTHON = Path(os.environ.get("MEMORY_SERVICE_PYTHON") or CHECKOUT / ".venv" / "bin" / "python")
START_S = 180  # With the one-time export of the model, on a busy machine.
STOP_S = 60
FOREIGN = ("MEMORY_SERVICE_", "DATABASE_URL", "BROKER_URL", "LLM_", "PYTHONPATH")

# CrewAI and its dependencies report what is done with them, unless they are told before they are imported.
os.environ |= {"CREWAI_DISABLE_TELEMETRY": "true", "CREWAI_TRACING_ENABLED": "false", "OTEL_SDK_DISABLED": "true"}

# pytest takes the folders above a test for packages. Those named like what they serve must not stand in for it.
for framework in ("langgraph", "mcp", "crewai"):
    with suppress(ImportError), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they say about themselves while they are imported
        importlib.import_module(framework)

# CrewAI pins what the other frameworks need in other versions, so it has an environment and a target of its own.
collect_ignore = [] if "crewai" in sys.modules else ["crewai"]


@dataclass(frozen=True)
class Service:
    """A running service and the key of its first tenant, which has every scope."""

    url: str
    api_key: str
    data_dir: Path

    def http(self, api_key: str | None = None) -> httpx.Client:
        """Return a plain client, for what a test has to see beside the client under test."""
        headers = {"Authorization": f"Bearer {api_key or self.api_key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)


@pytest.fixture(scope="session")
def model_server() -> Iterator[Any]:
    """Run what stands in for a model's server: `sent` is what reached it, `behaviour` how it answers."""
    spec = importlib.util.spec_from_file_location("model_server", CHECKOUT / "benchmarks" / "model_server.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["model_server"] = module  # its dataclasses look themselves up
    spec.loader.exec_module(module)
    with module.model_server() as server:
        yield server


@pytest.fixture(scope="session")
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, model_server: Any
) -> Iterator[Service]:
    """Run the service until the tests end."""
    assert PYTHON.exists(), f"{PYTHON} is missing; run `make dev`"
    data_dir = tmp_path_factory.mktemp("service") / "var"
    data_dir.mkdir(mode=0o700)
    cache = getattr(request.config, "cache", None)
    if cache is not None:  # The exported model is kept between runs.
        (data_dir / "models").symlink_to(cache.mkdir("models"))
    port = _free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    environment |= {
        "MEMORY_SERVICE_DATA_DIR": str(data_dir),
        "MEMORY_SERVICE_PORT": str(port),
        "PYTHONPATH": str(CHECKOUT),
        "OMP_NUM_THREADS": "1",
        "MEMORY_SERVICE_UPSTREAM_URL": model_server.url,
    }
    log = data_dir.parent / "service.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [PYTHON, "-m", "memory_service.cli.main", "run"],
            cwd=CHECKOUT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _await_ready(url, process, log)
        yield Service(url, (data_dir / "api-key").read_text(encoding="utf-8").strip(), data_dir)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def namespace() -> str:
    """Return the path of a namespace that nobody else uses."""
    return f"tests/{secrets.token_hex(6)}"


@pytest.fixture(scope="session")
def make_tenant(service: Service) -> Callable[[], str]:
    """Return a function that makes a tenant and returns the key of its administrator."""

    def make() -> str:
        with service.http() as http:
            answer = http.post("/v1/tenants", json={"name": f"tenant {secrets.token_hex(4)}"})
            answer.raise_for_status()
            return str(answer.json()["api_key"]["key"])

    return make


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        assert process.poll() is None, log.read_text(errors="replace")
        try:
            if httpx.get(f"{url}/readyz", timeout=5).json().get("status") == "ready":
                return
        except httpx.HTTPError:
            pass  # Not listening yet.
        assert time.monotonic() < deadline, log.read_text(errors="replace")
        time.sleep(0.2)
