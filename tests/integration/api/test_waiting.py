"""`wait` and `timeout_s` mean the same wherever a body takes them."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from consolidation import consolidate, enriching
from consolidation.tenancy import Tenancy
from memory_service.storage.database import Database

Worker = Callable[[], Any]


@pytest.fixture
def worker(me: Any, database: Database) -> Worker:
    """Return a worker for this tenant that begins a little after the request."""

    @contextmanager
    def run() -> Iterator[None]:
        tenancy = Tenancy(
            tenant_id=me.tenant_id, open=lambda: database.transaction(me.tenant_id), clock=lambda: datetime.now(UTC)
        )
        done = threading.Event()

        def enrich() -> None:
            while not done.wait(0.1):
                enriching.enrich_pending(tenancy)
                with database.transaction(me.tenant_id) as session:
                    spaces = session.scalars(text("SELECT id FROM namespace WHERE tenant_id = :t"), {"t": me.tenant_id})
                    found = list(spaces)
                for namespace_id in found:
                    consolidate.consolidate_due(tenancy, namespace_id, go_on=lambda: True)

        thread = threading.Thread(target=enrich)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    return run


def timed(send: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    return send(), time.perf_counter() - began


def test_supersede_waits(me: Any, worker: Worker) -> None:
    old = me.post("/v1/memories", json={"content": "Ada lives in Turin."}).json()
    body = {"content": "Ada lives in Genoa.", "wait": "consolidated", "timeout_s": 2}
    path = f"/v1/memories/{old['id']}/supersede"
    headers = {"Idempotency-Key": "k"}
    answer, seconds = timed(lambda: me.post(path, json=body, headers=headers))
    assert (answer.status_code, answer.headers["etag"]) == (201, '"1"')
    assert answer.headers["location"] == f"/v1/memories/{answer.json()['id']}"
    assert seconds >= 2
    again, seconds = timed(lambda: me.post(path, json=body, headers=headers))
    assert again.json()["id"] == answer.json()["id"]
    assert seconds < 2
    with worker():
        path = f"/v1/memories/{answer.json()['id']}/supersede"
        _, seconds = timed(lambda: me.post(path, json={**body, "content": "Ada lives in Rome.", "timeout_s": 20}))
    assert seconds < 15


def test_a_batch_waits_for_the_items_that_say_so(me: Any, worker: Worker) -> None:
    def batch(*items: dict[str, Any]) -> tuple[Any, float]:
        return timed(lambda: me.post("/v1/memories/batch", json={"items": list(items)}))

    waiting = {"wait": "consolidated", "timeout_s": 0.5}
    answer, seconds = batch(
        {"content": "a"}, {"content": "b", **waiting}, {"content": "c", **waiting, "timeout_s": 0.1}
    )
    assert [r["status"] for r in answer.json()["results"]] == ["created"] * 3
    assert seconds >= 0.5
    _, seconds = batch({"content": "d"}, {"content": "", "wait": "consolidated", "timeout_s": 5})
    assert seconds < 5
    with worker():
        _, seconds = batch({"content": "e", **waiting, "timeout_s": 20})
    assert seconds < 15


def test_reading_waits(me: Any, worker: Worker) -> None:
    memory_id = me.post("/v1/memories", json={"content": "Ada lives in Turin."}).json()["id"]

    def read(**query: Any) -> tuple[Any, float]:
        return timed(lambda: me.get(f"/v1/memories/{memory_id}", params={"wait": "consolidated", **query}))

    answer, seconds = read(timeout_s=0.3)
    assert (answer.status_code, answer.json()["keywords"]) == (202, [])
    assert seconds >= 0.3
    with worker():
        answer, seconds = read(timeout_s=20)
    assert (answer.status_code, answer.headers["etag"]) == (200, '"1"')
    assert answer.json()["keywords"]
    assert seconds < 15
    assert read(timeout_s=31)[0].status_code == 422
    then = read(as_of="2099-01-01T00:00:00Z")[0]
    assert (then.status_code, then.json()["errors"][0]["pointer"]) == (422, "?wait")
