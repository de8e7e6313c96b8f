"""Runs link what was of use to the same searches, and one call takes that back."""

from typing import Any
from uuid import UUID

from consolidation.consolidate import run_job
from consolidation.tenancy import Tenancy


def consolidate(me: Any, tenancy: Tenancy) -> dict[str, int]:
    job_id = me.post("/v1/consolidations", json={"steps": ["co_recalls"]}).json()["job_id"]
    assert run_job(tenancy, UUID(job_id))
    counts: dict[str, int] = me.get(f"/v1/jobs/{job_id}").json()["result"]["counts"]
    return counts


def test_what_was_of_use_together_is_linked_by_the_next_run(me: Any, tenancy: Tenancy, remember: Any) -> None:
    a, b = (remember(content)["id"] for content in ("The lake is cold.", "The boat on the lake leaks."))
    found = me.post("/v1/search", json={"query": "the lake"}).json()
    assert consolidate(me, tenancy) == {}
    for one in (a, b):
        judgement = {"memory_id": one, "useful": True, "cited": False}
        assert me.post(f"/v1/traces/{found['search_id']}/feedback", json=judgement).status_code in {200, 201}
    assert consolidate(me, tenancy) == {"join": 1}
    (link,) = me.get("/v1/links").json()["data"]
    assert (link["source_id"], link["target_id"], link["type"]) == (b, a, "co_recalled")
    assert 0.2 < link["weight"] <= 0.3
    assert consolidate(me, tenancy) == {}
    (changeset,) = me.get("/v1/changesets").json()["data"]
    assert me.post(f"/v1/changesets/{changeset['id']}/revert").status_code == 200
    assert me.get("/v1/links").json()["data"] == []


def test_a_use_that_is_taken_back_takes_its_link_back(me: Any, tenancy: Tenancy, remember: Any) -> None:
    a, b = (remember(content)["id"] for content in ("The lake is cold.", "The boat on the lake leaks."))
    found = me.post("/v1/search", json={"query": "the lake"}).json()
    path = f"/v1/traces/{found['search_id']}/feedback"
    for one in (a, b):
        assert me.post(path, json={"memory_id": one, "useful": True}).status_code in {200, 201}
    assert consolidate(me, tenancy) == {"join": 1}
    assert me.delete(f"{path}/{a}").status_code == 200
    assert consolidate(me, tenancy) == {"part": 1}
    assert me.get("/v1/links").json()["data"] == []
