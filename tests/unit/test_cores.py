import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from memory_service.cores import Elsewhere, usable_cores

BOUND = usable_cores(Path("/nowhere"))


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("max 100000\n", BOUND),
        ("100000 100000\n", 1),
        ("50000 100000\n", 1),
        ("1 100000\n", 1),
        ("100000000 100000\n", BOUND),
        ("100000 0\n", BOUND),
        ("", BOUND),
        ("what 100000\n", BOUND),
    ],
)
def test_a_container_that_may_compute_less_has_fewer_cores(tmp_path: Path, text: str, cores: int) -> None:
    quota = tmp_path / "cpu.max"
    quota.write_text(text)
    assert usable_cores(quota) == cores
    assert BOUND >= 1


@pytest.fixture
def resting() -> Iterator[int]:
    """Return the native id of a thread that rests."""
    enough, began = threading.Event(), threading.Event()
    ids: list[int] = []

    def rest() -> None:
        ids.append(threading.get_native_id())
        began.set()
        enough.wait()

    thread = threading.Thread(target=rest)
    thread.start()
    began.wait()
    yield ids[0]
    enough.set()
    thread.join()


@pytest.mark.skipif(sys.platform != "linux" or BOUND < 2, reason="only Linux binds threads, and it takes two cores")
def test_a_thread_is_kept_off_the_core_of_whoever_moves_it(resting: int) -> None:
    elsewhere, cores = Elsewhere(resting), os.sched_getaffinity(0)
    try:
        for core in sorted(cores)[:2]:
            os.sched_setaffinity(0, {core})
            elsewhere.move()
            assert os.sched_getaffinity(resting) == cores - {core}
    finally:
        os.sched_setaffinity(0, cores)


@pytest.mark.skipif(sys.platform != "linux" or BOUND < 2, reason="only Linux binds threads, and it takes two cores")
def test_a_thread_that_is_let_go_runs_anywhere(resting: int) -> None:
    elsewhere, cores = Elsewhere(resting), os.sched_getaffinity(0)
    elsewhere.move()
    elsewhere.let_go()
    assert os.sched_getaffinity(resting) == cores


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux binds threads")
def test_where_there_is_one_core_no_thread_is_bound(resting: int, monkeypatch: pytest.MonkeyPatch) -> None:
    bound: list[object] = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    monkeypatch.setattr(os, "sched_setaffinity", lambda *given: bound.append(given))
    elsewhere = Elsewhere(resting)
    elsewhere.move()
    elsewhere.let_go()
    assert bound == []


def test_a_thread_that_has_ended_is_nobody_to_move() -> None:
    ids: list[int] = []
    thread = threading.Thread(target=lambda: ids.append(threading.get_native_id()))
    thread.start()
    thread.join()
    Elsewhere(ids[0]).move()
