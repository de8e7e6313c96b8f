"""What goes wrong in an encoder's threads reaches who waits, and the next text is encoded."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
import pytest
from numpy.typing import NDArray

from memory_service.encoder import BatchingEncoder, EncoderClosed, EncoderTimeout, batching
from memory_service.encoder.batching import CALLERS_PER_QUERY
from tests.unit.encoder.conftest import PATIENCE_S, wait_until


class Panic(BaseException):
    """As a library written in another language raises it: no `Exception`."""


class Failing:
    """An encoder that raises what it is told to, at texts that say so."""

    def __init__(self, error: BaseException, *, narrow: bool = False) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self._error = error
        self._narrow = narrow

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.entered.set()
        assert self.gate.wait(PATIENCE_S)
        if any("bad" in text for text in texts):
            if self._narrow:
                return np.zeros((0, 2), dtype=np.float32)
            raise self._error
        return np.ones((len(texts), 2), dtype=np.float32)


@pytest.fixture(params=[1, 3])
def make(request: pytest.FixtureRequest) -> Iterator[Callable[[Failing], BatchingEncoder]]:
    made: list[BatchingEncoder] = []

    def one(inner: Failing) -> BatchingEncoder:
        made.append(BatchingEncoder(inner, threads=request.param))
        return made[-1]

    yield one
    for encoder in made:
        encoder.close()


@pytest.mark.parametrize("error", [Panic("panic"), MemoryError("no room"), ValueError("no")])
def test_whatever_is_raised_reaches_who_waits_and_no_thread_ends(
    make: Callable[[Failing], BatchingEncoder], error: BaseException
) -> None:
    encoder = make(Failing(error))
    with ThreadPoolExecutor(1) as pool:
        for _ in range(5):
            with pytest.raises(type(error)):
                pool.submit(encoder.encode_passages, ["bad one", "bad two"]).result(PATIENCE_S)
    assert all(thread.is_alive() for thread in encoder._threads)
    assert encoder.encode_passages(["good", "as well"], timeout_s=PATIENCE_S).shape == (2, 2)


def test_fewer_vectors_than_texts_are_an_error(make: Callable[[Failing], BatchingEncoder]) -> None:
    encoder = make(Failing(ValueError(), narrow=True))
    with ThreadPoolExecutor(1) as pool, pytest.raises(IndexError):
        pool.submit(encoder.encode_passages, ["bad one", "bad two"]).result(PATIENCE_S)
    assert encoder.encode_passages(["good", "as well"], timeout_s=PATIENCE_S).shape == (2, 2)


def test_a_query_is_not_forgotten_where_others_failed(
    make: Callable[[Failing], BatchingEncoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "COMPANY_S", 0.5)  # not over yet when the first batch fails
    inner = Failing(ValueError("no"))
    encoder = make(inner)
    with ExitStack() as crowd, ThreadPoolExecutor(2) as pool:
        inner.gate.clear()
        # Of lengths that share no batch, so that something of it waits when the first batch fails.
        failing = pool.submit(encoder.encode_queries, ["bad", "bad " * 200, "bad " * 400])
        assert inner.entered.wait(PATIENCE_S)
        for _ in range(2 * CALLERS_PER_QUERY):
            crowd.enter_context(encoder.under_way())
        waiting = pool.submit(encoder.encode_query, "good")
        wait_until(lambda: len(encoder._queues["query"]) == 2)
        inner.gate.set()
        with pytest.raises(ValueError, match="no"):
            failing.result(PATIENCE_S)
        assert waiting.result(PATIENCE_S).shape == (2,)


def test_closing_waits_once_for_all_threads(make: Callable[[Failing], BatchingEncoder]) -> None:
    inner = Failing(ValueError())
    encoder = make(inner)
    inner.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(encoder.encode_passages, ["p" * 500 + str(number) for number in range(3)])
        wait_until(lambda: encoder._running["passage"] == encoder._threads_of_passages)
        began = time.monotonic()
        encoder.close(timeout_s=0.5)
        assert time.monotonic() - began < 1.4  # not half a second for each thread
        inner.gate.set()
        if encoder._threads_of_passages > 1:
            assert running.result(PATIENCE_S).shape == (3, 2)
        else:
            with pytest.raises(EncoderClosed):
                running.result(PATIENCE_S)


def test_a_thread_that_cannot_be_started_is_started_later(
    make: Callable[[Failing], BatchingEncoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = make(Failing(ValueError()))
    start = threading.Thread.start

    def refused(thread: threading.Thread) -> None:
        if thread.name.startswith("encoder"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refused)
    with pytest.raises(EncoderTimeout, match="no thread"):
        encoder.encode_passages(["one", "two"])
    assert encoder.encode_passages(["alone"]).shape == (1, 2), "runs where it is sent"
    monkeypatch.undo()
    assert encoder.encode_passages(["one", "two"], timeout_s=PATIENCE_S).shape == (2, 2)
