"""Fusion policies: a namespace is searched as it says where a search does not say, shown by explain, replayed as it was."""

from typing import Any

import pytest
from sqlalchemy import Engine, text

from memory_service.api.compat.mem0.bodies import FindIn
from memory_service.api.kv_models import PromptIn
from memory_service.types import KeyScope

FUSION = "/v1/policies/fusion"


@pytest.fixture
def pump(me: Any) -> str:
    for content in ("Ticket T-1138: the pump on deck four fails.", "The sea was calm that night.", "Rosa likes trout."):
        assert me.post("/v1/memories", json={"content": content}).status_code == 201
    return "which pump fails?"


def explained(me: Any, query: str, **fields: Any) -> Any:
    answer = me.post("/v1/search", json={"query": query, "explain": True, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_search_goes_by_the_policy_of_its_namespace_at_once(me: Any, pump: str) -> None:
    before = explained(me, pump)
    assert before["explain"]["policy"] == {"preset": None, "channels": None}
    assert {"keyword", "vector"} <= before["explain"]["weights"].keys()
    put = me.put(FUSION, json={"channels": {"keyword": 2, "graph": 0}})
    assert put.status_code == 200, put.text
    assert put.json()["policy"] == {"preset": None, "channels": {"keyword": 2.0}}
    after = explained(me, pump)
    assert after["explain"]["policy"]["channels"] == {"keyword": 2.0}
    assert set(after["explain"]["weights"]) == {"keyword"}
    assert all(set(one["channels"]) == {"keyword"} for one in after["results"])
    assert set(explained(me, "calm sea", namespace="default")["explain"]["weights"]) == {"keyword"}
    assert me.delete(FUSION).status_code == 204
    assert explained(me, pump)["explain"]["weights"] == before["explain"]["weights"]


def test_the_search_goes_first(me: Any, pump: str) -> None:
    me.put(FUSION, json={"channels": {"keyword": 1}, "preset": "fast"})
    said = explained(me, pump, channels={"vector": 1})
    assert set(said["explain"]["weights"]) == {"vector"}
    # `fast` leaves the graph out, which shows where no weights are said.
    me.put(FUSION, json={"preset": "fast"})
    assert "graph" not in explained(me, pump)["explain"]["weights"]
    balanced = explained(me, pump, preset="balanced")["explain"]["weights"]
    me.delete(FUSION)
    assert balanced == explained(me, pump)["explain"]["weights"]


def test_a_context_goes_by_it_too(me: Any, pump: str) -> None:
    me.put(FUSION, json={"channels": {"keyword": 1}})
    packed = me.post("/v1/context", json={"query": pump}).json()
    trace = me.get(f"/v1/traces/{packed['search_id']}").json()
    assert all(set(one["channels"]) == {"keyword"} for one in trace["results"])


def test_several_namespaces_go_by_none(me: Any, pump: str) -> None:
    me.post("/v1/memories", json={"content": "Another pump.", "namespace": "other"})
    me.put(FUSION, json={"channels": {"keyword": 1}})
    both = explained(me, pump, namespaces=["default", "other"])
    assert both["explain"]["policy"] == {"preset": None, "channels": None}
    assert len(both["explain"]["weights"]) > 1
    assert len(explained(me, pump, namespace="other")["explain"]["weights"]) > 1


def test_a_trace_is_replayed_under_the_policy_of_its_time(me: Any, pump: str) -> None:
    me.put(FUSION, json={"channels": {"keyword": 1}})
    searched = explained(me, pump)
    me.put(FUSION, json={"channels": {"vector": 1}})
    trace = me.get(f"/v1/traces/{searched['search_id']}?replay=true").json()
    assert trace["replay"]["same"] is True
    missed = me.get("/v1/memories").json()["data"][0]["id"]
    fate = me.post(f"/v1/traces/{searched['search_id']}/why-not", json={"memory_id": missed}).json()
    assert set(fate["channels"] or {}) <= {"keyword"}


def test_read_put_deleted_with_tags_and_a_history(me: Any, problem: Any) -> None:
    nothing = me.get(FUSION)
    assert (nothing.json()["id"], nothing.headers["ETag"]) == (None, '"default"')
    first = me.put(FUSION, json={"preset": "fast"}, headers={"If-Match": '"default"'})
    problem(me.put(FUSION, json={}, headers={"If-Match": '"default"'}), 412, "version_mismatch")
    second = me.put(FUSION, json={"preset": "thorough"}, headers={"If-Match": first.headers["ETag"]})
    assert me.get(FUSION).json() == second.json()
    assert me.get("/v1/policies/retention").json()["id"] is None, "another kind"
    (listed,) = me.get("/v1/policies").json()["data"]
    assert (listed["kind"], listed["id"]) == ("fusion", second.json()["id"])
    assert len(me.get("/v1/policies?history=true").json()["data"]) == 2
    assert me.delete(FUSION).status_code == 204
    problem(me.delete(FUSION), 404, "policy_not_found")
    actions = [one["action"] for one in me.get("/v1/audit").json()["data"]]
    assert actions == ["policy.delete", "policy.change", "policy.change"]


def test_a_fusion_policy_leaves_the_one_of_retention_alone(me: Any, maintenance: Engine) -> None:
    me.put("/v1/policies/retention", json={"archive_below": 0.05})
    me.put(FUSION, json={"preset": "fast"})
    me.delete(FUSION)
    assert me.get("/v1/policies/retention").json()["policy"]["archive_below"] == 0.05
    with maintenance.connect() as connection:
        kept = "SELECT retention_policy -> 'policy' ->> 'archive_below' FROM namespace WHERE tenant_id = :t"
        assert connection.scalar(text(kept), {"t": me.tenant_id}) == "0.05"


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"channels": {}}, "invalid_policy", "/channels"),
        ({"channels": {"keyword": 0}}, "invalid_policy", "/channels"),
        ({"channels": {"smell": 1}}, "invalid_policy", "/channels/smell"),
        ({"channels": {"keyword": -1}}, "invalid_request", "/channels/keyword"),
        ({"channels": {"keyword": "1"}}, "invalid_request", "/channels/keyword"),
        ({"channels": [1]}, "invalid_request", "/channels"),
        ({"preset": "hasty"}, "invalid_request", "/preset"),
        ({"weights": {}}, "invalid_request", "/weights"),
    ],
)
def test_what_it_cannot_say(me: Any, problem: Any, body: Any, code: str, pointer: str) -> None:
    problem(me.put(FUSION, json=body), 422, code, pointer=pointer)
    assert me.get(FUSION).json()["id"] is None


def test_only_administrators_put_it(as_tenant: Any, make_tenant: Any) -> None:
    weak = as_tenant(make_tenant(scopes=(KeyScope.READ, KeyScope.WRITE)))
    assert weak.get(FUSION).status_code == 200
    assert weak.put(FUSION, json={}).status_code == 403
    assert weak.delete(FUSION).status_code == 403


def test_bundles_take_it_along(me: Any, pump: str, as_tenant: Any, make_tenant: Any, work: Any) -> None:
    me.put(FUSION, json={"channels": {"keyword": 1}, "preset": "fast"})
    bundle = me.post("/v1/exports", json={"namespace": "default"}).content
    other = as_tenant(make_tenant())
    started = other.post("/v1/imports", content=bundle, headers={"Content-Type": "application/x-ndjson"})
    assert started.status_code == 202
    work(other.tenant_id)
    assert other.get(FUSION).json()["policy"] == {"preset": "fast", "channels": {"keyword": 1.0}}


def test_prompts_and_foreign_searches_leave_the_preset_to_the_policy() -> None:
    """Only what a caller says overrides it, and these two say nothing."""
    assert "preset" not in PromptIn(model="m", query="tea").search_for(more=0).model_fields_set
    assert "preset" in PromptIn(model="m", query="tea", preset="fast").search_for(more=0).model_fields_set
    assert "preset" not in FindIn(query="tea", user_id="u").search("n").model_fields_set
    assert FindIn(query="tea", user_id="u", rerank=True).search("n").preset == "thorough"
