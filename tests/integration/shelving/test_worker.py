"""The beat finds what has grown, and a worker moves it."""

import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import event, text

from consolidation import shelving
from memory_service.storage import pending, shelves
from memory_service.storage.bootstrap import RoleUrls
from tests.integration.tenancy.test_statements import unbound
from tests.integration.worker_here import worker_over


@pytest.fixture
def worker(roles: RoleUrls, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Return the package of the Celery tasks, over the database of this module, running tasks as they are sent."""
    with worker_over(roles, data_dir, monkeypatch, OWN_SHELF_FROM="100", SHELF_BUILD_MB="64") as module:
        monkeypatch.setitem(module.app.conf, "task_always_eager", True)
        yield module


def test_what_has_grown_is_moved_and_what_is_small_stays(
    worker: ModuleType, house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.add(120, namespace="grown")
    house.add(30, namespace="small")
    with house.database.transaction(house.tenant_id) as session:
        for path in ("grown", "small"):
            pending.fold_corpus(session, house.tenant_id, house.namespace(path).id)
    steps: list[int] = []
    monkeypatch.setattr("consolidation.worker.tasks.moves_on", lambda: steps.append(1))
    worker.housekeep()
    assert len(steps) > 5, "a move that hangs would not be told from one that goes on"
    grown = house.namespace("grown")
    assert grown.shelf >= 2
    assert house.namespace("small").shelf == 0
    assert {shelf for shelves in house.shelves_of(list(house.vectors)).values() for shelf in shelves} == {
        0,
        grown.shelf,
    }
    assert house.all("SELECT count(*) FROM embedding WHERE tenant_id = :t")[0][0] == 270, "both are kept for a minute"
    with house.powerful.begin() as connection:
        connection.execute(
            text("UPDATE namespace SET moved_at = moved_at - interval '1 hour' WHERE tenant_id = :t"),
            {"t": house.tenant_id},
        )
    worker.housekeep()
    assert house.all("SELECT count(*) FROM embedding WHERE tenant_id = :t")[0][0] == 150
    house.add(20, namespace="grown")
    assert house.all("SELECT count(*) FROM namespace WHERE tenant_id = :t AND moving_to IS NOT NULL")[0][0] == 0
    monkeypatch.setattr("consolidation.worker.tasks.SETTLED_FROM", 10)
    worker.housekeep()
    assert house.namespace("grown").shelf == grown.shelf
    counts = house.all("SELECT shelf, count(*) FROM embedding WHERE tenant_id = :t GROUP BY 1 ORDER BY 1")
    assert [tuple(row) for row in counts] == [(0, 30), (grown.shelf, 140)]


def test_every_statement_of_a_move_names_the_tenant(house: Any) -> None:
    """And none carries a value in its text."""
    house.add(20)
    seen: set[str] = set()

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.add(statement)

    event.listen(house.database.engine, "before_cursor_execute", note)
    try:
        assert house.move()
    finally:
        event.remove(house.database.engine, "before_cursor_execute", note)
    tables = dict.fromkeys(("memory", "embedding", "namespace"), "tenant_id")
    assert len(seen) > 10
    assert not [fault for statement in seen for fault in unbound(statement, tables)]
    assert not [s for s in seen if str(house.namespace().id) in s and not re.match(r"BEGIN; ", s)]


def test_while_an_index_is_built_others_have_their_turn(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Building the index of a million vectors is one statement of a quarter of an hour."""
    house.add(40)
    under_way, given, advance = threading.Event(), threading.Event(), shelves.advance_shelf
    builders: set[int] = set()

    def slowly(*args: Any, **options: Any) -> str:
        builders.add(threading.get_ident())
        under_way.set()
        assert given.wait(60), "nobody had a turn"
        return advance(*args, **options)

    def give_way() -> None:
        if under_way.is_set():
            given.set()

    monkeypatch.setattr(shelving, "GIVE_WAY_EVERY_S", 0.01)
    monkeypatch.setattr(shelves, "advance_shelf", slowly)
    assert shelving.move_to_own_shelf(
        replace(house.tenancy, give_way=give_way), house.namespace().id, grace=timedelta(0), settled_from=1
    )
    assert house.namespace().shelf >= 2
    assert threading.get_ident() not in builders


def test_what_a_move_fails_at_is_raised(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    house.add(20)

    def fail(*_: Any, **__: Any) -> str:
        raise ValueError("no such step")

    monkeypatch.setattr(shelves, "advance_shelf", fail)
    with pytest.raises(ValueError, match="no such step"):
        house.move()


def test_a_worker_that_moves_a_namespace_enriches_what_others_write(worker: ModuleType, house: Any) -> None:
    house.add(120, namespace="grown")
    house.add(3, namespace="small")
    house.run(
        "UPDATE memory SET extract = 'rules', enriched_version = 0 WHERE tenant_id = :t AND namespace_id = :n",
        n=house.namespace("small").id,
    )
    waits = (
        "SELECT count(*) FROM memory WHERE tenant_id = :t AND enriched_version < content_version AND extract <> 'none'"
    )
    assert house.all(waits)[0][0] == 3
    worker.shelve(str(house.tenant_id), str(house.namespace("grown").id))
    assert house.namespace("grown").shelf >= 2
    assert house.all(waits)[0][0] == 0
