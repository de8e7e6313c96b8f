"""Jobs as API.md draws them, made by the calls that make them."""

import json
from collections.abc import Callable
from typing import Any

NOWHERE = "018f3c1e-7b1a-7c3d-9e2f-5a6b7c8d9e0f"


def start(me: Any, namespace: str = "default") -> str:
    answer = me.post("/v1/messages", json={"messages": [{"content": "A turn."}], "namespace": namespace})
    job_id: str = answer.json()["job_id"]
    return job_id


def test_the_shape(me: Any) -> None:
    job = me.get(f"/v1/jobs/{start(me)}").json()
    assert set(job) >= {"id", "kind", "status", "progress", "items", "error", "created_at", "finished_at"}
    assert (job["status"], job["progress"], job["items"], job["error"], job["finished_at"]) == (
        "queued",
        {"done": 0, "total": 1},
        [],
        None,
        None,
    )
    assert job["namespace"] == "default"


def test_listed_by_namespace_and_status(me: Any) -> None:
    one, two = start(me, "a"), start(me, "b")
    me.post(f"/v1/jobs/{two}/cancel")
    assert [j["id"] for j in me.get("/v1/jobs").json()["data"]] == [two, one]
    assert [j["id"] for j in me.get("/v1/jobs?namespace=a").json()["data"]] == [one]
    assert [j["id"] for j in me.get("/v1/jobs?status=cancelled").json()["data"]] == [two]


def test_cancel_and_retry(me: Any, work: Any, problem: Any) -> None:
    job_id = start(me)
    problem(me.post(f"/v1/jobs/{job_id}/retry"), 409)
    assert me.post(f"/v1/jobs/{job_id}/cancel").json()["status"] == "cancelled"
    problem(me.post(f"/v1/jobs/{job_id}/cancel"), 409)
    work(me.tenant_id)
    assert me.get(f"/v1/jobs/{job_id}").json()["status"] == "cancelled"
    assert me.post(f"/v1/jobs/{job_id}/retry").json()["status"] == "queued"
    work(me.tenant_id)
    assert me.get(f"/v1/jobs/{job_id}").json()["status"] == "succeeded"
    problem(me.post(f"/v1/jobs/{job_id}/retry"), 409)


def test_events_of_a_job_that_has_ended(me: Any, work: Any) -> None:
    job_id = start(me)
    work(me.tenant_id)
    answer = me.get(f"/v1/jobs/{job_id}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    (data,) = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    assert json.loads(data)["status"] == "succeeded"


def test_what_is_not_there(me: Any, problem: Any, make_tenant: Any, as_tenant: Callable[..., Any]) -> None:
    stranger, mine = as_tenant(make_tenant()), start(me)
    for who, job_id in ((me, NOWHERE), (stranger, mine)):
        for method, tail in (("GET", ""), ("POST", "/cancel"), ("POST", "/retry"), ("GET", "/events")):
            problem(who.request(method, f"/v1/jobs/{job_id}{tail}"), 404)
    problem(me.get("/v1/jobs/x"), 404)


def test_enrichment_leaves_the_version_and_what_was_said(me: Any, api: Any, work: Any) -> None:
    said = api.remember("Tomás visited Lisbon with Inês.", keywords=["mine"])
    silent = api.remember("Tomás visited the lighthouse of Cabo da Roca near Lisbon.")
    work(me.tenant_id)
    assert api.read(said["id"])["keywords"] == ["mine"]
    enriched = api.read(silent["id"])
    assert enriched["language"] == "en"
    assert "Lisbon" in enriched["entities"]
    assert enriched["keywords"]
    assert enriched["content"] == silent["content"]
    assert api.found("lighthouse", channels={"keyword": 1}, filter={"entities": "Lisbon"}) == [silent["id"]]


def test_waiting_for_it(me: Any, work: Any) -> None:
    from threading import Timer

    timer = Timer(0.3, work, [me.tenant_id])
    timer.start()
    answer = me.post("/v1/memories", json={"content": "Inês moved to Braga.", "wait": "consolidated", "timeout_s": 20})
    timer.join()
    assert answer.status_code == 201
    assert answer.json()["language"] is not None
    assert "Braga" in answer.json()["entities"]
    assert answer.headers["etag"] == f'"{answer.json()["version"]}"'
