"""A worker at something long enriches what others write meanwhile: they wait for a batch, not for the end of it."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from consolidation import run, training
from consolidation.worker import others
from tests.integration.rows import Rows
from tests.integration.transfer.conftest import NDJSON

WAITS = "SELECT count(*) AS n FROM memory WHERE tenant_id = :t AND enriched_version < content_version"
OPEN = """
    SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'memory-service-worker'
        AND state LIKE 'idle in transaction%'
"""
SIZE, AT_ONCE = 12, 4

Begin = Callable[[Any], Any]


@pytest.fixture
def stranger(as_tenant: Any, make_tenant: Any) -> Any:
    """Return another tenant, whose memory waits to be enriched."""
    made = as_tenant(make_tenant())
    assert made.post("/v1/memories", json={"content": "Grace moved to Lyon last Friday."}).status_code == 201
    return made


@pytest.fixture
def times(worker: ModuleType, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Return a list that grows each time a worker gives way, which it does with nothing open."""
    times: list[None] = []

    def give_way() -> None:
        assert rows.all(OPEN) == []
        others.give_way()
        times.append(None)

    monkeypatch.setattr("consolidation.worker.tenancies.give_way", give_way)
    return times


def remember_some(me: Any, **fields: Any) -> list[str]:
    items = [{"content": f"Ada put book {n} on shelf {n}.", "user_id": "ada", **fields} for n in range(SIZE)]
    return [result["id"] for result in me.post("/v1/memories/batch", json={"items": items}).json()["results"]]


def test_between_the_batches_of_a_run(
    worker: ModuleType, rows: Rows, me: Any, stranger: Any, times: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "BATCH", AT_ONCE)
    remember_some(me)
    worker.enrich(str(me.tenant_id))
    assert rows.one(WAITS, t=stranger.tenant_id).n == 1
    namespace_id = rows.one("SELECT id FROM namespace WHERE tenant_id = :t", t=me.tenant_id).id
    assert worker.consolidate_namespace(str(me.tenant_id), str(namespace_id)) == SIZE
    assert rows.one(WAITS, t=stranger.tenant_id).n == 0
    assert len(times) >= SIZE / AT_ONCE


def consolidation(me: Any) -> Any:
    return me.post("/v1/consolidations", json={})


def erasure(me: Any) -> Any:
    return me.delete("/v1/users/ada?erase=true")


def archiving(me: Any) -> Any:
    return me.delete("/v1/users/ada")


def import_(me: Any) -> Any:
    bundle = me.post("/v1/exports", json={}).content
    return me.post("/v1/imports", content=bundle, headers=NDJSON)


def teaching(me: Any) -> Any:
    cube = me.post("/v1/parametric", json={"name": "desk"}).json()["id"]
    ids = [one["id"] for one in me.get("/v1/memories?limit=50").json()["data"]]
    pairs = [{"cue": f"Where is book {n}?", "memory_id": memory_id} for n, memory_id in enumerate(ids)]
    return me.post("/v1/parametric/train", json={"id": cube, "pairs": pairs})


@pytest.mark.parametrize(
    "begin", [consolidation, erasure, archiving, import_, teaching], ids=lambda begin: begin.__name__
)
def test_between_the_batches_of_a_job(
    begin: Begin,
    worker: ModuleType,
    rows: Rows,
    me: Any,
    stranger: Any,
    times: list[None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module, name in ((run, "BATCH"), (training, "ENCODED_AT_ONCE")):
        monkeypatch.setattr(module, name, AT_ONCE)
    remember_some(me)
    answer = begin(me)
    assert answer.status_code == 202, answer.text
    assert rows.one(WAITS, t=stranger.tenant_id).n == 1
    assert worker.run_job(str(me.tenant_id), answer.json()["job_id"])
    assert me.get(f"/v1/jobs/{answer.json()['job_id']}").json()["status"] == "succeeded"
    assert rows.one(WAITS, t=stranger.tenant_id).n == 0
    assert times


def test_a_batch_of_each_tenant_at_a_time(
    worker: ModuleType, rows: Rows, me: Any, stranger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tenant that writes much keeps neither the others nor the worker waiting."""
    monkeypatch.setattr("consolidation.enriching.BATCH", AT_ONCE)
    remember_some(me)
    others.give_way()
    assert rows.one(WAITS, t=me.tenant_id).n == SIZE - AT_ONCE
    assert rows.one(WAITS, t=stranger.tenant_id).n == 0
    monkeypatch.setattr(others, "GIVE_WAY_S", -1.0)  # no time: what it has begun is ended, and no more
    others.give_way()
    others.give_way()
    assert rows.one(WAITS, t=me.tenant_id).n == 0
