"""What only the HTTP transport has: keys per request, Host and Origin, and an end."""

import asyncio
import signal
import time
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any

import httpx2
import pytest

pytestmark = pytest.mark.anyio

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}
ACCEPT = {"Accept": "application/json, text/event-stream"}
IDLE_S = 7  # more than a client usually keeps a connection that it does not use


def post(server: Any, body: Any = INITIALIZE, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.post(server.url, json=body, headers=ACCEPT | named, timeout=30)


async def test_two_tenants_over_one_server_do_not_see_each_other(
    run_http: Any, service: Any, make_tenant: Callable[[], str], namespace: str
) -> None:
    server = run_http(
        "--namespace",
        namespace,
        "--reference-tools",
        MEMORY_SERVICE_URL=service.url,
        MEMORY_SERVICE_API_KEY=service.api_key,
    )
    keys = [make_tenant(), make_tenant()]
    async with server.client(keys[0]) as one, server.client(keys[1], "legacy") as two:
        ids = []
        for client, secret in ((one, "The password is swordfish."), (two, "The password is halibut.")):
            stored = await client.call_tool("remember", {"content": secret, "user_id": secret.split()[-1]})
            ids.append(stored.structured_content["memory"]["id"])

        async def seen(client: Any) -> str:
            answers = await asyncio.gather(
                client.call_tool("recall", {"query": "password"}),
                client.call_tool("get_context", {"query": "password"}),
                client.call_tool("read_graph", {}),
                client.read_resource("memory://recent"),
                client.list_resources(),
            )
            return "".join(answer.model_dump_json() for answer in answers)

        for _ in range(3):
            first, second = await asyncio.gather(seen(one), seen(two))
            assert ("swordfish" in first, "halibut" in first) == (True, False)
            assert ("swordfish" in second, "halibut" in second) == (False, True)
        for client, other in ((one, ids[1]), (two, ids[0])):
            stolen = await client.call_tool("correct", {"memory_id": other, "content": "x"})
            assert stolen.structured_content["error"]["code"] == "memory_not_found"
            stolen = await client.call_tool("forget", {"memory_ids": [other]})
            assert stolen.is_error


def test_no_key_is_refused_even_where_one_is_configured(run_http: Any, service: Any) -> None:
    server = run_http(MEMORY_SERVICE_URL=service.url, MEMORY_SERVICE_API_KEY=service.api_key)
    for headers in (
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Basic abc"},
        {"x_api_key": ""},
    ):
        refused = post(server, **headers)
        assert refused.status_code == 401, headers
        assert refused.headers["www-authenticate"] == "Bearer"
        assert service.api_key not in refused.text
    for headers in ({"authorization": "Bearer k"}, {"authorization": "token k"}, {"x_api_key": "k"}):
        assert post(server, **headers).status_code == 200, headers


def test_a_connection_that_nobody_uses_is_kept(run_http: Any, service: Any) -> None:
    server = run_http(MEMORY_SERVICE_URL=service.url)
    address = httpx2.URL(server.url)
    connection = HTTPConnection(address.host, address.port, timeout=30)
    local = []
    for _ in range(2):
        connection.request("POST", address.path, body="{}")
        assert connection.getresponse().read()
        assert connection.sock is not None
        local.append(connection.sock.getsockname())
        time.sleep(IDLE_S if len(local) == 1 else 0)
    connection.close()
    assert local[0] == local[1]


async def test_the_key_is_shared_where_the_operator_says_so(
    run_http: Any, service: Any, make_tenant: Callable[[], str], namespace: str
) -> None:
    server = run_http(
        "--share-key", "--namespace", namespace, MEMORY_SERVICE_URL=service.url, MEMORY_SERVICE_API_KEY=service.api_key
    )
    async with server.client(None) as local, server.client(make_tenant()) as tenant:
        await local.call_tool("remember", {"content": "Only the first tenant knows."})
        assert "first tenant" in (await local.call_tool("recall", {"query": "tenant"})).content[0].text
        # A key of one's own is never widened to the shared one.
        assert (await tenant.call_tool("recall", {"query": "tenant"})).structured_content["memories"] == []
    async with server.client("wrong") as wrong:
        assert (await wrong.call_tool("recall", {"query": "tenant"})).structured_content["error"][
            "code"
        ] == "unauthenticated"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "localhost.evil.example", ""])
def test_another_host_is_refused(run_http: Any, service: Any, host: str) -> None:
    server = run_http("--share-key", MEMORY_SERVICE_URL=service.url, MEMORY_SERVICE_API_KEY=service.api_key)
    assert post(server, host=host).status_code in {400, 421}
    assert post(server).status_code == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1.evil.example", "http://localhost.evil.example:80"]
)
def test_another_origin_is_refused(run_http: Any, service: Any, origin: str) -> None:
    server = run_http(
        "--share-key",
        "--allowed-origin",
        "https://app.example",
        MEMORY_SERVICE_URL=service.url,
        MEMORY_SERVICE_API_KEY=service.api_key,
    )
    assert post(server, origin=origin).status_code == 403
    assert post(server, origin="https://app.example").status_code == 200
    assert post(server, origin="http://localhost:3000").status_code == 200


def test_a_named_host_is_answered(run_http: Any, service: Any) -> None:
    server = run_http("--host", "0.0.0.0", "--allowed-host", "memory.example", MEMORY_SERVICE_URL=service.url)
    server.url = server.url.replace("0.0.0.0", "127.0.0.1")
    assert post(server, authorization="Bearer k").status_code == 421
    assert post(server, authorization="Bearer k", host="memory.example").status_code == 200


@pytest.mark.parametrize(
    "body", ["", "nonsense", "[]", "{}", '{"jsonrpc": "2.0", "id": 1, "method": "\\ud800"}', "[" * 10_000, "\x00"]
)
async def test_broken_bodies_do_not_end_it(run_http: Any, service: Any, namespace: str, body: str) -> None:
    server = run_http("--namespace", namespace, MEMORY_SERVICE_URL=service.url)
    headers = {"Authorization": f"Bearer {service.api_key}", "Content-Type": "application/json"}
    for version in ({}, {"MCP-Protocol-Version": "2026-07-28"}):
        refused = httpx2.post(server.url, content=body.encode(), headers=ACCEPT | headers | version, timeout=30)
        assert 400 <= refused.status_code < 500
    assert httpx2.post(server.url, content=b"x" * 5_000_000, headers=ACCEPT | headers, timeout=30).status_code == 413
    async with server.client(service.api_key) as client:
        assert not (await client.call_tool("recall", {"query": "still there?"})).is_error


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_it_is_told_to(run_http: Any, service: Any, stop: signal.Signals) -> None:
    server = run_http(MEMORY_SERVICE_URL=service.url)
    assert post(server, authorization="Bearer k").status_code == 200
    server.process.send_signal(stop)
    assert server.process.wait(10) in {0, -stop}
    assert not any("Traceback" in line for line in server.log), server.log
    assert server.process.stdout.read() == b""


def test_a_taken_port_is_said_plainly(run_http: Any, service: Any, capfd: pytest.CaptureFixture[str]) -> None:
    from memory_mcp.cli import main

    server = run_http(MEMORY_SERVICE_URL=service.url)
    port = server.url.split(":")[2].split("/")[0]
    assert main(["--transport", "http", "--port", port]) == 2
    assert "Address already in use" in capfd.readouterr().err


async def test_keys_and_texts_are_not_logged(run_http: Any, service: Any, namespace: str) -> None:
    server = run_http("--log-level", "debug", "--namespace", namespace, MEMORY_SERVICE_URL=service.url)
    async with server.client(service.api_key) as client:
        await client.call_tool("remember", {"content": "Ada's shoe size is forty-one."})
        await client.call_tool("recall", {"query": "shoe size", "colour": "mauve"})
    log = "\n".join(server.log)
    assert service.api_key not in log
    assert "shoe" not in log
    assert "mauve" not in log
