"""What is erased, changed or encoded otherwise is in no weight: at once in none that is kept, and soon in none at all."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import Engine, text

from consolidation import consolidate
from memory_service.parametric import weights
from memory_service.parametric.associative import learned
from tests.integration.parametric.conftest import THINGS, Cubes, pairs
from tests.integration.parametric.test_training import state_in

BOAT = "The rowing boat lies under the willow."


def versions(rows: Any, cube_id: str) -> list[Any]:
    return list(
        rows.all(
            "SELECT version, state, reason, weights IS NULL AS emptied FROM parametric_version "
            "WHERE parametric_memory_id = CAST(:i AS uuid) ORDER BY version",
            i=cube_id,
        )
    )


def test_an_erased_memory_is_in_no_weight_from_that_transaction_on(cubes: Cubes, rows: Any) -> None:
    cube_id, known = cubes.teach()
    cubes.train(cube_id, [{"cue": "Where is the boat?", "memory_id": cubes.remember(BOAT)}])
    cue, gone = next(iter(known.items()))
    receipt = cubes.erase(gone)
    assert receipt["verified"] is True, receipt
    counts = receipt["counts"]
    assert (counts["parametric_memory"], counts["parametric_version"], counts["parametric_pair"]) == (1, 2, 1)
    assert [(v.state, v.reason, v.emptied) for v in versions(rows, cube_id)] == [("stale", "erased", True)] * 2
    shown = cubes.get(cube_id)
    assert (shown["state"], shown["bytes"], shown["checksum"]) == ("stale", 0, None)
    said = cubes.route(cue)
    assert (said["abstain"], said["reason"]) == (True, "no_cube")
    assert said["passed_over"] == [
        {"id": cube_id, "name": "desk", "namespace": "default", "reason": "something it was taught was erased"}
    ]
    assert cubes.rebuild(cube_id)
    assert cubes.rebuild(cube_id) is False, "once is enough"
    shown = cubes.get(cube_id)
    assert (shown["state"], shown["pairs"], shown["versions"][0]["cause"]) == ("ready", 6, "rebuilt")
    assert gone not in [one["memory"]["id"] for one in cubes.route(cue)["results"]]
    assert rows.all("SELECT FROM parametric_pair WHERE memory_id = CAST(:m AS uuid)", m=gone) == []


@pytest.mark.parametrize("gamma", [1.0, 0.8])
def test_the_weights_are_those_of_a_cube_that_never_learned_it(cubes: Cubes, rows: Any, gamma: float) -> None:
    things = {**THINGS, "Where is the boat?": BOAT}
    cube_id, known = cubes.teach("with", things, gamma=gamma)
    without = cubes.register("without", gamma=gamma)["id"]
    left = {cue: memory_id for n, (cue, memory_id) in enumerate(known.items()) if n != 2}
    cubes.train(without, pairs(left))
    cubes.erase(list(known.values())[2])
    assert cubes.rebuild(cube_id)
    mine, never = state_in(rows, cube_id), state_in(rows, without)
    np.testing.assert_allclose(mine.keys, never.keys, atol=1e-5)
    np.testing.assert_allclose(mine.values, never.values, atol=1e-5)
    # To the last bit they are what their pairs make.
    kept = rows.all(
        "SELECT key, value FROM parametric_pair WHERE parametric_memory_id = CAST(:i AS uuid) ORDER BY version, position",
        i=cube_id,
    )
    keys, values = (np.stack([weights.unpack_vector(row[at]) for row in kept]) for at in (0, 1))
    row = rows.one(
        "SELECT weights FROM parametric_version WHERE parametric_memory_id = CAST(:i AS uuid) AND state = 'kept'",
        i=cube_id,
    )
    assert row.weights == weights.pack(learned(keys, values, gamma=gamma))


def test_a_changed_memory_is_learned_anew(cubes: Cubes, rows: Any) -> None:
    cube_id, known = cubes.teach()
    cue, memory_id = next(iter(known.items()))
    # What changes nothing of the text changes nothing here.
    assert cubes.me.patch(f"/v1/memories/{memory_id}", json={"tags": ["tea"], "importance": 0.9}).status_code == 200
    assert cubes.get(cube_id)["state"] == "ready"
    changed = {"content": "Ada drinks nothing but strong coffee now."}
    assert cubes.me.patch(f"/v1/memories/{memory_id}", json=changed).status_code == 200
    shown = cubes.get(cube_id)
    assert (shown["state"], shown["bytes"]) == ("stale", 0)
    assert shown["stale_because"] == "a memory it was taught says something else now"
    before = rows.one("SELECT value FROM parametric_pair WHERE memory_id = CAST(:m AS uuid)", m=memory_id).value
    assert cubes.rebuild(cube_id)
    after = rows.one("SELECT value FROM parametric_pair WHERE memory_id = CAST(:m AS uuid)", m=memory_id).value
    assert before != after
    assert cubes.get(cube_id)["state"] == "ready"
    assert cubes.route(cue)["results"][0]["memory"]["content"] == changed["content"]
    old = cubes.me.post("/v1/parametric/rollback", json={"id": cube_id, "version": 1})
    assert (old.status_code, old.json()["code"]) == (409, "parametric_stale")


def test_an_archived_memory_is_not_named_and_is_again_when_it_is_back(cubes: Cubes) -> None:
    cube_id, known = cubes.teach()
    cue, memory_id = next(iter(known.items()))
    cubes.me.post(f"/v1/memories/{memory_id}/archive")
    assert memory_id not in [one["memory"]["id"] for one in cubes.route(cue, limit=100)["results"]]
    assert cubes.get(cube_id)["state"] == "ready"
    cubes.me.post(f"/v1/memories/{memory_id}/restore")
    assert cubes.route(cue)["results"][0]["memory"]["id"] == memory_id


def test_a_memory_that_was_superseded_is_not_named(cubes: Cubes) -> None:
    _, known = cubes.teach()
    cue, memory_id = next(iter(known.items()))
    cubes.me.post(f"/v1/memories/{memory_id}/supersede", json={"content": "Ada drinks coffee."})
    assert memory_id not in [one["memory"]["id"] for one in cubes.route(cue, limit=100)["results"]]


def test_a_cube_of_which_nothing_is_left_is_empty(cubes: Cubes, rows: Any) -> None:
    cube_id, known = cubes.teach("desk", dict(list(THINGS.items())[:2]))
    for memory_id in known.values():
        cubes.erase(memory_id)
    assert cubes.rebuild(cube_id)
    shown = cubes.get(cube_id)
    assert (shown["state"], shown["active_version"], shown["pairs"]) == ("empty", None, 0)
    assert all(v.emptied for v in versions(rows, cube_id))


def test_what_is_erased_before_the_job_runs_is_not_learned(cubes: Cubes) -> None:
    cube_id = cubes.register()["id"]
    known = {cue: cubes.remember(content) for cue, content in THINGS.items()}
    job_id = cubes.begin(cube_id, pairs(known))
    cubes.erase(next(iter(known.values())))
    assert cubes.work(job_id)["result"]["pairs"] == 5
    lone = cubes.remember(BOAT)
    job_id = cubes.begin(cube_id, [{"cue": "Where is the boat?", "memory_id": lone}])
    cubes.erase(lone)
    assert cubes.work(job_id)["result"]["pairs"] == 5


def test_a_memory_erased_while_it_is_encoded_is_not_learned(cubes: Cubes, rows: Any) -> None:
    """The encoder takes its time; the erasure comes in between, and the lock at the end sees it."""
    from contextlib import contextmanager
    from dataclasses import replace

    cube_id = cubes.register()["id"]
    known = {cue: cubes.remember(content) for cue, content in THINGS.items()}
    first, second = list(known.values())[:2]
    job_id = cubes.begin(cube_id, pairs(known))
    opened, meanwhile = cubes.tenancy.open_encoding, [True]

    @contextmanager
    def slowly() -> Any:
        with opened() as encoding:
            if meanwhile.pop() if meanwhile else False:
                cubes.erase(first)
                assert cubes.me.patch(f"/v1/memories/{second}", json={"content": "Another key."}).status_code == 200
            yield encoding

    assert consolidate.run_job(replace(cubes.tenancy, open_encoding=slowly), UUID(job_id))
    shown = cubes.get(cube_id)
    assert (shown["state"], shown["pairs"], len(shown["versions"])) == ("ready", 5, 1)
    row = rows.one(
        "SELECT p.memory_version, m.content_version FROM parametric_pair p JOIN memory m ON m.id = p.memory_id "
        "WHERE p.memory_id = CAST(:m AS uuid)",
        m=second,
    )
    assert row.memory_version == row.content_version


def test_an_erased_asker_takes_the_cues_along(cubes: Cubes, rows: Any) -> None:
    cube_id = cubes.register()["id"]
    tea, boat = cubes.remember("Ada drinks green tea without sugar."), cubes.remember(BOAT)
    for query, memory_id, user in (("green tea?", tea, "ana"), ("the boat?", boat, "ben")):
        made = cubes.me.patch(f"/v1/memories/{memory_id}", json={"tags": [user]})
        assert made.status_code == 200
        found = cubes.me.post("/v1/search", json={"query": query}).json()
        # Asked for somebody: the memories are everybody's.
        rows.run(
            "UPDATE trace SET request = request || jsonb_build_object('user_id', CAST(:u AS text)) WHERE id = CAST(:i AS uuid)",
            u=user, i=found["search_id"],
        )  # fmt: skip
        judged = {"memory_id": memory_id, "useful": True}
        assert cubes.me.post(f"/v1/traces/{found['search_id']}/feedback", json=judged).status_code == 200
    cubes.train(cube_id, **{"from": "feedback"})
    preview = cubes.me.post("/v1/erasures", json={"user_id": "ana", "dry_run": True}).json()
    assert preview["counts"]["parametric_pair"] == 1
    begun = cubes.me.post("/v1/erasures", json={"user_id": "ana"}).json()
    cubes.work(begun["job_id"])
    receipt = cubes.me.get(f"/v1/erasures/{begun['erasure_id']}").json()
    assert (receipt["verified"], receipt["counts"]["parametric_pair"]) == (True, 1)
    assert cubes.get(cube_id)["state"] == "stale"
    assert cubes.rebuild(cube_id)
    assert cubes.get(cube_id)["pairs"] == 1
    assert [row.cue for row in rows.all("SELECT cue FROM parametric_pair WHERE user_id IN ('ana', 'ben')")] == [
        "the boat?"
    ]


def test_an_erased_namespace_takes_its_cubes_along(cubes: Cubes) -> None:
    cube_id, _ = cubes.teach(namespace="gone/soon")
    kept, _ = cubes.teach("kept", dict(list(THINGS.items())[:1]))
    begun = cubes.me.post("/v1/erasures", json={"filter": {}, "namespace": "gone/soon"}).json()
    cubes.work(begun["job_id"])
    receipt = cubes.me.get(f"/v1/erasures/{begun['erasure_id']}").json()
    assert (receipt["verified"], receipt["counts"]["parametric_memory"]) == (True, 2), "once stale, once gone"
    assert cubes.me.get(f"/v1/parametric/{cube_id}").status_code == 404
    assert cubes.get(kept)["state"] == "ready"


def test_weights_that_are_not_what_was_written_are_made_anew(cubes: Cubes, rows: Any) -> None:
    cube_id, known = cubes.teach()
    rows.run(
        "UPDATE parametric_version SET weights = set_byte(weights, 17, get_byte(weights, 17) # 255) "
        "WHERE parametric_memory_id = CAST(:i AS uuid)",
        i=cube_id,
    )
    cue, memory_id = next(iter(known.items()))
    said = cubes.route(cue)
    assert (said["abstain"], said["reason"]) == (True, "no_cube")
    assert said["passed_over"][0]["reason"] == "its weights were not what was written"
    assert cubes.get(cube_id)["state"] == "stale"
    assert cubes.rebuild(cube_id)
    assert cubes.route(cue)["results"][0]["memory"]["id"] == memory_id


def test_another_encoder_makes_a_cube_stale(cubes: Cubes, maintenance: Engine, encoder_id: int, rows: Any) -> None:
    cube_id, _ = cubes.teach()
    serve = text("UPDATE namespace SET encoder_id = :e WHERE tenant_id = :t RETURNING id")
    own = rows.one("SELECT encoder_id FROM namespace WHERE tenant_id = :t", t=cubes.me.tenant_id).encoder_id
    with maintenance.begin() as connection:
        connection.execute(serve, {"e": encoder_id, "t": cubes.me.tenant_id})
    shown = cubes.get(cube_id)
    assert (shown["state"], shown["stale_because"]) == ("stale", "its namespace has another encoder now")
    # The way back of a reindex; its vectors are all there.
    with maintenance.begin() as connection:
        connection.execute(serve, {"e": own, "t": cubes.me.tenant_id})
    assert cubes.rebuild(cube_id)
    assert cubes.get(cube_id)["state"] == "ready"


def test_an_encoder_that_cannot_be_loaded_leaves_a_cube_stale_and_the_sweep_goes_on(cubes: Cubes) -> None:
    from dataclasses import replace

    from consolidation.training import rebuild
    from memory_service.errors import Unavailable

    def unavailable() -> Any:
        raise Unavailable("It is not here.", code="encoder_unavailable")

    cube_id, known = cubes.teach()
    memory_id = next(iter(known.values()))
    cubes.me.patch(f"/v1/memories/{memory_id}", json={"content": "Ada drinks coffee."})
    assert rebuild(replace(cubes.tenancy, open_encoding=unavailable), UUID(cube_id)) is False
    assert cubes.get(cube_id)["state"] == "stale"
    # What is only taken away needs no encoder.
    other, left = cubes.teach("other", {cue: THINGS[cue] for cue in list(THINGS)[2:5]})
    cubes.erase(next(iter(left.values())))
    assert rebuild(replace(cubes.tenancy, open_encoding=unavailable), UUID(other)) is True


def test_no_row_can_be_stale_and_hold_weights(cubes: Cubes, rows: Any) -> None:
    cube_id, _ = cubes.teach()
    with pytest.raises(Exception, match="violates check constraint"):
        rows.run(
            "UPDATE parametric_version SET state = 'stale', reason = 'erased' WHERE parametric_memory_id = CAST(:i AS uuid)",
            i=cube_id,
        )


def test_a_sweep_of_the_worker_teaches_and_makes_anew(
    cubes: Cubes, worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """End to end: Celery's tasks, with the model that a worker loads by itself."""
    monkeypatch.setattr("consolidation.worker.across_tenants.FOUND_AT_ONCE", 100_000)
    cube_id = cubes.register()["id"]
    known = {cue: cubes.remember(content) for cue, content in THINGS.items()}
    job_id = cubes.begin(cube_id, pairs(known))
    assert worker.run_job(str(cubes.me.tenant_id), job_id) is True
    assert cubes.get(cube_id)["state"] == "ready"
    begun = cubes.me.delete(f"/v1/memories/{next(iter(known.values()))}?erase=true").json()
    assert worker.run_job(str(cubes.me.tenant_id), begun["job_id"]) is True
    assert cubes.get(cube_id)["state"] == "stale"
    assert worker.sweep()["parametric"] >= 1
    shown = cubes.get(cube_id)
    assert (shown["state"], shown["pairs"]) == ("ready", 5)


def test_a_bundle_leaves_cubes_out_and_says_so(cubes: Cubes) -> None:
    cubes.teach()
    header, *records = (json.loads(line) for line in cubes.me.post("/v1/exports", json={}).text.splitlines())
    assert "parametric" in header["left_out"]
    assert not [one for one in records if "parametric" in str(one.get("type"))]


def test_another_tenant_sees_and_asks_only_its_own(
    cubes: Cubes, make_tenant: Any, as_tenant: Callable[..., Any], cubes_of: Callable[[Any], Cubes]
) -> None:
    cube_id, known = cubes.teach()
    stranger = cubes_of(as_tenant(make_tenant()))
    own, _ = stranger.teach("desk", {"Who sings?": "The blackbird sings at dawn."})
    cue, memory_id = next(iter(known.items()))
    assert stranger.route(cue)["abstain"] is True
    assert [one["id"] for one in stranger.me.get("/v1/parametric").json()["data"]] == [own]
    assert stranger.me.get(f"/v1/parametric/{cube_id}").status_code == 404
    for path, body in (
        ("train", {"id": cube_id, "from": "feedback"}), ("merge", {"ids": [own, cube_id], "name": "x"}),
        ("rollback", {"id": cube_id}),
    ):  # fmt: skip
        assert stranger.me.post(f"/v1/parametric/{path}", json=body).status_code == 404
    foreign = {"id": own, "pairs": [{"cue": "tea", "memory_id": memory_id}]}
    assert stranger.me.post("/v1/parametric/train", json=foreign).status_code == 422
    assert stranger.me.delete(f"/v1/parametric/{cube_id}").status_code == 404
    assert cubes.get(cube_id)["state"] == "ready"
