"""The helper works while its caller computes, both have ended when it returns, and nobody waits for it who need not."""

import gc
import os
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from functools import partial

import pytest

from memory_service.computing import about_to_compute
from memory_service.cores import usable_cores
from retrieval.helper import Helper

LONG = 10.0  # seconds: what should happen at once fails instead of hanging


@pytest.fixture
def helper() -> Iterator[Helper]:
    helper = Helper()
    yield helper
    helper.close()


def test_the_helper_works_while_its_caller_computes(helper: Helper) -> None:
    began = threading.Event()

    def here() -> bool:
        assert not began.is_set()
        about_to_compute()
        return began.wait(LONG)

    assert helper.both(here, lambda: began.set() or "done") == (True, "done")


def test_what_is_computed_in_several_runs_is_helped_once(helper: Helper) -> None:
    done: list[int] = []

    def here() -> None:
        about_to_compute()
        about_to_compute()

    helper.both(here, lambda: done.append(1))
    assert done == [1]


def test_an_error_is_raised_when_both_have_ended(helper: Helper) -> None:
    raised, ended = threading.Event(), threading.Event()

    def here() -> None:
        about_to_compute()
        raised.set()
        raise ValueError("here")

    def beside() -> None:
        assert raised.wait(LONG)
        ended.set()
        raise KeyError("beside")

    with pytest.raises(ValueError, match="here"):
        helper.both(here, beside)
    assert ended.is_set(), "what both share may be closed now"
    with pytest.raises(KeyError, match="beside"):
        helper.both(about_to_compute, beside)
    assert helper.both(lambda: 1, lambda: 2) == (1, 2)


def test_where_nothing_is_computed_an_error_leaves_the_rest_undone(helper: Helper) -> None:
    done: list[int] = []

    def here() -> None:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011  nothing but this is raised here
        helper.both(here, lambda: done.append(1))
    assert done == []


def test_nobody_waits_for_a_helper_at_work(helper: Helper) -> None:
    working, enough = threading.Event(), threading.Event()

    def work() -> None:
        working.set()
        assert enough.wait(LONG)

    other = threading.Thread(target=lambda: helper.both(about_to_compute, work))
    other.start()
    assert working.wait(LONG)
    mine = helper.both(about_to_compute, threading.current_thread)
    enough.set()
    other.join()
    assert mine == (None, threading.current_thread())


@pytest.mark.skipif(
    sys.platform != "linux" or usable_cores() < 2, reason="only Linux binds threads, and it takes two cores"
)
def test_the_helper_is_off_its_callers_core_until_that_waits(helper: Helper) -> None:
    cores, computed = os.sched_getaffinity(0), threading.Event()
    bound: list[set[int]] = []

    def here() -> None:
        about_to_compute()
        while not bound:
            time.sleep(0.001)
        computed.set()

    def beside() -> bool:
        bound.append(os.sched_getaffinity(0))
        assert computed.wait(LONG)
        give_up = time.monotonic() + LONG
        while os.sched_getaffinity(0) != cores and time.monotonic() < give_up:
            time.sleep(0.001)
        return os.sched_getaffinity(0) == cores

    for core in sorted(cores)[:2]:
        bound.clear()
        computed.clear()
        os.sched_setaffinity(0, {core})
        try:
            assert helper.both(here, beside) == (None, True)
        finally:
            os.sched_setaffinity(0, cores)
        assert bound == [cores - {core}]


def test_an_error_keeps_nothing_of_the_search_alive(helper: Helper) -> None:
    class Held:
        pass

    held = Held()
    seen = weakref.ref(held)

    def beside(kept: Held) -> None:
        raise KeyError(id(kept))

    gc.disable()
    try:
        with pytest.raises(KeyError):
            helper.both(about_to_compute, partial(beside, held))
        del held
        assert helper.both(about_to_compute, lambda: None) == (None, None)  # its thread has let go of what it did
        assert seen() is None
    finally:
        gc.enable()


def test_a_helper_that_has_ended_helps_nobody() -> None:
    helper = Helper()
    helper.close()
    assert helper.both(about_to_compute, threading.current_thread) == (None, threading.current_thread())
