"""Users, agents and sessions, archived or erased altogether."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest

from consolidation import consolidate
from consolidation.tenancy import Tenancy
from memory_service.lifecycle import scopes
from memory_service.storage.database import Database
from memory_service.types import KeyScope

KINDS = (("users", "user_id"), ("agents", "agent_id"), ("sessions", "session_id"))


def delete(me: Any, work: Any, path: str) -> dict[str, Any]:
    answer = me.delete(path)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/v1/jobs/{answer.json()['job_id']}"
    work(me.tenant_id)
    job: dict[str, Any] = me.get(answer.headers["location"]).json()
    assert job["status"] == "succeeded", job
    return job


@pytest.mark.parametrize(("kind", "column"), KINDS)
def test_archived_altogether_and_restored(me: Any, api: Any, work: Any, problem: Any, kind: str, column: str) -> None:
    name = "team/ada lovelace?#%é"
    mine = [api.remember(f"Number {n}.", **{column: name})["id"] for n in range(3)]
    other = api.remember("Other.", **{column: "team"})["id"]
    paper = me.post("/v1/documents", json={"content": "A paper.", column: name}).json()["document_id"]
    work(me.tenant_id)
    path = f"/v1/{kind}/{quote(name, safe='')}"
    job = delete(me, work, path)
    assert (job["kind"], job["result"]) == ("archive", {"memories": 4, "documents": 1})
    assert job["progress"] == {"done": 4, "total": 4}
    assert {api.read(i)["state"] for i in mine} == {"archived"}
    assert me.get(f"/v1/documents/{paper}").json()["archived_at"] is not None
    assert api.read(other)["state"] == "activated"
    assert name not in [one["id"] for one in me.get(f"/v1/{kind}").json()["data"]]
    problem(me.delete(path), 404, "scope_not_found")
    restored = me.post("/v1/memories/restore", json={"filter": {column: name}}).json()
    assert restored["changed"] == 4


@pytest.mark.parametrize(("kind", "column"), KINDS)
def test_erased_altogether(me: Any, api: Any, work: Any, problem: Any, kind: str, column: str) -> None:
    made = api.remember("Gone.", **{column: "a/b"})["id"]
    me.delete(f"/v1/memories/{made}")
    path = f"/v1/{kind}/a%2Fb?erase=true"
    answer = me.delete(path)
    work(me.tenant_id)
    receipt = me.get(f"/v1/erasures/{answer.json()['erasure_id']}").json()
    assert (receipt["status"], receipt["memory_ids"], receipt["verified"]) == ("succeeded", [made], True)
    problem(me.delete(path), 404, "scope_not_found")


def test_somebody_with_a_block_alone_is_known_to_an_erasure(me: Any, work: Any, problem: Any) -> None:
    me.put("/v1/blocks/persona", json={"value": "Curious.", "user_id": "eve"})
    problem(me.delete("/v1/users/eve"), 404, "scope_not_found")
    erasure_id = me.delete("/v1/users/eve?erase=true").json()["erasure_id"]
    work(me.tenant_id)
    receipt = me.get(f"/v1/erasures/{erasure_id}").json()
    assert (receipt["counts"], receipt["verified"]) == ({"block": 1}, True)
    assert me.get("/v1/blocks").json()["data"] == []


def test_only_within_a_namespace(me: Any, api: Any, work: Any, problem: Any) -> None:
    here = api.remember("Here.", user_id="ada", namespace="here")["id"]
    there = api.remember("There.", user_id="ada", namespace="there")["id"]
    delete(me, work, "/v1/users/ada?namespace=here")
    assert (api.read(here)["state"], api.read(there)["state"]) == ("archived", "activated")
    problem(me.delete("/v1/users/ada?namespace=here"), 404, "scope_not_found")
    problem(me.delete("/v1/users/ada?namespace=default"), 404, "scope_not_found")
    problem(me.delete("/v1/users/ada?namespace=nowhere"), 404, "namespace_not_found")
    problem(me.delete("/v1/users/ada?namespace=//"), 422, "invalid_namespace")


def test_what_is_said_after_the_call_stays(me: Any, api: Any, work: Any) -> None:
    before = api.remember("Before.", user_id="ada")["id"]
    assert me.delete("/v1/users/ada").status_code == 202
    after = api.remember("After.", user_id="ada")["id"]
    work(me.tenant_id)
    assert (api.read(before)["state"], api.read(after)["state"]) == ("archived", "activated")


def test_it_goes_on_where_it_was_given_back(
    me: Any, api: Any, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scopes, "ARCHIVED_AT_ONCE", 2)
    ids = [api.remember(f"Number {n}.", user_id="ada")["id"] for n in range(5)]
    job_id = UUID(me.delete("/v1/users/ada").json()["job_id"])
    told: list[UUID] = []
    tenancy = Tenancy(me.tenant_id, lambda: database.transaction(me.tenant_id), lambda: datetime.now(UTC))
    hurried = replace(tenancy, turn_s=0.0, nudge=told.append)
    assert consolidate.run_job(hurried, job_id)
    assert [api.read(i)["state"] for i in ids].count("archived") == 2
    assert told == [job_id]
    while me.get(f"/v1/jobs/{job_id}").json()["status"] == "running":
        assert consolidate.run_job(hurried, job_id)
    job = me.get(f"/v1/jobs/{job_id}").json()
    assert (job["status"], job["result"], job["attempts"]) == ("succeeded", {"memories": 5, "documents": 0}, 1)
    assert [api.read(i)["version"] for i in ids] == [2] * 5


def test_a_cancelled_job_archives_no_more(me: Any, api: Any, work: Any) -> None:
    made = api.remember("Stays.", user_id="ada")["id"]
    job_id = me.delete("/v1/users/ada").json()["job_id"]
    me.post(f"/v1/jobs/{job_id}/cancel")
    work(me.tenant_id)
    assert api.read(made)["state"] == "activated"
    assert me.post(f"/v1/jobs/{job_id}/retry").status_code == 200
    work(me.tenant_id)
    assert api.read(made)["state"] == "archived"


@pytest.mark.parametrize("kind", [kind for kind, _ in KINDS])
def test_what_is_refused(
    me: Any, api: Any, problem: Any, kind: str, make_tenant: Any, as_tenant: Callable[..., Any]
) -> None:
    made = api.remember("Mine.", user_id="ada", agent_id="ada", session_id="ada")["id"]
    problem(me.delete(f"/v1/{kind}/nobody"), 404, "scope_not_found")
    problem(me.delete(f"/v1/{kind}/{'x' * 257}"), 422)
    problem(me.delete(f"/v1/{kind}/a%00b"), 422)
    problem(me.delete(f"/v1/{kind}/"), 422)
    problem(me.delete(f"/v1/{kind}/ada?erase=perhaps"), 422)
    problem(me.delete(f"/v1/{kind}/ada?force=true"), 422)
    problem(me.delete(f"/v1/{kind}/%FF%FE"), 422)
    stranger = as_tenant(make_tenant())
    for tail in ("", "?erase=true"):
        problem(stranger.delete(f"/v1/{kind}/ada{tail}"), 404, "scope_not_found")
    reader = as_tenant(make_tenant(scopes=(KeyScope.READ, KeyScope.ERASE)))
    problem(reader.delete(f"/v1/{kind}/ada"), 403, "forbidden")
    writer = as_tenant(make_tenant(scopes=(KeyScope.READ, KeyScope.WRITE)))
    problem(writer.delete(f"/v1/{kind}/ada?erase=true"), 403, "forbidden")
    assert api.read(made)["state"] == "activated"
