"""LMCache's own server, two vLLM that keep their tensors in it, and the service that plans for both."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from pydantic import SecretStr

from tests.vllm.engine import BLOCK, ROOM, Engine, engine
from tests.vllm.environment import LMCACHE
from tests.vllm.fleet import Fleet
from tests.vllm.running_app import running_app

START_S: Final = 420  # importing torch on a busy machine
TELLS_NOBODY: Final = {"LMCACHE_TRACK_USAGE": "false", "DO_NOT_TRACK": "1", "LMCACHE_DISABLE_BANNER": "1"}
TINY_MODEL: Final = Path(__file__).parents[1] / "vllm" / "tiny_model.py"


@dataclass(frozen=True, slots=True)
class TensorStore:
    """A running LMCache server: where engines reach it, and where its operator does."""

    port: int
    url: str
    process: "subprocess.Popen[bytes]"

    def objects(self) -> int:
        """Return how many chunks it holds."""
        status = httpx.get(f"{self.url}/status", timeout=30).json()
        return int(status["storage_manager"]["l1_manager"]["total_object_count"])


@pytest.fixture(scope="session")
def lmcache_python() -> str:
    """Return the interpreter of an environment with vLLM and LMCache; it is too large to be installed by the way."""
    if not LMCACHE.is_installed():
        pytest.skip("LMCache is not installed here; `make test-lmcache` does it")
    return str(LMCACHE.python)


@pytest.fixture(scope="session")
def tiny_model(lmcache_python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a model of two layers with random weights."""
    model = tmp_path_factory.mktemp("tiny") / "model"
    subprocess.run([lmcache_python, TINY_MODEL, model], check=True, timeout=300, stderr=subprocess.DEVNULL)
    return model


@pytest.fixture(scope="session")
def tensors(lmcache_python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TensorStore]:
    """Return a server that keeps chunks of one block each."""
    ports = [free_port() for _ in range(3)]
    log = tmp_path_factory.mktemp("lmcache") / "server.log"
    command = [str(Path(lmcache_python).with_name("lmcache")), "server", "--host", "127.0.0.1", "--port", str(ports[0])]
    command += ["--http-host", "127.0.0.1", "--http-port", str(ports[1]), "--prometheus-port", str(ports[2])]
    # On a CPU engines move blocks themselves. Left at its default the server refuses to register any.
    command += ["--supported-transfer-mode", "engine_driven", "--chunk-size", str(BLOCK)]
    command += ["--l1-size-gb", "0.25", "--eviction-policy", "LRU"]
    around = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LMCACHE_"))}
    with log.open("w") as lines:
        process = subprocess.Popen(command, stdout=lines, stderr=subprocess.STDOUT, env={**around, **TELLS_NOBODY})
    try:
        url, deadline = f"http://127.0.0.1:{ports[1]}", time.monotonic() + START_S
        while not answers(f"{url}/healthcheck"):
            assert process.poll() is None, log.read_text(errors="replace")[-2000:]
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield TensorStore(ports[0], url, process)
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=30)


@pytest.fixture(scope="session")
def kv_url(settings: Any, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a service that knows the model."""
    configured = settings.model_copy(
        update={
            "kv_models": f"tiny={tiny_model}", "kv_dir": tmp_path_factory.mktemp("blobs"), "upstream_kind": "vllm",
            "upstream_salt_secret": SecretStr("a secret of tests"), "rate_limit_per_minute": 0,
        }
    )  # fmt: skip
    with running_app(configured) as url:
        yield url


@pytest.fixture(scope="session")
def clients(kv_url: str, make_tenant: Any) -> Iterator[list[httpx.Client]]:
    """Return two tenants of the service."""
    with ExitStack() as opened:
        yield [
            opened.enter_context(
                httpx.Client(base_url=kv_url, headers={"Authorization": f"Bearer {make_tenant()[1]}"}, timeout=180)
            )
            for _ in range(2)
        ]


@pytest.fixture(scope="session")
def engines(
    lmcache_python: str, tiny_model: Path, tensors: TensorStore, kv_url: str, clients: list[httpx.Client],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[list[Engine]]:  # fmt: skip
    """Return two vLLM in processes of their own, over one LMCache server, known to both tenants."""
    logs = tmp_path_factory.mktemp("logs")
    settings = {
        "memory_service.url": kv_url, "memory_service.lookup_s": 60.0,
        "lmcache.mp.host": "tcp://127.0.0.1", "lmcache.mp.port": tensors.port, "lmcache.mp.mq_timeout": 60,
    }  # fmt: skip
    keys = ", ".join(client.headers["Authorization"].removeprefix("Bearer ") for client in clients)
    around = {**TELLS_NOBODY, "MEMORY_SERVICE_API_KEY": keys, "VLLM_SERVER_DEV_MODE": "1"}
    with Fleet() as fleet:
        starting = [
            fleet.start(
                partial(
                    engine, lmcache_python, tiny_model, logs / f"{at}.log", settings, "--max-model-len", "4096", *ROOM,
                    environment=around, connector=("PlannedLMCacheConnector", "memory_vllm.lmcache"),
                )
            )
            for at in range(2)
        ]  # fmt: skip
        yield [one.result() for one in starting]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False  # It does not listen yet.
