"""Searching beside and on shelves of their own: always k rows, exact where it matters, through the index where it pays."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import event, text

from memory_service.lifecycle import archive
from memory_service.storage.sql import Sql
from retrieval import statements
from retrieval.keyword_plan import KeywordQuery
from retrieval.scope import Scope
from retrieval.statements import hybrid_query

LARGE, SMALL = 1500, 60


@pytest.fixture(scope="module")
def house(service: Any, powerful: Any) -> Iterator[Any]:
    """Return a house with a large namespace on its own shelf and a small one on the shared shelf."""
    from tests.integration.shelving.conftest import House

    made = House(service, powerful)
    for _ in range(LARGE // 500):
        made.add(500, namespace="large")
    made.small = made.add(SMALL, namespace="small")
    made.large = [i for i in made.vectors if i not in set(made.small)]
    assert made.move("large")
    with powerful.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    return made


def statements_of(house: Any, *arguments: Any, **options: Any) -> list[str]:
    seen: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(house.database.engine, "before_cursor_execute", note)
    try:
        house.search(*arguments, **options)
    finally:
        event.remove(house.database.engine, "before_cursor_execute", note)
    return [s for s in seen if "nearest" in s]


def plan_of(house: Any, path: str, query: np.ndarray, *, k: int = 10, **scope: Any) -> str:
    space = house.namespace(path)
    asked = Scope(house.tenant_id, (space.id,), space.shelf, 1, datetime.now(UTC), **scope)
    statement, params = hybrid_query(asked, vector=query, keyword=None, per_channel=k)
    with house.database.transaction(house.tenant_id) as session:
        rows = session.execute(text(f"EXPLAIN {statement.text}"), params).scalars().all()
    return "\n".join(rows)


def test_a_small_namespace_beside_a_large_one_gets_all_its_rows(house: Any) -> None:
    for query in (house.vector(), -house.vectors[house.small[0]]):
        found = house.search(query, paths=("small",), k=50)
        assert set(house.nearest(query, k=50, among=house.small)) <= set(found.ids) <= set(house.small)
        every = house.search(query, paths=("small",), k=1000)
        assert set(every.ids) == set(house.small)


def test_both_are_searched_at_once_and_the_best_of_both_win(house: Any) -> None:
    """Whichever is named first: each namespace is read on its own shelf."""
    wanted = house.vectors[house.small[7]]
    for paths in (("large", "small"), ("small", "large")):
        found = house.search(wanted, paths=paths, k=20)
        scores = dict(zip(found.ids, found.vector, strict=True))
        assert max(scores, key=scores.__getitem__) == house.small[7]
        assert len(found.ids) >= 20
        assert set(house.nearest(wanted, k=5)) <= set(found.ids)


def test_the_index_is_nearly_exact_and_brings_every_row(house: Any) -> None:
    right = total = 0
    for _ in range(20):
        query = house.vector()
        found = house.search(query, k=50)
        assert len(found.ids) >= 50
        best = sorted(zip(found.vector, found.ids, strict=True), reverse=True)[:50]
        right += len({i for _, i in best} & set(house.nearest(query, k=50, among=house.large)))
        total += 50
    assert right / total >= 0.97


def test_scores_are_those_of_the_exact_scan(house: Any) -> None:
    query = house.vector()
    found = house.search(query, k=20)
    for memory_id, score in zip(found.ids, found.vector, strict=True):
        assert score == pytest.approx(float(house.vectors[memory_id] @ query), abs=3e-3)


def test_a_filter_that_few_pass_still_fills_its_rows(house: Any) -> None:
    """The index alone would stop before it finds them: the query is asked again without it."""
    few = house.add(8, namespace="large", user="rare")
    house.large += few
    query = -np.mean([house.vectors[i] for i in few], axis=0)
    only = Sql("m.user_id = :who", {"who": "rare"})
    found = house.search(query, k=5, where=only)
    assert len(found.ids) >= 5
    assert set(found.ids) <= set(few)
    assert set(house.search(query, k=50, where=only).ids) == set(few)


def test_a_full_answer_asks_the_index_alone(house: Any) -> None:
    asked = statements_of(house, house.vector(), k=10)
    assert len(asked) == 1
    assert len(statements_of(house, house.vector(), k=10, where=Sql("m.user_id = 'nobody'"))) == 2


@pytest.fixture(scope="module")
def library(service: Any, powerful: Any) -> Any:
    """Return a house whose large namespace holds a few texts of many chunks and a giant one, each kind about its own."""
    from tests.integration.shelving.conftest import House

    made = House(service, powerful, seed=12)
    made.add(300)
    made.long_about, made.giant_about = made.vector(), made.vector()
    made.short, made.beside_giant = [], []
    for about, short in ((made.long_about, made.short), (made.giant_about, made.beside_giant)):
        for _ in range(8):
            one = about + 0.6 * made.vector()
            short += made.add(1, near=(one / np.linalg.norm(one)).astype(np.float32))
    made.long = made.add(5, chunks=20, near=made.long_about)
    made.giant = made.add(1, chunks=250, near=made.giant_about)
    assert made.move()
    return made


def test_an_index_is_asked_for_more_until_long_texts_hide_nobody(library: Any) -> None:
    found = library.search(library.long_about, k=12)
    assert set(library.long) | set(library.short) <= set(found.ids)
    assert len(found.ids) == 18, "no more than of short texts"
    asked = statements_of(library, library.long_about, k=12)
    assert len(asked) == 3, "18 chunks, 72, 288"
    assert not any("ORDER BY min(distance), memory_id LIMIT" in one for one in asked), "all through the index"


def test_behind_a_giant_text_memories_are_counted_without_the_index(library: Any) -> None:
    found = library.search(library.giant_about, k=2)
    assert library.giant[0] in found.ids
    assert set(library.nearest(library.giant_about, k=2)) <= set(found.ids)
    asked = statements_of(library, library.giant_about, k=2)
    assert len(asked) == 5, "3 chunks, 12, 48, 192, then every memory"
    assert "ORDER BY min(distance), memory_id LIMIT" in asked[-1]


def test_the_plan_of_a_large_namespace_is_its_index(house: Any) -> None:
    shelf = house.namespace("large").shelf
    plan = plan_of(house, "large", house.vector())
    assert f"Index Scan using embedding_shelf_{shelf}_ann on embedding_shelf_{shelf}" in plan
    assert "on embedding_shelf_0 e" in plan, "where its young memories lie"


def test_the_plan_of_a_small_namespace_knows_no_such_index(house: Any) -> None:
    plan = plan_of(house, "small", house.vector())
    assert "on embedding_shelf_0 e" in plan
    assert "_ann" not in plan


def test_dead_rows_do_not_take_the_places_of_live_ones(house: Any) -> None:
    """Archived memories stay in the index; the nearest fifty of a query may all be dead."""
    centre = house.vector()
    doomed = house.nearest(centre, k=120, among=house.large)
    with house.database.transaction(house.tenant_id) as session:
        archive.archive(session, house.tenant_id, doomed, now=datetime.now(UTC))
    found = house.search(centre, k=50)
    assert not set(found.ids) & set(doomed)
    assert len(found.ids) >= 50
    assert set(doomed) <= set(house.search(centre, k=150, archived=True).ids)
    with house.database.transaction(house.tenant_id) as session:
        archive.restore(session, house.tenant_id, doomed, now=datetime.now(UTC))
    assert set(doomed[:20]) <= set(house.search(centre, k=50).ids)


@pytest.fixture
def scored(house: Any) -> Any:
    """Return a function: BM25 of every live memory of the large namespace, by the postings themselves."""

    def score(terms: tuple[str, ...]) -> dict[UUID, float]:
        rows = house.all(
            "WITH p AS (SELECT * FROM posting WHERE tenant_id = :t AND namespace_id = :n AND known_to > now()), "
            "f AS (SELECT term, count(*) AS df FROM p GROUP BY term) SELECT p.memory_id, "
            "sum(p.impact * ln(1 + (:d - f.df + 0.5::float8) / (f.df + 0.5::float8))) FROM p JOIN f USING (term) "
            "WHERE p.term = ANY(:terms) GROUP BY 1",
            n=house.namespace("large").id, terms=list(terms), d=len(house.large),
        )  # fmt: skip
        return dict(map(tuple, rows))

    return score


def frequencies(house: Any, terms: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    rows = house.all(
        "SELECT term, count(*) FROM posting WHERE tenant_id = :t AND namespace_id = :n AND known_to > now() "
        "AND term = ANY(:terms) GROUP BY 1 ORDER BY 1",
        n=house.namespace("large").id, terms=list(terms),
    )  # fmt: skip
    return tuple(map(tuple, rows))


def test_heads_of_common_terms_choose_and_scores_stay_exact(
    house: Any, scored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With heads as long as the lists, the answer is that of full BM25."""
    terms = ("word1", "word2", "word3")
    keyword = KeywordQuery((), frequencies(house, terms), len(house.large), heads=terms)
    found = house.search(None, keyword=keyword, k=30)
    want = scored(terms)
    for memory_id, score in zip(found.ids, found.keyword, strict=True):
        assert score == pytest.approx(want[memory_id], rel=1e-4)
    got = sorted(found.keyword, reverse=True)
    assert got == pytest.approx(sorted(want.values(), reverse=True)[: len(got)], rel=1e-4)


def test_short_heads_bring_the_strongest_first(house: Any, scored: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "STRONG", 5)
    monkeypatch.setattr(statements, "NEWEST", 5)
    keyword = KeywordQuery((), frequencies(house, ("word4",)), len(house.large), heads=("word4",))
    found = house.search(None, keyword=keyword, k=30)
    assert 5 < len(found.ids) <= 10
    want = sorted(scored(("word4",)).values(), reverse=True)
    assert sorted(found.keyword, reverse=True)[:5] == pytest.approx(want[:5], rel=1e-4)


def test_heads_respect_filters_before_they_are_cut(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = house.add(30, namespace="large", user="head")
    house.add(100, namespace="large")
    monkeypatch.setattr(statements, "STRONG", 10)
    monkeypatch.setattr(statements, "NEWEST", 10)
    keyword = KeywordQuery((), (("word5", 300),), len(house.large), heads=("word5",))
    found = house.search(None, keyword=keyword, k=30, where=Sql("m.user_id = :who", {"who": "head"}))
    with_word = house.all(
        "SELECT count(DISTINCT memory_id) FROM posting WHERE tenant_id = :t AND term = 'word5' AND memory_id = ANY(:ids)",
        ids=mine,
    )
    assert set(found.ids) <= set(mine)
    assert len(found.ids) == with_word[0][0]


def test_heads_are_read_from_indexes_in_order(house: Any) -> None:
    """Neither a sort nor the heap: a term with a hundred thousand postings costs what a head costs."""
    space = house.namespace("large")
    asked = Scope(house.tenant_id, (space.id,), space.shelf, 1, datetime.now(UTC))
    keyword = KeywordQuery((), (("word1", 900),), LARGE, heads=("word1",))
    statement, params = hybrid_query(asked, vector=None, keyword=keyword, per_channel=10)
    with house.database.transaction(house.tenant_id) as session:
        plan = "\n".join(session.execute(text(f"EXPLAIN {statement.text}"), params).scalars().all())
    assert "Index Only Scan Backward using posting_strong" in plan
    assert "Index Only Scan Backward using posting_pkey" in plan
