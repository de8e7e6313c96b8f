"""What a search does beside the encoder: everything that needs no vector, of a namespace in memory and of one that is not."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import astuple
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, event, text

from memory_service.computing import about_to_compute
from memory_service.filters import parse_filter
from memory_service.storage.database import Database
from retrieval.helper import Helper
from retrieval.loading import CANDIDATES, RESIDENT
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


WAYS = pytest.mark.parametrize("way", [RESIDENT, CANDIDATES])
MARK = {RESIDENT: "pg_snapshot_xmin", CANDIDATES: "hit AS MATERIALIZED"}
"""By what a statement is known: the one for what changed since, and the one for the words."""

SAYING = "lower(m.role), count(*)"
"""In the question whom a name may mean, where nobody is called anything."""


class Searcher:
    """Searches one namespace that is kept in memory, or is not."""

    def __init__(self, corpus: Corpus, helper: Helper | None, *, at_once: bool = True, way: str = RESIDENT) -> None:
        self.corpus = corpus
        self.vector = unit(np.random.default_rng(5))
        self.encode: Callable[[], None] = about_to_compute
        self.way = way
        self.tools = Tools(
            Residents(limit_bytes=1 << 30, largest=10_000 if way == RESIDENT else 0),
            encode=self._encoded,
            count_tokens=lambda texts: [0] * len(texts),
            at_once=lambda _: at_once,
            helper=helper,
        )

    def _encoded(self, _text: str) -> np.ndarray:
        self.encode()
        return self.vector

    def search(self, query: str = QUERY, **options: Any) -> Recalled:
        found = recall(
            lambda: self.corpus.database.transaction(self.corpus.tenant_id),
            self.corpus.tenant_id,
            RecallRequest(query, namespace="corpus", **options),
            tools=self.tools,
            now=datetime.now(UTC),
            deliver=lambda _session, _recalled: None,
        )
        assert found.loaded is not None
        assert found.loaded.way == self.way
        return found


def told(found: Recalled) -> list[Any]:
    """What is answered; the last bit of a number depends on where in memory its array lies."""
    return [
        (
            one.found.id,
            round(one.found.score, 9),
            {name: tuple(_rounded(value) for value in astuple(cell)) for name, cell in one.found.channels.items()},
            {name: _rounded(value) for name, value in one.found.signals.items()},
        )
        for one in found.results
    ]


def _rounded(value: Any) -> Any:
    return round(value, 9) if isinstance(value, float) else value


FILTER = parse_filter({"created_at": {"gte": "2001-01-01T00:00:00Z"}})


@pytest.mark.parametrize(
    "options",
    [{}, {"top_k": 40}, {"weights": {"keyword": 1.0}}, {"preset": "fast"}, {"filter": FILTER}],
    ids=["usual", "forty", "keyword", "fast", "filter"],
)
@WAYS
def test_it_changes_no_answer(corpus: Corpus, helper: Helper, way: str, options: dict[str, Any]) -> None:
    helped, alone = (Searcher(corpus, one, way=way) for one in (helper, None))
    busy = Searcher(corpus, helper, way=way, at_once=False)
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
        if MARK[RESIDENT] in statement:
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


@WAYS
def test_what_was_written_meanwhile_is_found(corpus: Corpus, helper: Helper, way: str) -> None:
    searcher = Searcher(corpus, helper, way=way)
    searcher.search()
    (new,) = corpus.add(1, near=(searcher.vector, 0.99), said=("word3", "word20", "meet"))
    assert searcher.search().results[0].found.id == new


@WAYS
def test_what_is_no_more_as_foreseen_is_read_anew(corpus: Corpus, helper: Helper, way: str) -> None:
    """Somebody new speaks: the query may mean another now."""
    searcher = Searcher(corpus, helper, way=way)
    searcher.search()
    with corpus.database.transaction(corpus.tenant_id) as session:
        session.execute(
            text(
                "INSERT INTO speaker (tenant_id, namespace_id, name) "
                "SELECT tenant_id, id, 'Zoe' FROM namespace WHERE tenant_id = :tenant"
            ),
            {"tenant": corpus.tenant_id},
        )
    encoded: list[int] = []

    def encode() -> None:
        encoded.append(1)
        about_to_compute()

    searcher.encode = encode
    assert len(searcher.search().results) == 10
    # What is not in memory is asked for before encoding: nothing is encoded in vain.
    assert len(encoded) == (2 if way == RESIDENT else 1)
    encoded.clear()
    searcher.search()
    assert len(encoded) == 1, "it is foreseen again"


@pytest.mark.parametrize("at_once", [True, False])
def test_the_second_search_of_what_is_not_in_memory_needs_a_transaction_less(corpus: Corpus, at_once: bool) -> None:
    searcher = Searcher(corpus, None, at_once=at_once, way=CANDIDATES)
    began: list[int] = []

    def hear(*_: Any) -> None:
        began.append(1)

    event.listen(corpus.database.engine, "checkout", hear)
    try:
        first = told(searcher.search())
        needed = len(began)
        assert told(searcher.search()) == first
    finally:
        event.remove(corpus.database.engine, "checkout", hear)
    assert len(began) - needed == needed - 1


@WAYS
def test_an_encoder_that_fails_leaves_no_connection_behind(corpus: Corpus, helper: Helper, way: str) -> None:
    searcher = Searcher(corpus, helper, way=way)
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


@WAYS
def test_a_database_that_fails_does_so_when_the_query_is_encoded(corpus: Corpus, helper: Helper, way: str) -> None:
    searcher = Searcher(corpus, helper, way=way)
    before = told(searcher.search())

    def fail(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if MARK[way] in statement:
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


def test_of_what_is_not_in_memory_nobody_remembers_whom_names_mean(corpus: Corpus, helper: Helper) -> None:
    """A name that nobody bears may be somebody's: the query is read anew, and the answer is that of a first search."""
    first = told(Searcher(corpus, helper, way=CANDIDATES).search("When did Mel meet word20?"))
    searcher = Searcher(corpus, helper, way=CANDIDATES)
    searcher.search()
    asked: list[str] = []

    def hear(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    event.listen(corpus.database.engine, "before_cursor_execute", hear)
    try:
        assert told(searcher.search("When did Mel meet word20?")) == first
    finally:
        event.remove(corpus.database.engine, "before_cursor_execute", hear)
    assert any(SAYING in one for one in asked)


def test_a_search_of_the_service_is_helped(me: Any) -> None:
    assert me.post("/v1/memories", json={"content": "Ada keeps eleven hives of bees."}).status_code == 201
    of_threads: set[str] = set()

    def hear(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "pg_snapshot_xmin" in statement:
            of_threads.add(threading.current_thread().name)

    body = {"query": "Who keeps bees?"}
    assert me.post("/v1/search", json=body).status_code == 200  # the first reads the namespace
    event.listen(Engine, "before_cursor_execute", hear)
    try:
        assert len(me.post("/v1/search", json=body).json()["results"]) == 1
    finally:
        event.remove(Engine, "before_cursor_execute", hear)
    assert of_threads == {"helper_0"}
