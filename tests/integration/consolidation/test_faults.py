"""One thing that goes wrong, or comes at the wrong moment, stands in the way of nothing else."""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from consolidation import run as running
from consolidation.consolidate import consolidate_due, run_job
from consolidation.enriching import _enrich_rows, enrich_pending
from consolidation.planning import (
    Archive,
    Ask,
    Derive,
    End,
    Join,
    Merge,
    Part,
    Plan,
    Put,
    ReviewKind,
    Revise,
    Step,
    Structure,
    Supersede,
    Why,
)
from consolidation.run import run
from consolidation.tenancy import Tenancy
from consolidation.wanted import Wanted
from memory_service.lifecycle.applied_plan import Derived
from memory_service.lifecycle.apply import apply
from memory_service.lifecycle.draft import Draft, prepare
from memory_service.lifecycle.erase import erase
from memory_service.storage.changesets import lock_namespace, only_run
from memory_service.storage.database import Database
from memory_service.storage.pending import lock_pending

WHY = Why(Step.CONFLICTS, "a test", 0.97)
DUE = "SELECT namespace_id FROM due_consolidations(now(), '0s', '0s', 500) WHERE tenant_id = :t"


def state_of(me: Any, memory_id: str) -> str:
    state: str = me.get(f"/v1/memories/{memory_id}").json()["state"]
    return state


def consolidated(me: Any, tenancy: Tenancy, **body: Any) -> dict[str, Any]:
    enrich_pending(tenancy)
    job_id = me.post("/v1/consolidations", json=body).json()["job_id"]
    run_job(tenancy, UUID(job_id))
    job: dict[str, Any] = me.get(f"/v1/jobs/{job_id}").json()
    return job


def test_what_a_run_merges_others_into_does_not_fade_in_the_same_run(
    me: Any, tenancy: Tenancy, remember: Any, rows: Any
) -> None:
    old = remember("My rent is 950 euros.", observed_at="2015-01-01T00:00:00Z")["id"]
    rows.run("UPDATE memory SET created_at = now() - interval '9 years' WHERE id = :id", id=old)
    rows.run("UPDATE retention SET due_at = now() WHERE memory_id = :id", id=old)
    again = remember("My rent is 950 euros!", observed_at="2024-01-01T00:00:00Z")["id"]
    job = consolidated(me, tenancy)
    assert job["status"] == "succeeded", job
    assert (state_of(me, old), state_of(me, again)) == ("activated", "merged")


def test_a_memory_that_a_step_cannot_read_keeps_no_other_from_its_turn(
    me: Any, tenancy: Tenancy, remember: Any, rows: Any, monkeypatch: pytest.MonkeyPatch, namespace_id: Any
) -> None:
    bad = remember("The unreadable one.", observed_at="2024-01-01T00:00:00Z")["id"]
    first = remember("My rent is 950 euros.", observed_at="2024-01-02T00:00:00Z")["id"]
    again = remember("My rent is 950 euros!", observed_at="2024-01-03T00:00:00Z")["id"]
    enrich_pending(tenancy)
    real = running.plan_turn

    def plan_turn(considered: Any, *args: Any, **options: Any) -> Any:
        if any(one.record.id == UUID(bad) for one in considered):
            raise ValueError("unreadable")
        return real(considered, *args, **options)

    monkeypatch.setattr(running, "plan_turn", plan_turn)
    assert consolidate_due(tenancy, namespace_id(), go_on=lambda: True) == 3
    assert (state_of(me, first), state_of(me, again), state_of(me, bad)) == ("activated", "merged", "activated")
    assert rows.all(DUE, t=me.tenant_id) == [], "it is not tried again for ever"


def test_a_memory_that_is_changed_all_the_time_keeps_no_other_from_its_turn(
    me: Any, tenancy: Tenancy, remember: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = remember("The busy one.", observed_at="2024-01-01T00:00:00Z")["id"]
    first = remember("My rent is 950 euros.", observed_at="2024-01-02T00:00:00Z")["id"]
    again = remember("My rent is 950 euros!", observed_at="2024-01-03T00:00:00Z")["id"]
    enrich_pending(tenancy)
    real = running.plan_turn

    def plan_turn(considered: Any, *args: Any, **options: Any) -> Any:
        if any(one.record.id == UUID(busy) for one in considered):
            assert me.patch(f"/v1/memories/{busy}", json={"tags": [secrets.token_hex(4)]}).status_code == 200
        return real(considered, *args, **options)

    monkeypatch.setattr(running, "plan_turn", plan_turn)
    job = consolidated(me, tenancy)
    assert (job["status"], job["result"]["left"], job["result"]["considered"]) == ("succeeded", 1, 2), job
    assert job["items"] == [{"memory_id": busy, "status": "left"}]
    assert (state_of(me, first), state_of(me, again)) == ("activated", "merged")
    monkeypatch.undo()
    job = consolidated(me, tenancy)
    assert (job["result"]["considered"], "left" in job["result"]) == (1, False), "the next run finds it"


@pytest.fixture
def topics_fail(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    def fail(_: Any) -> Any:
        raise ZeroDivisionError("a bug")

    monkeypatch.setitem(running.TIER_STEPS, Step.TOPICS, fail)
    return monkeypatch


@pytest.mark.parametrize("together", [True, False])
def test_a_step_that_cannot_be_done_keeps_no_other_from_its_turn(
    me: Any, tenancy: Tenancy, rows: Any, topics_fail: pytest.MonkeyPatch, together: bool
) -> None:
    if not together:
        topics_fail.setattr(running, "TOGETHER", 0)
    messages = [{"role": "user", "content": f"I met Anna in Oslo, day {n}."} for n in range(8)]
    me.post("/v1/messages", json={"session_id": "s", "messages": messages})
    job = consolidated(me, tenancy)
    assert (job["status"], job["result"]["failed"]) == ("failed", {"topics": "ZeroDivisionError"})
    assert "topics" in job["error"]
    assert me.get("/v1/episodes").json()["data"], "the session's tier is done"
    assert me.get("/v1/topics").json()["data"] == []
    assert owed(rows, me) == {"day"}, "what failed is owed, and what was done is not"
    topics_fail.undo()
    me.post(f"/v1/jobs/{job['id']}/retry")
    run_job(tenancy, UUID(job["id"]))
    assert me.get(f"/v1/jobs/{job['id']}").json()["status"] == "succeeded"
    assert me.get("/v1/topics").json()["data"]
    assert owed(rows, me) == set()


def owed(rows: Any, me: Any) -> set[str]:
    """Return the tiers that owe more than the sweeps by which memories fade."""
    return {
        row.tier for row in rows.all("SELECT tier FROM tier_work WHERE tenant_id = :t AND key = ''", t=me.tenant_id)
    }


def test_a_tier_whose_step_fails_rests(
    me: Any, tenancy: Tenancy, remember: Any, rows: Any, topics_fail: pytest.MonkeyPatch, namespace_id: Any
) -> None:
    remember("A text.")
    enrich_pending(tenancy)
    rows.run("UPDATE tier_work SET due_at = now() WHERE tenant_id = :t", t=me.tenant_id)
    consolidate_due(tenancy, namespace_id(), go_on=lambda: True)
    rows.run("UPDATE tier_work SET due_at = now() WHERE tenant_id = :t", t=me.tenant_id)
    consolidate_due(tenancy, namespace_id(), go_on=lambda: True)
    assert rows.all(DUE, t=me.tenant_id) == []
    assert owed(rows, me) == {"day"}


def test_a_run_in_which_nothing_can_be_read_fails(
    me: Any, tenancy: Tenancy, remember: Any, rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        remember(f"Text number {number}.")
    monkeypatch.setattr(running, "MOST_SET_ASIDE", 2)

    def plan_turn(*_: Any, **__: Any) -> Any:
        raise ValueError("unreadable")

    monkeypatch.setattr(running, "plan_turn", plan_turn)
    with pytest.raises(ValueError, match="unreadable"):
        consolidated(me, tenancy)
    assert rows.one(
        "SELECT count(*) AS n FROM memory WHERE tenant_id = :t AND consolidated_version = 0", t=me.tenant_id
    ).n


def test_a_memory_without_vectors_is_looked_at_once(
    me: Any, tenancy: Tenancy, remember: Any, rows: Any, namespace_id: Any
) -> None:
    bare = remember("No vector leads here.")["id"]
    remember("Another one.")
    rows.run("DELETE FROM embedding WHERE memory_id = :id", id=bare)
    enrich_pending(tenancy)
    consolidate_due(tenancy, namespace_id(), go_on=lambda: True)
    assert rows.all(DUE, t=me.tenant_id) == []


def test_what_comes_while_a_run_is_at_it_is_left_to_the_next(
    me: Any, tenancy: Tenancy, remember: Any, rows: Any, monkeypatch: pytest.MonkeyPatch, namespace_id: Any
) -> None:
    monkeypatch.setattr(running, "BATCH", 2)
    for number in range(2):
        remember(f"Text number {number}.")
    enrich_pending(tenancy)
    late: list[str] = []

    def report(*_: Any) -> bool:
        if not late:
            late.append(remember("My name is Ana.")["id"])
            enrich_pending(tenancy)
        return True

    run(tenancy, namespace_id(), Wanted(due_only=True), report=report)
    assert rows.one("SELECT consolidated_version AS v FROM memory WHERE id = :id", id=late[0]).v == 0


def test_a_run_that_takes_too_long_is_given_back_and_goes_on(
    me: Any, tenancy: Tenancy, remember: Any, rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "BATCH", 2)
    for number in range(5):
        remember(f"Text number {number}.")
    consolidated(me, tenancy)
    hurried = replace(tenancy, go_on=lambda: False)
    job_id = me.post("/v1/consolidations", json={"scope": "all"}).json()["job_id"]
    for done in (2, 4):
        assert run_job(hurried, UUID(job_id)) is True
        job = me.get(f"/v1/jobs/{job_id}").json()
        assert (job["status"], job["progress"]) == ("running", {"done": done, "total": 5})
    assert run_job(hurried, UUID(job_id)) is True
    job = me.get(f"/v1/jobs/{job_id}").json()
    assert (job["status"], job["result"]["considered"], job["attempts"]) == ("succeeded", 5, 1)


def test_a_run_gives_way_after_a_batch(
    me: Any, tenancy: Tenancy, remember: Any, monkeypatch: pytest.MonkeyPatch, namespace_id: Any
) -> None:
    monkeypatch.setattr(running, "BATCH", 2)
    for number in range(6):
        remember(f"Text number {number}.")
    enrich_pending(tenancy)
    nudged: list[UUID] = []
    polite = replace(tenancy, others_wait=lambda: True, nudge=nudged.append)
    assert consolidate_due(polite, namespace_id(), go_on=lambda: True) == 2
    job_id = me.post("/v1/consolidations", json={}).json()["job_id"]
    assert run_job(polite, UUID(job_id)) is True
    assert (me.get(f"/v1/jobs/{job_id}").json()["status"], nudged) == ("running", [UUID(job_id)])
    assert run_job(tenancy, UUID(job_id)) is True
    assert me.get(f"/v1/jobs/{job_id}").json()["status"] == "succeeded"


def test_waiting_for_another_run_uses_up_no_attempt(me: Any, tenancy: Tenancy, remember: Any, rows: Any) -> None:
    from contextlib import nullcontext

    remember("A text.")
    job_id = me.post("/v1/consolidations", json={}).json()["job_id"]
    busy = replace(tenancy, alone=lambda _: nullcontext(False))
    for _ in range(10):
        run_job(busy, UUID(job_id))
        rows.run("UPDATE job SET lease_until = now() - interval '1 second' WHERE id = :id", id=job_id)
    assert me.get(f"/v1/jobs/{job_id}").json()["status"] == "running"
    assert run_job(tenancy, UUID(job_id)) is True
    assert me.get(f"/v1/jobs/{job_id}").json()["status"] == "succeeded"


def test_a_run_waits_for_what_another_worker_is_enriching(
    me: Any, tenancy: Tenancy, remember: Any, database: Database
) -> None:
    memory_id = remember("I live in Lisbon.")["id"]
    job_id = me.post("/v1/consolidations", json={}).json()["job_id"]
    worker = threading.Thread(target=run_job, args=(tenancy, UUID(job_id)))
    with database.transaction(me.tenant_id) as other:
        rows = lock_pending(other, me.tenant_id, limit=10)
        assert [str(row["id"]) for row in rows] == [memory_id]
        worker.start()
        worker.join(timeout=1)
        assert worker.is_alive()
        assert me.get(f"/v1/jobs/{job_id}").json()["status"] == "running"
        _enrich_rows(other, me.tenant_id, rows, now=datetime.now(UTC))
    worker.join(timeout=30)
    job = me.get(f"/v1/jobs/{job_id}").json()
    assert (job["status"], job["result"]["considered"], job["attempts"]) == ("succeeded", 1, 1)
    assert [fact["attribute"] for fact in me.get(f"/v1/memories/{memory_id}/facts").json()["data"]] == ["lives_in"]


def test_a_run_does_what_another_worker_could_not_enrich(
    me: Any, tenancy: Tenancy, remember: Any, database: Database
) -> None:
    memory_id = remember("I live in Lisbon.")["id"]
    job_id = me.post("/v1/consolidations", json={"steps": ["notes"]}).json()["job_id"]
    worker = threading.Thread(target=run_job, args=(tenancy, UUID(job_id)))
    with database.transaction(me.tenant_id) as other:
        assert len(lock_pending(other, me.tenant_id, limit=10)) == 1
        worker.start()
        worker.join(timeout=0.5)
        other.rollback()
    worker.join(timeout=30)
    assert me.get(f"/v1/jobs/{job_id}").json()["status"] == "succeeded"
    assert [fact["attribute"] for fact in me.get(f"/v1/memories/{memory_id}/facts").json()["data"]] == ["lives_in"]


def test_what_ends_sooner_takes_nothing_in(me: Any, tenancy: Tenancy, remember: Any) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    remember("My rent is 950 euros.", observed_at="2024-01-01T00:00:00Z", expires_at=soon)
    stays = remember("My rent is 950 euros!", observed_at="2024-01-02T00:00:00Z")["id"]
    consolidated(me, tenancy)
    assert state_of(me, stays) == "activated"


@pytest.fixture
def two(remember: Any) -> list[str]:
    return [
        remember("Ana lives in Porto.", observed_at="2024-01-01T00:00:00Z")["id"],
        remember("In Porto, Ana lives.", observed_at="2024-02-01T00:00:00Z")["id"],
    ]


def test_reverting_what_made_a_memory_loses_nothing_that_was_merged_into_it(
    me: Any, two: list[str], do: Any, ref: Any, remember: Any, database: Database, client: Any, namespace_id: Any
) -> None:
    from memory_service.api.writing import encoding_of

    encoding, made = encoding_of(client.app.state.services), UUID(remember("A number.")["id"][:-12] + "0123456789ab")
    now = datetime.now(UTC)
    derived = Derived(encoding, {made: prepare([Draft("Ana is in Porto.")], encoding=encoding, now=now)[0]})
    with database.transaction(me.tenant_id) as session:
        change = Derive(made, "Ana is in Porto.", (ref(two[0]),), WHY)
        first = apply(session, me.tenant_id, Plan(namespace_id(), (change,)), now=now, derived=derived)
    do(Merge(ref(two[1]), ref(str(made)), WHY))
    answer = me.post(f"/v1/changesets/{first}/revert")
    assert (answer.status_code, answer.json()["code"]) == (409, "changed_since")
    assert state_of(me, str(made)) == "activated"


def test_an_edge_that_a_later_run_drew_again_is_not_drawn_twice(
    me: Any, two: list[str], do: Any, snapshot: Any, rows: Any
) -> None:
    a, b = map(UUID, two)
    do(Join(a, b, "similar", 0.8, WHY))
    before = snapshot()
    parted = do(Part(rows.one("SELECT id FROM link WHERE tenant_id = :t", t=me.tenant_id).id, WHY))
    do(Join(a, b, "similar", 0.8, WHY))
    assert me.post(f"/v1/changesets/{parted}/revert").status_code == 200
    assert snapshot()["links"] == before["links"]


def review_of(me: Any) -> str:
    (review,) = me.get("/v1/reviews").json()["data"]
    return str(review["id"])


def test_what_others_were_merged_into_is_not_archived_by_a_review(me: Any, two: list[str], do: Any, ref: Any) -> None:
    do(Ask(ReviewKind.LOW_TRUST, (ref(two[0]),), "archive", WHY))
    do(Merge(ref(two[1]), ref(two[0]), WHY))
    answer = me.post(f"/v1/reviews/{review_of(me)}/approve")
    assert (answer.status_code, answer.json()["code"]) == (409, "evidence_lost")
    assert state_of(me, two[0]) == "activated"


def test_a_text_that_changed_since_is_not_what_was_asked_about(me: Any, two: list[str], do: Any, ref: Any) -> None:
    do(Ask(ReviewKind.DUPLICATE, (ref(two[1]), ref(two[0])), "merge", WHY))
    assert me.patch(f"/v1/memories/{two[1]}", json={"tags": ["mine"]}).status_code == 200
    assert me.patch(f"/v1/memories/{two[1]}", json={"content": "My mother lives in Faro."}).status_code == 200
    answer = me.post(f"/v1/reviews/{review_of(me)}/approve")
    assert (answer.status_code, answer.json()["code"]) == (409, "review_outdated")
    assert state_of(me, two[1]) == "activated"


def test_other_changes_do_not_outdate_a_review(me: Any, two: list[str], do: Any, ref: Any) -> None:
    do(Ask(ReviewKind.DUPLICATE, (ref(two[1]), ref(two[0])), "merge", WHY))
    assert me.patch(f"/v1/memories/{two[1]}", json={"tags": ["mine"]}).status_code == 200
    assert me.post(f"/v1/reviews/{review_of(me)}/approve").status_code == 200


def test_reverting_a_decision_opens_its_question_again(
    me: Any, two: list[str], do: Any, ref: Any, snapshot: Any
) -> None:
    do(Ask(ReviewKind.DUPLICATE, (ref(two[1]), ref(two[0])), "merge", WHY))
    before, review = snapshot(), review_of(me)
    decision = me.post(f"/v1/reviews/{review}/approve").json()["decision_changeset_id"]
    assert me.post(f"/v1/changesets/{decision}/revert").status_code == 200
    assert me.get(f"/v1/reviews/{review}").json()["status"] == "open"
    assert snapshot() == before
    again = me.post(f"/v1/reviews/{review}/approve")
    assert again.status_code == 200, again.text


def test_a_decision_waits_for_a_run_without_holding_what_the_run_needs(
    me: Any, two: list[str], do: Any, ref: Any, database: Database, namespace_id: Any
) -> None:
    do(Ask(ReviewKind.DUPLICATE, (ref(two[1]), ref(two[0])), "merge", WHY))
    review, answers = review_of(me), []
    with database.transaction(me.tenant_id) as session:
        lock_namespace(session, namespace_id())
        person = threading.Thread(target=lambda: answers.append(me.post(f"/v1/reviews/{review}/approve")))
        person.start()
        threading.Event().wait(1.0)
        # Taken at once, or the person holds it.
        session.connection().exec_driver_sql("SET LOCAL lock_timeout = '200ms'")
        change = Revise(ref(two[0]), {"tags": ["x"]}, WHY, in_place=True)
        apply(session, me.tenant_id, Plan(namespace_id(), (change,)), now=datetime.now(UTC))
    person.join()
    assert answers[0].status_code == 200


def test_an_erasure_takes_along_what_is_being_merged_into_the_memory(
    me: Any, two: list[str], ref: Any, database: Database, namespace_id: Any, rows: Any
) -> None:
    gone: list[UUID] = []

    def work() -> None:
        with database.transaction(me.tenant_id) as session:
            gone.extend(erase(session, me.tenant_id, [UUID(two[0])], now=datetime.now(UTC)))

    with database.transaction(me.tenant_id) as session:
        plan = Plan(namespace_id(), (Merge(ref(two[1]), ref(two[0]), WHY),))
        apply(session, me.tenant_id, plan, now=datetime.now(UTC))
        eraser = threading.Thread(target=work)
        eraser.start()
        threading.Event().wait(1.0)
    eraser.join()
    assert sorted(map(str, gone)) == sorted(two)
    assert rows.all("SELECT id FROM memory WHERE tenant_id = :t", t=me.tenant_id) == []


def test_locks_are_waited_for_no_longer_than_before(
    me: Any, two: list[str], database: Database, namespace_id: Any
) -> None:
    with database.transaction(me.tenant_id) as session:
        ask = "SHOW lock_timeout"
        before = session.connection().exec_driver_sql(ask).scalar()
        lock_namespace(session, namespace_id())
        assert session.connection().exec_driver_sql(ask).scalar() == before


def test_an_archive_that_would_lose_a_source_costs_the_rest_of_a_run_nothing(
    me: Any,
    tenancy: Tenancy,
    two: list[str],
    do: Any,
    ref: Any,
    remember: Any,
    monkeypatch: pytest.MonkeyPatch,
    rows: Any,
) -> None:
    do(Merge(ref(two[1]), ref(two[0]), WHY))
    first = remember("My rent is 950 euros.", observed_at="2024-01-02T00:00:00Z")["id"]
    again = remember("My rent is 950 euros!", observed_at="2024-01-03T00:00:00Z")["id"]
    enrich_pending(tenancy)
    real = running.plan_turn

    def plan_turn(considered: Any, *args: Any, **options: Any) -> Any:
        wrong = [Archive(one.record.ref, WHY) for one in considered if one.record.id == UUID(two[0])]
        return [*real(considered, *args, **options), *wrong]

    monkeypatch.setattr(running, "plan_turn", plan_turn)
    assert consolidated(me, tenancy)["status"] == "succeeded"
    assert (state_of(me, first), state_of(me, again), state_of(me, two[0])) == ("activated", "merged", "activated")


def test_a_merged_memory_that_somebody_restored_is_not_merged_again_by_itself(
    me: Any, tenancy: Tenancy, remember: Any, rows: Any, namespace_id: Any
) -> None:
    first = remember("My rent is 950 euros.", observed_at="2024-01-02T00:00:00Z")["id"]
    again = remember("My rent is 950 euros!", observed_at="2024-01-03T00:00:00Z")["id"]
    consolidated(me, tenancy)
    assert me.post(f"/v1/memories/{again}/restore").json()["state"] == "activated"
    enrich_pending(tenancy)
    consolidate_due(tenancy, namespace_id(), go_on=lambda: True)
    assert state_of(me, again) == "activated"
    refs = "SELECT ref FROM source WHERE memory_id = :id AND ref IS NOT NULL"
    assert rows.all(refs, id=first) == [], "it is a source of the other no more"


EPISODE = {
    "user_id": None, "agent_id": None, "session_id": "s", "starts": "2024-01-01T00:00:00+00:00",
    "ends": "2024-02-01T00:00:00+00:00", "method": "rules",
}  # fmt: skip


def episode(number: int, members: list[str]) -> Put:
    values = {
        **EPISODE, "first_memory_id": members[0], "last_memory_id": members[-1], "size": len(members), "members": members,
    }  # fmt: skip
    return Put(Structure.EPISODE, UUID(int=number), values, Why(Step.EPISODES, "a test"))


def test_reverting_what_a_later_run_built_on_gives_no_memory_two_episodes(
    me: Any, two: list[str], do: Any, rows: Any
) -> None:
    live = "SELECT id FROM episode WHERE tenant_id = :t AND known_to = 'infinity' ORDER BY id"
    ended = Why(Step.EPISODES, "a test")
    do(episode(1, two))
    second = do(End(Structure.EPISODE, UUID(int=1), ended), episode(2, two))
    third = do(End(Structure.EPISODE, UUID(int=2), ended), episode(3, two))
    assert me.post(f"/v1/changesets/{second}/revert").status_code == 200
    assert [row.id for row in rows.all(live, t=me.tenant_id)] == [UUID(int=3)]
    assert me.post(f"/v1/changesets/{third}/revert").status_code == 200
    assert [row.id for row in rows.all(live, t=me.tenant_id)] == [UUID(int=2)]


def test_reverting_leads_to_no_memory_that_was_erased_since(
    me: Any, two: list[str], do: Any, ref: Any, database: Database
) -> None:
    a, b = two
    do(Supersede(ref(a), ref(b), datetime(2024, 2, 1, tzinfo=UTC), WHY))
    revised = do(Revise(ref(a), {"tags": ["home"]}, WHY))
    with database.transaction(me.tenant_id) as session:
        erase(session, me.tenant_id, [UUID(b)], now=datetime.now(UTC))
    assert me.post(f"/v1/changesets/{revised}/revert").status_code == 200
    assert me.get(f"/v1/memories/{a}").json().get("superseded_by") is None


def test_a_text_that_was_just_changed_is_left_alone_for_a_while(
    me: Any, tenancy: Tenancy, two: list[str], rows: Any, namespace_id: Any
) -> None:
    consolidated(me, tenancy)
    rows.run("UPDATE memory SET created_at = now() - interval '1 day' WHERE tenant_id = :t", t=me.tenant_id)
    rows.run("DELETE FROM tier_work WHERE tenant_id = :t", t=me.tenant_id)
    due = "SELECT namespace_id FROM due_consolidations(now(), '60s', '600s', 500) WHERE tenant_id = :t"
    assert me.patch(f"/v1/memories/{two[0]}", json={"content": "Ana lives in Faro."}).status_code == 200
    assert rows.all(due, t=me.tenant_id) == []
    later = due.replace("now()", "now() + interval '2 minutes'")
    assert [row.namespace_id for row in rows.all(later, t=me.tenant_id)] == [namespace_id()]


def test_a_merged_memory_that_was_archived_comes_back_as_its_own(me: Any, two: list[str], do: Any, ref: Any) -> None:
    do(Merge(ref(two[1]), ref(two[0]), WHY))
    assert me.delete(f"/v1/memories/{two[1]}").status_code == 204
    restored = me.post(f"/v1/memories/{two[1]}/restore").json()
    assert (restored["state"], restored.get("superseded_by")) == ("activated", None)


def test_a_run_whose_lock_was_lost_is_none_that_failed(
    me: Any, tenancy: Tenancy, two: list[str], database: Database
) -> None:
    @contextmanager
    def alone(namespace_id: UUID) -> Iterator[bool]:
        with only_run(database.engine, namespace_id) as mine:
            yield mine
            with database.engine.connect() as other:
                other.exec_driver_sql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")

    assert consolidated(me, replace(tenancy, alone=alone))["status"] == "succeeded"
