"""Keys of requests under way: held by one connection beside the pool, given back by whoever dies."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.pool import NullPool

from memory_service.errors import Unavailable
from memory_service.storage import reservations as reservations_module
from memory_service.storage.bootstrap import RoleUrls, driver_url
from memory_service.storage.idempotency import reservation_of
from memory_service.storage.reservations import Reservations
from memory_service.types import Caller


@pytest.fixture
def reservations(role_urls: RoleUrls) -> Iterator[Reservations]:
    opened = Reservations(role_urls.service, application_name="reservations of tests")
    yield opened
    opened.close()


@pytest.fixture
def cut(admin_url: str) -> Callable[[], None]:
    """Return a function that has the server end the connection of `reservations`."""

    def end_it() -> None:
        engine = create_engine(driver_url(admin_url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            ended = connection.scalar(
                text(
                    "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
                    "WHERE application_name = 'reservations of tests'"
                )
            )
        engine.dispose()
        assert ended == 1

    return end_it


def test_one_connection_holds_many_keys_and_one_key_once(reservations: Reservations, caller: Caller) -> None:
    with reservations.of(caller, "a") as first, reservations.of(caller, "b") as second:
        assert first
        assert second
        with reservations.of(caller, "a") as again:
            assert not again
        with reservations.of(caller, "a") as again:
            assert not again, "who was refused gave it back"
    with reservations.of(caller, "a") as free:
        assert free


def test_a_server_that_restarts_costs_no_request(
    reservations: Reservations, caller: Caller, cut: Callable[[], None]
) -> None:
    with reservations.of(caller, "a"):
        cut()
        with reservations.of(caller, "a") as again:
            assert not again
        with reservations.of(caller, "b") as other:
            assert other
            cut()
    for key in ("a", "b"):
        with reservations.of(caller, key) as free:
            assert free


def test_a_connection_that_hangs_keeps_nobody_who_is_done(reservations: Reservations, caller: Caller) -> None:
    with reservations._lock:  # somebody waits for the server
        began = time.monotonic()
        reservations._give_back(reservation_of(caller, "a"))
        assert time.monotonic() - began < 5
    with reservations.of(caller, "a") as first:
        assert first
        reservations._lock.acquire()
    reservations._lock.release()
    with reservations.of(caller, "a") as again:
        assert again, "whoever comes next gives back what is due"


def test_many_at_once_get_a_key_one_after_the_other(reservations: Reservations, caller: Caller) -> None:
    inside, most = 0, 0
    counting = threading.Lock()

    def work(number: int) -> bool:
        nonlocal inside, most
        with reservations.of(caller, "k") as mine:
            if mine:
                with counting:
                    inside += 1
                    most = max(most, inside)
                time.sleep(0.001)
                with counting:
                    inside -= 1
            return mine

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(work, range(200)))
    assert any(taken)
    assert most == 1


ROUND_TRIP_S = 0.02


@pytest.fixture
def far(reservations: Reservations) -> list[int]:
    """Have the server be far away, and note how many keys each round trip wants."""
    asked: list[int] = []

    def wait(_connection: object, _cursor: object, _statement: str, parameters: Any, *_: object) -> None:
        asked.append(len(parameters["wanted"]))
        time.sleep(ROUND_TRIP_S)

    event.listen(reservations._engine, "before_cursor_execute", wait)
    return asked


def test_keys_that_wait_for_a_server_far_away_share_its_round_trips(
    reservations: Reservations, caller: Caller, far: list[int]
) -> None:
    keys = 200

    def work(number: int) -> bool:
        with reservations.of(caller, f"key {number}") as mine:
            return mine

    began = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        assert all(pool.map(work, range(keys)))
    # One after the other, to take and to give back: 400 of them.
    assert sum(far) == keys
    assert len(far) < keys / 2
    assert time.monotonic() - began < keys * ROUND_TRIP_S
    assert not reservations._held


def test_a_key_that_is_given_back_can_be_taken_in_the_same_round_trip(
    reservations: Reservations, caller: Caller, far: list[int]
) -> None:
    number = reservation_of(caller, "k")
    with reservations.of(caller, "k") as mine:
        assert mine
        reservations._lock.acquire()
    reservations._lock.release()
    assert [wish.number for wish in reservations._due] == [number]
    trips = len(far)
    with reservations.of(caller, "k") as again:
        assert again
        assert len(far) == trips + 1
        assert not reservations._due


def test_a_server_that_ends_fails_nobody_who_shares_the_round_trip(
    reservations: Reservations, caller: Caller, far: list[int], cut: Callable[[], None]
) -> None:
    with reservations.of(caller, "before"):
        cut()

        def work(number: int) -> bool:
            with reservations.of(caller, f"key {number}") as mine:
                return mine

        with ThreadPoolExecutor(20) as pool:
            assert all(pool.map(work, range(60)))
        with reservations.of(caller, "before") as again:
            assert not again, "it holds in this process"
    assert not reservations._held


def test_who_lost_patience_keeps_no_key(
    reservations: Reservations, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reservations_module, "_PATIENCE_S", 0.1)
    asked, answer = threading.Event(), threading.Event()
    hung: list[object] = []

    def hang(*_: object) -> None:
        if not hung:
            hung.append(True)
            asked.set()
            answer.wait(30)

    def work(key: str) -> bool:
        with reservations.of(caller, key) as mine:
            return mine

    event.listen(reservations._engine, "before_cursor_execute", hang)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(work, "a")
        assert asked.wait(10)
        with pytest.raises(Unavailable):
            work("b")
        assert not work("a"), "it is being asked for; nobody has to wait to know"
        answer.set()
        assert first.result(10)
    assert work("b")
    assert work("a")
    assert not reservations._held


def test_the_server_notices_a_host_that_is_gone(
    role_urls: RoleUrls, reservations: Reservations, caller: Caller
) -> None:
    with reservations.of(caller, "a"):
        connection = reservations._connection
        assert connection is not None
        for name in ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout"):
            reset, source = connection.execute(
                text("SELECT reset_val, source FROM pg_settings WHERE name = :name"), {"name": name}
            ).one()
            assert source == "session", (name, reset)
