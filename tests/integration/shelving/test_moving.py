"""Moving a namespace to a shelf of its own while others write, search and kill."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from consolidation import shelving
from memory_service.lifecycle import archive
from memory_service.lifecycle.correct import correct
from memory_service.lifecycle.draft import Chunk
from memory_service.lifecycle.erase import erase
from memory_service.storage import shelves
from memory_service.storage.bootstrap import RoleUrls

STEPS = (
    "opened", "filled some", "indexed", "guarded", "settled", "attached", "caught up", "turned", "settled some", "finished",
)  # fmt: skip


class Killed(BaseException):
    """What a kill -9 does to the steps that follow."""


def rows_of(house: Any) -> list[Any]:
    return house.all("SELECT shelf, count(*) AS rows FROM embedding WHERE tenant_id = :t GROUP BY 1 ORDER BY 1")


def test_every_vector_moves_and_none_stays(house: Any) -> None:
    ids = house.add(300)
    reached: list[str] = []
    assert house.move(reached=reached.append)
    assert list(dict.fromkeys(reached)) == list(STEPS)
    shelf = house.namespace().shelf
    assert shelf >= 2
    assert [tuple(row) for row in rows_of(house)] == [(shelf, 300)]
    query = house.vector()
    found = house.search(query)
    assert set(house.nearest(query)) <= set(found.ids)
    young = house.add(3)
    assert house.shelves_of(young) == {i: [0] for i in young}, "writing costs what it cost before"
    assert set(young) <= set(house.search(house.vectors[young[0]], k=400).ids)
    assert house.move(settled_from=4)
    assert house.shelves_of(young) == {i: [0] for i in young}, "not worth settling yet"
    assert house.move()
    assert house.shelves_of(ids + young) == {i: [shelf] for i in ids + young}
    assert house.search(house.vectors[young[0]], k=3).ids.count(young[0]) == 1


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_move_goes_on_where_it_stopped(house: Any, step: str) -> None:
    """What changes between the kill and the next run is not lost either."""
    ids = house.add(120)

    def die(name: str) -> None:
        if name == step:
            raise Killed

    with pytest.raises(Killed):
        house.move(reached=die)
    now = datetime.now(UTC)
    later = house.add(5)
    with house.database.transaction(house.tenant_id) as session:
        archive.archive(session, house.tenant_id, ids[:3], now=now)
        erase(session, house.tenant_id, ids[3:6], now=now)
    with house.database.transaction(house.tenant_id) as session:
        archive.restore(session, house.tenant_id, ids[:1], now=datetime.now(UTC))
        correct(
            session, house.tenant_id, ids[10], {"content": "word1 said anew"}, chunks=(Chunk((0, 5), house.vector()),),
            if_match=None, now=datetime.now(UTC),
        )  # fmt: skip
    live = [ids[0], *ids[6:], *later]
    assert set(house.search(house.vector(), k=500).ids) == set(live), "complete between two runs"
    assert house.move()
    shelf = house.namespace().shelf
    assert house.shelves_of(ids + later) == {i: [shelf] for i in live}
    assert set(house.search(house.vector(), k=500).ids) == set(live)
    assert {row.shelf for row in rows_of(house)} == {shelf}, "closed versions came along, erased ones did not"
    assert not house.all("SELECT 1 FROM embedding WHERE tenant_id = :t AND memory_id = ANY(:ids)", ids=ids[3:6])
    left = house.all("SELECT moving_to, moving_since FROM namespace WHERE tenant_id = :t")
    assert [tuple(row) for row in left] == [(None, None)]


def test_writers_and_searchers_notice_nothing(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stored means findable, archived means gone, at every moment of a move."""
    monkeypatch.setattr(shelving, "COPIED_AT_ONCE", 40)
    monkeypatch.setattr(shelving, "SETTLED_AT_ONCE", 7)
    house.add(400)
    stop = threading.Event()
    faults: list[str] = []
    alive: list[list[UUID]] = [[], []]
    gone: list[set[UUID]] = [set(), set()]
    erased: list[set[UUID]] = [set(), set()]

    def guarded(work: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            try:
                while not stop.is_set():
                    work()
            except BaseException as error:
                faults.append(f"{type(error).__name__}: {error}")

        return run

    def writer(number: int) -> Callable[[], None]:
        rng = np.random.default_rng(100 + number)

        turn = 0

        def must_be(memory_id: UUID, *, found: bool) -> None:
            if (memory_id in house.search(house.vectors[memory_id], k=3).ids) is not found:
                faults.append(f"{memory_id} was {'stored and not found' if found else 'taken away and found'}")

        def work() -> None:
            nonlocal turn
            (new,) = house.add(1, rng=rng, user=f"writer{number}")
            must_be(new, found=True)
            turn += 1
            mine = alive[number]
            if turn > 2:
                other = mine.pop(int(rng.integers(len(mine))))
                with house.database.transaction(house.tenant_id) as session:
                    match turn % 4:
                        case 0:
                            archive.archive(session, house.tenant_id, [other], now=datetime.now(UTC))
                            gone[number].add(other)
                        case 1:
                            erase(session, house.tenant_id, [other], now=datetime.now(UTC))
                            erased[number].add(other)
                        case 2:
                            house.vectors[other] = house.vector(rng)
                            correct(
                                session, house.tenant_id, other, {"content": f"word2 anew {turn} {number}"},
                                chunks=(Chunk((0, 5), house.vectors[other]),), if_match=None,
                                now=datetime.now(UTC),
                            )  # fmt: skip
                        case _:
                            archive.archive(session, house.tenant_id, [other], now=datetime.now(UTC))
                            archive.restore(session, house.tenant_id, [other], now=datetime.now(UTC))
                must_be(other, found=turn % 4 > 1)
                if turn % 4 > 1:
                    mine.append(other)
            mine.append(new)

        return guarded(work)

    def searcher() -> None:
        found = house.search(house.vector(np.random.default_rng()), k=10)
        if len(found.ids) < 10:
            faults.append(f"only {len(found.ids)} of 10")

    threads = [threading.Thread(target=t) for t in (writer(0), writer(1), guarded(searcher))]
    for thread in threads:
        thread.start()
    try:
        slowly = {"reached": lambda _: time.sleep(0.05)}  # so that something happens between any two steps
        assert house.move(grace=timedelta(seconds=1), **slowly) is False, "home keeps everything for a while"
        assert house.move(**slowly)
        assert house.move(**slowly), "what was young is settled"
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert house.move()
    assert not faults, faults[:5]
    assert min(map(len, alive)) > 2
    shelf = house.namespace().shelf
    dead = gone[0] | gone[1] | erased[0] | erased[1]
    live = [i for i in house.vectors if i not in dead]
    assert house.shelves_of(list(house.vectors)) == {i: [shelf] for i in live}
    assert {row.shelf for row in rows_of(house)} == {shelf}


def test_attaching_waits_for_whoever_is_changing_a_memory(house: Any) -> None:
    """He would close the vectors of the shelf he knows, and leave the copies of the new one open."""
    ids = house.add(60)
    closed, committing = threading.Event(), threading.Event()

    def dawdle() -> None:
        with house.database.transaction(house.tenant_id) as session:
            archive.archive(session, house.tenant_id, ids[:1], now=datetime.now(UTC))
            closed.set()
            committing.wait(20)

    closer = threading.Thread(target=dawdle)
    reached: list[str] = []

    def note(name: str) -> None:
        reached.append(name)
        if name == "settled":
            closer.start()
            assert closed.wait(20)
            threading.Timer(0.8, committing.set).start()
        if name == "attached":
            assert committing.is_set()

    assert house.move(reached=note)
    closer.join()
    assert "attached" in reached
    assert house.shelves_of(ids[:2]) == {ids[1]: [house.namespace().shelf]}
    assert ids[0] not in house.search(house.vectors[ids[0]], k=3).ids


def test_what_changed_while_the_shelf_was_filled_is_right_from_its_first_search_on(house: Any) -> None:
    ids = house.add(80)
    old = house.vectors[ids[1]]
    seen: dict[str, list[UUID]] = {}

    def reached(name: str) -> None:
        with house.database.transaction(house.tenant_id) as session:
            if name == "indexed":
                archive.archive(session, house.tenant_id, ids[:1], now=datetime.now(UTC))
                correct(
                    session, house.tenant_id, ids[1], {"content": "word3 said anew"}, chunks=(Chunk((0, 5), -old),),
                    if_match=None, now=datetime.now(UTC),
                )  # fmt: skip
        if name == "turned":
            seen["archived"] = house.search(house.vectors[ids[0]], k=3).ids
            seen["corrected"] = house.search(-old, k=3).ids
            seen["before"] = house.search(old, k=3).ids

    assert house.move(reached=reached)
    assert ids[0] not in seen["archived"]
    assert ids[1] in seen["corrected"]
    assert ids[1] not in seen["before"]


def test_the_past_is_searched_after_a_move(house: Any) -> None:
    ids = house.add(150)
    before = datetime.now(UTC)
    with house.database.transaction(house.tenant_id) as session:
        archive.archive(session, house.tenant_id, ids[:20], now=datetime.now(UTC))
    assert house.move()
    query = house.vectors[ids[0]]
    assert ids[0] not in house.search(query).ids
    assert ids[0] in house.search(query, at=before, as_known=True).ids
    assert len(set(house.search(query, k=150, at=before, as_known=True).ids)) == 150
    assert ids[0] in house.search(query, archived=True).ids


def test_erasure_reaches_a_shelf_of_its_own(house: Any) -> None:
    ids = house.add(100)
    assert house.move()
    with house.database.transaction(house.tenant_id) as session:
        assert set(erase(session, house.tenant_id, ids[:5], now=datetime.now(UTC))) == set(ids[:5])
    assert house.all("SELECT count(*) FROM embedding WHERE tenant_id = :t")[0][0] == 95
    assert not set(ids[:5]) & set(house.search(house.vectors[ids[0]], k=100).ids)


def test_only_one_worker_moves_a_namespace(house: Any) -> None:
    house.add(10)
    namespace_id = house.namespace().id
    with shelves.only_mover(house.database.engine, namespace_id) as mine:
        assert mine
        with shelves.only_mover(house.database.engine, namespace_id) as also_mine:
            assert not also_mine
    with shelves.only_mover(house.database.engine, namespace_id) as mine:
        assert mine


def test_a_shelf_of_its_own_has_no_door_of_its_own(make_house: Any, roles: RoleUrls) -> None:
    ours, theirs = make_house(), make_house()
    for house in (ours, theirs):
        house.add(50)
        assert house.move()
    number = theirs.namespace().shelf
    table = f"embedding_shelf_{number}"
    engine = create_engine(roles.service, poolclass=NullPool)
    with engine.connect() as connection:
        for tenant in (ours, theirs):
            for statement in (
                "SELECT 1 FROM {}", "UPDATE {} SET version = 0", "DELETE FROM {}", "INSERT INTO {} SELECT * FROM {}",
                "TRUNCATE {}", "COPY {} TO STDOUT", "ALTER TABLE embedding DETACH PARTITION {}", "DROP TABLE {}",
            ):  # fmt: skip
                connection.execute(text("SELECT set_config('app.tenant', :t, true)"), {"t": str(tenant.tenant_id)})
                with pytest.raises(DBAPIError) as caught:
                    connection.exec_driver_sql(statement.format(table, table))
                assert isinstance(caught.value.orig, InsufficientPrivilege), statement
                connection.rollback()
        connection.execute(text("SELECT set_config('app.tenant', :t, true)"), {"t": str(ours.tenant_id)})
        assert connection.scalar(text(f"SELECT count(*) FROM embedding WHERE shelf = {number}")) == 0
        connection.rollback()
    engine.dispose()
    with theirs.powerful.connect() as connection:
        flags = connection.execute(
            text(
                "SELECT relrowsecurity, relforcerowsecurity, relowner::regrole::text, (SELECT string_agg(qual, '') "
                "FROM pg_policies WHERE tablename = relname) FROM pg_class WHERE relname = :name"
            ),
            {"name": table},
        ).one()
        policy = connection.scalar(text("SELECT qual FROM pg_policies WHERE tablename = 'embedding_shelf_0'"))
    assert tuple(flags[:2]) == (True, True)
    assert flags[2].endswith("_owner")
    assert flags[3] == policy


@pytest.mark.parametrize("call", ["open_shelf(:n, 500)", "fill_shelf(:n, 10)", "advance_shelf(:n)"])
def test_the_functions_act_for_the_caller_s_tenant_only(make_house: Any, call: str) -> None:
    ours, theirs = make_house(), make_house()
    theirs.add(20)
    namespace_id = theirs.namespace().id
    with theirs.database.transaction(theirs.tenant_id) as session:
        assert shelves.open_shelf(session, namespace_id) is not None
    before = theirs.all("SELECT xmin::text, * FROM namespace WHERE tenant_id = :t")
    with ours.database.transaction(ours.tenant_id) as session:
        assert session.scalar(text(f"SELECT {call}"), {"n": namespace_id}) in (None, 0, "attached")
    assert theirs.all("SELECT xmin::text, * FROM namespace WHERE tenant_id = :t") == before
    assert theirs.move()


def test_no_shelf_is_given_beyond_the_limit(house: Any) -> None:
    house.add(5)
    with house.database.transaction(house.tenant_id) as session:
        number = session.scalar(text("SELECT open_shelf(:n, 0)"), {"n": house.namespace().id})
    assert number is None
    assert [tuple(r) for r in house.all("SELECT shelf, moving_to FROM namespace WHERE tenant_id = :t")] == [(0, None)]


def test_settling_gives_way_to_whoever_waits(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its first half minute, which every run has, and not for good: the next goes on."""
    monkeypatch.setattr(shelving, "SETTLED_AT_ONCE", 10)
    house.add(20)
    assert house.move()
    shelf = house.namespace().shelf
    young = house.add(60)
    asked = iter([False, False, True, True])
    tenancy = replace(house.tenancy, others_wait=lambda: next(asked))

    def settle() -> bool:
        return shelving.move_to_own_shelf(tenancy, house.namespace().id, settled_from=1)

    monkeypatch.setattr(shelving, "SETTLE_FIRST_S", -1.0)
    assert settle() is False
    assert [house.shelves_of(young)[i] for i in young] == [[shelf]] * 20 + [[0]] * 40, "it looks between two pieces"
    assert settle() is False
    monkeypatch.setattr(shelving, "SETTLE_FIRST_S", 30.0)
    assert settle()
    assert not list(asked), "nobody is asked within the first half minute"
    assert house.shelves_of(young) == {i: [shelf] for i in young}


def outdated(house: Any) -> list[UUID]:
    with house.database.transaction(house.tenant_id) as session:
        move = shelves.find_move(session, house.tenant_id, house.namespace().id)
        assert move is not None
        return shelves.outdated_copies(session, house.tenant_id, move, house.namespace().id)


def test_copies_are_outdated_where_vectors_changed_and_not_where_memories_did(house: Any) -> None:
    ids = house.add(40)

    def stop(name: str) -> None:
        if name == "guarded":  # filled and indexed, not attached: what is changed now is changed at home alone
            raise Killed

    with pytest.raises(Killed):
        house.move(reached=stop)
    with house.database.transaction(house.tenant_id) as session:
        archive.archive(session, house.tenant_id, ids[:2], now=datetime.now(UTC))
        erase(session, house.tenant_id, ids[2:3], now=datetime.now(UTC))
        correct(
            session, house.tenant_id, ids[3], {"content": "word1 said anew"}, chunks=(Chunk((0, 5), house.vector()),),
            if_match=None, now=datetime.now(UTC),
        )  # fmt: skip
        correct(
            session, house.tenant_id, ids[4], {"importance": 0.9}, chunks=None, if_match=None, now=datetime.now(UTC)
        )
    new = house.add(1)
    seen: list[list[UUID]] = []

    def look(name: str) -> None:
        if name in {"attached", "caught up"}:
            seen.append(outdated(house))

    assert house.move(reached=look)
    assert seen == [sorted([*ids[:2], ids[3]]), []], "neither what keeps its vectors, nor what is not there"
    shelf = house.namespace().shelf
    assert house.shelves_of([*ids, *new]) == {i: [shelf] for i in [*ids[3:], *new]}


def test_catching_up_takes_no_longer_than_it_may_and_goes_on(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelving, "SETTLED_AT_ONCE", 5)
    monkeypatch.setattr(shelving, "CATCH_UP_S", -1.0)
    ids = house.add(40)
    left: list[int] = []

    def change(name: str) -> None:
        if name == "guarded":
            with house.database.transaction(house.tenant_id) as session:
                archive.archive(session, house.tenant_id, ids[:12], now=datetime.now(UTC))

    assert house.move(reached=change) is False
    left.append(len(outdated(house)))
    assert len(house.search(house.vector(), k=500).ids) == 28, "searches read home meanwhile"
    assert house.move() is False
    left.append(len(outdated(house)))
    assert house.move()
    assert left == [7, 2]
    shelf = house.namespace().shelf
    assert house.shelves_of(ids) == {i: [shelf] for i in ids[12:]}
