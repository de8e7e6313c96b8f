import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
import pytest
from numpy.typing import NDArray

from memory_service.encoder import BatchingEncoder, EncoderClosed, EncoderTimeout, batching
from memory_service.encoder.batching import CALLERS_PER_QUERY
from memory_service.encoder.protocol import Tokenized
from memory_service.encoder.queued import TOKENS_PER_BATCH, estimated_tokens
from tests.unit.encoder.conftest import wait_until


class HashingEncoder:
    """A deterministic encoder: the vector says which text it is, whatever batch it ran in."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if texts:
            self.entered.set()
            self.gate.wait(10)
            self.batches.append(list(texts))
        if any("poison" in text for text in texts):
            raise ValueError("poisoned")
        return np.array([[len(text), sum(map(ord, text)) % 997] for text in texts], dtype=np.float32).reshape(-1, 2)


class HashingTokens(HashingEncoder):
    """The same, of texts that were tokenised before."""

    def tokenize(self, texts: Sequence[str]) -> list[Tokenized]:
        return [Tokenized(text, range(estimated_tokens(text))) for text in texts]

    def encode_tokenized(self, texts: Sequence[Tokenized]) -> NDArray[np.float32]:
        assert all(len(one.ids) == estimated_tokens(one.text) for one in texts)
        return self.encode([one.text for one in texts])


@pytest.fixture(params=[HashingEncoder, HashingTokens])
def inner(request: pytest.FixtureRequest) -> HashingEncoder:
    made: HashingEncoder = request.param()
    return made


@pytest.fixture
def encoder(inner: HashingEncoder) -> Iterator[BatchingEncoder]:
    batching = BatchingEncoder(inner)
    yield batching
    inner.gate.set()
    batching.close()


def queued(encoder: BatchingEncoder, kind: str) -> int:
    return len(encoder._queues[kind])  # type: ignore[index]


def test_vectors_come_back_in_the_order_of_the_texts(inner: HashingEncoder, encoder: BatchingEncoder) -> None:
    texts = ["x" * (7 * i % 301) for i in range(200)]
    expected = inner.encode(texts)
    np.testing.assert_array_equal(encoder.encode_passages(texts), expected)
    np.testing.assert_array_equal(encoder.encode_queries(texts), expected)
    np.testing.assert_array_equal(encoder.encode_query(texts[3]), expected[3])


def test_no_texts_give_no_rows(encoder: BatchingEncoder) -> None:
    assert encoder.encode_passages([]).shape == (0, 2)


def test_waiting_queries_share_a_batch_and_the_observer_hears_of_it(inner: HashingEncoder) -> None:
    heard: list[tuple[str, int]] = []
    encoder = BatchingEncoder(inner, observer=lambda kind, size: heard.append((kind, size)))
    inner.gate.clear()
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(encoder.encode_query, "first")
        inner.entered.wait(5)
        rest = [pool.submit(encoder.encode_query, f"query {i}") for i in range(8)]
        wait_until(lambda: queued(encoder, "query") == 8)
        inner.gate.set()
        assert [int(f.result(5)[0]) for f in (first, *rest)] == [5] + [7] * 8
    assert heard == [("query", 1), ("query", 8)]
    encoder.close()


def test_a_query_overtakes_a_large_ingest_after_one_batch(inner: HashingEncoder, encoder: BatchingEncoder) -> None:
    inner.gate.clear()
    with ThreadPoolExecutor(2) as pool:
        ingest = pool.submit(encoder.encode_passages, ["a passage of some length " * 4] * 100)
        inner.entered.wait(5)
        query = pool.submit(encoder.encode_query, "now please")
        wait_until(lambda: queued(encoder, "query") == 1)
        inner.gate.set()
        query.result(5)
        assert ingest.result(5).shape == (100, 2)
    assert inner.batches[1] == ["now please"]


def test_passages_go_on_under_a_flood_of_queries(inner: HashingEncoder, encoder: BatchingEncoder) -> None:
    inner.gate.clear()
    with ThreadPoolExecutor(2) as pool:
        # Lengths that may not share a batch, so that every query is a batch.
        flood = pool.submit(encoder.encode_queries, ["q" * 4 * (60 + 40 * i) for i in range(12)] * 4)
        inner.entered.wait(5)
        passage = pool.submit(encoder.encode_passages, ["passage"])
        wait_until(lambda: queued(encoder, "passage") == 1)
        inner.gate.set()
        passage.result(5)
        flood.result(5)
    assert inner.batches.index(["passage"]) <= 9


def test_callers_of_passages_take_turns(inner: HashingEncoder, encoder: BatchingEncoder) -> None:
    inner.gate.clear()
    with ThreadPoolExecutor(2) as pool:
        large = pool.submit(encoder.encode_passages, ["l" * 400] * 50)
        inner.entered.wait(5)
        small = pool.submit(encoder.encode_passages, ["s" * 400])
        wait_until(lambda: queued(encoder, "passage") == 2)
        inner.gate.set()
        small.result(5)
        large.result(5)
    position = next(i for i, batch in enumerate(inner.batches) if "s" * 400 in batch)
    assert position <= 2


def test_a_batch_holds_texts_of_similar_length_within_the_budget(
    inner: HashingEncoder, encoder: BatchingEncoder
) -> None:
    encoder.encode_passages(["x" * (13 * i % 1500) for i in range(300)])
    for batch in inner.batches:
        costs = [estimated_tokens(text) for text in batch]
        assert len(batch) == 1 or len(batch) * max(costs) <= TOKENS_PER_BATCH
        assert max(costs) - min(costs) <= max(16, min(costs))


def test_an_error_reaches_only_the_caller_whose_text_caused_it(inner: HashingEncoder, encoder: BatchingEncoder) -> None:
    inner.gate.clear()
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(encoder.encode_query, "first")
        inner.entered.wait(5)
        good = pool.submit(encoder.encode_queries, ["good one", "good two"])
        bad = pool.submit(encoder.encode_query, "poison")
        wait_until(lambda: queued(encoder, "query") == 2)
        inner.gate.set()
        first.result(5)
        assert good.result(5).shape == (2, 2)
        with pytest.raises(ValueError, match="poisoned"):
            bad.result(5)
    assert encoder.encode_query("still alive").shape == (2,)


def test_a_caller_may_lose_patience_without_harm_to_others(inner: HashingEncoder, encoder: BatchingEncoder) -> None:
    inner.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(encoder.encode_query, "running")
        inner.entered.wait(5)
        with pytest.raises(EncoderTimeout, match=r"0\.02 s"):
            encoder.encode_query("impatient", timeout_s=0.02)
        inner.gate.set()
        running.result(5)
    encoder.encode_query("next")
    assert ["impatient"] not in inner.batches


def test_closing_fails_what_waits_and_refuses_what_comes(inner: HashingEncoder) -> None:
    encoder = BatchingEncoder(inner)
    inner.gate.clear()
    with ThreadPoolExecutor(3) as pool:
        running = pool.submit(encoder.encode_query, "running")
        inner.entered.wait(5)
        waiting = pool.submit(encoder.encode_passages, ["waiting"])
        wait_until(lambda: queued(encoder, "passage") == 1)
        closing = pool.submit(encoder.close)
        with pytest.raises(EncoderClosed):
            waiting.result(5)
        inner.gate.set()
        running.result(5)
        closing.result(5)
    with pytest.raises(EncoderClosed):
        encoder.encode_query("late")
    encoder.close()
    # Other encoders of this process, such as that of an application under test, go on.
    assert len(encoder._threads) == 1
    assert not encoder._threads[0].is_alive()


def test_many_threads_get_their_own_vectors(inner: HashingEncoder, encoder: BatchingEncoder) -> None:
    def one(i: int) -> bool:
        text = "t" * (i % 97) + str(i)
        return bool((encoder.encode_query(text) == inner.encode([text])[0]).all())

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(one, range(500)))


FORKING = """
import os, numpy as np
from memory_service.encoder import BatchingEncoder

class Ones:
    def encode(self, texts):
        return np.ones((len(texts), 3), dtype=np.float32)

encoder = BatchingEncoder(Ones())
encoder.encode_query("parent")
child = os.fork()
assert encoder.encode_query("both").shape == (3,)
encoder.close()
if child:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
else:
    os._exit(0)
"""


def test_the_child_of_a_fork_has_a_thread_of_its_own() -> None:
    done = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


def test_a_text_that_is_alone_runs_where_it_is_asked(inner: HashingEncoder, encoder: BatchingEncoder) -> None:
    asked_in: list[str] = []
    encode = inner.encode

    def noting(texts: Sequence[str]) -> NDArray[np.float32]:
        asked_in.append(threading.current_thread().name)
        return encode(texts)

    inner.encode = noting  # type: ignore[method-assign]
    with encoder.under_way():
        encoder.encode_query("alone")
    encoder.encode_passages(["a passage"])
    encoder.encode_passages(["one of two", "two of two"])
    assert asked_in == [threading.current_thread().name] * 2 + ["encoder"]


def test_it_is_quiet_with_one_caller_and_nothing_to_do(inner: HashingEncoder, encoder: BatchingEncoder) -> None:
    assert encoder.is_quiet()
    with encoder.under_way():
        assert encoder.is_quiet(), "who asks may be the one"
        with encoder.under_way():
            assert not encoder.is_quiet()
    inner.gate.clear()
    with ThreadPoolExecutor(1) as callers:
        passage = callers.submit(encoder.encode_passages, ["a passage"])
        wait_until(inner.entered.is_set)
        assert not encoder.is_quiet()
        inner.gate.set()
        passage.result(5)
    wait_until(encoder.is_quiet)


def test_who_comes_while_a_lone_query_runs_shares_a_batch(inner: HashingEncoder, encoder: BatchingEncoder) -> None:
    inner.gate.clear()
    with ThreadPoolExecutor(4) as callers:
        first = callers.submit(encoder.encode_query, "a")
        wait_until(inner.entered.is_set)
        others = [callers.submit(encoder.encode_query, text) for text in ("b", "c", "d")]
        wait_until(lambda: queued(encoder, "query") == 3)
        inner.gate.set()
        for done in (first, *others):
            assert done.result(5).shape == (2,)
    assert [len(batch) for batch in inner.batches] == [1, 3]


def test_queries_wait_for_company_while_many_are_under_way(inner: HashingEncoder, encoder: BatchingEncoder) -> None:
    with ExitStack() as crowd, ThreadPoolExecutor(4) as callers:
        for _ in range(4 * CALLERS_PER_QUERY):
            crowd.enter_context(encoder.under_way())
        encoder.encode_passages(["the thread", "is there"])
        inner.batches.clear()
        # Less than COMPANY_S apart, as in one burst; each alone would have run by the time the next came.
        for done in [callers.submit(encoder.encode_query, text) for text in ("a", "b", "c", "d")]:
            done.result(5)
    assert [len(batch) for batch in inner.batches] == [4]


def test_company_that_does_not_come_is_not_waited_for_long(inner: HashingEncoder, encoder: BatchingEncoder) -> None:
    with ExitStack() as crowd:
        for _ in range(4 * CALLERS_PER_QUERY):
            crowd.enter_context(encoder.under_way())
        assert encoder.encode_query("alone").shape == (2,)
    # Who leaves the crowd is not waited for either: the rest may be fewer than a batch is worth waiting for.
    assert encoder._callers == 0


def test_the_end_of_the_crowd_ends_the_waiting(
    inner: HashingEncoder, encoder: BatchingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "COMPANY_S", 60.0)
    with ThreadPoolExecutor(1) as callers:
        with ExitStack() as crowd:
            for _ in range(4 * CALLERS_PER_QUERY):
                crowd.enter_context(encoder.under_way())
            waiting = callers.submit(encoder.encode_query, "a")
            wait_until(lambda: queued(encoder, "query") == 1)
            assert not waiting.done()
        assert waiting.result(5).shape == (2,)
