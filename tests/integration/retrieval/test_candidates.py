"""A namespace that is searched by candidates: what is asked when, and that the answer does not depend on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event

from memory_service.storage.database import Database
from memory_service.types import AsOf
from retrieval.loading import CANDIDATES
from retrieval.recall import recall
from retrieval.recalled import Recalled
from retrieval.request import RecallRequest
from retrieval.resident import Residents
from retrieval.tools import Tools
from tests.integration.retrieval.test_statements import Corpus, unit

QUERY = "word3 word20 word33"


@pytest.fixture(scope="module")
def corpus(database: Database, make_tenant: Any, encoder_id: int) -> Corpus:
    tenant_id, _ = make_tenant()
    return Corpus(database, tenant_id, encoder_id, size=300, seed=3)


@contextmanager
def heard(database: Database) -> Iterator[list[str]]:
    """Hear of every statement while it is sent."""
    statements: list[str] = []

    def hear(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(database.engine, "before_cursor_execute", hear)
    try:
        yield statements
    finally:
        event.remove(database.engine, "before_cursor_execute", hear)


def searched(
    corpus: Corpus, vector: np.ndarray, *, at_once: bool, now: datetime | None = None, **options: Any
) -> tuple[Recalled, list[str], list[str]]:
    """Search; also return the statements sent before the query was encoded, and all of them."""
    before: list[str] = []
    with heard(corpus.database) as statements:

        def encode(_text: str) -> np.ndarray:
            before.extend(statements)
            return vector

        tools = Tools(
            Residents(limit_bytes=0, largest=0),
            encode=encode,
            count_tokens=lambda texts: [0] * len(texts),
            at_once=lambda _: at_once,
        )
        found = recall(
            lambda: corpus.database.transaction(corpus.tenant_id),
            corpus.tenant_id,
            RecallRequest(QUERY, namespace="corpus", **options),
            tools=tools,
            now=now or datetime.now(UTC),
            deliver=lambda _session, _recalled: None,
        )
    assert found.loaded is not None
    assert found.loaded.way == CANDIDATES
    return found, before, statements


def by_keywords(statements: list[str]) -> list[str]:
    return [one for one in statements if "hit AS MATERIALIZED" in one]


@pytest.mark.parametrize("options", [{}, {"top_k": 40}, {"archived": True}, {"weights": {"keyword": 1.0}}], ids=str)
def test_whether_keywords_are_asked_before_the_vector_is_there_changes_no_answer(
    corpus: Corpus, options: dict[str, Any]
) -> None:
    vector = unit(np.random.default_rng(5))
    quiet, _, _ = searched(corpus, vector, at_once=True, **options)
    busy, _, _ = searched(corpus, vector, at_once=False, **options)
    assert [(one.found.id, one.found.score) for one in quiet.results] == [
        (one.found.id, one.found.score) for one in busy.results
    ]
    assert len(quiet.results) == options.get("top_k", 10)
    assert quiet.ranked is not None
    assert busy.ranked is not None
    assert sorted(quiet.ranked.ids) == sorted(busy.ranked.ids)


@pytest.mark.parametrize("at_once", [True, False])
def test_a_few_long_texts_hide_no_short_one(
    database: Database, make_tenant: Any, encoder_id: int, at_once: bool
) -> None:
    """Forty-five chunks of five texts are nearest, and the words of the query bring enough memories to be content with."""
    corpus = Corpus(database, make_tenant()[0], encoder_id, size=60, seed=4)
    vector = unit(corpus.rng)
    # Of two words each, which the query does not hold: no keyword brings them.
    long = [one for n in range(5) for one in corpus.add(1, chunks=9, near=(vector, 0.8), said=("treatise", f"no{n}"))]
    short = [one for n in range(5) for one in corpus.add(1, near=(vector, 0.75), said=("remark", f"no{n}"))]
    for options in ({}, {"weights": {"vector": 1.0, "keyword": 0.01}}, {"archived": True}):
        found, _, statements = searched(corpus, vector, at_once=at_once, **options)
        assert {one.found.id for one in found.results} == {*long, *short}
        assert len(by_keywords(statements)) == 1, "words are asked once"


@pytest.mark.parametrize("at_once", [True, False])
def test_the_turns_around_the_best_are_ranked_with_them(
    database: Database, make_tenant: Any, encoder_id: int, at_once: bool
) -> None:
    """Of thirty that each channel proposes at least the fifteen best bring who stands beside them, the others do not."""
    corpus = Corpus(database, make_tenant()[0], encoder_id, size=1, seed=5)
    vector = unit(corpus.rng)
    answers = []
    for n in range(60):
        session = {"user": "Ana", "session_id": f"s{n}"}
        corpus.add(1, near=(vector, 0.95 - n / 100), said=("question", f"no{n}"), **session)
        answers += corpus.add(1, near=(vector, 0.0), said=("answer", f"no{n}"), **session)
    found, _, _ = searched(corpus, vector, at_once=at_once)
    assert found.ranked is not None
    assert [one in set(found.ranked.ids) for one in answers] == [n < 15 for n in range(60)]


@pytest.mark.parametrize("at_once", [True, False])
def test_the_turns_around_the_best_by_words_are_ranked_too(
    database: Database, make_tenant: Any, encoder_id: int, at_once: bool
) -> None:
    corpus = Corpus(database, make_tenant()[0], encoder_id, size=1, seed=5)
    vector = unit(corpus.rng)
    for n in range(60):  # the nearest, which hold no word of the query
        corpus.add(1, near=(vector, 0.9), said=("filler", f"no{n}"), user="Ana", session_id=f"f{n}")
    (_, answer) = [
        corpus.add(1, near=(vector, -0.2), said=said, user="Ana", session_id="s")[0]
        for said in (("word3", "word20", "word33"), ("answer",))
    ]
    found, _, _ = searched(corpus, vector, at_once=at_once)
    assert found.ranked is not None
    assert answer in found.ranked.ids


@pytest.mark.parametrize("at_once", [True, False])
def test_candidates_beside_each_other_are_known_as_such(
    database: Database, make_tenant: Any, encoder_id: int, at_once: bool
) -> None:
    """Those that bring nobody are candidates of each other's turns all the same."""
    corpus = Corpus(database, make_tenant()[0], encoder_id, size=1, seed=5)
    vector = unit(corpus.rng)
    for n in range(15):
        corpus.add(1, near=(vector, 0.95 - n / 200), said=("filler", f"no{n}"), user="Ana", session_id=f"f{n}")
    pairs = []
    for n in range(7):
        session = {"user": "Ana", "session_id": f"s{n}"}
        (asked,) = corpus.add(1, near=(vector, 0.80 - n / 50), said=("question", f"no{n}"), **session)
        (answer,) = corpus.add(1, near=(vector, 0.79 - n / 50), said=("answer", f"no{n}"), **session)
        pairs.append((asked, answer))
    corpus.add(60, near=(vector, 0.0), user="Ana")
    found, _, _ = searched(corpus, vector, at_once=at_once)
    assert found.loaded is not None
    rows = found.loaded.rows
    at = {memory_id: row for row, memory_id in enumerate(rows.ids)}
    assert [rows.ids[rows.following[at[asked]]] for asked, _ in pairs] == [answer for _, answer in pairs]
    assert [rows.ids[rows.previous[at[answer]]] for _, answer in pairs] == [asked for asked, _ in pairs]


@pytest.mark.parametrize("channel", ["vector", "keyword"])
@pytest.mark.parametrize("at_once", [False, True])
def test_a_clock_that_is_behind_hides_nothing_that_was_stored(
    database: Database, make_tenant: Any, encoder_id: int, channel: str, at_once: bool
) -> None:
    """Another process stored it by its own clock, which is ahead of that of the process that searches."""
    corpus = Corpus(database, make_tenant()[0], encoder_id, size=30, seed=6)
    vector = unit(corpus.rng)
    (one,) = corpus.add(1, near=(vector, 0.9), said=("word20", "word20", "word3"))
    behind = corpus.start - timedelta(seconds=2)
    for options in ({}, {"archived": True}):
        found, _, _ = searched(corpus, vector, at_once=at_once, now=behind, weights={channel: 1.0}, **options)
        assert one in {result.found.id for result in found.results}
    found, _, _ = searched(corpus, vector, at_once=at_once, as_of=AsOf(known=behind), weights={channel: 1.0})
    assert found.results == ()


def by_vectors(statements: list[str]) -> list[str]:
    return [one for one in statements if "nearest AS" in one]


@pytest.mark.parametrize("at_once", [True, False])
def test_where_texts_are_short_the_nearest_are_asked_once(corpus: Corpus, at_once: bool) -> None:
    _, _, statements = searched(corpus, unit(np.random.default_rng(5)), at_once=at_once)
    assert len(by_vectors(statements)) == 1


def test_where_nobody_waits_for_the_encoder_keywords_are_searched_beside_it(corpus: Corpus) -> None:
    _, before, statements = searched(corpus, unit(np.random.default_rng(5)), at_once=True)
    assert len(by_keywords(before)) == 1
    assert by_keywords(statements) == by_keywords(before), "nothing is asked twice"


def test_who_would_wait_for_the_encoder_holds_no_connection_meanwhile(corpus: Corpus) -> None:
    _, before, statements = searched(corpus, unit(np.random.default_rng(5)), at_once=False)
    assert by_keywords(before) == []
    assert len(by_keywords(statements)) == 1


def test_the_timings_count_what_the_database_takes_beside_the_encoder(corpus: Corpus) -> None:
    found, _, _ = searched(corpus, unit(np.random.default_rng(5)), at_once=True)
    spent = found.timings
    assert spent.candidates > 0
    assert spent.encode + spent.candidates + spent.fuse <= spent.total + 0.1
