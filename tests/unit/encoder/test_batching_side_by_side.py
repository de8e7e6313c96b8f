"""Several batches of passages at a time, and queries beside them."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from memory_service.encoder import BatchingEncoder, EncoderClosed, EncoderTimeout
from tests.unit.encoder.conftest import PATIENCE_S, wait_until


class Gated:
    """An encoder that holds passages back while its gate is closed, and knows how many are in it."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.inside = 0
        self.most = 0
        self.batches: list[list[str]] = []
        self._lock = threading.Lock()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.batches.append(list(texts))
        try:
            if not texts[0].startswith("query"):
                assert self.gate.wait(PATIENCE_S)
            if any("poison" in text for text in texts):
                raise ValueError("poisoned")
            return np.array([[len(text), sum(map(ord, text)) % 997] for text in texts], dtype=np.float32)
        finally:
            with self._lock:
                self.inside -= 1


@pytest.fixture
def inner() -> Gated:
    return Gated()


@pytest.fixture
def encoder(inner: Gated) -> Iterator[BatchingEncoder]:
    batching = BatchingEncoder(inner, threads=3)
    yield batching
    inner.gate.set()
    batching.close()


def passages(count: int) -> list[str]:
    """Long ones, so that each is a batch."""
    return [f"{number} " + "p" * 500 for number in range(count)]


def test_as_many_batches_of_passages_run_at_a_time_as_there_are_threads(inner: Gated, encoder: BatchingEncoder) -> None:
    inner.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        ingest = pool.submit(encoder.encode_passages, passages(8))
        wait_until(lambda: inner.inside == 3)
        inner.gate.set()
        assert ingest.result(PATIENCE_S).shape == (8, 2)
    assert inner.most == 3


def test_a_query_waits_for_no_passage(inner: Gated, encoder: BatchingEncoder) -> None:
    inner.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        ingest = pool.submit(encoder.encode_passages, passages(8))
        wait_until(lambda: inner.inside == 3)
        assert encoder.is_quiet(), "a query would run at once"
        assert encoder.encode_query("query alone").shape == (2,)
        assert encoder.encode_queries(["query of two", "query and its sister"], timeout_s=PATIENCE_S).shape == (2, 2)
        assert not ingest.done()
        inner.gate.set()
        ingest.result(PATIENCE_S)


def test_vectors_of_many_callers_come_back_in_the_order_of_their_texts(inner: Gated, encoder: BatchingEncoder) -> None:
    def caller(number: int) -> bool:
        texts = ["x" * (7 * (number + 1) * i % 701 + 1) for i in range(60)]
        return bool((encoder.encode_passages(texts) == Gated().encode(texts)).all())

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(caller, range(24)))


def test_an_error_ends_its_request_and_nothing_else(inner: Gated, encoder: BatchingEncoder) -> None:
    inner.gate.clear()
    with ThreadPoolExecutor(2) as pool:
        bad = pool.submit(encoder.encode_passages, [*passages(5), "poison " + "p" * 500])
        good = pool.submit(encoder.encode_passages, passages(5))
        wait_until(lambda: inner.inside == 3)
        inner.gate.set()
        with pytest.raises(ValueError, match="poisoned"):
            bad.result(PATIENCE_S)
        assert good.result(PATIENCE_S).shape == (5, 2)
    assert encoder.encode_passages(["after", "that"]).shape == (2, 2)


def test_a_passage_that_is_alone_runs_where_it_is_sent_until_all_threads_have_one(
    inner: Gated, encoder: BatchingEncoder
) -> None:
    inner.gate.clear()
    with ThreadPoolExecutor(5) as pool:
        sent = [pool.submit(encoder.encode_passages, [text]) for text in passages(5)]
        wait_until(lambda: inner.inside == 3 and len(encoder._queues["passage"]) == 2)
        inner.gate.set()
        for one in sent:
            assert one.result(PATIENCE_S).shape == (1, 2)
    assert inner.most == 3


def test_who_gave_up_keeps_nobody_from_running_at_once(inner: Gated, encoder: BatchingEncoder) -> None:
    inner.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        ingest = pool.submit(encoder.encode_passages, passages(3))
        wait_until(lambda: inner.inside == 3)
        with pytest.raises(EncoderTimeout):
            encoder.encode_passages(["given up"], timeout_s=0.02)
        assert not encoder._queues["passage"]
        inner.gate.set()
        ingest.result(PATIENCE_S)
    wait_until(lambda: not any(encoder._running.values()))
    assert encoder._runs_here("passage")
    assert ["given up"] not in inner.batches


def test_closing_ends_every_thread(inner: Gated, encoder: BatchingEncoder) -> None:
    inner.gate.clear()
    with ThreadPoolExecutor(3) as pool:
        running = pool.submit(encoder.encode_passages, passages(3))
        wait_until(lambda: inner.inside == 3)
        waiting = pool.submit(encoder.encode_passages, ["waits", "as well"])
        wait_until(lambda: len(encoder._queues["passage"]) == 1)
        closing = pool.submit(encoder.close)
        with pytest.raises(EncoderClosed):
            waiting.result(PATIENCE_S)
        inner.gate.set()
        assert running.result(PATIENCE_S).shape == (3, 2), "what runs is finished"
        closing.result(PATIENCE_S)
    assert len(encoder._threads) == 4
    assert not any(thread.is_alive() for thread in encoder._threads)
