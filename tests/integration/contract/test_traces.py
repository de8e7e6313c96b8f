"""Traces: what a search asked and found, and what came of it."""

from collections.abc import Callable
from typing import Any

import pytest

from memory_service.types import KeyScope

NOWHERE = "018f3c1e-7b1a-7c3d-9e2f-5a6b7c8d9e0f"


@pytest.fixture
def asked(api: Any) -> tuple[dict[str, Any], list[str]]:
    ids = [
        api.remember(text)["id"] for text in ("The owl hunts at night.", "The lark sings at dawn.", "The bus is late.")
    ]
    return api.search("When does the owl hunt?", top_k=2, filter={"tags": {"exists": False}}), ids


def test_a_trace_replays_the_search(me: Any, asked: Any) -> None:
    answer, ids = asked
    trace = me.get(f"/v1/traces/{answer['search_id']}").json()
    assert trace["search_id"] == answer["search_id"]
    assert trace["query"] == "When does the owl hunt?"
    assert trace["request"]["top_k"] == 2
    assert trace["request"]["filter"] == {"tags": {"exists": False}}
    assert [r["memory_id"] for r in trace["results"]] == [r["memory"]["id"] for r in answer["results"]]
    assert [r["score"] for r in trace["results"]] == [r["score"] for r in answer["results"]]
    assert trace["results"][0]["memory_id"] == ids[0]
    assert (trace["confidence"], trace["abstain"]) == (answer["confidence"], answer["abstain"])
    assert "The owl hunts" not in me.get(f"/v1/traces/{answer['search_id']}").text


def test_feedback_reinforces_or_lapses(me: Any, api: Any, asked: Any) -> None:
    answer, ids = asked
    path = f"/v1/traces/{answer['search_id']}/feedback"
    before = api.read(ids[0])["retention"]["stability_days"]
    useful = me.post(path, json={"memory_id": ids[0], "useful": True, "cited": True})
    assert useful.status_code == 200, useful.text
    held = api.read(ids[0])["retention"]
    assert held["stability_days"] >= before
    assert held["recall_count"] == 1
    second = answer["results"][1]["memory"]["id"]
    weak_before = api.read(second)["retention"]["stability_days"]
    assert me.post(path, json={"memory_id": second, "useful": False}).status_code == 200
    assert api.read(second)["retention"]["stability_days"] < weak_before
    (recall,) = me.get(f"/v1/memories/{ids[0]}/recalls").json()["data"]
    assert (recall["useful"], recall["cited"], recall["search_id"]) == (True, True, answer["search_id"])


def test_feedback_is_idempotent_by_key(me: Any, api: Any, asked: Any) -> None:
    answer, ids = asked
    for _ in range(3):
        body = {"memory_id": ids[0], "useful": True}
        sent = me.post(f"/v1/traces/{answer['search_id']}/feedback", json=body, headers={"Idempotency-Key": "f"})
        assert sent.status_code == 200
    assert api.read(ids[0])["retention"]["recall_count"] == 1


def test_feedback_is_about_what_was_found(me: Any, asked: Any, problem: Any) -> None:
    answer, ids = asked
    path = f"/v1/traces/{answer['search_id']}/feedback"
    left_out = next(i for i in ids if i not in [r["memory"]["id"] for r in answer["results"]])
    problem(me.post(path, json={"memory_id": left_out, "useful": True}), 422, pointer="/memory_id")
    problem(me.post(path, json={"memory_id": NOWHERE, "useful": True}), 422, pointer="/memory_id")
    for body in (
        {},
        {"memory_id": ids[0]},
        {"memory_id": "x", "useful": True},
        {"memory_id": ids[0], "useful": "yes"},
        {"memory_id": ids[0], "useful": None},
    ):
        problem(me.post(path, json=body), 422)


def test_what_is_not_there(me: Any, problem: Any) -> None:
    problem(me.get(f"/v1/traces/{NOWHERE}"), 404, "trace_not_found")
    problem(
        me.post(f"/v1/traces/{NOWHERE}/feedback", json={"memory_id": NOWHERE, "useful": True}), 404, "trace_not_found"
    )
    problem(me.get("/v1/traces/x"), 404, "trace_not_found")


def test_traces_of_others_are_not_there(
    asked: Any, make_tenant: Any, as_tenant: Callable[..., Any], problem: Any
) -> None:
    answer, ids = asked
    stranger = as_tenant(make_tenant())
    problem(stranger.get(f"/v1/traces/{answer['search_id']}"), 404)
    problem(
        stranger.post(f"/v1/traces/{answer['search_id']}/feedback", json={"memory_id": ids[0], "useful": True}), 404
    )


def test_feedback_needs_the_right_to_write(make_tenant: Any, as_tenant: Callable[..., Any], problem: Any) -> None:
    reader = as_tenant(make_tenant(scopes=(KeyScope.READ,)))
    search_id = reader.post("/v1/search", json={"query": "x"}).json()["search_id"]
    assert reader.get(f"/v1/traces/{search_id}").status_code == 200
    problem(reader.post(f"/v1/traces/{search_id}/feedback", json={"memory_id": NOWHERE, "useful": True}), 403)
