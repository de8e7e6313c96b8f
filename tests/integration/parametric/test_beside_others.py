"""Cubes beside erasures, cancelled trainings, other trainings and their limits: nothing is left over, nothing is in the way."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from consolidation import consolidate
from consolidation.training import rebuild
from memory_service.lifecycle import parametric_asking
from memory_service.lifecycle.erase import erase
from memory_service.lifecycle.parametric_versions import merge
from memory_service.storage import parametric_memories, scope_rows
from memory_service.storage.database import Database
from memory_service.storage.parametric_pairs import Vectors, keep_vectors
from memory_service.storage.scope_rows import Scope
from tests.integration.parametric.conftest import THINGS, Cubes, pairs

TEA = "Ada drinks green tea without sugar."
BOAT = "The rowing boat lies under the willow."


def judge(cubes: Cubes, rows: Any, query: str, memory_id: str, *, user: str | None = None) -> None:
    """Ask a question for somebody, and say that a memory was of use to it."""
    found = cubes.me.post("/v1/search", json={"query": query}).json()
    if user is not None:
        # Asked for somebody: the memories are everybody's.
        rows.run(
            "UPDATE trace SET request = request || jsonb_build_object('user_id', CAST(:u AS text)) WHERE id = CAST(:i AS uuid)",
            u=user, i=found["search_id"],
        )  # fmt: skip
    judged = {"memory_id": memory_id, "useful": True}
    assert cubes.me.post(f"/v1/traces/{found['search_id']}/feedback", json=judged).status_code == 200


def cues(cubes: Cubes, rows: Any) -> list[str]:
    mine = "SELECT cue FROM parametric_pair WHERE tenant_id = :t ORDER BY parametric_memory_id, position"
    return [row.cue for row in rows.all(mine, t=cubes.me.tenant_id)]


def test_a_question_of_an_asker_whose_erasure_waits_is_not_learned(cubes: Cubes, rows: Any) -> None:
    cube_id, tea = cubes.register()["id"], cubes.remember(TEA)
    judge(cubes, rows, "a secret of ana: green tea?", tea, user="ana")
    erasure = cubes.me.post("/v1/erasures", json={"user_id": "ana"}).json()
    job_id = cubes.begin(cube_id, **{"from": "feedback"})
    cubes.work(erasure["job_id"])
    receipt = cubes.me.get(f"/v1/erasures/{erasure['erasure_id']}").json()
    assert (receipt["verified"], receipt["counts"]["parametric_pair"]) == (True, 1)
    assert cubes.work(job_id)["result"]["state"] == "nothing_left"
    assert cues(cubes, rows) == []


def test_a_training_from_feedback_and_an_erasure_of_the_asker_come_one_after_the_other(
    cubes: Cubes, rows: Any, database: Database
) -> None:
    cube_id, tea = cubes.register()["id"], cubes.remember(TEA)
    judge(cubes, rows, "green tea?", tea, user="ana")
    scope = Scope({"user_id": "ana"}, None, None, datetime.now(UTC))
    begun: list[int] = []

    def train() -> None:
        begun.append(cubes.me.post("/v1/parametric/train", json={"id": cube_id, "from": "feedback"}).status_code)

    with database.transaction(cubes.me.tenant_id) as session:
        scope_rows.remove(session, cubes.me.tenant_id, scope, now=datetime.now(UTC))
        training = started(train)
        assert training.is_alive(), "it waits for the judgement that is being erased"
    training.join(30)
    assert begun == [409]
    assert cues(cubes, rows) == []


def started(work: Callable[[], None], *, after_s: float = 1.0) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    time.sleep(after_s)
    return thread


def test_a_training_beside_an_erasure_of_its_memory_is_refused(cubes: Cubes, database: Database) -> None:
    cube_id, boat = cubes.register()["id"], cubes.remember(BOAT)
    answers: list[Any] = []

    def train() -> None:
        body = {"id": cube_id, "pairs": [{"cue": "Where is the boat?", "memory_id": boat}]}
        answers.append(cubes.me.post("/v1/parametric/train", json=body))

    with database.transaction(cubes.me.tenant_id) as session:
        erase(session, cubes.me.tenant_id, [UUID(boat)], now=datetime.now(UTC))
        training = started(train)
    training.join(30)
    assert [(one.status_code, one.json()["code"]) for one in answers] == [(422, "invalid_request")]


def test_a_cube_is_deleted_beside_an_erasure_of_what_it_was_taught(cubes: Cubes, database: Database, rows: Any) -> None:
    cube_id, known = cubes.teach()
    answers: list[int] = []

    def delete() -> None:
        answers.append(cubes.me.delete(f"/v1/parametric/{cube_id}").status_code)

    with database.transaction(cubes.me.tenant_id) as session:
        erase(session, cubes.me.tenant_id, [UUID(next(iter(known.values())))], now=datetime.now(UTC))
        deleting = started(delete)
    deleting.join(30)
    assert answers == [204]
    assert cues(cubes, rows) == []


@pytest.mark.parametrize("taught", [1, 2])
def test_a_cube_that_loses_a_pair_while_it_is_asked_is_passed_over(
    cubes: Cubes, monkeypatch: pytest.MonkeyPatch, taught: int
) -> None:
    cube_id, known = cubes.teach("desk", dict(list(THINGS.items())[:taught]))
    cue, memory_id = next(iter(known.items()))
    real = parametric_memories.weights_of

    def meanwhile(*arguments: Any) -> Any:
        found = real(*arguments)
        cubes.erase(memory_id)
        return found

    monkeypatch.setattr(parametric_asking.parametric_memories, "weights_of", meanwhile)
    said = cubes.route(cue)
    assert (said["abstain"], said["reason"], said["considered"]) == (True, "no_cube", [])
    assert [(one["id"], one["reason"]) for one in said["passed_over"]] == [(cube_id, "it has changed just now")]


def test_what_is_merged_while_its_asker_is_erased_is_erased_too(cubes: Cubes, database: Database, rows: Any) -> None:
    asked = cubes.register("asked")["id"]
    judge(cubes, rows, "what of ana?", cubes.remember(TEA), user="ana")
    cubes.train(asked, **{"from": "feedback"})
    ids = [asked, cubes.teach("told", dict(list(THINGS.items())[1:2]))[0]]
    tenant_id, now = cubes.me.tenant_id, datetime.now(UTC)
    scope = Scope({"user_id": "ana"}, None, None, now)

    def erase_ana() -> None:
        with database.transaction(tenant_id) as session:
            scope_rows.remove(session, tenant_id, scope, now=now)

    with database.transaction(tenant_id) as session:
        merge(session, tenant_id, [UUID(one) for one in ids], name="both", now=now)
        erasing = started(erase_ana)
    erasing.join(30)
    assert not erasing.is_alive()
    assert "what of ana?" not in cues(cubes, rows)
    left = rows.all(
        "SELECT state, weights IS NULL AS emptied FROM parametric_version WHERE tenant_id = :t", t=tenant_id
    )
    # Of the cube that learned it, and of the one that was made of both, nothing is left; the other one is whole.
    assert sorted((one.state, one.emptied) for one in left) == [("kept", False), ("stale", True), ("stale", True)]


def test_what_waits_for_a_cancelled_training_is_in_nobodys_way(cubes: Cubes, rows: Any) -> None:
    cube_id, tea = cubes.register()["id"], cubes.remember(TEA)
    judge(cubes, rows, "green tea?", tea)
    job_id = cubes.begin(cube_id, **{"from": "feedback"})
    waiting = cubes.me.post("/v1/parametric/train", json={"id": cube_id, "from": "feedback"})
    assert (waiting.status_code, waiting.json()["code"]) == (409, "nothing_to_learn")
    assert cubes.me.post(f"/v1/jobs/{job_id}/cancel").status_code == 200
    assert cubes.train(cube_id, **{"from": "feedback"})["pairs"] == 1
    # Taken up again it has nothing new to teach, and does not teach it twice.
    assert cubes.me.post(f"/v1/jobs/{job_id}/retry").status_code == 200
    assert cubes.work(job_id)["result"]["pairs"] == 1
    assert cues(cubes, rows) == ["green tea?"]


def test_a_way_back_follows_what_a_version_was_made_from(cubes: Cubes) -> None:
    cube_id, _ = cubes.teach("desk", dict(list(THINGS.items())[:2]))
    more = list(THINGS.items())[2:5]
    for cue, content in more[:2]:
        cubes.train(cube_id, [{"cue": cue, "memory_id": cubes.remember(content)}])
    assert cubes.me.post("/v1/parametric/rollback", json={"id": cube_id, "version": 1}).status_code == 200
    cubes.train(cube_id, [{"cue": more[2][0], "memory_id": cubes.remember(more[2][1])}])
    back = cubes.me.post("/v1/parametric/rollback", json={"id": cube_id})
    assert back.json()["active_version"] == 1


def test_rejected_trainings_push_no_version_out(cubes: Cubes) -> None:
    cube_id, known = cubes.teach()
    cubes.train(cube_id, [{"cue": "Where is the boat?", "memory_id": cubes.remember(BOAT)}])
    noise = cubes.remember("Nothing of this matters.")
    harmful = [{"cue": f"{cue}{'?' * n}", "memory_id": noise} for n in range(4) for cue in known]
    for _ in range(11):
        assert cubes.train(cube_id, harmful)["state"] == "rejected"
    versions = cubes.get(cube_id)["versions"]
    assert [one["version"] for one in versions if one["state"] == "kept"] == [2, 1]
    assert len(versions) == 12
    assert cubes.me.post("/v1/parametric/rollback", json={"id": cube_id}).json()["active_version"] == 1


def test_what_was_judged_last_fades_least(cubes: Cubes, rows: Any) -> None:
    cube_id = cubes.register(gamma=0.5)["id"]
    for content in ("Ada drinks green tea.", "Ada drinks coffee now."):
        judge(cubes, rows, "What does Ada drink?", cubes.remember(content))
    cubes.train(cube_id, **{"from": "feedback"})
    assert cubes.route("What does Ada drink?")["results"][0]["memory"]["content"] == "Ada drinks coffee now."


def test_a_cue_that_the_namespace_masks_is_learned_once(cubes: Cubes, rows: Any) -> None:
    cube_id, tea = cubes.register()["id"], cubes.remember(TEA)
    judge(cubes, rows, "tea for ada@example.com?", tea)
    rules = {"rules": [{"find": "email", "do": "mask"}]}
    assert cubes.me.put("/v1/policies/redaction", json=rules).status_code in (200, 201)
    cubes.train(cube_id, **{"from": "feedback"})
    assert "ada@example.com" not in str(cues(cubes, rows))
    again = cubes.me.post("/v1/parametric/train", json={"id": cube_id, "from": "feedback"})
    assert (again.status_code, again.json()["code"]) == (409, "nothing_to_learn")


def test_what_is_superseded_is_not_taught(cubes: Cubes) -> None:
    cube_id, boat = cubes.register()["id"], cubes.remember(BOAT)
    cubes.me.post(f"/v1/memories/{boat}/supersede", json={"content": "The boat is gone."})
    body = {"id": cube_id, "pairs": [{"cue": "Where is the boat?", "memory_id": boat}]}
    assert cubes.me.post("/v1/parametric/train", json=body).status_code == 422


@contextmanager
def counted(cubes: Cubes, texts: list[str]) -> Iterator[Any]:
    """Encode as ever, and note the contents that are encoded."""
    with cubes.tenancy.open_encoding() as opened:

        class Counting:
            def __init__(self, encoding: Any) -> None:
                self.encode = encoding.encode
                self._encoding = encoding

            def chunks(self, contents: list[str], **where: Any) -> Any:
                texts.extend(contents)
                return self._encoding.chunks(contents, **where)

        class Opened:
            @staticmethod
            def of(encoder_id: int) -> Any:
                return Counting(opened.of(encoder_id))

        yield Opened()


def test_a_text_is_encoded_once_however_many_cues_bring_it(cubes: Cubes) -> None:
    cube_id, texts = cubes.register()["id"], list[str]()
    long = ("The keeper of the lighthouse wrote about storms. " * 400)[:16_000]
    memory_id = cubes.remember(long)
    job_id = cubes.begin(cube_id, [{"cue": f"cue {n}", "memory_id": memory_id} for n in range(150)])
    tenancy = replace(cubes.tenancy, open_encoding=lambda: counted(cubes, texts))
    assert consolidate.run_job(tenancy, UUID(job_id))
    assert texts == [long]
    assert cubes.get(cube_id)["pairs"] == 150


def test_a_training_gives_way_and_goes_on_where_it_was(cubes: Cubes) -> None:
    cube_id, texts = cubes.register()["id"], list[str]()
    known = {f"What is number {n}?": cubes.remember(f"Number {n} is a prime or none.") for n in range(150)}
    job_id = cubes.begin(cube_id, pairs(known))
    impatient = replace(
        cubes.tenancy, open_encoding=lambda: counted(cubes, texts), others_wait=lambda: True, nudge=lambda _: None
    )
    turns, progress = 0, []
    while cubes.me.get(f"/v1/jobs/{job_id}").json()["status"] in ("queued", "running"):
        assert consolidate.run_job(impatient, UUID(job_id))
        turns += 1
        progress.append(cubes.me.get(f"/v1/jobs/{job_id}").json()["progress"]["done"])
        assert turns < 10
    assert turns == 3, "two turns give way after 64 pairs each"
    assert cubes.get(cube_id)["pairs"] == 150
    assert sorted(texts) == sorted(f"Number {n} is a prime or none." for n in range(150)), "each once"
    assert progress[-1] == 150


def test_a_sweep_stops_in_time_and_the_next_goes_on(cubes: Cubes) -> None:
    cube_id, known = cubes.teach("desk", {f"What is number {n}?": f"Number {n} is a prime." for n in range(70)})
    for n, memory_id in enumerate(known.values()):
        changed = {"content": f"Number {n} is none."}
        assert cubes.me.patch(f"/v1/memories/{memory_id}", json=changed).status_code == 200
    texts: list[str] = []
    tenancy = replace(cubes.tenancy, open_encoding=lambda: counted(cubes, texts))
    assert rebuild(tenancy, UUID(cube_id), go_on=lambda: False) is False
    assert (len(texts), cubes.get(cube_id)["state"]) == (64, "stale")
    assert rebuild(tenancy, UUID(cube_id), go_on=lambda: False) is True
    assert (len(texts), cubes.get(cube_id)["state"]) == (70, "ready")


def test_a_namespace_has_so_many_cubes_and_a_question_so_many_to_ask(
    cubes: Cubes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memory_service.lifecycle.parametric_versions.MOST_CUBES", 2)
    for name in ("a", "b"):
        cubes.register(name)
    refused = cubes.me.post("/v1/parametric", json={"name": "c"})
    assert (refused.status_code, refused.json()["code"]) == (413, "too_many_cubes")
    cubes.register("c", namespace="another/place")
    monkeypatch.setattr("memory_service.lifecycle.parametric_asking.MOST_ROUTED", 1)
    asked = cubes.me.post("/v1/parametric/route", json={"query": "tea?"})
    assert (asked.status_code, asked.json()["code"]) == (413, "too_many_cubes")


def test_what_another_worker_encoded_later_is_not_written_over(cubes: Cubes, database: Database, rows: Any) -> None:
    """A batch that was encoded before a text changed comes late: the vectors are those of the new text by then."""
    cube_id, known = cubes.teach("desk", dict(list(THINGS.items())[:1]))
    (memory_id,) = known.values()
    kept = "SELECT position, key, value, memory_version, encoder_id FROM parametric_pair WHERE tenant_id = :t"
    old = rows.one(kept, t=cubes.me.tenant_id)
    assert cubes.me.patch(f"/v1/memories/{memory_id}", json={"content": "Ada drinks coffee now."}).status_code == 200
    assert cubes.rebuild(cube_id)
    new = rows.one(kept, t=cubes.me.tenant_id)
    late = {old.position: Vectors(old.key, old.value, old.memory_version)}
    with database.transaction(cubes.me.tenant_id) as session:
        keep_vectors(session, cubes.me.tenant_id, UUID(cube_id), late, encoder_id=old.encoder_id)
    assert rows.one(kept, t=cubes.me.tenant_id) == new != old


def test_trainings_that_are_cancelled_again_and_again_take_no_more_room(
    cubes: Cubes, monkeypatch: pytest.MonkeyPatch, rows: Any
) -> None:
    monkeypatch.setattr("memory_service.storage.parametric_pairs.MOST_PAIRS", 4)
    cube_id, boat = cubes.register()["id"], cubes.remember(BOAT)
    for n in range(5):
        job_id = cubes.begin(cube_id, [{"cue": f"{n} {m}", "memory_id": boat} for m in range(2)])
        assert cubes.me.post(f"/v1/jobs/{job_id}/cancel").status_code == 200
        assert len(cues(cubes, rows)) <= 4


def test_a_pair_that_is_given_twice_is_learned_once_and_errors_point_at_what_was_sent(cubes: Cubes) -> None:
    cube_id, boat = cubes.register()["id"], cubes.remember(BOAT)
    twice = [{"cue": "Where is the boat?", "memory_id": boat}] * 2
    wrong = [*twice, {"cue": "?", "memory_id": "00000000-0000-7000-8000-000000000000"}]
    refused = cubes.me.post("/v1/parametric/train", json={"id": cube_id, "pairs": wrong})
    assert [one["pointer"] for one in refused.json()["errors"]] == ["/pairs/2/memory_id"]
    assert cubes.train(cube_id, twice)["pairs"] == 1
