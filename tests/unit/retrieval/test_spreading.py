import time
from dataclasses import replace
from uuid import UUID

import networkx
import numpy as np
import pytest

from retrieval.query import parse_query
from retrieval.rows import NONE, Keys, Links, Mentions, Rows, Spans
from retrieval.spreading import (
    ALONE,
    DEFAULT,
    Path,
    SpreadingSettings,
    edges_of,
    flow,
    rarity,
    reasons,
    score,
    seeds,
    spread,
)

INT = np.int32
NOBODY = parse_query("what happened?")


def rows_of(
    named: list[list[str]],
    *,
    sessions: list[int] | None = None,
    links: tuple[tuple[int, int, float], ...] = (),
    speakers: tuple[str, ...] = (),
) -> Rows:
    """Return rows that name entities; rows of one session follow one another."""
    n = len(named)
    entities = tuple(dict.fromkeys(name for one in named for name in one))
    pairs = [(row, entities.index(name)) for row, one in enumerate(named) for name in one]
    session = np.array(sessions if sessions is not None else [NONE] * n, INT)
    previous, following = np.full(n, NONE, INT), np.full(n, NONE, INT)
    last: dict[int, int] = {}
    for row, number in enumerate(session.tolist()):
        if number != NONE:
            if number in last:
                previous[row], following[last[number]] = last[number], row
            last[number] = row
    nan, zero, no = np.full(n, np.nan), np.zeros(n, INT), np.zeros(n, np.bool_)
    return Rows(
        ids=[UUID(int=row + 1) for row in range(n)],
        vectors=np.zeros((n, 2), np.float32),
        keys=Keys(np.empty(0, INT), np.empty(0, np.int8), np.empty((0, 2), np.float32)),
        observed_at=nan, valid_from=nan, valid_to=nan, session=session, previous=previous, following=following,
        speaker=zero, role=zero.astype(np.int8), length=zero, asks=no, has_number=no, has_time=no,
        first_person=zero.astype(np.int8), superseded=no, speakers=speakers, entities=entities, postings={},
        spans=Spans(np.empty(0, INT), np.empty(0), np.empty(0)),
        mentions=Mentions(np.array([p[0] for p in pairs], INT), np.array([p[1] for p in pairs], INT)),
        links=Links(
            np.array([one[0] for one in links], INT), np.array([one[1] for one in links], INT),
            np.array([one[2] for one in links], np.float32),
        ),
        documents=n,
    )  # fmt: skip


def only(row: int, n: int) -> np.ndarray:
    """Return a match of one row."""
    match = np.full(n, np.nan)
    match[row] = 1.0
    return match


STORY = rows_of(
    [["lisbon"], ["lisbon", "tom"], [], ["tom"], ["ana"], ["ana", "tom"], []],
    sessions=[0, 0, 0, 1, 1, 2, 2],
    links=((6, 0, 0.8), (2, 4, 0.4)),
)


@pytest.mark.parametrize("settings", [DEFAULT, ALONE, SpreadingSettings(adjacent=0.7, restart=0.15, linked=1.0)])
@pytest.mark.parametrize("start", range(7))
def test_many_hops_end_where_networkx_ends(settings: SpreadingSettings, start: int) -> None:
    edges = edges_of(STORY)
    n, e = len(STORY), len(STORY.entities)
    seed, named = np.zeros(n), np.zeros(e)
    seed[start], named[1] = 1.0, 0.5
    found = flow(edges, seed, named, settings=replace(settings, hops=300))

    weights = np.zeros((n + e, n + e))
    for row, entity in zip(STORY.mentions.row, STORY.mentions.entity, strict=True):
        weights[row, n + entity] = rarity(edges.degree, n)[entity]
        if edges.degree[entity] > 1:
            weights[n + entity, row] = 1 / edges.degree[entity]
    for row in range(n):
        for other in (STORY.previous[row], STORY.following[row]):
            if other != NONE:
                weights[row, other] += settings.adjacent
    for source, target, weight in zip(STORY.links.source, STORY.links.target, STORY.links.weight, strict=True):
        weights[source, target] += settings.linked * weight
        weights[target, source] += settings.linked * weight
    start_vector = np.concatenate([seed * (1 - settings.named), named / named.sum() * settings.named])
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1.0)
    weights += (1 - weights.sum(axis=1, keepdims=True)) * start_vector  # what is left over returns to the seeds
    graph = networkx.from_numpy_array(weights, create_using=networkx.DiGraph)
    expected = networkx.pagerank(
        graph, alpha=1 - settings.restart, personalization=dict(enumerate(start_vector)), tol=1e-12, max_iter=500
    )
    np.testing.assert_allclose(
        np.concatenate([found.row, found.entity]), [expected[i] for i in range(n + e)], atol=1e-9
    )


def test_two_hops_reach_what_names_the_same_and_no_further() -> None:
    found = score(STORY, NOBODY, only(0, 7), settings=replace(DEFAULT, linked=0.0, hops=2))
    assert np.flatnonzero(np.isfinite(found)).tolist() == [0, 1]
    farther = score(STORY, NOBODY, only(0, 7), settings=replace(DEFAULT, linked=0.0, hops=4))
    assert np.flatnonzero(np.isfinite(farther)).tolist() == [0, 1, 3, 5]
    assert farther[1] > farther[3]


def test_a_name_in_the_query_is_a_seed_of_its_own() -> None:
    nothing = np.full(7, np.nan)
    found = score(STORY, parse_query("Where did we meet Tom?"), nothing, settings=replace(DEFAULT, hops=1, linked=0.0))
    assert np.flatnonzero(np.isfinite(found)).tolist() == [1, 3, 5]
    lower = score(STORY, parse_query("lisbon trip"), nothing, settings=replace(DEFAULT, hops=1, linked=0.0))
    assert np.flatnonzero(np.isfinite(lower)).tolist() == [0, 1]
    assert np.isnan(score(STORY, NOBODY, nothing)).all()


def test_short_names_of_speakers_are_known() -> None:
    rows = rows_of([["melanie"], ["melanie"], [], [], []], speakers=("Melanie", "Caroline"))
    found = score(rows, parse_query("What does Mel like?", speakers=rows.speakers), np.full(5, np.nan))
    assert np.isfinite(found).tolist() == [True, True, False, False, False]


def test_what_everybody_names_carries_almost_nothing() -> None:
    """A speaker of half of the rows reaches a row far less than a place that three rows name."""
    named = [["speaker"] if row % 2 == 0 else [] for row in range(200)]
    for row in (0, 51, 101):
        named[row] = [*named[row], "lisbon"]
    found = score(rows_of(named), NOBODY, only(0, 200))
    assert found[51] == found[101] > 100 * np.nanmax(found[2:51])


def test_the_restart_keeps_queries_apart() -> None:
    hub = [["hub", f"topic {row // 5}"] for row in range(100)]
    rows = rows_of(hub)
    best = [
        set(np.argsort(-np.nan_to_num(score(rows, NOBODY, only(start, 100))), kind="stable")[:5].tolist())
        for start in (0, 50)
    ]
    assert best == [{0, 1, 2, 3, 4}, {50, 51, 52, 53, 54}]


def test_neighbours_take_part_when_the_channel_is_asked_alone() -> None:
    match = only(2, 7)
    assert np.isnan(score(STORY, NOBODY, match)[1])
    alone = score(STORY, NOBODY, match, settings=replace(ALONE, hops=1))
    assert alone[2] == np.nanmax(alone)
    assert alone[1] > 0
    assert np.isnan(alone[3]), "another session"


def test_the_budget_bounds_how_many_rows_are_active() -> None:
    rows = rows_of([["a", f"b{row % 40}"] for row in range(400)])
    found = score(rows, NOBODY, only(7, 400), settings=replace(DEFAULT, budget=15))
    assert 0 < np.count_nonzero(np.isfinite(found)) <= 15
    assert np.isfinite(found[[47, 87, 127]]).all(), "the strongest stay"


def test_activation_is_never_lost() -> None:
    for settings in (DEFAULT, ALONE, replace(DEFAULT, budget=2)):
        found = spread(STORY, parse_query("Did Tom go?"), np.linspace(0, 1, 7), settings=settings)
        assert found.row.sum() + found.entity.sum() == pytest.approx(1.0)


def test_reasons_name_the_edge() -> None:
    match = only(0, 7)
    settings = replace(ALONE, hops=2)
    found = spread(STORY, NOBODY, match, settings=settings)
    one, six, lost = reasons(STORY, found, [1, 6, 4], settings=settings)
    assert one is not None
    assert (one.path, one.entity, one.via) == (Path.MENTIONS, "lisbon", 0)
    assert one.text(1) == "mentions lisbon, as rank 1 does"
    assert six is not None
    assert (six.path, six.via) == (Path.LINKED, 0)
    assert lost is None
    two = reasons(STORY, found, [2], settings=settings)[0]
    assert two is not None
    assert (two.path, two.via, two.text(4)) == (Path.NEXT_TO, 1, "next to rank 4")


def test_nothing_to_spread_over() -> None:
    assert score(rows_of([]), NOBODY, np.empty(0)).shape == (0,)
    assert np.isnan(score(rows_of([[], []]), NOBODY, np.array([1.0, 0.0]))).all()


def test_seeds_do_not_depend_on_the_order_of_rows() -> None:
    match = np.array([3.0, 1.0, 2.0, np.nan, 1.0, 0.5])
    shuffled = np.array([4, 2, 0, 5, 3, 1])
    np.testing.assert_allclose(seeds(match, 3)[shuffled], seeds(match[shuffled], 3))
    assert seeds(np.full(4, 2.0), 2).sum() in (0.0, pytest.approx(1.0))
    assert np.count_nonzero(seeds(match, 20)) == 4


def test_ten_thousand_rows_take_milliseconds() -> None:
    rng = np.random.default_rng(7)
    n, e, m = 10_000, 3_000, 25_000
    base = rows_of([[] for _ in range(n)], sessions=[row // 20 for row in range(n)])
    mentions = Mentions(rng.integers(0, n, m).astype(INT), rng.integers(0, e, m).astype(INT))
    rows = replace(base, mentions=mentions, entities=tuple(f"e{i}" for i in range(e)))
    match = rng.normal(size=n)
    query = parse_query("Where is E7?")
    score(rows, query, match)
    taken = []
    for _ in range(10):
        started = time.perf_counter()
        score(rows, query, match)
        taken.append(time.perf_counter() - started)
    assert min(taken) < 0.010  # 1.6 ms on a machine without other work


def test_a_query_by_another_name_of_an_entity_begins_there() -> None:
    rows = rows_of([["robert"], ["robert"], ["tom"], ["tom"], [], []])
    nothing = np.full(len(rows), np.nan)
    query = parse_query("Where is Bobby?")
    assert np.isnan(score(rows, query, nothing)).all()
    also = replace(rows, aliases={"bobby": frozenset({"robert"})})
    assert np.flatnonzero(np.isfinite(score(also, query, nothing))).tolist() == [0, 1]
