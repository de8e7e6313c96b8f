"""The service is not there, comes up later, and goes away again."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
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


@asynccontextmanager
async def limited(url: str, lets_through: Callable[[str, str], bool]) -> AsyncIterator[str]:
    """Let requests through to the real service as long as a test says so, and refuse the others as one too many."""
    refusal = (
        b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/problem+json\r\nRetry-After: 3600\r\n"
        b'Content-Length: 23\r\nConnection: close\r\n\r\n{"code":"rate_limited"}'
    )

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        request, *lines = head.decode().rstrip().split("\r\n")
        method, path, _ = request.split(" ")
        headers = httpx.Headers([tuple(line.split(": ", 1)) for line in lines])
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        if lets_through(method, path):
            async with httpx.AsyncClient(timeout=60) as http:
                answer = await http.request(method, url + path, headers=headers, content=body)
            writer.write(f"HTTP/1.1 {answer.status_code} x\r\n".encode())
            kept = [f"{name}: {answer.headers[name]}\r\n" for name in ("content-type",) if name in answer.headers]
            writer.write("".join(kept).encode() + f"Content-Length: {len(answer.content)}\r\n".encode())
            writer.write(b"Connection: close\r\n\r\n" + answer.content)
        else:
            writer.write(refusal)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_what_was_stored_is_said_to_be_stored(stdio: Any, service: Any, namespace: str) -> None:
    async with (
        limited(service.url, lambda method, _: method == "POST") as url,
        stdio("--namespace", namespace, MEMORY_SERVICE_URL=url, MEMORY_SERVICE_API_KEY=service.api_key) as client,
    ):
        stored = await client.call_tool("remember", {"content": "Kept."})
        assert not stored.is_error, stored.content
        assert stored.structured_content["status"] == "stored"
    with service.http() as http:
        assert http.get(f"/v1/memories/{stored.structured_content['memory_id']}").json()["content"] == "Kept."


async def test_what_was_forgotten_before_the_service_went_away_is_said(
    stdio: Any, service: Any, namespace: str
) -> None:
    with service.http() as http:
        ids = [
            http.post("/v1/memories", json={"content": f"Fact {n}.", "namespace": namespace}).json()["id"]
            for n in range(9)
        ]
    archived: list[str] = []

    def until_two_are_archived(method: str, path: str) -> bool:
        if method == "DELETE" and len(archived) < 2:
            archived.append(path.rpartition("/")[2])
            return True
        return method != "DELETE" and len(archived) < 2

    async with (
        limited(service.url, until_two_are_archived) as url,
        stdio("--namespace", namespace, MEMORY_SERVICE_URL=url, MEMORY_SERVICE_API_KEY=service.api_key) as client,
    ):
        forgotten = await client.call_tool("forget", {"memory_ids": ids})
        assert not forgotten.is_error, forgotten.content
        outcomes = {one["id"]: one["status"] for one in forgotten.structured_content["outcomes"]}
        assert outcomes == {id_: "archived" if id_ in archived else "failed" for id_ in ids}
        assert "2 forgotten (archived); 7 failed" in forgotten.content[0].text
        assert forgotten.content[0].text.count("Too many calls") == 1
        nothing = await client.call_tool("forget", {"memory_ids": ids})
        assert nothing.structured_content["error"]["code"] == "rate_limited"
        assert nothing.structured_content["error"]["retryable"]


async def test_what_is_missing_of_a_graph_is_said_and_can_be_added(stdio: Any, service: Any, namespace: str) -> None:
    batches: list[str] = []

    def one_batch(_: str, path: str) -> bool:
        if path == "/v1/memories/batch":
            batches.append(path)
        return len(batches) < 2

    facts = [f"fact {n}" for n in range(520)]
    async with (
        limited(service.url, one_batch) as url,
        stdio(
            "--reference-tools",
            "--namespace",
            namespace,
            MEMORY_SERVICE_URL=url,
            MEMORY_SERVICE_API_KEY=service.api_key,
        ) as client,
    ):
        entity = {"name": "Ada", "entityType": "person", "observations": facts}
        broken = await client.call_tool("create_entities", {"entities": [entity]})
        assert broken.is_error
        assert broken.structured_content["error"]["code"] == "partly_stored"
        assert (
            broken.structured_content["error"]["retryable"] is False
        )  # Ada is there: her other facts would be left out.
        assert "The first 500 elements were stored" in broken.content[0].text
        assert "add_observations" in broken.content[0].text
        assert "Nothing was stored" not in broken.content[0].text
        batches.clear()
        missing = {"observations": [{"entityName": "Ada", "contents": facts}]}
        added = await client.call_tool("add_observations", missing)
        assert added.is_error  # Two batches again; the first of them was there.
        batches.clear()
        missing = {"observations": [{"entityName": "Ada", "contents": facts[499:]}]}
        assert not (await client.call_tool("add_observations", missing)).is_error
        graph = (await client.call_tool("open_nodes", {"names": ["Ada"]})).structured_content
        assert sorted(graph["entities"][0]["observations"]) == sorted(facts)


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
