"""While the store of blobs is asked, however long it takes, no connection to the database is held."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI

from tests.integration.kv.engine_files import safetensors

TIMES = 3
"""What writes in the background takes a connection for a moment, too: but not each time."""


@pytest.fixture
def held(app: FastAPI, client: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[int]]:
    """Return a function that counts the connections which are out whenever a method of the store is called."""
    services = app.state.services

    def watch(method: str) -> list[int]:
        counts: list[int] = []
        real = getattr(services.kv.blobs, method)

        def counted(*args: Any) -> Any:
            counts.append(services.database.engine.pool.checkedout())
            return real(*args)

        monkeypatch.setattr(services.kv.blobs, method, counted)
        return counts

    return watch


def test_a_load_holds_none(me: Any, plan: Any, engine_client: Any, held: Callable[[str], list[int]]) -> None:
    engine = engine_client(plan(me).grant)
    data = safetensors(6)
    record = engine.save(data, first=0, count=6).json()["id"]
    counts = held("open")
    for _ in range(TIMES):
        assert engine.load(record).content == data
    assert len(counts) == TIMES
    assert min(counts) == 0


def test_a_save_holds_none(me: Any, plan: Any, engine_client: Any, held: Callable[[str], list[int]]) -> None:
    counts = held("put")
    for at in range(TIMES):
        planned = plan(me, tokens=range(at * 100, at * 100 + 24))
        assert engine_client(planned.grant).save(safetensors(6), first=0, count=6).status_code == 201
    assert len(counts) == TIMES
    assert min(counts) == 0


def test_a_save_that_is_refused_holds_none(
    me: Any, plan: Any, engine_client: Any, held: Callable[[str], list[int]]
) -> None:
    assert me.put("/v1/kv/quota", json={"bytes": 1}).status_code == 200
    planned, counts = plan(me), held("remove")
    for _ in range(TIMES):
        refused = engine_client(planned.grant).save(safetensors(6), first=0, count=6)
        assert (refused.status_code, refused.json()["code"]) == (413, "kv_over_quota")
    assert len(counts) == TIMES
    assert min(counts) == 0
