"""The connection to the database ends behind any message of the server: the answer is a 503, and nothing is half stored."""

import itertools
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from memory_service.api.app import create_app
from memory_service.settings import Settings
from memory_service.storage.bootstrap import RoleUrls
from memory_service.storage.database import Database
from tests.integration.api.cutting import Breaking, End, breaking
from tests.integration.rows import Rows

pytestmark = pytest.mark.timeout(300)

STEPS = 30  # at most so many cuts for each kind of request and end
PARTS = """
    SELECT (SELECT count(*) FROM source WHERE memory_id = :id),
        (SELECT count(*) FROM embedding WHERE memory_id = :id AND known_to = 'infinity'),
        least(1, (SELECT count(*) FROM posting WHERE memory_id = :id AND known_to = 'infinity'))
"""
number = itertools.count()


class Service:
    """An application whose way to the database breaks."""

    def __init__(self, app: FastAPI, client: TestClient, way: Breaking) -> None:
        self.app = app
        self.client = client
        self.way = way
        self.memory = self.post("memories", content="Ada keeps bees.").json()["id"]

    def post(self, path: str, **body: Any) -> httpx.Response:
        return self.client.post(f"/v1/{path}", json=body)

    def held(self, content: str) -> list[UUID]:
        """Return the memories with a content."""
        answer = self.post("memories/query", filter={"content": content})
        assert answer.is_success, answer.text
        return [UUID(one["id"]) for one in answer.json()["data"]]

    def works(self) -> bool:
        return self.client.get("/v1/jobs").is_success


@pytest.fixture(scope="module")
def service(role_urls: RoleUrls, data_dir: Path, make_tenant: Any) -> Iterator[Service]:
    with breaking(role_urls.service) as way:
        settings = Settings(
            data_dir=data_dir,
            maintenance_database_url=role_urls.maintenance,
            service_database_url=way.url,
            log_level="error",
            **{"DATABASE_URL": "", "BROKER_URL": ""},
        )
        app, (_, key) = create_app(settings), make_tenant()
        headers = {"X-API-Key": key}
        with TestClient(app, "http://127.0.0.1", raise_server_exceptions=False, headers=headers) as client:
            yield Service(app, client, way)


def batch(service: Service, content: str) -> httpx.Response:
    return service.post("memories/batch", items=[{"content": content}, {"content": beside(content)}])


def beside(content: str) -> str:
    return f"Beside: {content}"


def single(service: Service, content: str) -> httpx.Response:
    return service.post("memories", content=content)


def once(service: Service, content: str) -> httpx.Response:
    headers = {"Idempotency-Key": content.replace(" ", "-")}
    return service.client.post("/v1/memories", json={"content": content}, headers=headers)


def correction(service: Service, content: str) -> httpx.Response:
    return service.client.patch(f"/v1/memories/{service.memory}", json={"content": content})


def messages(service: Service, content: str) -> httpx.Response:
    return service.post("messages", messages=[{"content": content}])


def search(service: Service, _content: str) -> httpx.Response:
    return service.post("search", query="bees")


def context(service: Service, _content: str) -> httpx.Response:
    return service.post("context", query="bees", token_budget=500)


def export(service: Service, _content: str) -> httpx.Response:
    return service.post("exports")


def unknown(service: Service, _content: str) -> httpx.Response:
    service.app.state.services.authenticator.forget()
    return service.client.get("/v1/jobs")


def on_new_connections(service: Service, _content: str) -> httpx.Response:
    service.app.state.services.database.dispose()
    return service.client.get("/v1/jobs")


Request = Callable[[Service, str], httpx.Response]
WRITES: tuple[Request, ...] = (batch, single, once, correction)
REQUESTS: tuple[Request, ...] = (*WRITES, messages, search, context, export, unknown, on_new_connections)


@pytest.mark.parametrize("end", End)
@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request.__name__)
def test_a_connection_that_ends_is_a_503_and_leaves_nothing_half_done(
    service: Service, rows: Rows, request_: Request, end: End
) -> None:
    request_(service, new_content())  # what is learnt once is learnt here
    service.way.arm()
    assert request_(service, new_content()).is_success
    messages_of_server = service.way.messages
    assert messages_of_server > 8
    seen = set()
    for after in range(1, messages_of_server + 1, 1 + messages_of_server // STEPS):
        content = new_content()
        service.way.arm(after, end)
        answer = request_(service, content)
        service.way.await_end()
        service.way.arm()
        check(answer)
        seen.add(answer.status_code)
        # The end is known by now: a pooled connection that met it costs no request.
        assert service.works(), (after, end)
        if request_ is export and answer.is_success:
            assert answer.content, "an answer of nothing"
        if request_ in WRITES:
            check_whole(service, rows, request_, answer, content)
    assert 503 in seen


def new_content() -> str:
    return f"Line {next(number)} of many."


def check(answer: httpx.Response) -> None:
    assert answer.is_success or answer.status_code == 503, answer.text
    if answer.status_code == 503:
        assert answer.json()["retryable"] is True
        assert int(answer.headers["retry-after"]) > 0


def check_whole(service: Service, rows: Rows, request_: Request, answer: httpx.Response, content: str) -> None:
    """Look whether what was sent is there with all that belongs to it, or nothing of it, as the answer says."""
    wanted = [content, beside(content)] if request_ is batch else [content]
    held = [service.held(one) for one in wanted]
    assert len({len(one) for one in held}) == 1, "half a batch"
    for (memory_id,) in filter(None, held):
        assert rows.one(PARTS, id=memory_id) == (1, 1, 1)
    if answer.is_success:
        assert all(held)
    elif answer.json()["code"] != "outcome_unknown":
        assert not any(held)
    if request_ is once and answer.status_code == 503:
        # What the answers say to do: the same key stores it once, whether or not the first try did. The server's end of a
        # connection that is lost may hold the key for another moment.
        again, give_up = once(service, content), time.monotonic() + 5
        while again.status_code == 409 and time.monotonic() < give_up:
            assert again.json()["code"] == "idempotency_in_progress", again.text
            time.sleep(0.1)
            again = once(service, content)
        assert again.is_success, again.text
        assert len(service.held(content)) == 1


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux tells how long it waits")
def test_a_server_that_is_gone_without_a_word_is_noticed(role_urls: RoleUrls) -> None:
    tcp = socket.IPPROTO_TCP
    with breaking(role_urls.service) as way:
        database = Database(way.url)
        with database.untenanted() as connection:
            driver: Any = connection.connection.driver_connection
            wire = socket.socket(fileno=os.dup(driver.fileno()))
            options = (
                (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                (tcp, socket.TCP_KEEPIDLE),
                (tcp, socket.TCP_USER_TIMEOUT),
            )
            values = [wire.getsockopt(*option) for option in options]
            wire.close()
        database.dispose()
    assert values == [1, 15, 30_000]
