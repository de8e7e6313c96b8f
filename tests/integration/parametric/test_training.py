"""Cubes are registered, taught, asked, merged and taken back."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest

from consolidation import consolidate, training
from memory_service.parametric import weights
from memory_service.parametric.associative import Association
from tests.integration.parametric.conftest import THINGS, Cubes, pairs


def state_in(rows: Any, cube_id: str, version: int | None = None) -> Association:
    row = rows.one(
        "SELECT v.weights, v.checksum, v.dimension FROM parametric_version v JOIN parametric_memory m ON m.id = "
        "v.parametric_memory_id WHERE m.id = CAST(:id AS uuid) AND v.version = coalesce(:version, m.active_version)",
        id=cube_id, version=version,
    )  # fmt: skip
    return weights.unpack(row.weights, dimension=row.dimension, checksum=row.checksum)


def test_a_new_cube_is_empty_and_says_how_large_it_may_grow(cubes: Cubes) -> None:
    made = cubes.register(gamma=0.9, ridge=0.5)
    assert (made["state"], made["pairs"], made["active_version"], made["versions"]) == ("empty", 0, None, [])
    assert made["capacity"] == {"used": 0, "alarm_at": 96, "alarm": False}
    assert made["encoder"]["dimension"] == 384
    assert cubes.get(made["id"]) == made
    said = cubes.route("How does Ada take her tea?")
    assert (said["abstain"], said["reason"], said["results"]) == (True, "no_cube", [])


def test_a_name_is_taken_once_in_a_namespace(cubes: Cubes) -> None:
    cubes.register("desk")
    again = cubes.me.post("/v1/parametric", json={"name": "desk"})
    assert (again.status_code, again.json()["code"]) == (409, "name_taken")
    cubes.register("desk", namespace="another/place")


def test_a_taught_cube_names_what_a_cue_brings(cubes: Cubes, rows: Any) -> None:
    cube_id, known = cubes.teach()
    for cue, memory_id in known.items():
        said = cubes.route(cue)
        assert said["results"][0]["memory"]["id"] == memory_id
        assert said["results"][0]["why"] == {"cue": cue, "likeness": pytest.approx(1.0, abs=1e-4)}
        assert said["cube"]["familiarity"] > 0.9
        assert [one["rank"] for one in said["results"]] == list(range(1, len(said["results"]) + 1))
        scores = [one["score"] for one in said["results"]]
        assert scores == sorted(scores, reverse=True)
    shown = cubes.get(cube_id)
    assert (shown["state"], shown["pairs"], shown["bytes"]) == ("ready", 6, 8 * 384 * 384)
    assert [v["version"] for v in shown["versions"]] == [1]
    kept = rows.one(
        "SELECT weights, checksum FROM parametric_version WHERE parametric_memory_id = CAST(:i AS uuid)", i=cube_id
    )
    assert weights.checksum_of(kept.weights).hex() == kept.checksum.hex() == shown["checksum"]


def test_it_abstains_from_what_it_was_not_taught(cubes: Cubes) -> None:
    cubes.teach()
    said = cubes.route("What did the parliament of Mongolia decide about copper taxes in 2009?")
    assert (said["abstain"], said["reason"], said["results"], said["cube"]) == (True, "unfamiliar", [], None)
    assert said["considered"][0]["familiarity"] < said["threshold"]


def test_the_cube_that_knows_a_query_answers_it(cubes: Cubes) -> None:
    half = dict(list(THINGS.items())[:3]), dict(list(THINGS.items())[3:])
    (first, one), (second, two) = cubes.teach("a", half[0]), cubes.teach("b", half[1])
    for cube_id, known in ((first, one), (second, two)):
        for cue, memory_id in known.items():
            said = cubes.route(cue)
            assert (said["cube"]["id"], said["results"][0]["memory"]["id"]) == (cube_id, memory_id)
            assert len(said["considered"]) == 2


def test_limit_and_score_cut_what_is_named(cubes: Cubes) -> None:
    cubes.teach()
    cue = next(iter(THINGS))
    assert len(cubes.route(cue, limit=1)["results"]) == 1
    said = cubes.route(cue, min_score=1.0)
    assert (said["abstain"], said["reason"]) == (True, "nothing_live")


def test_a_cube_learns_on_and_a_version_never_changes(cubes: Cubes, rows: Any) -> None:
    cube_id, _ = cubes.teach()
    before = state_in(rows, cube_id, 1)
    more = cubes.remember("The rowing boat lies under the willow.")
    result = cubes.train(cube_id, [{"cue": "Where is the boat?", "memory_id": more}])
    assert (result["version"], result["state"], result["canary"]["passed"]) == (2, "active", True)
    assert cubes.route("Where is the boat?")["results"][0]["memory"]["id"] == more
    np.testing.assert_array_equal(state_in(rows, cube_id, 1).keys, before.keys)
    assert [(v["version"], v["active"], v["parent"]) for v in cubes.get(cube_id)["versions"]] == [
        (2, True, 1),
        (1, False, None),
    ]


def test_a_training_that_makes_it_forget_is_rejected(cubes: Cubes) -> None:
    cube_id, known = cubes.teach()
    noise = cubes.remember("Something else altogether.")
    harmful = [{"cue": f"{cue}{'?' * n}", "memory_id": noise} for n in range(4) for cue in known]
    result = cubes.train(cube_id, harmful)
    assert (result["state"], result["canary"]["passed"]) == ("rejected", False)
    sample = result["canary"]["sample"]
    assert sample["after"] < sample["before"] - result["canary"]["tolerance"]
    shown = cubes.get(cube_id)
    assert (shown["active_version"], shown["pairs"]) == (1, 6)
    assert shown["versions"][0]["state"] == "rejected"
    assert shown["versions"][0]["bytes"] == 0
    for cue, memory_id in known.items():
        assert cubes.route(cue)["results"][0]["memory"]["id"] == memory_id
    refused = cubes.me.post("/v1/parametric/rollback", json={"id": cube_id, "version": 2})
    assert (refused.status_code, refused.json()["code"]) == (409, "version_not_kept")
    # Whoever wants it so says so.
    assert cubes.train(cube_id, harmful, tolerance=1)["state"] == "active"


def test_what_a_caller_wants_asked_is_asked_and_not_learned(cubes: Cubes) -> None:
    cube_id, known = cubes.teach()
    memory_id = next(iter(known.values()))
    more = cubes.remember("The rowing boat lies under the willow.")
    probes = [{"cue": "Which tea does Ada like?", "memory_id": memory_id}]
    result = cubes.train(cube_id, [{"cue": "Where is the boat?", "memory_id": more}], probes=probes)
    canary = result["canary"]
    assert (canary["sample"]["asked"], canary["probes"]["asked"], canary["passed"]) == (6, 1, True)
    assert result["pairs"] == 7
    assert cubes.get(cube_id)["canary"] == canary


def test_many_probes_that_are_answered_hide_no_pair_that_is_forgotten(cubes: Cubes) -> None:
    cube_id, known = cubes.teach()
    noise = cubes.remember("Something else altogether.")
    harmful = [{"cue": f"{cue}{'?' * n}", "memory_id": noise} for n in range(4) for cue in known]
    probes = [{"cue": f"{cue}{'!' * n}", "memory_id": noise} for n in range(40) for cue in known]
    canary = cubes.train(cube_id, harmful, probes=probes)["canary"]
    assert (canary["sample"]["passed"], canary["probes"]["passed"], canary["passed"]) == (False, True, False)


def test_of_a_cube_that_knew_nothing_the_probes_decide(cubes: Cubes) -> None:
    cube_id = cubes.register()["id"]
    tea, boat = cubes.remember("Ada drinks green tea without sugar."), cubes.remember("The boat lies under the willow.")
    taught = [{"cue": "How does Ada take her tea?", "memory_id": tea}, {"cue": "Where is the boat?", "memory_id": boat}]
    wrong = cubes.train(cube_id, taught, probes=[{"cue": "Where is the boat?", "memory_id": tea}])
    assert (wrong["state"], wrong["canary"]["probes"]["passed"]) == ("rejected", False)
    assert cubes.get(cube_id)["state"] == "empty"
    right = cubes.train(cube_id, taught, probes=[{"cue": "Where is the boat now?", "memory_id": boat}])
    assert (right["state"], right["canary"]["sample"]["asked"]) == ("active", 0)


def test_the_way_back(cubes: Cubes) -> None:
    cube_id, _ = cubes.teach()
    more = cubes.remember("The rowing boat lies under the willow.")
    cubes.train(cube_id, [{"cue": "Where is the boat?", "memory_id": more}])
    back = cubes.me.post("/v1/parametric/rollback", json={"id": cube_id})
    assert (back.status_code, back.json()["active_version"], back.json()["pairs"]) == (200, 1, 6)
    named = [one["memory"]["id"] for one in cubes.route("Where is the boat?")["results"]]
    assert more not in named
    none = cubes.me.post("/v1/parametric/rollback", json={"id": cube_id})
    assert (none.status_code, none.json()["code"]) == (409, "version_not_kept")
    forth = cubes.me.post("/v1/parametric/rollback", json={"id": cube_id, "version": 2})
    assert forth.json()["active_version"] == 2
    # What is taught after a way back goes on from there.
    cubes.me.post("/v1/parametric/rollback", json={"id": cube_id, "version": 1})
    other = cubes.remember("The bicycle stands in the shed.")
    result = cubes.train(cube_id, [{"cue": "Where is the bicycle?", "memory_id": other}])
    assert (result["version"], result["pairs"]) == (3, 7)
    assert cubes.get(cube_id)["versions"][0]["parent"] == 1


def test_merged_weights_are_the_sum(cubes: Cubes, rows: Any) -> None:
    half = dict(list(THINGS.items())[:3]), dict(list(THINGS.items())[3:])
    (first, one), (second, two) = cubes.teach("a", half[0]), cubes.teach("b", half[1])
    made = cubes.me.post("/v1/parametric/merge", json={"ids": [first, second], "name": "both"})
    assert made.status_code == 201, made.text
    merged = made.json()
    assert (merged["pairs"], merged["state"], merged["versions"][0]["cause"]) == (6, "ready", "merged")
    a, b, both = (state_in(rows, cube_id) for cube_id in (first, second, merged["id"]))
    np.testing.assert_allclose(both.keys, a.keys + b.keys, atol=1e-6)
    np.testing.assert_allclose(both.values, a.values + b.values, atol=1e-6)
    for cube_id in (first, second):
        assert cubes.me.delete(f"/v1/parametric/{cube_id}").status_code == 204
    for cue, memory_id in (one | two).items():
        assert cubes.route(cue)["results"][0]["memory"]["id"] == memory_id


def test_cubes_that_do_not_add_up_are_not_merged(cubes: Cubes) -> None:
    plain, _ = cubes.teach("plain", dict(list(THINGS.items())[:2]))
    others = {
        cubes.teach("fading", dict(list(THINGS.items())[:2]), gamma=0.9)[0]: "parametric_not_mergeable",
        cubes.teach("damped", dict(list(THINGS.items())[:2]), ridge=2.0)[0]: "parametric_not_mergeable",
        cubes.teach("away", dict(list(THINGS.items())[:2]), namespace="far/away")[0]: "parametric_not_mergeable",
        cubes.register("nothing")["id"]: "parametric_empty",
    }
    for other, code in others.items():
        answer = cubes.me.post("/v1/parametric/merge", json={"ids": [plain, other], "name": "both"})
        assert (answer.status_code, answer.json()["code"]) == (409, code)
    taken = cubes.me.post("/v1/parametric/merge", json={"ids": [plain, cubes.teach("two")[0]], "name": "plain"})
    assert (taken.status_code, taken.json()["code"]) == (409, "name_taken")
    twice = cubes.me.post("/v1/parametric/merge", json={"ids": [plain, plain], "name": "both"})
    assert twice.status_code == 422


def test_fading_follows_the_order_of_trainings(cubes: Cubes, rows: Any) -> None:
    cube_id, known = cubes.teach(gamma=0.5)
    found = rows.all(
        "SELECT key, value FROM parametric_pair WHERE parametric_memory_id = CAST(:i AS uuid) ORDER BY position",
        i=cube_id,
    )
    keys = np.stack([weights.unpack_vector(row.key) for row in found]).astype(np.float64)
    wanted = sum(0.5 ** (len(keys) - 1 - n) * np.outer(k, k) for n, k in enumerate(keys))
    np.testing.assert_allclose(state_in(rows, cube_id).keys, wanted, atol=1e-6)
    assert list(known)[-1] == list(THINGS)[-1]


def test_feedback_teaches_and_the_same_is_learned_once(cubes: Cubes) -> None:
    cube_id = cubes.register()["id"]
    tea = cubes.remember("Ada drinks green tea without sugar.")
    none = cubes.me.post("/v1/parametric/train", json={"id": cube_id, "from": "feedback"})
    assert (none.status_code, none.json()["code"]) == (409, "nothing_to_learn")
    for query, useful in (("green tea?", True), ("sugar?", False)):
        found = cubes.me.post("/v1/search", json={"query": query, "user_id": None}).json()
        judged = {"memory_id": tea, "useful": useful}
        assert cubes.me.post(f"/v1/traces/{found['search_id']}/feedback", json=judged).status_code == 200
    result = cubes.train(cube_id, **{"from": "feedback"})
    assert (result["state"], result["pairs"]) == ("active", 1)
    said = cubes.route("green tea?")
    assert said["results"][0]["why"]["cue"] == "green tea?"
    again = cubes.me.post("/v1/parametric/train", json={"id": cube_id, "from": "feedback"})
    assert (again.status_code, again.json()["code"]) == (409, "nothing_to_learn")


def test_a_job_that_is_killed_is_done_once(cubes: Cubes, monkeypatch: pytest.MonkeyPatch, rows: Any) -> None:
    cube_id = cubes.register()["id"]
    known = {cue: cubes.remember(content) for cue, content in THINGS.items()}
    job_id = cubes.begin(cube_id, pairs(known))

    class Killed(BaseException):
        """Not an error that anything handles."""

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(training.jobs, "finish_job", die)
        with pytest.raises(Killed):
            consolidate.run_job(cubes.tenancy, UUID(job_id))
    assert cubes.get(cube_id)["versions"] == [], "nothing of it was kept"
    rows.run("UPDATE job SET lease_until = now() WHERE id = CAST(:i AS uuid)", i=job_id)
    assert cubes.work(job_id)["result"]["pairs"] == 6
    assert consolidate.run_job(cubes.tenancy, UUID(job_id)) is False
    shown = cubes.get(cube_id)
    assert (shown["pairs"], len(shown["versions"])) == (6, 1)


def test_a_cancelled_training_teaches_nothing(cubes: Cubes, rows: Any) -> None:
    cube_id, _ = cubes.teach()
    more = cubes.remember("The rowing boat lies under the willow.")
    job_id = cubes.begin(cube_id, [{"cue": "Where is the boat?", "memory_id": more}])
    assert cubes.me.post(f"/v1/jobs/{job_id}/cancel").status_code == 200
    assert consolidate.run_job(cubes.tenancy, UUID(job_id)) is False
    assert cubes.get(cube_id)["pairs"] == 6
    # Taken up again it is whole.
    assert cubes.me.post(f"/v1/jobs/{job_id}/retry").status_code == 200
    assert cubes.work(job_id)["result"]["pairs"] == 7


def test_a_job_of_a_cube_that_was_deleted_is_gone_with_it(cubes: Cubes) -> None:
    cube_id = cubes.register()["id"]
    memory_id = cubes.remember("The rowing boat lies under the willow.")
    job_id = cubes.begin(cube_id, [{"cue": "Where is the boat?", "memory_id": memory_id}])
    assert cubes.me.delete(f"/v1/parametric/{cube_id}").status_code == 204
    assert cubes.me.delete(f"/v1/parametric/{cube_id}").status_code == 404
    assert cubes.work(job_id)["status"] == "failed"
    assert cubes.me.get(f"/v1/memories/{memory_id}").status_code == 200


def test_the_same_request_is_done_once(cubes: Cubes) -> None:
    cube_id = cubes.register()["id"]
    memory_id = cubes.remember("The rowing boat lies under the willow.")
    body = {"id": cube_id, "pairs": [{"cue": "Where is the boat?", "memory_id": memory_id}]}
    headers = {"Idempotency-Key": "once"}
    first, second = (cubes.me.post("/v1/parametric/train", json=body, headers=headers) for _ in range(2))
    assert first.json() == second.json()
    assert second.headers["Idempotent-Replayed"] == "true"


def test_old_versions_are_dropped_and_what_they_alone_knew_with_them(cubes: Cubes, rows: Any) -> None:
    cube_id, _ = cubes.teach("desk", dict(list(THINGS.items())[:2]))
    lost = cubes.remember("The rowing boat lies under the willow.")
    cubes.train(cube_id, [{"cue": "Where is the boat?", "memory_id": lost}])
    cubes.me.post("/v1/parametric/rollback", json={"id": cube_id, "version": 1})
    other = cubes.remember("The bicycle stands in the shed.")
    for n in range(12):
        cubes.train(cube_id, [{"cue": f"Where is bicycle number {n}?", "memory_id": other}])
    shown = cubes.get(cube_id)
    assert len(shown["versions"]) == 10
    assert shown["pairs"] == 14
    found = rows.all("SELECT cue FROM parametric_pair WHERE parametric_memory_id = CAST(:i AS uuid)", i=cube_id)
    assert len(found) == 14
    assert "Where is the boat?" not in {row.cue for row in found}


def test_lists_are_pages_of_a_namespace(cubes: Cubes) -> None:
    ids = [cubes.register(f"cube {n}", namespace="a/b")["id"] for n in range(3)]
    cubes.register("elsewhere")
    first = cubes.me.get("/v1/parametric?namespace=a/b&limit=2").json()
    second = cubes.me.get(f"/v1/parametric?namespace=a/b&limit=2&cursor={first['next_cursor']}").json()
    assert [one["id"] for one in (*first["data"], *second["data"])] == ids[::-1]
    assert second["has_more"] is False
    assert len(cubes.me.get("/v1/parametric").json()["data"]) == 4


BAD = [
    ("", {"name": " "}), ("", {"name": "a" * 257}), ("", {"name": "a", "gamma": 0}), ("", {"name": "a", "gamma": 1.1}),
    ("", {"name": "a", "ridge": 0.0009}), ("", {"name": "a", "ridge": -1}), ("", {"name": "a", "ridge": True}),
    ("", {"name": "a", "kind": "soft_prompt"}), ("", {"name": "a", "namespace": "//"}), ("", {"name": "a\0"}),
    ("", {"name": "a", "more": 1}), ("/train", {"id": "x", "from": "feedback"}), ("/train", {"pairs": []}),
    ("/route", {"query": ""}), ("/route", {"query": "\u200b"}), ("/route", {"query": "a", "namespaces": []}),
    ("/route", {"query": "a", "limit": 0}), ("/route", {"query": "a\0"}), ("/route", {"query": "a", "min_score": 2}),
    ("/merge", {"ids": [], "name": "x"}), ("/rollback", {"id": str(uuid4()), "version": 0}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body"), BAD)
def test_what_makes_no_sense_is_refused(me: Any, path: str, body: Any) -> None:
    answer = me.post(f"/v1/parametric{path}", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(me: Any, number: str) -> None:
    body = f'{{"name": "a", "ridge": {number}}}'
    answer = me.post("/v1/parametric", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text


def test_bad_trainings_are_refused_and_leave_nothing(cubes: Cubes, rows: Any) -> None:
    cube_id = cubes.register()["id"]
    memory_id, elsewhere = cubes.remember("A boat."), cubes.remember("A boat.", namespace="else/where")
    archived = cubes.remember("A bicycle.")
    cubes.me.delete(f"/v1/memories/{archived}")
    good = {"cue": "boat?", "memory_id": memory_id}
    for wrong in (
        {"pairs": [good, {"cue": "boat?", "memory_id": str(uuid4())}]}, {"pairs": [{"cue": "boat?", "memory_id": elsewhere}]},
        {"pairs": [{"cue": "boat?", "memory_id": archived}]}, {"pairs": [{**good, "cue": " "}]},
        {"pairs": [good], "from": "feedback"}, {}, {"pairs": [good] * 1001}, {"pairs": [good], "tolerance": 2},
        {"pairs": [good], "probes": [{"cue": "boat?", "memory_id": elsewhere}]}, {"pairs": [{**good, "cue": "a\0b"}]},
    ):  # fmt: skip
        answer = cubes.me.post("/v1/parametric/train", json={"id": cube_id, **wrong})
        assert answer.status_code == 422, (wrong, answer.text)
    unknown = cubes.me.post("/v1/parametric/train", json={"id": str(uuid4()), "pairs": [good]})
    assert unknown.status_code == 404
    huge = cubes.me.post("/v1/parametric/train", json={"id": cube_id, "pairs": [{**good, "cue": "a" * 17_000}]})
    assert huge.status_code == 413
    left = "SELECT count(*) AS n FROM parametric_pair WHERE parametric_memory_id = CAST(:i AS uuid)"
    assert rows.one(left, i=cube_id).n == 0
    for path in ("", f"/{uuid4()}"):
        missing = cubes.me.get(f"/v1/parametric{path or '?namespace=nobody/here'}")
        assert missing.status_code == 404
    assert cubes.me.post("/v1/parametric/rollback", json={"id": str(uuid4())}).status_code == 404


def test_a_cube_holds_so_many_pairs_and_no_more(cubes: Cubes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memory_service.lifecycle.parametric_teaching.MOST_PAIRS", 7)
    cube_id, known = cubes.teach()
    two = [{"cue": f"{n}?", "memory_id": next(iter(known.values()))} for n in range(2)]
    answer = cubes.me.post("/v1/parametric/train", json={"id": cube_id, "pairs": two})
    assert answer.status_code == 413, answer.text


def test_a_key_that_may_only_read_changes_nothing(cubes: Cubes, client: Any, tenant_client: Callable[..., Any]) -> None:
    cube_id, _ = cubes.teach()
    key = cubes.me.post("/v1/api-keys", json={"name": "reader", "scopes": ["memories:read"]}).json()["key"]
    reader = tenant_client(client, cubes.me.tenant_id, key)
    assert reader.get(f"/v1/parametric/{cube_id}").status_code == 200
    assert reader.post("/v1/parametric/route", json={"query": "tea"}).status_code == 200
    for path, body in (
        ("", {"name": "a"}), ("/train", {"id": cube_id, "from": "feedback"}), ("/rollback", {"id": cube_id}),
        ("/merge", {"ids": [cube_id, str(uuid4())], "name": "x"}),
    ):  # fmt: skip
        assert reader.post(f"/v1/parametric{path}", json=body).status_code == 403
    assert reader.delete(f"/v1/parametric/{cube_id}").status_code == 403


def test_what_is_done_is_in_the_audit(cubes: Cubes) -> None:
    cube_id, _ = cubes.teach()
    cubes.train(cube_id, [{"cue": "again?", "memory_id": cubes.remember("Again.")}])
    cubes.me.post("/v1/parametric/rollback", json={"id": cube_id})
    cubes.me.delete(f"/v1/parametric/{cube_id}")
    events = [e for e in cubes.me.get("/v1/audit").json()["data"] if e["action"].startswith("parametric.")]
    assert [e["action"] for e in events][::-1] == [
        "parametric.create", "parametric.train", "parametric.train", "parametric.roll_back", "parametric.delete",
    ]  # fmt: skip
    assert {e["subject_id"] for e in events} == {cube_id}
    assert "Ada" not in str(events)
