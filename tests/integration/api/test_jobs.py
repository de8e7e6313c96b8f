import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from memory_service.storage import jobs
from memory_service.storage.database import Database
from memory_service.types import JobStatus

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DAY = timedelta(days=1)


def make(database: Database, me: Any, **options: Any) -> UUID:
    with database.transaction(me.tenant_id) as session:
        return jobs.create_job(
            session, me.tenant_id, kind="enrich", payload={"secret": 1}, now=NOW, ttl=DAY, total=2, **options
        )


def test_a_job_from_queue_to_end(database: Database, me: Any) -> None:
    job_id = make(database, me)
    shown = me.get(f"/v1/jobs/{job_id}").json()
    assert shown == {
        "id": str(job_id), "kind": "enrich", "namespace": None, "status": "queued", "progress": {"done": 0, "total": 2},
        "items": [], "error": None, "attempts": 0, "created_at": "2026-01-02T03:04:05Z", "started_at": None,
        "finished_at": None, "result": None,
        "usage": {"calls": 0, "prompt_tokens": 0, "completion_tokens": 0, "dead_letters": 0, "tasks": []},
    }  # fmt: skip
    with database.transaction(me.tenant_id) as session:
        claimed = jobs.claim_job(session, me.tenant_id, job_id, now=NOW, lease=DAY)
        assert claimed is not None
        assert claimed["payload"] == {"secret": 1}
        assert jobs.claim_job(session, me.tenant_id, job_id, now=NOW, lease=DAY) is None
        assert jobs.report_progress(session, me.tenant_id, job_id, done=1, items=[{"id": "a", "status": "done"}])
        assert jobs.report_progress(session, me.tenant_id, job_id, done=2, items=[{"id": "b", "status": "failed"}])
    shown = me.get(f"/v1/jobs/{job_id}").json()
    assert (shown["status"], shown["progress"]["done"]) == ("running", 2)
    assert [item["id"] for item in shown["items"]] == ["a", "b"]
    with database.transaction(me.tenant_id) as session:
        assert jobs.finish_job(session, me.tenant_id, job_id, status=JobStatus.SUCCEEDED, now=NOW)
        assert not jobs.finish_job(session, me.tenant_id, job_id, status=JobStatus.FAILED, now=NOW)
    assert me.get(f"/v1/jobs/{job_id}").json()["status"] == "succeeded"
    for verb in ("cancel", "retry"):
        assert me.post(f"/v1/jobs/{job_id}/{verb}").status_code == 409


def test_a_lease_that_ran_out_is_taken_over(database: Database, me: Any) -> None:
    job_id = make(database, me)
    with database.transaction(me.tenant_id) as session:
        assert jobs.claim_job(session, me.tenant_id, job_id, now=NOW, lease=timedelta(seconds=10)) is not None
        taken = jobs.claim_job(session, me.tenant_id, job_id, now=NOW + timedelta(seconds=11), lease=DAY)
        assert taken is not None
        assert taken["attempts"] == 2


def test_cancel_then_retry(database: Database, me: Any) -> None:
    job_id = make(database, me)
    with database.transaction(me.tenant_id) as session:
        jobs.claim_job(session, me.tenant_id, job_id, now=NOW, lease=DAY)
    assert me.post(f"/v1/jobs/{job_id}/cancel").json()["status"] == "cancelled"
    with database.transaction(me.tenant_id) as session:
        assert not jobs.report_progress(session, me.tenant_id, job_id, done=1)
        assert jobs.claim_job(session, me.tenant_id, job_id, now=NOW, lease=DAY) is None
    retried = me.post(f"/v1/jobs/{job_id}/retry")
    assert retried.status_code == 200
    assert (retried.json()["status"], retried.json()["attempts"]) == ("queued", 0)
    with database.transaction(me.tenant_id) as session:
        assert jobs.claim_job(session, me.tenant_id, job_id, now=NOW, lease=DAY) is not None


def test_lists_by_status_and_in_pages(database: Database, me: Any) -> None:
    ids = [str(make(database, me)) for _ in range(3)]
    me.post(f"/v1/jobs/{ids[0]}/cancel")
    assert [job["id"] for job in me.get("/v1/jobs?status=cancelled").json()["data"]] == [ids[0]]
    first = me.get("/v1/jobs?limit=2").json()
    assert "items" not in first["data"][0]
    rest = me.get(f"/v1/jobs?limit=2&cursor={first['next_cursor']}").json()
    assert [job["id"] for job in first["data"] + rest["data"]] == ids[::-1]
    assert me.get(f"/v1/jobs?limit=2&status=queued&cursor={first['next_cursor']}").json()["code"] == "invalid_cursor"
    assert me.get("/v1/jobs?status=sleeping").status_code == 422
    assert me.get("/v1/jobs?namespace=default").json()["data"] == []


def test_jobs_of_another_tenant_are_not_there(
    database: Database, me: Any, make_tenant: Any, as_tenant: Callable[..., Any]
) -> None:
    job_id = make(database, me)
    stranger = as_tenant(make_tenant())
    assert stranger.get("/v1/jobs").json()["data"] == []
    for method, path in (("GET", ""), ("POST", "/cancel"), ("POST", "/retry"), ("GET", "/events")):
        assert stranger.request(method, f"/v1/jobs/{job_id}{path}").status_code == 404
    assert me.get(f"/v1/jobs/{job_id}").json()["status"] == "queued"


def events(text: str) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        if "event" in fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


def test_a_job_is_followed_to_its_end(database: Database, me: Any) -> None:
    job_id = make(database, me)

    def work() -> None:
        time.sleep(0.4)
        with database.transaction(me.tenant_id) as session:
            jobs.claim_job(session, me.tenant_id, job_id, now=NOW, lease=DAY)
            jobs.report_progress(session, me.tenant_id, job_id, done=1)
        time.sleep(0.4)
        with database.transaction(me.tenant_id) as session:
            jobs.finish_job(session, me.tenant_id, job_id, status=JobStatus.SUCCEEDED, now=NOW)

    worker = threading.Thread(target=work)
    worker.start()
    answer = me.get(f"/v1/jobs/{job_id}/events")
    worker.join()
    assert answer.headers["content-type"].startswith("text/event-stream")
    seen = events(answer.text)
    assert [(name, shown["status"], shown["progress"]["done"]) for name, shown in seen] == [
        ("progress", "queued", 0),
        ("progress", "running", 1),
        ("finished", "succeeded", 2),
    ]


def test_following_ends_after_a_while(database: Database, me: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memory_service.api.routes.jobs.FOLLOW_S", 0.5)
    seen = events(me.get(f"/v1/jobs/{make(database, me)}/events").text)
    assert [name for name, _ in seen] == ["progress"]
