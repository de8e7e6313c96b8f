"""/v1/policies: read, put, patched, taken back, kept with its time, tried beforehand."""

from collections.abc import Callable
from typing import Any

import pytest

from memory_service.types import KeyScope

ONE = "/v1/policies/retention?namespace=home"


@pytest.fixture(autouse=True)
def home(remember: Callable[..., str]) -> str:
    return remember("The first memory of this namespace.", namespace="home")


def code(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json()["code"])


def test_a_namespace_goes_by_the_defaults_until_it_has_its_own(me: Any) -> None:
    shown = me.get(ONE).json()
    assert (shown["kind"], shown["namespace"], shown["id"], shown["known_from"]) == ("retention", "home", None, None)
    assert shown["policy"]["curve"] == "power"
    assert shown["policy"]["delete_after_days"] is None
    assert shown["policy"]["stability_days"]["episodic"] == 14
    assert me.get("/v1/policies").json()["data"] == []
    assert me.get("/v1/policies/retention").json()["namespace"] == "default", "which exists before its first write"


def test_put_replaces_and_patch_lays_over(me: Any) -> None:
    put = me.put(ONE, json={"archive_below": 0.1, "gains": {"lapse_keeps": 0.4}})
    assert put.status_code == 200, put.text
    assert put.json()["policy"]["archive_below"] == 0.1
    assert put.json()["policy"]["gains"]["recall"] == 1.46
    patched = me.patch(ONE, json={"curve": "ebbinghaus", "int8_below": None}).json()["policy"]
    assert (patched["curve"], patched["int8_below"], patched["archive_below"]) == ("ebbinghaus", None, 0.1)
    assert patched["gains"]["lapse_keeps"] == 0.4
    again = me.put(ONE, json={}).json()
    assert again["policy"] == me.get("/v1/policies/retention").json()["policy"]
    (listed,) = me.get("/v1/policies?namespace=home").json()["data"]
    assert (listed["id"], listed["known_to"]) == (again["id"], None)


def test_what_was_in_force_stays_in_the_history(me: Any) -> None:
    first = me.put(ONE, json={"protection": 1}).json()
    second = me.put(ONE, json={"protection": 2}).json()
    assert me.delete(ONE).status_code == 204
    assert code(me.delete(ONE), 404) == "policy_not_found"
    assert me.get(ONE).json()["id"] is None
    assert me.get("/v1/policies").json()["data"] == []
    told = me.get("/v1/policies?history=true").json()["data"]
    assert [one["id"] for one in told] == [second["id"], first["id"]]
    assert told[1]["known_to"] == told[0]["known_from"]
    assert told[0]["known_to"] is not None


def test_a_change_of_what_somebody_else_changed_is_refused(me: Any) -> None:
    read = me.get(ONE)
    assert me.put(ONE, json={}, headers={"If-Match": read.headers["ETag"]}).status_code == 200
    assert code(me.put(ONE, json={}, headers={"If-Match": read.headers["ETag"]}), 412) == "version_mismatch"
    assert code(me.delete(ONE, headers={"If-Match": '"default"'}), 412) == "version_mismatch"
    assert me.patch(ONE, json={}, headers={"If-Match": me.get(ONE).headers["ETag"]}).status_code == 200


def test_what_cannot_be_is_refused_with_every_reason(me: Any) -> None:
    wrong = me.put(ONE, json={"archive_below": 0.7, "stability_days": {"dream": 3}})
    assert code(wrong, 422) == "invalid_policy"
    assert {one["pointer"] for one in wrong.json()["errors"]} == {"/archive_below", "/stability_days/dream"}
    assert code(me.put(ONE, json={"archiv_below": 0.1}), 422) == "invalid_request"
    assert code(me.put(ONE, json={"protection": "1"}), 422) == "invalid_request"
    assert me.get(ONE).json()["id"] is None


def test_other_kinds_say_where_they_are_decided(me: Any) -> None:
    for kind in ("fusion", "redaction"):
        refused = me.patch(f"/v1/policies/{kind}", json={})
        assert code(refused, 422) == "unsupported_policy_kind"
        assert f"/v1/policies/{kind}" in refused.json()["detail"]
    unknown = me.get("/v1/policies/moods")
    assert code(unknown, 404) == "policy_kind_not_found"
    assert all(kind in unknown.json()["detail"] for kind in ("retention", "fusion", "redaction"))
    assert code(me.put("/v1/policies/retention?namespace=nowhere", json={}), 404) == "namespace_not_found"


def test_only_an_admin_may_change_it(as_tenant: Any, make_tenant: Any) -> None:
    writer = as_tenant(make_tenant(scopes=(KeyScope.READ, KeyScope.WRITE, KeyScope.ERASE)))
    assert writer.get("/v1/policies/retention").status_code == 200
    for call in (writer.put, writer.patch):
        assert code(call("/v1/policies/retention", json={}), 403) == "forbidden"
    assert code(writer.delete("/v1/policies/retention"), 403) == "forbidden"


def test_answers_go_by_the_policy_in_force(me: Any, home: str, age: Any, remember: Callable[..., str]) -> None:
    age(home, days=14)
    assert me.get(f"/v1/memories/{home}").json()["retention"]["retrievability"] == pytest.approx(0.9, abs=1e-4)
    me.put(ONE, json={"stability_days": {"episodic": 1.0}})
    held = me.get(f"/v1/memories/{home}").json()["retention"]
    assert (held["stability_days"], held["retrievability"]) == (1.0, pytest.approx(0.4831, abs=1e-3))
    made = me.post("/v1/memories", json={"content": "A second one.", "namespace": "home"}).json()
    assert made["retention"]["stability_days"] == 1.0
    assert me.get(f"/v1/memories/{made['id']}").json()["retention"]["stability_days"] == 1.0
    found = me.post("/v1/search", json={"query": "second", "namespace": "home"}).json()["results"]
    assert {r["memory"]["retention"]["stability_days"] for r in found} == {1.0}


def test_a_simulation_says_what_would_have_gone_and_changes_nothing(
    me: Any, remember: Callable[..., str], age: Any, home: str
) -> None:
    needed, kept, pinned = (
        remember(f"{word} is kept here.", namespace="home", pinned=word == "Amber") for word in ("Tin", "Zinc", "Amber")
    )
    age(needed, kept, pinned, home, days=300)
    found = me.post("/v1/search", json={"query": "Tin", "namespace": "home", "top_k": 1}).json()
    me.post(f"/v1/traces/{found['search_id']}/feedback", json={"memory_id": needed, "useful": True})
    before = me.get(f"/v1/memories/{needed}").json()
    body = {
        "namespace": "home",
        "policy": {"archive_below": 0.5, "binary_below": 0.6, "stability_days": {"episodic": 14}},
    }
    answer = me.post("/v1/policies/simulate", json=body)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["summary"] == "This policy would have archived 3 of 4 memories, 1 of them recalled later."
    assert (told["memories"], told["archived"], told["recalled_later"], told["complete"]) == (4, 3, 1, True)
    assert told["memories_archived"][0] | {"archived_at": ""} == {
        "id": needed, "memory_type": "episodic", "archived_at": "", "recalled_later": 1,
    }  # fmt: skip
    assert {one["id"] for one in told["memories_archived"]} == {needed, kept, home}
    assert told["by_type"] == {"episodic": {"archived": 3, "recalled_later": 1}}
    assert told["tiers"] == {"half": 1, "int8": 0, "binary": 0}
    assert told["vector_bytes"]["saved"] > 0
    gentle = me.post("/v1/policies/simulate", json={"namespace": "home"}).json()
    assert gentle["archived"] == 0
    late = me.post("/v1/policies/simulate", json={**body, "from": "2100-01-01T00:00:00Z"}).json()
    assert late["archived"] == 0
    assert me.get(f"/v1/memories/{needed}").json()["version"] == before["version"]
    assert me.get(ONE).json()["id"] is None
    assert code(me.post("/v1/policies/simulate", json={"policy": {"rank_weight": 9}}), 422) == "invalid_policy"
    assert code(me.post("/v1/policies/simulate", json={"namespace": "nowhere"}), 404) == "namespace_not_found"


def test_decay_moves_rank_only_where_a_policy_says_so(me: Any, remember: Callable[..., str], age: Any) -> None:
    old, new = (
        remember("The lamp is in the cellar.", namespace="home"),
        remember("The lamp is in the attic.", namespace="home"),
    )
    remember("Nothing to do with it.", namespace="home")

    def order() -> list[str]:
        found = me.post("/v1/search", json={"query": "Where is the lamp in the cellar?", "namespace": "home"}).json()
        return [r["memory"]["id"] for r in found["results"]]

    plain = order()
    assert plain[:2] == [old, new]
    me.put(ONE, json={"rank_weight": 3})
    assert order() == plain, "all are as fresh"
    age(old, days=800)
    weighed = me.post("/v1/search", json={"query": "Where is the lamp in the cellar?", "namespace": "home"}).json()
    assert weighed["results"][0]["memory"]["id"] == new
    of_old = next(r for r in weighed["results"] if r["memory"]["id"] == old)
    assert of_old["signals"]["retrievability"] < -2
    me.delete(ONE)
    assert order() == plain


def test_a_search_fades_as_of_then(me: Any, remember: Callable[..., str], age: Any) -> None:
    """By the policy and the recalls of then: the replay of a trace is what was answered, whatever was of use since."""
    ids = [remember(f"The lamp is in the {room}.", namespace="home") for room in ("cellar", "attic", "hall")]
    me.put(ONE, json={"rank_weight": 3})
    age(ids[0], days=800)
    age(ids[1], days=200)
    asked = {"query": "Where is the lamp in the cellar?", "namespace": "home"}

    def scores(answer: Any) -> dict[str, float]:
        return {result["memory"]["id"]: result["score"] for result in answer["results"]}

    def reinforced() -> Any:
        return me.post("/v1/search", json={**asked, "reinforce": True}).json()

    age(reinforced()["results"][-1]["memory"]["id"], days=30)
    first = me.post("/v1/search", json={**asked, "explain": True}).json()
    trace = f"/v1/traces/{first['search_id']}"
    then = {**asked, "as_of": {"known": me.get(trace).json()["created_at"]}}
    at_once = scores(me.post("/v1/search", json=then).json())
    assert at_once == pytest.approx(scores(first), abs=1e-5)

    # Of use, reinforced, of no use; in this order the first since then kept what it changed, and for the others nothing did.
    me.post(f"{trace}/feedback", json={"memory_id": ids[0], "useful": True})
    reinforced()
    me.post(f"{trace}/feedback", json={"memory_id": ids[1], "useful": False})
    assert scores(me.post("/v1/search", json=asked).json()) != pytest.approx(scores(first), abs=1e-2)
    me.put(ONE, json={"rank_weight": 1})
    assert scores(me.post("/v1/search", json=then).json()) == pytest.approx(at_once, abs=1e-5)
    me.delete(ONE)
    assert scores(me.post("/v1/search", json=then).json()) == pytest.approx(at_once, abs=1e-5)
    assert me.get(f"{trace}?replay=true").json()["replay"]["same"]
