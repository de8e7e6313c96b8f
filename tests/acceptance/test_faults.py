"""Parts fail: the answer says so, nothing acknowledged is lost, and the service comes back by itself."""

import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from memory_service.embedded.broker import EmbeddedBroker
from memory_service.embedded.postgres import EmbeddedPostgres
from memory_service.storage.bootstrap import RoleUrls, driver_url
from tests import waiting
from tests.acceptance.house import open_servers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

RECOVERY_S = 60
eventually = partial(waiting.eventually, timeout_s=RECOVERY_S)


class House:
    """An application, its database and its broker, each of which may be stopped."""

    def __init__(
        self, postgres: EmbeddedPostgres, roles: RoleUrls, broker: EmbeddedBroker, served: Any, key: str
    ) -> None:
        self.postgres = postgres
        self.roles = roles
        self.broker = broker
        self.served = served
        self.client: httpx.Client = served.client(key)

    def remember(self, content: str) -> httpx.Response:
        return self.client.post("/v1/memories", json={"content": content})

    def works(self) -> bool:
        return self.remember(f"Probe {time.monotonic_ns()}.").status_code == 201

    def readiness(self) -> tuple[int, dict[str, Any]]:
        answer = self.client.get("/readyz")
        return answer.status_code, answer.json()


@pytest.fixture(scope="module")
def house(serve: Any, data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("faults")
    with (
        open_servers(folder / "var", models_of=data_dir) as servers,
        serve(folder / "var", folder / "server.log", **servers.settings) as served,
    ):
        house = House(servers.postgres, servers.roles, servers.broker, served, servers.key)
        with house.client:
            yield house


def check_unavailable(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    problem = answer.json()
    assert (problem["status"], problem["retryable"]) == (503, True)
    assert "Traceback" not in answer.text
    assert "psycopg" not in answer.text


def test_the_broker_goes_and_comes_back(house: House) -> None:
    assert eventually(lambda: house.readiness()[1]["status"] == "ready")
    house.broker.stop()
    assert eventually(lambda: house.readiness()[1]["status"] == "degraded")
    status, ready = house.readiness()
    assert status == 200
    assert ready["parts"]["broker"]["ok"] is False
    assert "broker" in ready["detail"]
    assert all(part["ok"] for name, part in ready["parts"].items() if name != "broker")
    started = time.monotonic()
    for n in range(10):
        made = house.remember(f"Written without a broker, {n}.")
        assert made.status_code == 201
    assert time.monotonic() - started < 5
    sent = house.client.post("/v1/messages", json={"messages": [{"content": "A job that waits."}]})
    assert sent.status_code == 202
    assert house.client.get(sent.headers["location"]).json()["status"] == "queued"
    assert house.client.post("/v1/search", json={"query": "broker"}).json()["results"]
    house.broker.start()
    assert eventually(lambda: house.readiness()[1]["status"] == "ready")


def test_the_database_goes_and_comes_back(house: House) -> None:
    before = house.remember("Written before the outage.").json()["id"]
    house.postgres.stop()
    try:
        calls: list[tuple[str, str, Any]] = [
            ("POST", "/v1/memories", {"content": "Lost?"}),
            ("POST", "/v1/search", {"query": "x"}),
            ("POST", "/v1/context", {"query": "x"}),
            ("GET", f"/v1/memories/{before}", None),
            ("PATCH", f"/v1/memories/{before}", {"title": "x"}),
            ("DELETE", f"/v1/memories/{before}", None),
            ("GET", "/v1/memories", None),
            ("POST", "/v1/memories/batch", {"items": [{"content": "Lost?"}]}),
            ("GET", "/v1/jobs", None),
            ("POST", "/v1/messages", {"messages": [{"content": "Lost?"}]}),
            ("GET", "/v1/users", None),
            ("GET", "/v1/namespaces", None),
        ]
        for method, path, body in calls:
            started = time.monotonic()
            check_unavailable(house.client.request(method, path, json=body))
            assert time.monotonic() - started < 15, path
        unknown = httpx.get(f"{house.served.url}/v1/jobs", headers={"X-API-Key": "ms_unknown"}, timeout=30)
        check_unavailable(unknown)
        assert house.client.get("/healthz").status_code == 200
        status, ready = house.readiness()
        assert (status, ready["status"], ready["parts"]["database"]["ok"]) == (503, "not_ready", False)
        assert "database" in ready["detail"]
    finally:
        house.postgres.start()
    assert eventually(house.works)
    assert eventually(house.served.ready)
    assert house.client.get(f"/v1/memories/{before}").json()["title"] is None
    listed = house.client.post("/v1/memories/query", json={"filter": {"content": "Lost?"}}).json()
    assert listed["data"] == []


def test_kill_9_of_postgres_in_the_middle_of_writes(house: House) -> None:
    stop = threading.Event()
    acknowledged: dict[str, str] = {}
    seen: set[int] = set()
    lock = threading.Lock()

    def write(writer: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            texts = [f"Writer {writer} wrote line {number}, part {part}." for part in range(3)]
            answer = house.client.post("/v1/memories/batch", json={"items": [{"content": text} for text in texts]})
            with lock:
                seen.add(answer.status_code)
                if answer.status_code == 200:
                    for text, result in zip(texts, answer.json()["results"], strict=True):
                        assert result["status"] in {"created", "skipped"}
                        acknowledged[result["id"]] = text
            if answer.status_code != 200:
                check_unavailable(answer)
                time.sleep(0.1)

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write, number) for number in range(4)]
        try:
            for _ in range(3):
                time.sleep(1.0)
                identity = house.postgres.identity
                assert identity is not None
                os.kill(identity.pid, signal.SIGKILL)
                assert eventually(lambda: house.postgres.poll() is not None, timeout_s=10)
                house.postgres.launch()
                assert eventually(house.works)
        finally:
            stop.set()
        for writer in writers:
            writer.result(60)
    assert seen <= {200, 503}
    assert len(acknowledged) > 20
    for memory_id, text in acknowledged.items():
        assert house.client.get(f"/v1/memories/{memory_id}").json()["content"] == text
    for memory_id, text in list(acknowledged.items())[:: max(1, len(acknowledged) // 40)]:
        for channel in ("vector", "keyword"):
            found = house.client.post("/v1/search", json={"query": text, "top_k": 200, "channels": {channel: 1}}).json()
            assert memory_id in [result["memory"]["id"] for result in found["results"]], (channel, text)
    assert half_records(house) == 0


def test_a_client_that_goes_away_within_its_body_is_no_fault_of_ours(house: House) -> None:
    def counted(status: int) -> float:
        found = re.findall(
            rf'^memory_service_request_seconds_count{{[^}}]*status="{status}"[^}}]*}} (\S+)$', metrics(), re.M
        )
        return sum(map(float, found))

    def metrics() -> str:
        return house.client.get("/metrics").text

    before = {status: counted(status) for status in (499, 500)}
    host, port = house.client.base_url.host, house.client.base_url.port
    head = {"Host": host, "Authorization": house.client.headers["Authorization"], "Content-Length": "100"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    for _ in range(3):
        with socket.create_connection((host, port or 80)) as connection:
            connection.sendall(f"POST /v1/memories HTTP/1.1\r\n{lines}\r\n{{".encode())
            time.sleep(0.2)
    assert eventually(lambda: counted(499) == before[499] + 3, timeout_s=10), metrics()
    assert counted(500) == before[500]
    assert "request_crashed" not in house.served.log.read_text()


def half_records(house: House) -> int:
    """Count memories that lack their source, their vectors or their postings."""
    url = driver_url(house.postgres.url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM memory m WHERE NOT EXISTS (SELECT FROM source s WHERE s.memory_id = m.id) "
            "OR NOT EXISTS (SELECT FROM embedding e WHERE e.memory_id = m.id) "
            "AND NOT EXISTS (SELECT FROM embedding_coarse e WHERE e.memory_id = m.id) "
            "OR NOT EXISTS (SELECT FROM posting p WHERE p.memory_id = m.id)"
        ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize(
    ("sqlstate", "status", "word"),
    [("53100", 503, "disk"), ("40001", 503, "again"), ("57014", 503, "again"), ("P0001", 500, "log")],
)
def test_a_commit_that_fails_is_no_success(house: House, sqlstate: str, status: int, word: str) -> None:
    owner = driver_url(house.roles.owner).set(drivername="postgresql").render_as_string(hide_password=False)
    content = f"Never committed under {sqlstate}."
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(
            f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'secret' "
            f"USING ERRCODE = '{sqlstate}'; END $$"
        )
        connection.execute(
            "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON memory DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
            "WHEN (NEW.content LIKE 'Never committed%') EXECUTE FUNCTION refuse()"
        )
        try:
            for path, body in [
                ("/v1/memories", {"content": content}),
                ("/v1/messages", {"messages": [{"content": content}]}),
                ("/v1/memories/batch", {"items": [{"content": content}]}),
                ("/v1/memories", {"content": content, "wait": "consolidated", "timeout_s": 0.2}),
            ]:
                answer = house.client.post(path, json=body, headers={"Idempotency-Key": f"{sqlstate}{len(str(body))}"})
                assert answer.status_code == status, answer.text
                assert answer.headers["content-type"] == "application/problem+json"
                assert word in answer.json()["detail"].lower()
                assert "secret" not in answer.text
                assert ("retry-after" in answer.headers) == (status == 503)
        finally:
            connection.execute("DROP TRIGGER refuse ON memory")
            connection.execute("DROP FUNCTION refuse()")
    assert house.client.post("/v1/memories/query", json={"filter": {"content": content}}).json()["data"] == []
    assert house.remember(content).status_code == 201
