"""The store is told of damaged files, beside the work, once each while it has not answered."""

import threading
import time
from collections.abc import Sequence

import pytest

from memory_vllm.checking import MOST, Checker
from memory_vllm.counting import Counts
from memory_vllm.errors import StoreFailed
from memory_vllm.store import Grant, StoredRun

GRANT = Grant("kvg1.x")


class Held:
    """A store that answers a check when a test lets it."""

    def __init__(self, failing: Exception | None = None) -> None:
        self.go = threading.Event()
        self.checked: list[tuple[Grant, str]] = []
        self.failing = failing

    def lookup(self, grant: Grant, engine: str, hashes: Sequence[str]) -> list[StoredRun]:
        raise NotImplementedError

    def load(self, grant: Grant, run: StoredRun) -> bytes:
        raise NotImplementedError

    def save(self, grant: Grant, *, engine: str, first: int, hashes: Sequence[str], checksum: str, data: bytes) -> bool:
        raise NotImplementedError

    def check(self, grant: Grant, run: StoredRun) -> None:
        assert self.go.wait(10)
        self.checked.append((grant, run.id))
        if self.failing is not None:
            raise self.failing

    def close(self) -> None:
        pass


def run(name: str) -> StoredRun:
    return StoredRun(name, 0, 1, 0, 1, "00" * 32)


def wait_for(store: Held, checks: int) -> None:
    deadline = time.monotonic() + 10
    while len(store.checked) < checks:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_file_that_many_requests_meet_is_told_once() -> None:
    store, counts = Held(), Counts()
    checker = Checker(store, counts)
    for _ in range(5):
        checker.tell(GRANT, run("a"))
    checker.tell(Grant("another"), run("b"))
    assert store.checked == [], "nobody waits for the store"
    store.go.set()
    wait_for(store, 2)
    checker.close()
    assert store.checked == [(GRANT, "a"), (Grant("another"), "b")]
    assert counts.take() == {"checks": 2}


@pytest.mark.parametrize("error", [StoreFailed("no answer"), ValueError("a secret text")])
def test_a_store_that_does_not_listen_is_told_again(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    store, counts = Held(error), Counts()
    store.go.set()
    checker = Checker(store, counts)
    for tried in range(1, 3):
        deadline = time.monotonic() + 10
        while len(store.checked) < tried:
            assert time.monotonic() < deadline
            checker.tell(GRANT, run("a"))
            time.sleep(0.01)
    checker.close()
    assert counts.take() == {}
    assert "a secret text" not in caplog.text
    assert "not told" in caplog.text


def test_what_is_too_much_is_left_to_later_requests() -> None:
    store = Held()
    checker = Checker(store, Counts())
    for number in range(MOST + 5):
        checker.tell(GRANT, run(str(number)))
    store.go.set()
    wait_for(store, MOST)
    checker.close()
    assert [name for _, name in store.checked] == [str(number) for number in range(MOST)]


def test_closed_it_tells_of_nothing_more() -> None:
    store = Held()
    checker = Checker(store, Counts())
    checker.close()
    checker.tell(GRANT, run("a"))
    store.go.set()
    time.sleep(0.05)
    assert store.checked == []
