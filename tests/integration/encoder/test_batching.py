"""The packaged model behind one thread, under concurrent load."""

import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from memory_service.encoder import BatchingEncoder, LoadedEncoder

pytestmark = pytest.mark.slow

QUERIES = [f"When did Maria talk about the {thing}?" for thing in ("puppy", "lamp", "job in Lisbon", "sea", "new car")]
PASSAGE = "Maria told me that she has adopted a puppy and that her brother moved to Lisbon for a new job last May. "


@pytest.fixture
def heard() -> list[tuple[str, int]]:
    return []


@pytest.fixture
def batching(loaded: LoadedEncoder, heard: list[tuple[str, int]]) -> Iterator[BatchingEncoder]:
    encoder = BatchingEncoder(loaded, observer=lambda kind, size: heard.append((kind, size)))
    yield encoder
    encoder.close()


def test_sixteen_clients_share_batches(
    batching: BatchingEncoder, loaded: LoadedEncoder, heard: list[tuple[str, int]]
) -> None:
    expected = loaded.encode(QUERIES)

    def client(number: int) -> None:
        for turn in range(10):
            at = (number + turn) % len(QUERIES)
            np.testing.assert_allclose(batching.encode_query(QUERIES[at]), expected[at], atol=1e-5)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(client, range(16)))
    assert statistics.median(size for _, size in heard) > 1
    assert sum(size for _, size in heard) == 160


def test_queries_do_not_wait_for_a_large_ingest(batching: BatchingEncoder, heard: list[tuple[str, int]]) -> None:
    texts = [PASSAGE * (1 + i % 3) for i in range(240)]
    finished = threading.Event()

    def ingest() -> None:
        batching.encode_passages(texts)
        finished.set()

    thread = threading.Thread(target=ingest)
    thread.start()
    waits = []
    while not heard:
        time.sleep(0.001)
    for query in QUERIES * 2:
        before = len(heard)
        started = time.perf_counter()
        batching.encode_query(query)
        waits.append(time.perf_counter() - started)
        between = [kind for kind, _ in heard[before:]]
        assert "passage" not in between[: between.index("query")][1:], "more than one passage batch went first"
    assert not finished.is_set(), "the ingest was too small to prove anything"
    thread.join(60)
    assert statistics.median(waits) < 0.5


def test_passages_of_all_lengths_come_back_in_order(batching: BatchingEncoder, loaded: LoadedEncoder) -> None:
    texts = ["word " * (i * 37 % 300) for i in range(40)]
    np.testing.assert_allclose(batching.encode_passages(texts), loaded.encode(texts), atol=1e-5)
