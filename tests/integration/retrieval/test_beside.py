"""What a search does beside the encoder: everything of a namespace in memory that needs no vector."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event

from memory_service.computing import about_to_compute
from memory_service.storage.database import Database
from retrieval.helper import Helper
from retrieval.loading import RESIDENT
from retrieval.recall import recall
from retrieval.recalled import Recalled
from retrieval.request import RecallRequest
from retrieval.resident import Residents
from retrieval.tools import Tools
from tests.integration.retrieval.test_statements import Corpus, unit

LONG = 10.0
QUERY = "When did word3 meet word20?"


@pytest.fixture
def corpus(database: Database, make_tenant: Any, encoder_id: int) -> Corpus:
    return Corpus(database, make_tenant()[0], encoder_id, size=60, seed=3)


@pytest.fixture
def helper() -> Iterator[Helper]:
    helper = Helper()
    yield helper
    helper.close()


class Searcher:
    """Searches one namespace that is kept in memory."""

    def __init__(self, corpus: Corpus, helper: Helper | None, *, at_once: bool = True) -> None:
        self.corpus = corpus
        self.vector = unit(np.random.default_rng(5))
        self.encode: Callable[[], None] = about_to_compute
        self.tools = Tools(
            Residents(limit_bytes=1 << 30, largest=10_000),
            encode=self._encoded,
            count_tokens=lambda texts: [0] * len(texts),
            at_once=lambda _: at_once,
            helper=helper,
        )

    def _encoded(self, _text: str) -> np.ndarray:
        self.encode()
        return self.vector

    def search(self, **options: Any) -> Recalled:
        found = recall(
            lambda: self.corpus.database.transaction(self.corpus.tenant_id),
            self.corpus.tenant_id,
            RecallRequest(QUERY, namespace="corpus", **options),
            tools=self.tools,
            now=datetime.now(UTC),
            deliver=lambda _session, _recalled: None,
        )
        assert found.loaded is not None
        assert found.loaded.way == RESIDENT
        return found


def told(found: Recalled) -> list[Any]:
    return [(one.found.id, one.found.score, one.found.channels, one.found.signals) for one in found.results]


@pytest.mark.parametrize("options", [{}, {"top_k": 40}, {"weights": {"keyword": 1.0}}, {"preset": "fast"}], ids=str)
def test_it_changes_no_answer(corpus: Corpus, helper: Helper, options: dict[str, Any]) -> None:
    helped, alone, busy = Searcher(corpus, helper), Searcher(corpus, None), Searcher(corpus, helper, at_once=False)
    first = alone.search(**options)
    for searcher in (helped, alone, busy):
        for _ in range(3):
            assert told(searcher.search(**options)) == told(first)


def test_the_database_and_the_words_have_their_turn_while_the_query_is_encoded(corpus: Corpus, helper: Helper) -> None:
    searcher = Searcher(corpus, helper)
    searcher.search()
    looked = threading.Event()
    of_threads: list[str] = []

    def hear(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "pg_snapshot_xmin" in statement:  # what changed since
            of_threads.append(threading.current_thread().name)
            looked.set()

    def encode() -> None:
        about_to_compute()
        assert looked.wait(LONG)

    searcher.encode = encode
    event.listen(corpus.database.engine, "before_cursor_execute", hear)
    try:
        searcher.search()
    finally:
        event.remove(corpus.database.engine, "before_cursor_execute", hear)
    assert of_threads == ["helper_0"]


def test_what_was_written_meanwhile_is_found(corpus: Corpus, helper: Helper) -> None:
    searcher = Searcher(corpus, helper)
    searcher.search()
    (new,) = corpus.add(1, near=(searcher.vector, 0.99), said=("word3", "word20", "meet"))
    assert searcher.search().results[0].found.id == new


def test_an_encoder_that_fails_leaves_no_connection_behind(corpus: Corpus, helper: Helper) -> None:
    searcher = Searcher(corpus, helper)
    before = told(searcher.search())

    def fail() -> None:
        about_to_compute()
        raise RuntimeError("no memory")

    searcher.encode = fail
    for _ in range(3):
        with pytest.raises(RuntimeError, match="no memory"):
            searcher.search()
    pool: Any = corpus.database.engine.pool
    assert pool.checkedout() == 0
    searcher.encode = about_to_compute
    assert told(searcher.search()) == before


def test_a_database_that_fails_does_so_when_the_query_is_encoded(corpus: Corpus, helper: Helper) -> None:
    searcher = Searcher(corpus, helper)
    before = told(searcher.search())

    def fail(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "pg_snapshot_xmin" in statement:
            raise LookupError("not now")

    event.listen(corpus.database.engine, "before_cursor_execute", fail)
    try:
        with pytest.raises(LookupError, match="not now"):
            searcher.search()
    finally:
        event.remove(corpus.database.engine, "before_cursor_execute", fail)
    pool: Any = corpus.database.engine.pool
    assert pool.checkedout() == 0
    assert told(searcher.search()) == before
