"""Taking back: a supersede, and what was said of a found memory."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, text

from consolidation.planning import Plan, Step, Supersede, Why
from consolidation.records import Ref
from memory_service.lifecycle.apply import apply
from memory_service.storage.database import Database
from memory_service.storage.namespaces import find_namespaces
from memory_service.types import KeyScope

NOWHERE = "018f3c1e-7b1a-7c3d-9e2f-5a6b7c8d9e0f"


def supersede(me: Any, old: dict[str, Any], content: str, **fields: Any) -> dict[str, Any]:
    answer = me.post(f"/v1/memories/{old['id']}/supersede", json={"content": content, **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def reinstate(me: Any, memory: dict[str, Any], **headers: str) -> Any:
    return me.post(f"/v1/memories/{memory['id']}/reinstate", headers=headers)


def superseded_by_a_run(me: Any, database: Database, old: dict[str, Any], new: dict[str, Any]) -> UUID:
    """Let one memory take another's place, as a consolidation does; return the changeset."""
    with database.transaction(me.tenant_id) as session:
        space = find_namespaces(session, me.tenant_id, ["default"])["default"].id
        change = Supersede(
            Ref(UUID(old["id"]), old["version"]),
            Ref(UUID(new["id"]), new["version"]),
            datetime(2024, 6, 1, tzinfo=UTC),
            Why(Step.CONFLICTS, "a test", 1.0),
        )
        changeset = apply(session, me.tenant_id, Plan(space, (change,)), now=datetime.now(UTC))
    assert changeset is not None
    return changeset


def lock(connection: Connection, memory: dict[str, Any]) -> None:
    """Lock a memory as a change does, at once or not at all."""
    connection.execute(
        text("SELECT 1 FROM memory WHERE id = CAST(:id AS uuid) FOR UPDATE NOWAIT"), {"id": memory["id"]}
    ).one()


def await_lock(maintenance: Engine, holder: Connection) -> None:
    """Return once somebody waits for what a connection holds."""
    pid = holder.scalar(text("SELECT pg_backend_pid()"))
    waiting = text("SELECT count(*) FROM pg_locks l WHERE NOT l.granted AND :pid = ANY(pg_blocking_pids(l.pid))")
    with maintenance.connect().execution_options(isolation_level="AUTOCOMMIT") as watch:
        until = time.monotonic() + 20
        while not watch.scalar(waiting, {"pid": pid}):
            assert time.monotonic() < until, "nobody waits"
            time.sleep(0.02)


HELD = ("content", "valid_from", "valid_to", "external_id", "superseded_by", "state", "tags", "observed_at")


class TestSupersede:
    """`POST /v1/memories/{id}/reinstate`."""

    @pytest.mark.parametrize("ends", [None, "2033-01-01T00:00:00Z"])
    def test_the_old_memory_holds_as_before_and_the_new_one_is_archived(
        self, me: Any, api: Any, ends: str | None
    ) -> None:
        old = api.remember("The ferry leaves at nine.", external_id="ferry", valid_to=ends)
        new = supersede(me, old, "The ferry leaves at ten.", valid_from="2030-01-01T00:00:00Z")
        assert api.read(old["id"])["valid_to"] == "2030-01-01T00:00:00Z"
        answer = reinstate(me, old)
        assert answer.status_code == 200, answer.text
        after = api.read(old["id"])
        assert answer.json() == after
        assert {name: after[name] for name in HELD} == {name: old[name] for name in HELD}
        assert after["version"] == 3
        assert api.read(new["id"])["state"] == "archived"
        assert me.get(f"/v1/memories/{old['id']}/links").json()["data"] == []
        assert api.found("When does the ferry leave?") == [old["id"]]
        versions = me.get(f"/v1/memories/{old['id']}/versions").json()["data"]
        assert [one["superseded_by"] for one in versions] == [None, new["id"], None]

    def test_what_was_said_again_counts_as_a_duplicate_again(self, me: Any, api: Any) -> None:
        fields = {"content": "Bo sings.", "observed_at": "2024-01-01T00:00:00Z"}
        old = api.remember(**fields)
        supersede(me, old, "Bo plays the cello.")
        assert reinstate(me, old).status_code == 200
        again = me.post("/v1/memories", json=fields)
        assert (again.status_code, again.json()["id"]) == (200, old["id"])

    def test_it_can_be_superseded_again_and_the_archived_one_restored_beside_it(self, me: Any, api: Any) -> None:
        old = api.remember("One.", external_id="x")
        new = supersede(me, old, "Two.")
        assert reinstate(me, old).status_code == 200
        third = supersede(me, old, "Three.")
        assert api.read(old["id"])["superseded_by"] == third["id"]
        assert (api.read(third["id"])["external_id"], api.read(new["id"])["state"]) == ("x", "archived")

    def test_what_was_changed_since_stays(self, me: Any, api: Any) -> None:
        old = api.remember("The well is deep.")
        supersede(me, old, "The well is dry.")
        later = {"tags": ["water"], "valid_to": "2040-01-01T00:00:00Z"}
        assert me.patch(f"/v1/memories/{old['id']}", json=later).status_code == 200
        assert reinstate(me, old).status_code == 200
        after = api.read(old["id"])
        assert (after["tags"], after["valid_to"], after["superseded_by"]) == (["water"], later["valid_to"], None)

    def test_a_successor_that_was_archived_already_stays_so(self, me: Any, api: Any) -> None:
        old = api.remember("One.")
        new = supersede(me, old, "Two.")
        me.post(f"/v1/memories/{new['id']}/archive")
        version = api.read(new["id"])["version"]
        assert reinstate(me, old).status_code == 200
        assert api.read(new["id"])["version"] == version

    def test_what_cannot_be_taken_back_is_refused_and_changes_nothing(self, me: Any, api: Any, problem: Any) -> None:
        first = api.remember("One.", external_id="x")
        problem(reinstate(me, first), 409, "not_superseded")
        second = supersede(me, first, "Two.")
        third = supersede(me, second, "Three.")
        problem(reinstate(me, first), 409, "superseded_since")
        assert reinstate(me, second).status_code == 200
        assert reinstate(me, first).status_code == 200
        assert api.read(third["id"])["state"] == api.read(second["id"])["state"] == "archived"
        second = supersede(me, first, "Again.", external_id="y")
        taken = api.remember("Another.", external_id="x")
        assert taken["id"] in problem(reinstate(me, first), 409, "external_id_conflict")["detail"]
        assert api.read(second["id"])["state"] == "activated"
        me.post(f"/v1/memories/{first['id']}/archive")
        problem(reinstate(me, first), 409, "archived")
        problem(me.post(f"/v1/memories/{NOWHERE}/reinstate"), 404, "memory_not_found")

    def test_a_version_that_was_not_seen_is_refused(self, me: Any, api: Any, problem: Any) -> None:
        old = api.remember("One.")
        supersede(me, old, "Two.")
        problem(reinstate(me, old, **{"If-Match": '"1"'}), 412)
        assert reinstate(me, old, **{"If-Match": '"2"'}).status_code == 200

    def test_what_a_changeset_superseded_is_taken_back_by_reverting_it(
        self, me: Any, api: Any, database: Database, problem: Any
    ) -> None:
        a, b = api.remember("Ana lives in Porto."), api.remember("Ana lives in Lisbon.")
        changeset = superseded_by_a_run(me, database, a, b)
        assert str(changeset) in problem(reinstate(me, a), 409, "superseded_by_changeset")["detail"]

    def test_a_chunk_of_a_document_is_taken_back_with_its_document(
        self, me: Any, api: Any, work: Any, problem: Any
    ) -> None:
        for word in ("nine", "ten"):
            body = {"title": "Timetable", "external_id": "t", "content": f"The ferry to the island leaves at {word}."}
            assert me.post("/v1/documents", json=body).status_code == 202
            work(api.tenant_id)
        listed = me.post("/v1/memories/query", json={"filter": {"superseded_by": {"exists": True}}}).json()["data"]
        assert len(listed) == 1
        problem(reinstate(me, listed[0]), 409, "part_of_document")

    def test_it_waits_in_the_order_of_ids(
        self, me: Any, api: Any, database: Database, maintenance: Engine, problem: Any
    ) -> None:
        """What took its place may be the older one; whoever holds that one and wants the other gets it."""
        older, memory = api.remember("Ana lives in Lisbon."), api.remember("Ana lives in Porto.")
        superseded_by_a_run(me, database, memory, older)
        with ThreadPoolExecutor(1) as pool, maintenance.begin() as connection:
            lock(connection, older)
            answer = pool.submit(reinstate, me, memory)
            await_lock(maintenance, connection)
            lock(connection, memory)  # refused where the reinstatement holds it and waits for the other
            connection.rollback()
            problem(answer.result(20), 409, "superseded_by_changeset")

    def test_what_is_superseded_anew_while_it_waits_is_left_alone(
        self, me: Any, api: Any, maintenance: Engine, problem: Any
    ) -> None:
        memory, other = api.remember("One."), api.remember("Another.")
        new = supersede(me, memory, "Two.")
        with ThreadPoolExecutor(1) as pool:
            with maintenance.begin() as connection:
                lock(connection, memory)
                answer = pool.submit(reinstate, me, memory)
                await_lock(maintenance, connection)
                connection.execute(
                    text("UPDATE memory SET superseded_by = CAST(:other AS uuid) WHERE id = CAST(:id AS uuid)"),
                    {"id": memory["id"], "other": other["id"]},
                )
            problem(answer.result(20), 503, "busy")
        assert api.read(memory["id"])["superseded_by"] == other["id"]
        assert api.read(new["id"])["state"] == "activated"

    def test_it_needs_the_right_to_write(self, make_tenant: Any, as_tenant: Callable[..., Any], problem: Any) -> None:
        reader = as_tenant(make_tenant(scopes=[KeyScope.READ]))
        problem(reader.post(f"/v1/memories/{NOWHERE}/reinstate"), 403)


STRENGTH = ("stability_days", "difficulty", "recall_count", "last_recalled_at")
HOLDS = (*STRENGTH, "spaced_uses")


class TestFeedback:
    """`DELETE /v1/traces/{search_id}/feedback/{memory_id}`."""

    @staticmethod
    def judge(me: Any, api: Any, memory: dict[str, Any], useful: bool, **search: Any) -> str:
        search_id: str = api.search(memory["content"], **search)["search_id"]
        body = {"memory_id": memory["id"], "useful": useful}
        assert me.post(f"/v1/traces/{search_id}/feedback", json=body).status_code == 200
        return search_id

    @staticmethod
    def take_back(me: Any, search_id: str, memory: dict[str, Any]) -> Any:
        return me.delete(f"/v1/traces/{search_id}/feedback/{memory['id']}")

    @staticmethod
    def strength(me: Any, memory: dict[str, Any]) -> dict[str, Any]:
        found = me.get(f"/v1/memories/{memory['id']}/retention").json()
        return {name: found[name] for name in (*STRENGTH, "spaced_uses", "traces")}

    @pytest.mark.parametrize("useful", [True, False])
    def test_it_holds_as_if_nothing_had_been_said(self, me: Any, api: Any, useful: bool) -> None:
        memory = api.remember("The owl hunts at night.")
        self.judge(me, api, memory, True)
        before = self.strength(me, memory)
        search_id = self.judge(me, api, memory, useful)
        assert self.strength(me, memory)["stability_days"] != before["stability_days"]
        answer = self.take_back(me, search_id, memory)
        assert answer.status_code == 200, answer.text
        said = answer.json()
        assert (said["memory_id"], said["useful"], said["cited"]) == (memory["id"], None, None)
        after = self.strength(me, memory)
        assert said["stability_days"] == after["stability_days"]
        assert {k: after[k] for k in STRENGTH} == {k: before[k] for k in STRENGTH}
        assert after["spaced_uses"] == before["spaced_uses"]
        (left,) = me.get(f"/v1/memories/{memory['id']}/recalls").json()["data"]
        assert left["search_id"] != search_id

    def test_what_came_later_counts_as_it_would_have(self, me: Any, api: Any) -> None:
        """Of two memories judged alike, one has a judgement between that is taken back."""
        plain, other = api.remember("The lark sings at dawn."), api.remember("The heron fishes at noon.")
        between = self.judge(me, api, other, False)
        for memory in (plain, other):
            self.judge(me, api, memory, False)
            self.judge(me, api, memory, False)
        assert self.strength(me, other)["stability_days"] < self.strength(me, plain)["stability_days"]
        assert self.take_back(me, between, other).status_code == 200
        mine, theirs = self.strength(me, other), self.strength(me, plain)
        assert mine["stability_days"] == pytest.approx(theirs["stability_days"], rel=1e-9)
        assert mine["difficulty"] == pytest.approx(theirs["difficulty"], rel=1e-9)

    @pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
    def test_judgements_are_taken_back_in_any_order(self, me: Any, api: Any, order: tuple[int, ...]) -> None:
        memory = api.remember("The owl hunts at night.")
        api.search("owl", reinforce=True)
        before = self.strength(me, memory)
        said = [self.judge(me, api, memory, useful) for useful in (True, False, True)]
        for place in order:
            assert self.take_back(me, said[place], memory).status_code == 200
        after = self.strength(me, memory)
        # Traces fade from one look to the next.
        assert {name: after[name] for name in HOLDS} == {name: before[name] for name in HOLDS}

    def test_that_it_was_reinforced_by_the_same_search_stays(self, me: Any, api: Any) -> None:
        memory = api.remember("The comet returns.")
        search_id = self.judge(me, api, memory, False, reinforce=True)
        assert self.take_back(me, search_id, memory).status_code == 200
        assert self.strength(me, memory)["recall_count"] == 1
        (left,) = me.get(f"/v1/memories/{memory['id']}/recalls").json()["data"]
        assert (left["search_id"], left["useful"]) == (search_id, None)

    def test_what_was_said_several_times_is_taken_back_at_once(self, me: Any, api: Any, problem: Any) -> None:
        memory = api.remember("The bus is late.")
        before = self.strength(me, memory)
        search_id = self.judge(me, api, memory, True)
        for useful in (False, True):
            me.post(f"/v1/traces/{search_id}/feedback", json={"memory_id": memory["id"], "useful": useful})
        assert self.take_back(me, search_id, memory).status_code == 200
        after = self.strength(me, memory)
        faded = [trace["value"] for trace in before.pop("traces")]
        assert [trace["value"] for trace in after.pop("traces")] == pytest.approx(faded, rel=1e-3)
        assert after == before
        assert me.get(f"/v1/memories/{memory['id']}/recalls").json()["data"] == []
        problem(self.take_back(me, search_id, memory), 404, "feedback_not_found")

    def test_a_question_that_grew_from_it_says_what_the_others_say(self, me: Any, api: Any) -> None:
        me.post("/v1/namespaces", json={"path": "home", "settings": {"fusion": {"learn": True}}})
        memory = api.remember("The owl hunts at night.", namespace="home")

        def relevant() -> list[list[str]]:
            return [one["relevant"] for one in me.get("/v1/saved-queries?namespace=home").json()["data"]]

        good, also = (self.judge(me, api, memory, True, namespace="home") for _ in range(2))
        assert relevant() == [[memory["id"]]]
        bad = self.judge(me, api, memory, False, namespace="home")
        assert relevant() == []
        self.take_back(me, bad, memory)
        assert relevant() == [[memory["id"]]]
        self.take_back(me, good, memory)
        assert relevant() == [[memory["id"]]]
        self.take_back(me, also, memory)
        assert relevant() == []

    def test_what_was_said_before_this_was_kept_cannot_be_taken_back(
        self, me: Any, api: Any, maintenance: Engine, problem: Any
    ) -> None:
        memory = api.remember("The owl hunts at night.")
        search_id = self.judge(me, api, memory, False)
        with maintenance.begin() as connection:
            connection.execute(text("UPDATE recall SET held_before = NULL WHERE memory_id = :id"), {"id": memory["id"]})
        held = self.strength(me, memory)
        problem(self.take_back(me, search_id, memory), 409, "not_reversible")
        assert self.strength(me, memory) == held

    def test_what_is_not_there(self, me: Any, api: Any, problem: Any) -> None:
        memory = api.remember("The owl hunts at night.")
        search_id = api.search("owl")["search_id"]
        problem(self.take_back(me, search_id, memory), 404, "feedback_not_found")
        problem(self.take_back(me, NOWHERE, memory), 404, "feedback_not_found")
        problem(self.take_back(me, search_id, {"id": NOWHERE}), 404, "memory_not_found")
        problem(self.take_back(me, "x", memory), 404)

    def test_it_needs_the_right_to_write(self, make_tenant: Any, as_tenant: Callable[..., Any], problem: Any) -> None:
        reader = as_tenant(make_tenant(scopes=[KeyScope.READ]))
        problem(reader.delete(f"/v1/traces/{NOWHERE}/feedback/{NOWHERE}"), 403)
