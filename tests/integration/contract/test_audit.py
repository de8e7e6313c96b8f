"""The audit chain: who changed what, sealed in order, and what is told when somebody tampers with it."""

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from consolidation import consolidate
from consolidation.tenancy import Tenancy
from memory_service.lifecycle.audit import beginning
from memory_service.storage.database import Database
from memory_service.types import KeyScope

NOWHERE = "018f3c1e-7b1a-7c3d-9e2f-5a6b7c8d9e0f"


@pytest.fixture
def tamper(maintenance: Engine, me: Any) -> Callable[..., None]:
    """Return a function that writes past every right that the service has."""

    def write(statement: str, **parameters: Any) -> None:
        with maintenance.begin() as connection:
            connection.execute(text(statement), {"t": me.tenant_id, **parameters})

    return write


def events(me: Any, **parameters: Any) -> list[dict[str, Any]]:
    answer = me.get("/v1/audit", params={"limit": 200, **parameters})
    assert answer.status_code == 200, answer.text
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


def actions(me: Any, **parameters: Any) -> list[str]:
    """Return what was done, the first first."""
    return [event["action"] for event in reversed(events(me, **parameters))]


def verdict(me: Any, **parameters: Any) -> dict[str, Any]:
    answer = me.get("/v1/audit/verify", params=parameters)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def some_changes(me: Any, count: int = 3) -> None:
    for n in range(count):
        assert me.post("/v1/namespaces", json={"path": f"space/{n}"}).status_code == 201


class TestEvents:
    def test_changes_of_power_and_of_many_are_written_down(self, me: Any, api: Any, work: Any) -> None:
        made = me.post("/v1/api-keys", json={"name": "k", "scopes": ["memories:read"]}).json()
        rotated = me.post(f"/v1/api-keys/{made['id']}/rotate").json()
        me.delete(f"/v1/api-keys/{rotated['id']}")
        me.delete(f"/v1/api-keys/{rotated['id']}")  # revoked already: nothing changes
        me.post("/v1/namespaces", json={"path": "here"})
        me.post("/v1/namespaces", json={"path": "here"})
        me.patch("/v1/namespaces/here", json={"settings": {"extract": "none"}})
        me.put("/v1/policies/retention?namespace=here", json={"protection": 0.75})
        me.patch("/v1/policies/retention?namespace=here", json={"protection": 0.5})
        me.delete("/v1/policies/retention?namespace=here")
        api.remember("One.", user_id="ada", namespace="here")
        api.remember("Two.", user_id="ada", namespace="here")
        me.post("/v1/memories/archive", json={"filter": {"user_id": "ada"}, "dry_run": True})
        me.post("/v1/memories/archive", json={"filter": {"user_id": "ada"}})
        me.post("/v1/memories/restore", json={"filter": {"user_id": "ada"}})
        me.delete("/v1/users/ada")
        work(me.tenant_id)
        me.post("/v1/erasures", json={"user_id": "ada", "dry_run": True})
        begun = me.post("/v1/erasures", json={"user_id": "ada"}).json()
        work(me.tenant_id)
        me.post("/v1/consolidations", json={"namespace": "here"})
        assert actions(me) == [
            "api_key.create", "api_key.rotate", "api_key.revoke", "namespace.create", "namespace.change", "policy.change",
            "policy.change", "policy.delete", "memories.archive", "memories.restore", "scope.archive", "erasure.begin",
            "erasure.finish", "consolidation.begin",
        ]  # fmt: skip
        by_action = {event["action"]: event for event in events(me)}
        assert by_action["api_key.create"]["subject_id"] == made["id"]
        assert by_action["api_key.create"]["details"] == {"scopes": ["memories:read"]}
        assert by_action["namespace.change"]["namespace"] == "here"
        assert by_action["namespace.change"]["details"] == {"settings": ["extract"]}
        assert by_action["memories.archive"]["details"] == {"changed": 2, "selected_by": "filter"}
        finished = by_action["erasure.finish"]
        assert (finished["subject"], finished["subject_id"], finished["actor"]) == (
            "erasure",
            begun["erasure_id"],
            None,
        )
        assert finished["details"] == {"erased": 2, "derived": 0, "absent": 0, "verified": True}
        first_key = min(key["id"] for key in me.get("/v1/api-keys").json()["data"])
        assert {event["actor"] for event in events(me) if event["action"] != "erasure.finish"} == {first_key}

    def test_what_is_done_in_one_namespace_is_listed_for_it(self, me: Any, api: Any, work: Any) -> None:
        for said in ("Ada keeps bees.", "Ada keeps bees!"):
            api.remember(said, user_id="ada", namespace="here")
        api.remember("Elsewhere.", namespace="there")
        work(me.tenant_id)
        job = me.post("/v1/consolidations", json={"namespace": "here"}).json()["job_id"]
        assert me.post(f"/v1/jobs/{job}/cancel").status_code == 200
        assert me.post(f"/v1/jobs/{job}/retry").status_code == 200
        work(me.tenant_id)
        changesets = me.get("/v1/changesets?namespace=here").json()["data"]
        assert me.post(f"/v1/changesets/{changesets[0]['id']}/revert").status_code == 200
        selection = {"namespace": "here", "filter": {"user_id": "ada"}}
        assert me.post("/v1/memories/archive", json=selection).json()["changed"] == 2
        assert me.post("/v1/memories/restore", json=selection).json()["changed"] == 2
        assert me.post("/v1/exports", json={"namespace": "here"}).status_code == 200
        listed = me.get("/v1/audit?namespace=here").json()["data"]
        assert [event["action"] for event in reversed(listed)] == [
            "consolidation.begin", "job.cancel", "job.retry", "changeset.revert", "memories.archive", "memories.restore",
            "export.begin",
        ]  # fmt: skip
        assert {event["namespace"] for event in listed} == {"here"}
        assert me.get("/v1/audit?namespace=there").json()["data"] == []

    def test_no_event_holds_what_somebody_wrote(self, me: Any, api: Any, work: Any, maintenance: Engine) -> None:
        word = "quetzalcoatlus"
        me.post("/v1/api-keys", json={"name": word, "scopes": ["memories:read"]})
        me.post("/v1/namespaces", json={"path": word})
        api.remember(f"{word}.", user_id=word, tags=[word], namespace=word)
        me.post("/v1/memories/archive", json={"filter": {"tags": word}, "namespace": word})
        me.delete(f"/v1/users/{word}?erase=true")
        work(me.tenant_id)
        assert len(events(me)) == 5
        with maintenance.connect() as connection:
            statement = text("SELECT count(*) FROM audit_event t WHERE tenant_id = :t AND CAST(t AS text) LIKE :w")
            assert connection.scalar(statement, {"t": me.tenant_id, "w": f"%{word}%"}) == 0

    def test_what_was_refused_or_replayed_is_no_change(self, me: Any) -> None:
        headers = {"Idempotency-Key": "k"}
        for _ in range(2):
            assert me.post("/v1/namespaces", json={"path": "a"}, headers=headers).status_code == 201
        me.post("/v1/namespaces", json={"path": "//"})
        me.patch("/v1/namespaces/nowhere", json={"settings": {"extract": "none"}})
        me.post("/v1/api-keys", json={"name": "k", "scopes": ["operator"]})
        me.post(f"/v1/jobs/{NOWHERE}/cancel")
        assert actions(me) == ["namespace.create"]

    def test_filters_and_pages(self, me: Any) -> None:
        some_changes(me)
        made = me.post("/v1/api-keys", json={"name": "k", "scopes": ["admin"]}).json()
        assert len(events(me, action="namespace.create")) == 3
        assert actions(me, action="api_key.create") == ["api_key.create"]
        assert events(me, actor=made["id"]) == []
        newest = events(me)[0]
        assert events(me, since=newest["at"]) == [newest]
        assert len(events(me, until=newest["at"])) == 3
        first = me.get("/v1/audit?limit=3").json()
        second = me.get(f"/v1/audit?limit=3&cursor={first['next_cursor']}").json()
        assert [*first["data"], *second["data"]] == events(me)
        assert (first["has_more"], second["has_more"]) == (True, False)


class TestChain:
    def test_sealed_in_order_by_a_worker(self, me: Any, tenancy: Tenancy) -> None:
        some_changes(me)
        assert [event["seq"] for event in events(me)] == [None] * 3
        assert verdict(me) == {
            "intact": True, "checked": 0, "unsealed": 3, "stray": 0, "head": None, "broken_at": None,
        }  # fmt: skip
        assert consolidate.seal_audit(tenancy) == 3
        assert consolidate.seal_audit(tenancy) == 0
        assert me.post("/v1/namespaces", json={"path": "later"}).status_code == 201
        assert consolidate.seal_audit(tenancy) == 1
        found = events(me)
        assert [event["seq"] for event in found] == [4, 3, 2, 1]
        whole = verdict(me)
        assert (whole["intact"], whole["checked"], whole["unsealed"]) == (True, 4, 0)
        assert whole["head"] == {"seq": 4, "hash": found[0]["hash"]}

    def test_anybody_can_work_it_out_from_the_list(self, me: Any, tenancy: Tenancy) -> None:
        """As docs/howto/audit.md says, without any code of the service but the beginning."""
        some_changes(me)
        me.post("/v1/api-keys", json={"name": "k", "scopes": ["memories:write", "memories:read"]})
        consolidate.seal_audit(tenancy)
        previous = hashlib.sha256(b"audit chain of " + me.tenant_id.bytes).digest()
        assert previous == beginning(me.tenant_id)
        for event in reversed(events(me)):
            said = [
                event["seq"], event["id"], event["at"].replace("Z", "+00:00"), event["actor"], event["action"],
                event["subject"], event["subject_id"], event["namespace_id"], event["details"],
            ]  # fmt: skip
            written = json.dumps(said, sort_keys=True, separators=(",", ":"))
            previous = hashlib.sha256(previous + written.encode()).digest()
            assert event["hash"] == previous.hex()

    def test_workers_at_once_make_one_chain(self, me: Any, tenancy: Tenancy) -> None:
        some_changes(me, 20)
        with ThreadPoolExecutor(4) as pool:
            sealed = list(pool.map(lambda _: consolidate.seal_audit(tenancy), range(8)))
        assert sum(sealed) == 20
        assert verdict(me)["intact"]
        assert verdict(me)["checked"] == 20

    @pytest.mark.parametrize(
        ("statement", "broken"),
        [
            ("UPDATE audit_event SET action = 'api_key.revoke' WHERE tenant_id = :t AND id = :e2", (2, "hash_differs")),
            ("UPDATE audit_event SET api_key_id = :e1 WHERE tenant_id = :t AND id = :e1", (1, "hash_differs")),
            (
                "UPDATE audit_event SET at = at + interval '1 second' WHERE tenant_id = :t AND id = :e3",
                (3, "hash_differs"),
            ),
            ("UPDATE audit_event SET details = '{\"x\": 1}' WHERE tenant_id = :t AND id = :e2", (2, "hash_differs")),
            ("UPDATE audit_seal SET hash = sha256(hash) WHERE tenant_id = :t AND seq = 2", (2, "hash_differs")),
            ("DELETE FROM audit_seal WHERE tenant_id = :t AND seq = 2", (2, "seal_missing")),
            ("DELETE FROM audit_seal WHERE tenant_id = :t AND seq = 1", (1, "seal_missing")),
            (
                "WITH s AS (DELETE FROM audit_seal WHERE tenant_id = :t AND seq = 3) SELECT 1",
                None,  # Its event is there still, waits for no seal, and is told as a stray.
            ),
        ],
    )
    def test_what_was_tampered_with_is_told(
        self, me: Any, tenancy: Tenancy, tamper: Callable[..., None], statement: str, broken: tuple[int, str] | None
    ) -> None:
        some_changes(me)
        consolidate.seal_audit(tenancy)
        ids = {f"e{event['seq']}": UUID(event["id"]) for event in events(me)}
        tamper(statement, **{name: ids[name] for name in ids if f":{name}" in statement})
        found = verdict(me)
        assert not found["intact"]
        if broken is None:
            assert (found["stray"], found["broken_at"]) == (1, None)
        else:
            assert (found["broken_at"]["seq"], found["broken_at"]["reason"]) == broken

    def test_a_chain_made_anew_does_not_lead_through_a_head_that_was_kept(
        self, me: Any, tenancy: Tenancy, tamper: Callable[..., None]
    ) -> None:
        some_changes(me)
        consolidate.seal_audit(tenancy)
        kept = verdict(me)["head"]
        me.post("/v1/namespaces", json={"path": "later"})
        consolidate.seal_audit(tenancy)
        assert verdict(me, **kept)["intact"]
        # Somebody with every right leaves an event out and seals the rest again.
        tamper("DELETE FROM audit_seal WHERE tenant_id = :t")
        first = "(SELECT id FROM audit_event WHERE tenant_id = :t ORDER BY id LIMIT 1)"
        tamper(f"DELETE FROM audit_event WHERE tenant_id = :t AND id = {first}")
        tamper("INSERT INTO audit_pending SELECT tenant_id, id FROM audit_event WHERE tenant_id = :t")
        consolidate.seal_audit(tenancy)
        assert verdict(me)["intact"]
        found = verdict(me, **kept)
        assert not found["intact"]
        assert found["broken_at"] == {"seq": 3, "event_id": None, "reason": "head_differs"}

    def test_the_sweep_finds_what_waits(self, me: Any, database: Database) -> None:
        some_changes(me, 2)
        with database.untenanted() as connection:
            rows = connection.execute(text("SELECT * FROM unsealed_audit(1000)")).all()
        assert [row.event_id for row in rows if row.tenant_id == me.tenant_id] == [UUID(events(me)[-1]["id"])]


class TestRefused:
    def test_bad_questions(self, me: Any, problem: Any) -> None:
        for query in (
            "action=nonsense", "actor=x", "since=yesterday", "until=1", "limit=0", "limit=201", "cursor=x", "who=me",
        ):  # fmt: skip
            problem(me.get(f"/v1/audit?{query}"), 422)
        for query in (
            "seq=1",
            f"hash={'0' * 64}",
            f"seq=0&hash={'0' * 64}",
            "seq=1&hash=x",
            f"seq={2**63}&hash={'0' * 64}",
        ):
            problem(me.get(f"/v1/audit/verify?{query}"), 422)
        assert verdict(me, seq=7, hash="0" * 64)["broken_at"]["reason"] == "head_differs"
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            problem(me.request(method, "/v1/audit"), 405)

    def test_it_is_for_administrators_of_the_tenant(
        self, me: Any, make_tenant: Any, as_tenant: Callable[..., Any], problem: Any
    ) -> None:
        some_changes(me)
        writer = as_tenant(make_tenant(scopes=(KeyScope.READ, KeyScope.WRITE, KeyScope.ERASE)))
        for path in ("/v1/audit", "/v1/audit/verify"):
            problem(writer.get(path), 403, "forbidden")
        assert events(as_tenant(make_tenant())) == []


def test_what_is_taken_out_and_brought_in_as_a_whole(me: Any, api: Any, make_tenant: Any, as_tenant: Any) -> None:
    api.remember("Carried over.")
    bundle = me.post("/v1/exports", json={})
    assert bundle.status_code == 200
    assert actions(me) == ["export.begin"]
    there = as_tenant(make_tenant())
    headers = {"Content-Type": bundle.headers["content-type"]}
    answer = there.post("/v1/imports", content=bundle.content, headers=headers)
    assert answer.status_code == 202, answer.text
    (event,) = events(there)
    assert (event["action"], event["subject_id"]) == ("import.begin", answer.json()["job_id"])
    assert event["details"] == {"records": answer.json()["records"]}
