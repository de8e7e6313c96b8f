"""Keys of requests under way: held by one connection beside the pool, given back by whoever dies."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

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
