"""A worker at something long enriches what others write meanwhile: they wait for a batch, not for the end of it."""

from collections.abc import Callable
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
import structlog

from consolidation import enriching, run, training
from consolidation.tenancy import Tenancy
from consolidation.worker import others
from memory_service.errors import Unavailable
from tests.integration.rows import Rows
from tests.integration.transfer.conftest import NDJSON

WAITS = "SELECT count(*) AS n FROM memory WHERE tenant_id = :t AND enriched_version < content_version"
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

    def give_way(*, but: UUID | None = None) -> None:
        assert rows.nothing_is_open("memory-service-worker")
        others.give_way(but=but)
        times.append(None)

    monkeypatch.setattr("consolidation.worker.tenancies.give_way", give_way)
    # Jobs that other tests left are nobody's here.
    monkeypatch.setattr("consolidation.worker.tenancies.others_wait", lambda: False)
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


def test_a_few_memories_of_each_tenant_at_a_time(
    worker: ModuleType, rows: Rows, me: Any, stranger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tenant that writes much keeps neither the others nor the worker waiting."""
    monkeypatch.setattr(others, "ENRICHED_AT_ONCE", AT_ONCE)
    remember_some(me)
    others.give_way()
    assert rows.one(WAITS, t=me.tenant_id).n == SIZE - AT_ONCE
    assert rows.one(WAITS, t=stranger.tenant_id).n == 0


def test_no_tenant_is_first_each_time(
    worker: ModuleType, rows: Rows, me: Any, stranger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(others, "ENRICHED_AT_ONCE", 1)
    monkeypatch.setattr(others, "GIVE_WAY_S", -1.0)  # what has begun is ended, and nothing else begins
    monkeypatch.setattr(others, "tenants_to_enrich", lambda: [me.tenant_id, stranger.tenant_id])
    remember_some(me)
    for _ in range(50):  # by chance alone, one of 10**15 such tests fails
        others.give_way()
    assert rows.one(WAITS, t=stranger.tenant_id).n == 0


def test_one_that_writes_by_the_thousand_keeps_others_waiting_for_a_batch(
    worker: ModuleType, rows: Rows, me: Any, stranger: Any, times: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consolidation.enriching.BATCH", AT_ONCE)
    remember_some(me)
    worker.enrich(str(me.tenant_id))
    assert rows.one(WAITS, t=stranger.tenant_id).n == 0
    assert times


@pytest.mark.parametrize("task", ["enrich", "sweep"])
def test_who_is_enriched_anyway_gives_way_to_others_only(
    task: str, worker: ModuleType, rows: Rows, me: Any, stranger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few at a time cost more than many: none of them is enriched in between."""
    monkeypatch.setattr("consolidation.enriching.BATCH", AT_ONCE)
    for one in (me, stranger):  # Of one batch nobody gives way, and either may come first.
        remember_some(one)
    # Jobs that other tests left would give way before, and enrich both: there is no time for them.
    monkeypatch.setattr("consolidation.worker.sweeping.JOBS_FOR_S", -1.0)
    under_way: list[UUID] = []
    gave_way: list[tuple[UUID, UUID]] = []
    enrich_pending = enriching.enrich_pending

    def noted(tenancy: Tenancy, **how: Any) -> int:
        if under_way:
            gave_way.append((under_way[-1], tenancy.tenant_id))
        under_way.append(tenancy.tenant_id)
        try:
            return enrich_pending(tenancy, **how)
        finally:
            under_way.pop()

    monkeypatch.setattr("consolidation.enriching.enrich_pending", noted)
    worker.enrich(str(me.tenant_id)) if task == "enrich" else worker.sweep()
    assert rows.one(WAITS, t=me.tenant_id).n == rows.one(WAITS, t=stranger.tenant_id).n == 0
    # Whoever comes first gives way to the other, and other tests may have left tenants of theirs.
    assert gave_way
    assert not [tenant_id for tenant_id, other in gave_way if tenant_id == other]


def test_what_goes_wrong_with_others_does_not_end_what_gives_way(
    worker: ModuleType, rows: Rows, me: Any, stranger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: Any, **__: Any) -> int:
        raise Unavailable("The database does not answer.")

    monkeypatch.setattr("consolidation.enriching.enrich_pending", down)
    with structlog.contextvars.bound_contextvars(job_id="mine"):
        others.give_way()
        assert structlog.contextvars.get_contextvars() == {"job_id": "mine"}
    monkeypatch.setattr(others, "across_tenants", down)
    others.give_way()
