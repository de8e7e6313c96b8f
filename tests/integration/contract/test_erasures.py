"""Erasures by filter, by ids, and of all that belongs to somebody: looked at before, done in batches, proved afterwards."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from consolidation import consolidate, erasing
from consolidation.leases import LEASE
from consolidation.tenancy import Tenancy
from memory_service.storage.bootstrap import RoleUrls
from memory_service.storage.database import Database
from memory_service.storage.ids import new_id
from memory_service.types import KeyScope

NOWHERE = "018f3c1e-7b1a-7c3d-9e2f-5a6b7c8d9e0f"
SECRET = "quetzalcoatlus"


class Tables:
    """Counts rows of one tenant, whatever table holds them."""

    def __init__(self, engine: Engine, tenant_id: UUID) -> None:
        self._engine, self._tenant_id = engine, tenant_id

    def count(self, table: str, where: str = "true", **parameters: Any) -> int:
        with self._engine.connect() as connection:
            statement = text(f"SELECT count(*) FROM {table} t WHERE t.tenant_id = :tenant AND {where}")
            return int(connection.scalar(statement, {"tenant": self._tenant_id, **parameters}) or 0)

    def holding(self, word: str) -> set[str]:
        """Return the tables in which a word stands in any column of any row of the tenant.

        As a word: "ada" is found in the digits of many a key and hash, too.
        """
        found = set()
        with self._engine.connect() as connection:
            tables = connection.scalars(
                text(
                    "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' "
                    "WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
                )
            ).all()
            for table in tables:
                statement = text(
                    f"SELECT count(*) FROM {table} t WHERE t.tenant_id = :tenant AND (CAST(t AS text) ~ ('\\m' || :word || '\\M') "
                    "OR position(encode(convert_to(:word, 'UTF8'), 'hex') IN CAST(t AS text)) > 0)"
                )
                if connection.scalar(statement, {"tenant": self._tenant_id, "word": word}):
                    found.add(table)
        return found


@pytest.fixture
def tables(maintenance: Engine, me: Any) -> Tables:
    return Tables(maintenance, me.tenant_id)


def ada(api: Any) -> dict[str, Any]:
    """Store what belongs to one user, and what others have; return ids."""
    mine = [api.remember(f"{SECRET} number {n} of Ada.", user_id="ada", session_id=f"s{n}") for n in range(3)]
    api.me.patch(f"/v1/memories/{mine[0]['id']}", json={"content": f"{SECRET}, corrected."})
    api.me.delete(f"/v1/memories/{mine[1]['id']}")
    elsewhere = api.remember(f"{SECRET} elsewhere.", user_id="ada", namespace="attic")
    others = [api.remember("Ben keeps bees.", user_id="ben"), api.remember("Nobody's thought.")]
    return {"mine": [m["id"] for m in (*mine, elsewhere)], "others": [m["id"] for m in others]}


def erase(me: Any, work: Any, **body: Any) -> dict[str, Any]:
    answer = me.post("/v1/erasures", json=body)
    assert answer.status_code == 202, answer.text
    begun = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{begun['job_id']}"
    work(me.tenant_id)
    receipt: dict[str, Any] = me.get(f"/v1/erasures/{begun['erasure_id']}").json()
    return receipt


class TestPreview:
    def test_it_counts_by_table_and_changes_nothing(self, me: Any, api: Any, work: Any, tables: Tables) -> None:
        ids = ada(api)
        work(me.tenant_id)
        api.search(SECRET, reinforce=True)
        before = {
            table: tables.count(table) for table in ("memory", "memory_version", "posting", "embedding", "trace", "job")
        }
        seen = me.post("/v1/erasures", json={"user_id": "ada", "dry_run": True})
        assert seen.status_code == 200, seen.text
        found = seen.json()
        assert (found["dry_run"], found["matched"], found["memories"], found["truncated"]) == (True, 4, 4, False)
        where = "t.memory_id = ANY(CAST(:ids AS uuid[]))"
        for table in ("source", "embedding", "posting", "retention", "mention"):
            expected = tables.count(table, where, ids=ids["mine"])
            assert found["counts"].get(table, 0) == expected, table
        assert found["counts"]["memory_version"] == 2
        assert found["counts"]["trace"] == 1
        assert found["counts"]["recall"] == 2
        assert before == {table: tables.count(table) for table in before}
        assert me.get("/v1/erasures").json()["data"] == []

    def test_what_it_counts_is_what_goes(self, me: Any, api: Any, work: Any) -> None:
        ada(api)
        work(me.tenant_id)
        body = {"filter": {"user_id": "ada"}}
        seen = me.post("/v1/erasures", json={**body, "dry_run": True}).json()
        receipt = erase(me, work, **body)
        assert receipt["counts"] == seen["counts"]
        assert receipt["memories"] == {"erased": seen["memories"], "derived": seen["derived"]["memories"], "absent": 0}

    def test_what_was_made_of_it_is_told_apart(self, me: Any, api: Any, work: Any, database: Database) -> None:
        source, other = api.remember("The kiln burns at night."), api.remember("The kiln is old.")
        made = api.remember("A note about the kiln.")
        episode = build(database, me.tenant_id, [source["id"], other["id"]])
        draw(database, me.tenant_id, made["id"], source["id"])
        seen = me.post("/v1/erasures", json={"ids": [source["id"]], "dry_run": True}).json()
        assert (seen["matched"], seen["memories"]) == (1, 2)
        assert seen["derived"] == {"memories": 1, "rebuilt": {"episode": 1}}
        assert seen["counts"]["episode"] == 1
        receipt = erase(me, work, ids=[source["id"]])
        assert receipt["memories"] == {"erased": 2, "derived": 1, "absent": 0}
        assert set(receipt["memory_ids"]) == {source["id"], made["id"]}
        assert me.get(f"/v1/episodes/{episode}").status_code == 404
        assert api.read(other["id"])["content"] == "The kiln is old."


def build(database: Database, tenant_id: UUID, members: list[str]) -> UUID:
    """Make an episode of memories."""
    from memory_service.storage import structure
    from memory_service.storage.namespaces import find_namespaces

    made, now = new_id(), datetime.now(UTC)
    values = {
        "user_id": None, "agent_id": None, "session_id": "s", "first_memory_id": UUID(members[0]),
        "last_memory_id": UUID(members[-1]), "starts": now, "ends": now, "size": len(members), "method": "rules",
        "members": [UUID(m) for m in members],
    }  # fmt: skip
    with database.transaction(tenant_id) as session:
        space = find_namespaces(session, tenant_id, ["default"])["default"].id
        assert structure.put(session, tenant_id, space, "episode", made, values, changeset_id=None, now=now)
    return made


def draw(database: Database, tenant_id: UUID, made: str, source: str) -> None:
    """Say that one memory was derived from another."""
    with database.transaction(tenant_id) as session:
        session.execute(
            text(
                "INSERT INTO link (tenant_id, id, namespace_id, source_id, target_id, type, weight, derivation_method, known_from, "
                "known_to) SELECT :t, :id, namespace_id, id, CAST(:source AS uuid), 'derived_from', 1, 'rules', now(), 'infinity' "
                "FROM memory WHERE tenant_id = :t AND id = CAST(:made AS uuid)"
            ),
            {"t": tenant_id, "id": new_id(), "made": made, "source": source},
        )


class TestErasing:
    def test_a_person_is_gone_from_every_table(
        self, me: Any, api: Any, work: Any, tables: Tables, app: Any, problem: Any
    ) -> None:
        ids = ada(api)
        work(me.tenant_id)
        text_of = "\n\n".join(f"{SECRET} paragraph {n}." for n in range(3))
        me.post("/v1/documents", json={"content": text_of, "title": SECRET, "user_id": "ada"})
        work(me.tenant_id)
        # A file that no worker has read yet, a question asked for Ada, and an answer kept for replay.
        waiting = me.post("/v1/documents", json={"content": f"{SECRET} unread.", "user_id": "ada"}).json()["job_id"]
        found = api.search(f"{SECRET}?", user_id="ada")
        judged = {"memory_id": found["results"][0]["memory"]["id"], "useful": True}
        me.post(f"/v1/traces/{found['search_id']}/feedback", json=judged)
        me.post("/v1/memories", json={"content": f"{SECRET} kept.", "user_id": "ada"}, headers={"Idempotency-Key": "k"})
        me.put("/v1/blocks/persona", json={"value": f"{SECRET} persona.", "user_id": "ada"})
        task = me.post(
            "/v1/tasks", json={"title": f"{SECRET} task.", "user_id": "ada"}, headers={"Idempotency-Key": "t"}
        ).json()
        me.post("/v1/tasks", json={"title": f"{SECRET} step.", "parent_id": task["id"]})
        me.put("/v1/blocks/persona", json={"value": "Ben's.", "user_id": "ben"})
        assert tables.holding(SECRET) >= {
            "block_version", "task_version", "memory", "memory_version", "posting", "document", "document_upload",
            "document_text", "trace", "feedback",
            "idempotency_key",
        }  # fmt: skip
        receipt = erase(me, work, user_id="ada")
        assert (receipt["status"], receipt["verified"], receipt["remains"]) == ("succeeded", True, {})
        assert tables.holding(SECRET) == set()
        assert tables.holding("ada") == set()
        assert (receipt["counts"]["block"], receipt["counts"]["task_node"]) == (1, 2)
        assert tables.count("block") == 1
        for table in ("document", "document_upload", "trace", "memory_version", "posting"):
            assert receipt["counts"][table], table
        for memory_id in ids["mine"]:
            problem(me.get(f"/v1/memories/{memory_id}"), 410, "erased")
        assert [api.read(i)["id"] for i in ids["others"]] == ids["others"]
        work(me.tenant_id)
        assert me.get(f"/v1/jobs/{waiting}").json()["status"] == "cancelled"
        assert tables.holding(SECRET) == set()

    def test_the_receipt_says_who_what_and_when(self, me: Any, api: Any, work: Any) -> None:
        made = api.remember(f"{SECRET}.", tags=["x"])
        gone = api.remember("Gone before.")
        erase(me, work, ids=[gone["id"]])
        began = datetime.now(UTC)
        receipt = erase(me, work, ids=[made["id"], gone["id"], NOWHERE, made["id"]])
        assert receipt["requested_by"] == me.get("/v1/api-keys").json()["data"][0]["id"]
        assert began < datetime.fromisoformat(receipt["requested_at"]) < datetime.fromisoformat(receipt["finished_at"])
        assert receipt["memories"] == {"erased": 1, "derived": 0, "absent": 2}
        assert receipt["memory_ids"] == [made["id"]]
        assert receipt["counts"]["memory"] == 1
        items = me.get(f"/v1/erasures/{receipt['id']}/items").json()["data"]
        assert {i["memory_id"]: i["status"] for i in items} == {
            made["id"]: "erased", gone["id"]: "absent", NOWHERE: "absent",
        }  # fmt: skip
        job = me.get(f"/v1/jobs/{receipt['job_id']}").json()
        assert (job["status"], job["progress"]) == ("succeeded", {"done": 3, "total": 3})

    def test_no_receipt_holds_what_was_asked_in_words(self, me: Any, api: Any, work: Any, tables: Tables) -> None:
        api.remember("A text.", tags=["confidential-word"], user_id="ada-lovelace")
        erase(me, work, filter={"tags": "confidential-word"})
        erase(me, work, user_id="ada-lovelace")
        assert tables.holding("confidential-word") == tables.holding("ada-lovelace") == set()
        hashes = [r["selection_hash"] for r in me.get("/v1/erasures").json()["data"]]
        assert len(set(hashes)) == 2

    def test_a_single_memory_and_a_document_leave_receipts_too(self, me: Any, api: Any, work: Any) -> None:
        made = api.remember("One.")
        document = me.post("/v1/documents", json={"content": "A paper."}).json()["document_id"]
        work(me.tenant_id)
        first = me.delete(f"/v1/memories/{made['id']}?erase=true").json()["erasure_id"]
        second = me.delete(f"/v1/documents/{document}?erase=true").json()["erasure_id"]
        work(me.tenant_id)
        listed = me.get("/v1/erasures").json()["data"]
        assert [r["id"] for r in listed] == [second, first]
        assert [(r["status"], r["verified"], r["namespace"]) for r in listed] == [("succeeded", True, "default")] * 2
        assert [r["id"] for r in me.get("/v1/erasures?namespace=default&limit=1").json()["data"]] == [second]

    def test_a_namespace_is_emptied_and_no_other(self, me: Any, api: Any, work: Any, tables: Tables) -> None:
        api.remember(f"{SECRET} here.", namespace="here", user_id="ada")
        kept = api.remember("There.", namespace="there", user_id="ada")
        api.search(f"{SECRET}", namespace="here")
        assert erase(me, work, filter={}, namespace="here")["memories"]["erased"] == 1
        assert tables.holding(SECRET) == set()
        assert api.read(kept["id"])["namespace"] == "there"
        receipt = erase(me, work, user_id="ada", namespace="here")
        assert receipt["memories"]["erased"] == 0
        assert erase(me, work, user_id="ada", namespace="there")["memories"]["erased"] == 1

    def test_agents_sessions_and_both(self, me: Any, api: Any, work: Any) -> None:
        one = api.remember("One.", agent_id="a", session_id="s")
        two = api.remember("Two.", agent_id="a", session_id="t")
        three = api.remember("Three.", session_id="t")
        assert erase(me, work, agent_id="a", run_id="s")["memory_ids"] == [one["id"]]
        assert set(erase(me, work, session_id="t")["memory_ids"]) == {two["id"], three["id"]}

    def test_what_is_written_after_the_request_stays(self, me: Any, api: Any, work: Any) -> None:
        api.remember("Before.", user_id="ada")
        begun = me.post("/v1/erasures", json={"user_id": "ada"}).json()
        after = api.remember("After.", user_id="ada")
        work(me.tenant_id)
        assert me.get(f"/v1/erasures/{begun['erasure_id']}").json()["memories"]["erased"] == 1
        assert api.read(after["id"])["content"] == "After."

    def test_nothing_to_erase_is_a_receipt_too_and_again_is_nothing(self, me: Any, api: Any, work: Any) -> None:
        api.remember("Once.", user_id="ada")
        for erased in (1, 0):
            receipt = erase(me, work, user_id="ada")
            assert (receipt["status"], receipt["memories"]["erased"], receipt["verified"]) == (
                "succeeded",
                erased,
                True,
            )

    def test_the_same_key_begins_one_erasure(self, me: Any, api: Any) -> None:
        api.remember("Once.", user_id="ada")
        headers = {"Idempotency-Key": "erase-ada"}
        first, again = (me.post("/v1/erasures", json={"user_id": "ada"}, headers=headers) for _ in range(2))
        assert first.json() == again.json()
        assert again.headers["idempotent-replayed"] == "true"
        assert len(me.get("/v1/erasures").json()["data"]) == 1


class TestFaults:
    """A job that ends in the middle leaves whole batches and a true receipt, and the next worker goes on."""

    @pytest.fixture(autouse=True)
    def _small_batches(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(erasing, "ERASED_AT_ONCE", 2)

    def begin(self, me: Any, api: Any, count: int = 7) -> tuple[dict[str, str], list[str]]:
        ids = [api.remember(f"Number {n}.", user_id="ada")["id"] for n in range(count)]
        return me.post("/v1/erasures", json={"user_id": "ada"}).json(), ids

    def agrees(self, me: Any, tables: Tables, begun: dict[str, str], ids: list[str]) -> int:
        """Check that the receipt says of every memory what is true, and return how many it says are erased."""
        receipt = me.get(f"/v1/erasures/{begun['erasure_id']}").json()
        gone = {i for i in ids if me.get(f"/v1/memories/{i}").status_code == 410}
        assert set(receipt["memory_ids"]) == gone
        assert receipt["counts"].get("memory", 0) == len(gone)
        assert tables.count("memory") == len(ids) - len(gone)
        return len(gone)

    def test_cancelled_and_retried(
        self, me: Any, api: Any, tenancy: Tenancy, database: Database, tables: Tables
    ) -> None:
        begun, ids = self.begin(me, api)
        opened = 0

        @contextmanager
        def cancelled_in_the_middle() -> Iterator[Session]:
            nonlocal opened
            opened += 1
            if opened == 4:  # the claim, two batches
                me.post(f"/v1/jobs/{begun['job_id']}/cancel")
            with database.transaction(tenancy.tenant_id) as session:
                yield session

        consolidate.run_job(replace(tenancy, open=cancelled_in_the_middle), UUID(begun["job_id"]))
        receipt = me.get(f"/v1/erasures/{begun['erasure_id']}").json()
        assert (receipt["status"], receipt["verified"], receipt["finished_at"]) == ("cancelled", None, None)
        assert self.agrees(me, tables, begun, ids) == 4
        assert me.post(f"/v1/jobs/{begun['job_id']}/retry").status_code == 200
        consolidate.run_job(tenancy, UUID(begun["job_id"]))
        assert self.agrees(me, tables, begun, ids) == 7
        receipt = me.get(f"/v1/erasures/{begun['erasure_id']}").json()
        assert (receipt["status"], receipt["verified"]) == ("succeeded", True)

    def test_what_is_selected_by_itself_is_not_derived(
        self, me: Any, api: Any, tenancy: Tenancy, database: Database, tables: Tables
    ) -> None:
        """Whichever batch takes it."""
        begun, ids = self.begin(me, api)
        outside = api.remember("A note of somebody else.")["id"]
        draw(database, me.tenant_id, ids[6], ids[0])
        draw(database, me.tenant_id, outside, ids[1])
        consolidate.run_job(tenancy, UUID(begun["job_id"]))
        receipt = me.get(f"/v1/erasures/{begun['erasure_id']}").json()
        assert receipt["memories"] == {"erased": 8, "derived": 1, "absent": 0}
        items = me.get(f"/v1/erasures/{begun['erasure_id']}/items").json()["data"]
        assert [item["memory_id"] for item in items if item["derived"]] == [outside]
        assert me.get(f"/v1/jobs/{begun['job_id']}").json()["progress"] == {"done": 7, "total": 7}

    def test_it_takes_turns_with_other_work(self, me: Any, api: Any, tenancy: Tenancy, tables: Tables) -> None:
        begun, ids = self.begin(me, api)
        told: list[UUID] = []
        hurried = replace(tenancy, turn_s=0.0, nudge=told.append)
        turns = 0
        while tables.count("memory"):
            assert consolidate.run_job(hurried, UUID(begun["job_id"]))
            turns += 1
        assert turns > 2
        assert told
        while me.get(f"/v1/jobs/{begun['job_id']}").json()["status"] == "running":
            assert consolidate.run_job(hurried, UUID(begun["job_id"]))
        assert self.agrees(me, tables, begun, ids) == 7

    def test_a_killed_worker_leaves_whole_batches_and_the_next_goes_on(
        self, me: Any, api: Any, tenancy: Tenancy, role_urls: RoleUrls, tables: Tables
    ) -> None:
        begun, ids = self.begin(me, api)
        script = (
            "import os, signal, sys\n"
            "from contextlib import contextmanager\n"
            "from datetime import UTC, datetime\n"
            "from uuid import UUID\n"
            "from consolidation import consolidate, erasing\n"
            "from consolidation.tenancy import Tenancy\n"
            "from memory_service.storage.database import Database\n"
            "erasing.ERASED_AT_ONCE = 2\n"
            "database, tenant, job = Database(sys.argv[1], pool_size=2), UUID(sys.argv[2]), UUID(sys.argv[3])\n"
            "opened = 0\n"
            "@contextmanager\n"
            "def dying():\n"
            "    global opened\n"
            "    opened += 1\n"
            "    with database.transaction(tenant) as session:\n"
            "        yield session\n"
            "        if opened == 4:\n"  # the third batch is done and not committed
            "            os.kill(os.getpid(), signal.SIGKILL)\n"
            "consolidate.run_job(Tenancy(tenant, dying, lambda: datetime.now(UTC)), job)\n"
        )
        worker = subprocess.run(
            [sys.executable, "-c", script, role_urls.service, str(me.tenant_id), begun["job_id"]],
            env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        assert worker.returncode == -signal.SIGKILL, worker.stderr.decode()
        receipt = me.get(f"/v1/erasures/{begun['erasure_id']}").json()
        assert (receipt["status"], receipt["verified"]) == ("running", None)
        assert self.agrees(me, tables, begun, ids) == 4
        assert not consolidate.run_job(tenancy, UUID(begun["job_id"])), "its lease is not over"
        later = replace(tenancy, clock=lambda: datetime.now(UTC) + LEASE + timedelta(seconds=1))
        assert consolidate.run_job(later, UUID(begun["job_id"]))
        assert self.agrees(me, tables, begun, ids) == 7
        receipt = me.get(f"/v1/erasures/{begun['erasure_id']}").json()
        assert (receipt["status"], receipt["verified"]) == ("succeeded", True)
        assert receipt["counts"]["memory"] == 7

    def test_what_is_left_is_said(self, me: Any, api: Any, tenancy: Tenancy, monkeypatch: pytest.MonkeyPatch) -> None:
        """An erasure that left an answer behind must not say that all is gone."""
        made = api.remember("Kept by mistake.")
        headers = {"Idempotency-Key": "again"}
        me.patch(f"/v1/memories/{made['id']}", json={"tags": ["x"]}, headers=headers)
        from memory_service.storage import erasure

        monkeypatch.setattr(erasure, "forget_answers", lambda *_: None)
        begun = me.post("/v1/erasures", json={"ids": [made["id"]]}).json()
        consolidate.run_job(tenancy, UUID(begun["job_id"]))
        receipt = me.get(f"/v1/erasures/{begun['erasure_id']}").json()
        assert (receipt["status"], receipt["verified"], receipt["remains"]) == ("failed", False, {"idempotency_key": 1})
        job = me.get(f"/v1/jobs/{begun['job_id']}").json()
        assert (job["status"], job["error"]) == ("failed", "Rows are left in idempotency_key; try again.")


class TestRefused:
    @pytest.mark.parametrize(
        "body",
        [
            {}, {"dry_run": True}, {"filter": {}}, {"filter": {"user_id": "a"}, "ids": [NOWHERE]}, {"ids": []},
            {"ids": ["x"]}, {"ids": [NOWHERE], "user_id": "a"}, {"user_id": ""}, {"user_id": None}, {"user_id": "a\0"},
            {"user_id": "\ud800"}, {"filter": {"nonsense": 1}}, {"user_id": "a", "unknown": 1}, {"user_id": "x" * 257},
            {"user_id": "a", "namespace": "//"}, {"ids": [NOWHERE] * 1001}, {"user_id": "a", "dry_run": "yes"},
        ],
        ids=lambda body: json.dumps(body)[:40],
    )  # fmt: skip
    def test_bad_bodies(self, me: Any, api: Any, body: Any, problem: Any, tables: Tables) -> None:
        api.remember("Still here.", user_id="a")
        content = json.dumps(body).encode()
        problem(me.post("/v1/erasures", content=content, headers={"Content-Type": "application/json"}), 422)
        assert tables.count("memory") == 1
        assert me.get("/v1/jobs").json()["data"] == []

    def test_what_is_not_there(self, me: Any, problem: Any) -> None:
        problem(me.post("/v1/erasures", json={"user_id": "a", "namespace": "nowhere"}), 404, "namespace_not_found")
        for path in ("", "/items"):
            problem(me.get(f"/v1/erasures/{NOWHERE}{path}"), 404, "erasure_not_found")
        problem(me.get("/v1/erasures?namespace=nowhere"), 404, "namespace_not_found")
        assert me.post("/v1/erasures", json={"filter": {}, "namespace": "default"}).status_code == 202

    def test_it_needs_its_scope(self, make_tenant: Any, as_tenant: Callable[..., Any], problem: Any) -> None:
        writer = as_tenant(make_tenant(scopes=(KeyScope.READ, KeyScope.WRITE)))
        problem(writer.post("/v1/erasures", json={"user_id": "a", "dry_run": True}), 403, "forbidden")
        problem(writer.get("/v1/erasures"), 403, "forbidden")
        eraser = as_tenant(make_tenant(scopes=(KeyScope.ERASE,)))
        assert eraser.post("/v1/erasures", json={"user_id": "a", "dry_run": True}).status_code == 200

    def test_another_tenant_s_memories_are_not_there(
        self, me: Any, api: Any, work: Any, make_tenant: Any, as_tenant: Callable[..., Any], problem: Any
    ) -> None:
        made = api.remember("Mine.", user_id="ada")
        stranger = as_tenant(make_tenant())
        assert stranger.post("/v1/erasures", json={"user_id": "ada", "dry_run": True}).json()["matched"] == 0
        for body in ({"user_id": "ada"}, {"ids": [made["id"]]}, {"filter": {"user_id": "ada"}}):
            receipt = erase(stranger, work, **body)
            assert receipt["memories"]["erased"] == 0
            problem(me.get(f"/v1/erasures/{receipt['id']}"), 404, "erasure_not_found")
        assert api.read(made["id"])["content"] == "Mine."
