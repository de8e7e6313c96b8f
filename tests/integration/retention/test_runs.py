"""Retention as a step of consolidation: planned, applied as a changeset, taken back, and due again by itself."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from consolidation.consolidate import run_job
from consolidation.tenancy import Tenancy
from memory_service.storage.database import Database


@pytest.fixture
def consolidate(me: Any, database: Database) -> Callable[..., dict[str, Any]]:
    """Return a function that runs the step of retention over the default namespace."""
    tenancy = Tenancy(me.tenant_id, lambda: database.transaction(me.tenant_id), lambda: datetime.now(UTC))

    def run(**body: Any) -> dict[str, Any]:
        job_id = me.post("/v1/consolidations", json={"steps": ["retention"], **body}).json()["job_id"]
        assert run_job(tenancy, UUID(job_id))
        job: dict[str, Any] = me.get(f"/v1/jobs/{job_id}").json()
        assert job["status"] == "succeeded", job
        return job

    return run


def test_what_faded_goes_and_one_call_brings_it_back_for_good(
    me: Any, remember: Any, age: Any, consolidate: Callable[..., dict[str, Any]]
) -> None:
    gone, coarse, kept = remember("old news"), remember("older news"), remember("fresh news")
    age(gone, days=900)
    age(coarse, days=300)
    planned = consolidate(dry_run=True, timeout_s=0)["result"]["changes"]
    assert {c["change"] for c in planned} == {"archive", "retier"}
    assert me.get(f"/v1/memories/{gone}").json()["state"] == "activated"
    (changeset,) = consolidate()["result"]["changesets"]
    states = {i: me.get(f"/v1/memories/{i}").json() for i in (gone, coarse, kept)}
    assert [states[i]["state"] for i in (gone, coarse, kept)] == ["archived", "activated", "activated"]
    assert [states[i]["retention"]["precision_tier"] for i in (coarse, kept)] == ["binary", "half"]
    found = me.post("/v1/search", json={"query": "old news"}).json()["results"]
    assert {r["memory"]["id"] for r in found} == {coarse, kept}
    assert consolidate()["result"]["changesets"] == [], "nothing is due any more"
    assert me.post(f"/v1/changesets/{changeset}/revert").status_code == 200
    assert me.get(f"/v1/memories/{gone}").json()["state"] == "activated"
    again = consolidate()
    assert me.get(f"/v1/memories/{gone}").json()["state"] == "activated", again


def test_use_promotes_through_a_run(
    me: Any, remember: Any, age: Any, consolidate: Callable[..., dict[str, Any]]
) -> None:
    used = remember("the useful lighthouse")
    for _ in range(4):
        age(used, days=8)
        me.post("/v1/search", json={"query": "the useful lighthouse", "top_k": 1, "reinforce": True})
    before = me.get(f"/v1/memories/{used}").json()["retention"]["stability_days"]
    consolidate()
    after = me.get(f"/v1/memories/{used}").json()
    assert after["memory_type"] == "semantic"
    assert after["retention"]["stability_days"] >= max(60.0, before)
