import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from memory_service.api.routes import health
from memory_service.embedded.failing_file import FailingFile
from memory_service.errors import Unavailable
from memory_service.failing_parts import FAILING, FailingPart


def test_alive(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}


def test_without_a_broker_the_service_is_degraded_and_serves(client: TestClient) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    ready = answer.json()
    assert ready["status"] == "degraded"
    assert {name: part["ok"] for name, part in ready["parts"].items()} == {
        "database": True, "migrations": True, "encoder": True, "broker": False,
    }  # fmt: skip
    assert "broker" in ready["detail"]


@pytest.mark.parametrize("part", ["database", "migrations", "encoder"])
def test_what_is_not_ready_is_named(client: TestClient, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    def down(_services: object) -> str | None:
        raise Unavailable("it is down")

    monkeypatch.setitem(health.CHECKS, part, down)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "not_ready"
    assert answer.json()["parts"][part] == {"ok": False, "reason": "it is down"}
    assert f"{part}: it is down" in answer.json()["detail"]


def test_a_database_of_another_version_is_named(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "HEAD", "9999")
    assert "memory-service migrate" in client.get("/readyz").json()["parts"]["migrations"]["reason"]


@pytest.fixture
def supervised(app: FastAPI, client: TestClient, tmp_path: Path) -> Any:
    """Give the application a supervisor's file, and the broker that it has not."""
    before = app.state.services
    app.state.services = replace(before, failing=tmp_path / FAILING)
    yield FailingFile(tmp_path)
    app.state.services = before


def test_a_part_that_keeps_ending_is_named_and_the_service_serves(
    supervised: FailingFile, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(health.CHECKS, "broker", lambda _services: None)
    ready = client.get("/readyz").json()
    assert (ready["status"], ready["parts"]["processes"]) == ("ready", {"ok": True, "reason": None})
    at = time.monotonic() + 7.9
    supervised.write([FailingPart("api-2", 4, "was killed by signal 9", started_at=at - 10, next_at=at)])
    answer = client.get("/readyz")
    ready = answer.json()
    assert (answer.status_code, ready["status"]) == (200, "degraded")
    said = (
        "api-2 has failed 4 times in a row (it was killed by signal 9) and is started again in 8 s; see logs/api-2.log"
    )
    assert ready["parts"]["processes"] == {"ok": False, "reason": said}
    assert ready["detail"] == f"processes: {said}"


def test_a_part_that_is_needed_says_503_whatever_else_ends(
    supervised: FailingFile, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(health.CHECKS, "database", lambda _services: "it is down")
    supervised.write([FailingPart("postgres", 1, "ended with status 1", next_at=time.monotonic() + 1)])
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "not_ready")
    assert "postgres ended with status 1" in answer.json()["detail"]


def test_metrics_count_requests_by_template_and_hold_nothing_of_a_tenant(client: TestClient, me: Any) -> None:
    me.get("/v1/jobs/01a1f894-4555-7047-b33a-4759c6eb97fb")
    client.get("/v1/nothing-like-this")
    text = client.get("/metrics").text
    assert 'memory_service_request_seconds_count{method="GET",route="/v1/jobs/{job_id}",status="404"}' in text
    assert 'route="unmatched",status="404"' in text
    assert "memory_service_encoder_seconds_total" in text
    assert 'memory_service_database_connections{state="in_use"}' in text
    for private in (str(me.tenant_id), me.key, "4759c6eb97fb", "nothing-like-this"):
        assert private not in text


def test_the_encoder_reports_its_batches(app: FastAPI, client: TestClient) -> None:
    app.state.services.batching.encode_passages(["one", "two"])
    text = client.get("/metrics").text
    assert 'memory_service_encoder_batch_size_bucket{kind="passage",le="2.0"}' in text


def test_the_access_log_says_what_happened_and_nothing_private(
    client: TestClient, me: Any, capsys: pytest.CaptureFixture[str], settings: Any
) -> None:
    from memory_service.logging import configure_logging

    configure_logging(level="info")
    try:
        me.get("/v1/jobs?status=queued", headers={"X-Request-ID": "log-1"})
    finally:
        configure_logging(level=settings.log_level)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    (line,) = [each for each in lines if each.get("request_id") == "log-1"]
    assert (line["method"], line["route"], line["status"]) == ("GET", "/v1/jobs", 200)
    assert line["tenant_id"] == str(me.tenant_id)
    assert line["ms"] > 0
    assert "queued" not in str(lines)
    assert me.key not in str(lines)


def test_passages_are_encoded_on_as_many_threads_as_are_set(app: Any) -> None:
    services = app.state.services
    expected = services.settings.encoder_threads if services.encoder.runs_side_by_side else 1
    assert services.batching._threads_of_passages == expected
