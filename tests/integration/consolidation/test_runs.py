"""Runs over a real conversation: one changeset, idempotent, reverted as a whole, without harm to what is found."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from consolidation import batches as batches_module
from consolidation import run as run_module
from consolidation.consolidate import consolidate_due, run_job
from consolidation.enriching import enrich_pending
from consolidation.tenancy import Tenancy
from memory_service.types import KeyScope

TALK = Path(__file__).parents[3] / "examples" / "conversation.jsonl"
STRUCTURES = ("episode", "topic", "gist", "community", "profile", "structure_member")


@pytest.fixture
def talk(me: Any, tenancy: Tenancy) -> list[str]:
    """Return the ids of the first hundred turns of the conversation that ships with the project, stored and enriched."""
    lines = TALK.read_text(encoding="utf-8").splitlines()[:100]
    items = [
        {**{name: value for name, value in turn.items() if name != "name"}, "speaker": turn["name"], "user_id": "pair"}
        for turn in map(json.loads, lines)
    ]
    answer = me.post("/v1/memories/batch", json={"items": items})
    assert answer.status_code == 200, answer.text
    enrich_pending(tenancy)
    return [result["id"] for result in answer.json()["results"]]


def consolidate(me: Any, tenancy: Tenancy, **body: Any) -> dict[str, Any]:
    answer = me.post("/v1/consolidations", json=body)
    assert answer.status_code == 202, answer.text
    job_id = answer.json()["job_id"]
    assert answer.headers["location"] == f"/v1/jobs/{job_id}"
    assert run_job(tenancy, UUID(job_id))
    job: dict[str, Any] = me.get(f"/v1/jobs/{job_id}").json()
    assert job["status"] == "succeeded", job
    return job


def structures(rows: Any, me: Any) -> dict[str, int]:
    count = "SELECT count(*) AS n FROM {} WHERE tenant_id = :t AND known_to = 'infinity'"
    return {name: rows.one(count.format(name), t=me.tenant_id).n for name in STRUCTURES}


def test_a_run_is_one_changeset_and_one_call_takes_it_back(
    me: Any, tenancy: Tenancy, talk: list[str], snapshot: Callable[[], Any], rows: Any
) -> None:
    before, built = snapshot(), structures(rows, me)
    job = consolidate(me, tenancy)
    assert (job["kind"], job["progress"]) == ("consolidate", {"done": 100, "total": 100})
    (changeset,) = me.get("/v1/changesets").json()["data"]
    assert job["result"]["changesets"] == [changeset["id"]]
    assert {"join", "revise", "put"} <= changeset["counts"].keys()
    after = structures(rows, me)
    assert after["episode"] > 0
    assert after["topic"] > 0
    assert after["gist"] >= after["episode"]
    answer = me.post(f"/v1/changesets/{changeset['id']}/revert")
    assert answer.status_code == 200, answer.text
    assert snapshot() == before
    assert structures(rows, me) == built


def test_runs_are_taken_back_one_after_the_other_the_newest_first(
    me: Any, tenancy: Tenancy, talk: list[str], snapshot: Callable[[], Any], rows: Any, remember: Callable[..., Any]
) -> None:
    """Each of them has ended values, links and topics of the one before it."""

    def say(content: str, month: int) -> None:
        remember(content, speaker="Ana", user_id="pair", observed_at=f"2025-{month:02d}-01T00:00:00Z")
        enrich_pending(tenancy)

    say("My rent is 900 euros.", 1)
    say("My rent is now 950 euros.", 2)
    states = [(snapshot(), structures(rows, me))]
    for month, content in enumerate(("My rent is now 1,020 euros.", "My rent is now 1,100 euros."), start=3):
        consolidate(me, tenancy, scope="all")
        say(content, month)
        states.append((snapshot(), structures(rows, me)))
    consolidate(me, tenancy, scope="all")
    changesets = me.get("/v1/changesets").json()["data"]
    assert len(changesets) == 3
    for changeset, (then, built) in zip(changesets, reversed(states), strict=True):
        assert changeset["counts"]["supersede"] == 1
        answer = me.post(f"/v1/changesets/{changeset['id']}/revert")
        assert answer.status_code == 200, answer.text
        now = snapshot()
        assert {i: now["memories"][i] for i in then["memories"]} == then["memories"]
        assert now["links"] == then["links"]
        assert structures(rows, me) == built


def test_running_again_changes_nothing(
    me: Any, tenancy: Tenancy, talk: list[str], snapshot: Callable[[], Any], rows: Any
) -> None:
    consolidate(me, tenancy)
    once, built = snapshot(), structures(rows, me)
    assert consolidate(me, tenancy)["result"]["counts"] == {}
    again = consolidate(me, tenancy, scope="all")["result"]
    assert (again["considered"], again["counts"]) == (100 - sum(1 for m in once["memories"].values() if not m[15]), {})
    assert snapshot() == once
    assert structures(rows, me) == built


def test_a_repetition_that_somebody_brought_back_stays(
    me: Any, tenancy: Tenancy, remember: Callable[..., dict[str, Any]]
) -> None:
    first = remember("The dentist is Olga on Hill Street.", observed_at="2026-01-01T10:00:00Z")
    again = remember("The dentist is Olga, on Hill Street!", observed_at="2026-01-05T10:00:00Z")
    enrich_pending(tenancy)
    consolidate(me, tenancy)
    assert me.get(f"/v1/memories/{again['id']}").json()["state"] == "merged"
    assert me.post(f"/v1/memories/{again['id']}/restore").json()["state"] == "activated"
    assert consolidate(me, tenancy)["result"]["counts"].keys() <= {"put"}
    states = [me.get(f"/v1/memories/{one['id']}").json()["state"] for one in (first, again)]
    assert states == ["activated", "activated"]


def test_what_was_merged_is_told_no_more_once_the_text_that_stands_for_it_says_otherwise(
    me: Any, tenancy: Tenancy, remember: Callable[..., dict[str, Any]]
) -> None:
    first, again = (
        remember("I live in Porto.", user_id="ana", observed_at=f"2026-01-0{day}T10:00:00Z") for day in (1, 5)
    )
    enrich_pending(tenancy)
    consolidate(me, tenancy, steps=["profiles"])
    consolidate(me, tenancy, steps=["conflicts"])
    assert me.get(f"/v1/memories/{again['id']}").json()["state"] == "merged"
    assert [line["value"] for line in me.get("/v1/profiles/ana").json()["static"]] == ["Porto"]
    assert me.patch(f"/v1/memories/{first['id']}", json={"content": "I live in Braga."}).status_code == 200
    assert me.get("/v1/profiles/ana").json()["static"] == []


def test_what_has_a_value_or_metadata_of_its_own_is_found_by_them_after_a_run(
    me: Any, tenancy: Tenancy, remember: Callable[..., dict[str, Any]]
) -> None:
    call, pressure = "The customer called about the refund.", "Blood pressure was taken at home."
    for day in (1, 2):
        at = f"2026-03-0{day}T08:00:00Z"
        remember(call, observed_at=at, metadata={"ticket": day}, tags=[f"t{day}"])
        remember(pressure, observed_at=at, value={"systolic": 110 + 10 * day})
    again = remember(call, observed_at="2026-03-03T08:00:00Z", metadata={"ticket": 1})
    enrich_pending(tenancy)
    consolidate(me, tenancy)
    for ticket in (1, 2):
        found = me.post("/v1/memories/query", json={"filter": {"metadata.ticket": ticket}}).json()["data"]
        assert [one["tags"] for one in found] == [[f"t{ticket}"]]
    assert me.get(f"/v1/memories/{again['id']}").json()["state"] == "merged", "it has nothing that the first lacks"
    values = [one["value"] for one in me.get("/v1/memories").json()["data"] if one["content"] == pressure]
    assert sorted(one["systolic"] for one in values) == [120, 130]


def test_a_session_shows_every_turn_also_those_that_repeat(me: Any, tenancy: Tenancy) -> None:
    said = ["I need two tickets for the opera.", "I need two tickets for the opera.", "And one for the ballet."]
    messages = [{"content": one, "observed_at": f"2026-01-0{day}T10:00:00Z"} for day, one in enumerate(said, 1)]
    ids = me.post("/v1/messages", json={"session_id": "s", "messages": messages}).json()["memories"]
    enrich_pending(tenancy)
    consolidate(me, tenancy)
    assert me.get(f"/v1/memories/{ids[1]}").json()["state"] == "merged"
    shown = me.get("/v1/sessions/s/messages").json()["data"]
    assert [one["id"] for one in shown] == ids
    assert me.delete(f"/v1/memories/{ids[0]}").status_code == 204
    assert [one["id"] for one in me.get("/v1/sessions/s/messages").json()["data"]] == ids[1:]


def test_a_plan_is_shown_to_those_who_may_read(as_tenant: Any, make_tenant: Any) -> None:
    writer = as_tenant(make_tenant(scopes=(KeyScope.WRITE,)))
    refused = writer.post("/v1/consolidations", json={"dry_run": True, "timeout_s": 0})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert "memories:read" in refused.json()["detail"]
    assert writer.post("/v1/consolidations", json={}).status_code == 202


def test_a_dry_run_plans_what_a_run_does(
    me: Any, tenancy: Tenancy, talk: list[str], snapshot: Callable[[], Any], rows: Any
) -> None:
    before, built = snapshot(), structures(rows, me)

    def work() -> None:
        deadline = datetime.now(UTC) + timedelta(seconds=20)
        while datetime.now(UTC) < deadline:
            for row in rows.all("SELECT id FROM job WHERE tenant_id = :t AND status = 'queued'", t=me.tenant_id):
                run_job(tenancy, row.id)
                return

    worker = threading.Thread(target=work)
    worker.start()
    answer = me.post("/v1/consolidations", json={"dry_run": True})
    worker.join()
    assert answer.status_code == 200, answer.text
    plan = answer.json()
    assert (plan["considered"], plan["changesets"]) == (100, [])
    assert any(one.get("structure") == "topic" for one in plan["changes"])
    assert "centroid" not in answer.text
    assert (snapshot(), structures(rows, me)) == (before, built)
    assert me.get("/v1/changesets").json()["data"] == []
    assert consolidate(me, tenancy)["result"]["counts"] == plan["counts"]


def test_a_plan_that_nobody_makes_is_a_job(me: Any, talk: list[str]) -> None:
    answer = me.post("/v1/consolidations", json={"dry_run": True, "timeout_s": 0})
    assert answer.status_code == 202
    assert me.get(answer.headers["location"]).json()["status"] == "queued"


def test_steps_may_be_chosen(me: Any, tenancy: Tenancy, talk: list[str], rows: Any) -> None:
    result = consolidate(me, tenancy, steps=["episodes"])["result"]
    assert result["counts"].keys() == {"put"}
    assert structures(rows, me)["topic"] == 0
    assert me.post("/v1/consolidations", json={"steps": ["nonsense"]}).status_code == 422


def test_a_namespace_that_nobody_wrote_to(me: Any) -> None:
    answer = me.post("/v1/consolidations", json={"namespace": "nobody/here"})
    assert (answer.status_code, answer.json()["code"]) == (404, "namespace_not_found")
    done = me.get(me.post("/v1/consolidations", json={}).headers["location"]).json()
    assert (done["status"], done["result"]["considered"]) == ("succeeded", 0)
    assert me.post("/v1/consolidations", json={"dry_run": True}).json()["counts"] == {}


def test_what_is_due_is_found_and_tiers_wait_for_their_time(
    me: Any, tenancy: Tenancy, talk: list[str], rows: Any, namespace_id: Callable[[], UUID]
) -> None:
    due = "SELECT namespace_id FROM due_consolidations(now(), '0s', '0s', 500) WHERE tenant_id = :t"
    assert [row.namespace_id for row in rows.all(due, t=me.tenant_id)] == [namespace_id()]
    assert consolidate_due(tenancy, namespace_id(), go_on=lambda: True) == 100
    assert structures(rows, me)["episode"] == 0, "a session that may go on is not cut yet"
    assert rows.all(due, t=me.tenant_id) == []
    owed = rows.all("SELECT tier, key FROM tier_work WHERE tenant_id = :t", t=me.tenant_id)
    assert {row.tier for row in owed} == {"session", "day", "week"}
    rows.run("UPDATE tier_work SET due_at = now() WHERE tenant_id = :t AND tier = 'session'", t=me.tenant_id)
    assert [row.namespace_id for row in rows.all(due, t=me.tenant_id)] == [namespace_id()]
    assert consolidate_due(tenancy, namespace_id(), go_on=lambda: True) == 0
    built = structures(rows, me)
    assert built["episode"] > 0
    assert built["topic"] == 0
    assert rows.all(due, t=me.tenant_id) == []


def test_a_namespace_that_is_consolidated_by_hand_is_left_alone(me: Any, talk: list[str], rows: Any) -> None:
    assert me.patch("/v1/namespaces/default", json={"settings": {"consolidation": "manual"}}).status_code == 200
    due = "SELECT namespace_id FROM due_consolidations(now(), '0s', '0s', 500) WHERE tenant_id = :t"
    assert rows.all(due, t=me.tenant_id) == []


def test_a_run_that_is_cancelled_stops(me: Any, tenancy: Tenancy, talk: list[str]) -> None:
    job_id = me.post("/v1/consolidations", json={}).json()["job_id"]
    assert me.post(f"/v1/jobs/{job_id}/cancel").json()["status"] == "cancelled"
    assert run_job(tenancy, UUID(job_id)) is False
    assert me.get("/v1/changesets").json()["data"] == []
    assert me.post(f"/v1/jobs/{job_id}/retry").json()["status"] == "queued"
    assert run_job(tenancy, UUID(job_id)) is True
    assert len(me.get("/v1/changesets").json()["data"]) == 1


def test_consolidation_takes_nothing_out_of_the_results_but_duplicates(
    me: Any, tenancy: Tenancy, talk: list[str]
) -> None:
    consolidate(me, tenancy)
    listed = me.get("/v1/memories?limit=200").json()["data"]
    merged = me.post("/v1/memories/query", json={"filter": {"state": "merged"}, "limit": 200}).json()["data"]
    assert len(listed) + len(merged) == 100
    assert {memory["superseded_by"] for memory in merged} <= {memory["id"] for memory in listed}


def test_a_long_job_gives_its_worker_back_and_goes_on_where_it_was(
    me: Any, tenancy: Tenancy, talk: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the number of turns it takes, each memory is considered once, and the result is of all of them."""
    monkeypatch.setattr(run_module, "BATCH", 30)
    asked: list[UUID] = []
    impatient = replace(tenancy, turn_s=0.0, nudge=asked.append)
    job_id = me.post("/v1/consolidations", json={"scope": "all"}).json()["job_id"]
    turns = 0
    while me.get(f"/v1/jobs/{job_id}").json()["status"] != "succeeded":
        assert run_job(impatient, UUID(job_id))
        turns += 1
        assert turns < 10
    job = me.get(f"/v1/jobs/{job_id}").json()
    assert (turns, asked) == (4, [UUID(job_id)] * 3)
    assert job["progress"] == {"done": 100, "total": 100}
    assert job["result"]["considered"] == 100
    stored = [one["id"] for one in me.get("/v1/changesets").json()["data"]]
    assert job["result"]["changesets"] == stored[::-1]
    assert len(stored) == 4
    assert "after" not in job["result"]


def test_in_a_large_namespace_each_step_of_the_tiers_above_is_a_changeset(
    me: Any, tenancy: Tenancy, talk: list[str], rows: Any, snapshot: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is built is the same, nothing is owed afterwards, and taken back from the last to the first it is as before."""
    before = snapshot()
    together = consolidate(me, tenancy)
    built = structures(rows, me)
    owed = rows.all("SELECT tier, key FROM tier_work WHERE tenant_id = :t", t=me.tenant_id)
    (changeset,) = together["result"]["changesets"]
    assert me.post(f"/v1/changesets/{changeset}/revert").status_code == 200
    monkeypatch.setattr(run_module, "TOGETHER", 10)
    apart = consolidate(me, tenancy, scope="all")
    assert len(apart["result"]["changesets"]) > 2
    assert structures(rows, me) == built
    assert rows.all("SELECT tier, key FROM tier_work WHERE tenant_id = :t", t=me.tenant_id) == owed
    assert not consolidate(me, tenancy)["result"]["changesets"]
    for one in reversed(apart["result"]["changesets"]):
        assert me.post(f"/v1/changesets/{one}/revert").status_code == 200
    assert snapshot() == before


def test_the_database_finds_what_reading_everything_finds(
    me: Any, tenancy: Tenancy, talk: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = []
    for asks in (False, True):
        monkeypatch.setattr(batches_module, "asks_database", lambda *_, asks=asks, **__: asks)
        plans.append(consolidate(me, tenancy, dry_run=True, steps=["conflicts", "notes", "links"])["result"])
    assert plans[0]["counts"]["join"] > 10
    assert plans[0] == plans[1]


def test_what_only_fades_lets_nothing_else_be_built_anew(
    me: Any, tenancy: Tenancy, talk: list[str], rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large namespace is swept page by page; topics and communities are a matter of a day, not of every page."""
    consolidate(me, tenancy)
    rows.run(
        "UPDATE tier_work SET due_at = now() - interval '1 minute' WHERE tenant_id = :t AND key = 'retention'",
        t=me.tenant_id,
    )
    me.post("/v1/memories", json={"content": "The allotment has a new gate.", "user_id": "pair"})
    enrich_pending(tenancy)
    ran: list[str] = []
    steps = {s: lambda _, s=s: ran.append(s.value) or [] for s in run_module.TIER_STEPS}
    monkeypatch.setattr(run_module, "TIER_STEPS", steps)
    assert consolidate_due(tenancy, UUID(namespace_of(rows, me)), go_on=lambda: True) == 1
    assert ran == []
    owed = rows.all("SELECT tier, key, due_at > now() AS later FROM tier_work WHERE tenant_id = :t", t=me.tenant_id)
    assert {(one.tier, one.key): one.later for one in owed} == {
        ("day", ""): True, ("day", "retention"): True, ("week", ""): True
    }  # fmt: skip


def namespace_of(rows: Any, me: Any) -> str:
    found = rows.one("SELECT id FROM namespace WHERE tenant_id = :t AND path = 'default'", t=me.tenant_id)
    return str(found.id)
