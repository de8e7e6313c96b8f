"""The application behind a real port, a model's server of our own behind it, and OpenAI's protocol between them."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from pydantic import SecretStr

from benchmarks.model_server import ModelServer, model_server
from memory_service.api.app import create_app
from memory_service.settings import Settings

CHAT = "/openai/v1/chat/completions"


@contextmanager
def serving(settings: Settings) -> Iterator[tuple[str, Any]]:
    """Run the application as `make run` does, in a thread, and return its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = create_app(settings)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 120
    while not server.started:
        assert thread.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{port}", app
    finally:
        server.should_exit = True
        thread.join(30)


@pytest.fixture(scope="session")
def serve_app() -> Callable[..., Any]:
    return serving


@pytest.fixture(scope="module")
def model_running() -> Iterator[ModelServer]:
    with model_server() as server:
        yield server


@pytest.fixture
def model(model_running: ModelServer) -> ModelServer:
    """Return the model's server, with nothing sent yet and well behaved."""
    model_running.reset()
    return model_running


@pytest.fixture(scope="module")
def proxy_settings(settings: Settings, model_running: ModelServer) -> Settings:
    return settings.model_copy(
        update={
            "upstream_url": model_running.url,
            "upstream_api_key": SecretStr("upstream-key"),
            "upstream_kind": "vllm",
            "upstream_salt_secret": SecretStr("salt"),
            "upstream_timeout_s": 2.0,
        }
    )


@pytest.fixture(scope="module")
def running(proxy_settings: Settings) -> Iterator[tuple[str, Any]]:
    with serving(proxy_settings) as started:
        yield started


class Chats:
    """One tenant's calls through the proxy."""

    def __init__(self, url: str, made: tuple[Any, str]) -> None:
        self.tenant_id, self.key = made
        self.url = url
        self.http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {self.key}"}, timeout=30)

    def remember(self, content: str, **fields: Any) -> str:
        answer = self.http.post("/v1/memories", json={"content": content, **fields})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def post(self, messages: Any, *, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
        turns = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
        return self.http.post(CHAT, json={"model": "tiny", "messages": turns, **body}, headers=headers)

    def ask(self, messages: Any, **body: Any) -> dict[str, Any]:
        answer = self.post(messages, **body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def events(self, messages: Any, **body: Any) -> list[Any]:
        """Return the data of a whole stream, parsed where it is JSON."""
        answer = self.post(messages, stream=True, **body)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/event-stream")
        data = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
        return [one if one == "[DONE]" else json.loads(one) for one in data]

    def memories(self, **parameters: Any) -> list[dict[str, Any]]:
        """Return what is remembered, oldest first."""
        answer = self.http.get("/v1/memories", params={"limit": 100, **parameters})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["data"]
        return found[::-1]

    def wait_for(self, count: int, *, patience_s: float = 15, **parameters: Any) -> list[dict[str, Any]]:
        deadline = time.monotonic() + patience_s
        while len(found := self.memories(**parameters)) < count and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(found) == count, [one["content"] for one in found]
        return found


@pytest.fixture
def chats_of(running: tuple[str, Any]) -> Iterator[Callable[[tuple[Any, str]], Chats]]:
    made: list[Chats] = []

    def make(tenant: tuple[Any, str]) -> Chats:
        made.append(Chats(running[0], tenant))
        return made[-1]

    yield make
    for one in made:
        one.http.close()


@pytest.fixture
def chats(chats_of: Callable[[tuple[Any, str]], Chats], make_tenant: Any) -> Chats:
    """Return a fresh tenant's calls."""
    return chats_of(make_tenant())
