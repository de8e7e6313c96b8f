"""The service is not there, comes up later, and goes away again."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.anyio


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def forwarded(port: int, url: str) -> AsyncIterator[None]:
    """Make the real service answer on another port, as long as this lasts."""
    target = urlsplit(url)
    connections: set[asyncio.Task[Any]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(65536):
                writer.write(chunk)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        onward_reader, onward_writer = await asyncio.open_connection(target.hostname, target.port)
        try:
            await asyncio.gather(pump(reader, onward_writer), pump(onward_reader, writer))
        finally:
            writer.close()
            onward_writer.close()
            connections.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await server.wait_closed()


@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_a_service_that_comes_and_goes(
    stdio: Any, run_http: Any, service: Any, namespace: str, transport: str
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    if transport == "stdio":
        connected = stdio("--namespace", namespace, MEMORY_SERVICE_URL=url, MEMORY_SERVICE_API_KEY=service.api_key)
    else:
        connected = run_http("--namespace", namespace, MEMORY_SERVICE_URL=url).client(service.api_key)
    async with connected as client:
        assert len((await client.list_tools()).tools) == 5
        assert [r.uri for r in (await client.list_resources()).resources] == ["memory://recent"]
        down = await client.call_tool("remember", {"content": "Lost?"})
        assert down.is_error
        assert down.structured_content["error"]["code"] == "unreachable"
        assert down.structured_content["error"]["retryable"]
        assert "Nothing was stored" in down.content[0].text
        async with forwarded(port, service.url):
            stored = await client.call_tool("remember", {"content": "Kept."})
            assert not stored.is_error, stored.content
            assert "> Kept." in (await client.read_resource("memory://recent")).contents[0].text
        assert (await client.call_tool("recall", {"query": "Kept"})).is_error
        async with forwarded(port, service.url):
            found = await client.call_tool("recall", {"query": "Kept"})
            assert [m["content"] for m in found.structured_content["memories"]] == ["Kept."]


async def test_a_key_that_appears_later(stdio: Any, service: Any, tmp_path: Any, namespace: str) -> None:
    data_dir = tmp_path / "var"
    async with stdio(
        "--namespace", namespace, MEMORY_SERVICE_URL=service.url, MEMORY_SERVICE_DATA_DIR=str(data_dir)
    ) as client:
        failed = await client.call_tool("recall", {"query": "x"})
        assert failed.structured_content["error"]["code"] == "not_configured"
        assert [r.uri for r in (await client.list_resources()).resources] == ["memory://recent"]
        data_dir.mkdir()
        (data_dir / "api-key").write_text(service.api_key)
        assert not (await client.call_tool("recall", {"query": "x"})).is_error


async def test_something_else_answers(stdio: Any) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>"
        )
        await writer.drain()
        writer.close()

    port = free_port()
    async with (
        await asyncio.start_server(serve, "127.0.0.1", port),
        stdio(MEMORY_SERVICE_URL=f"http://127.0.0.1:{port}", MEMORY_SERVICE_API_KEY="k") as client,
    ):
        failed = await client.call_tool("recall", {"query": "x"})
        assert failed.is_error
        assert failed.structured_content["error"]["code"] == "unexpected_answer"
