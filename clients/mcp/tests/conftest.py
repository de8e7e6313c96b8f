"""Servers as hosts run them, spoken to with the official client."""

import asyncio
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx2
import pytest
import uvicorn
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from memory_mcp.cli import parser, read_settings
from memory_mcp.http import PATH, make_app
from memory_mcp.settings import Settings

START_S = 30
STOP_S = 15

Connect = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _no_settings_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("MEMORY_SERVICE_URL", "MEMORY_SERVICE_API_KEY", "MEMORY_MCP_")):
            monkeypatch.delenv(name)


def environment(**more: str) -> dict[str, str]:
    """Return what a host would hand on: nothing of the service but what it says itself."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MEMORY_")}
    return kept | {"PYTHONWARNINGS": "error"} | more


@dataclass
class HttpUrl:
    """Where a server listens."""

    url: str

    def client(self, api_key: str | None, mode: str = "auto", **headers: str) -> AbstractAsyncContextManager[Client]:
        return _over_http(self.url, api_key, mode, headers)


@dataclass
class HttpServer(HttpUrl):
    """A running `memory-mcp --transport http`."""

    process: "subprocess.Popen[bytes]"
    log: list[str] = field(default_factory=list)


@asynccontextmanager
async def _over_http(url: str, api_key: str | None, mode: str, headers: dict[str, str]) -> AsyncIterator[Client]:
    sent = headers | ({"Authorization": f"Bearer {api_key}"} if api_key else {})
    async with (
        httpx2.AsyncClient(headers=sent, timeout=60) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield client


@pytest.fixture
def run_http() -> Iterator[Callable[..., HttpServer]]:
    """Return a function that runs the HTTP transport; what it ran is stopped at the end."""
    running: list[HttpServer] = []

    def run(*arguments: str, **variables: str) -> HttpServer:
        process = subprocess.Popen(
            [sys.executable, "-m", "memory_mcp", "--transport", "http", "--port", "0", *arguments],
            env=environment(**variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        server = HttpServer("", process)
        listening = threading.Event()

        def follow(lines: IO[bytes]) -> None:
            for line in lines:
                server.log.append(line.decode(errors="replace").rstrip())
                if found := re.search(r"listening on (http://\S+)", server.log[-1]):
                    server.url = found.group(1)
                    listening.set()
            listening.set()

        threading.Thread(target=follow, args=(process.stderr,), daemon=True).start()
        running.append(server)
        assert listening.wait(START_S), "the server did not start"
        assert server.url, "\n".join(server.log)
        return server

    yield run
    for server in running:
        if server.process.poll() is None:
            server.process.terminate()
        try:
            server.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            server.process.kill()
            server.process.wait()
            raise
        for pipe in (server.process.stdout, server.process.stderr):
            assert pipe is not None
            pipe.close()


@asynccontextmanager
async def over_stdio(
    arguments: Sequence[str], variables: dict[str, str], mode: str, errlog: IO[str]
) -> AsyncIterator[Client]:
    parameters = StdioServerParameters(
        command=sys.executable, args=["-m", "memory_mcp", *arguments], env=environment(**variables)
    )
    async with Client(stdio_client(parameters, errlog=errlog), mode=mode) as client:
        yield client


@pytest.fixture
def stdio(tmp_path: Path) -> Iterator[Connect]:
    """Return a function that starts a server as a host does and connects to it over its standard streams."""
    with (tmp_path / "stderr.log").open("w") as errlog:

        def connect(*arguments: str, mode: str = "auto", **variables: str) -> AbstractAsyncContextManager[Client]:
            return over_stdio(arguments, variables, mode, errlog)

        yield connect


@pytest.fixture
def serve_here() -> Iterator[Callable[[Settings], HttpUrl]]:
    """Return a function that serves HTTP from a thread of this process: starting one takes a second less."""
    with ExitStack() as running:

        def serve(settings: Settings) -> HttpUrl:
            listening = socket.create_server(("127.0.0.1", 0))
            config = uvicorn.Config(make_app(settings), log_config=None, timeout_graceful_shutdown=1)
            server = uvicorn.Server(config)
            thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
            thread.start()

            def stop() -> None:
                server.should_exit = True
                thread.join(STOP_S)
                listening.close()

            running.callback(stop)
            return HttpUrl(f"http://127.0.0.1:{listening.getsockname()[1]}{PATH}")

        yield serve


@pytest.fixture(params=["stdio", "http"])
def connect(
    request: pytest.FixtureRequest, service: Any, stdio: Connect, serve_here: Callable[[Settings], HttpUrl]
) -> Connect:
    """Return a function that connects over either transport, as the first tenant unless another key is given."""

    def over(*arguments: str, api_key: str | None = None, mode: str = "auto") -> AbstractAsyncContextManager[Client]:
        key = api_key or service.api_key
        if request.param == "stdio":
            return stdio(*arguments, mode=mode, MEMORY_SERVICE_URL=service.url, MEMORY_SERVICE_API_KEY=key)
        told = parser().parse_args(["--transport", "http", *arguments])
        return serve_here(read_settings(told, {"MEMORY_SERVICE_URL": service.url})).client(key, mode)

    return over
