import math
import random
import time
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.fusion import FusedResult, Standard, fuse, ranks_without, trust_keywords

SCORE = st.floats(-1e6, 1e6, allow_subnormal=False)
ANY_SCORE = st.floats() | SCORE  # NaN and infinities included
COLUMN = st.dictionaries(st.integers(0, 30), SCORE, max_size=20)
SCORES = st.dictionaries(st.sampled_from(["vector", "keyword", "graph"]), COLUMN, max_size=3)
WEIGHTS = st.fixed_dictionaries({name: st.floats(0, 1000) for name in ("vector", "keyword", "graph")})
HALVES = {"vector": 0.5, "keyword": 0.5}


def ids(results: list[FusedResult[int]]) -> list[int]:
    return [result.id for result in results]


@given(SCORES, WEIGHTS)
def test_the_ranking_is_complete_ordered_and_explained(scores, weights):
    results = fuse(scores, weights)
    active = {name for name in scores if weights[name] > 0}
    assert set(ids(results)) == {candidate for name in active for candidate in scores[name]}
    assert [result.rank for result in results] == list(range(1, len(results) + 1))
    for better, worse in pairwise(results):
        assert better.score > worse.score or (better.score == worse.score and better.id < worse.id)
    for result in results:
        assert set(result.channels) == active
        assert math.fsum(channel.contribution for channel in result.channels.values()) == pytest.approx(result.score)
        assert math.fsum(channel.weight for channel in result.channels.values()) == pytest.approx(1)
        for name, channel in result.channels.items():
            assert channel.score == scores[name].get(result.id)
            assert (channel.rank is None) == (channel.score is None)


@given(st.dictionaries(st.sampled_from(["vector", "keyword"]), st.dictionaries(st.integers(0, 9), ANY_SCORE)), WEIGHTS)
def test_nothing_that_comes_out_is_nan(scores, weights):
    for result in fuse(scores, weights):
        assert math.isfinite(result.score)
        assert all(math.isfinite(channel.contribution) for channel in result.channels.values())


@given(SCORES, WEIGHTS, st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_nothing(scores, weights, rng):
    shuffled = {}
    for name in rng.sample(sorted(scores), len(scores)):
        entries = list(scores[name].items())
        rng.shuffle(entries)
        shuffled[name] = dict(entries)
    assert fuse(shuffled, weights) == fuse(scores, weights)


@given(COLUMN)
def test_one_channel_alone_keeps_its_own_order(column):
    spread = max(column.values(), default=0) - min(column.values(), default=0)
    results = fuse({"vector": column}, {"vector": 2.0})
    for better, worse in pairwise(results):
        # Scores that differ by less than rounding may tie.
        assert column[better.id] >= column[worse.id] - 1e-9 * max(spread, *map(abs, column.values()))


@given(SCORES, WEIGHTS)
def test_a_silent_channel_is_as_if_it_were_not_there(scores, weights):
    weights = {**weights, "graph": 0.0}
    assert fuse(scores, weights) == fuse({name: c for name, c in scores.items() if name != "graph"}, weights)


@given(SCORES, WEIGHTS, st.integers(0, 5))
def test_a_limit_cuts_and_changes_nothing_else(scores, weights, limit):
    assert fuse(scores, weights, limit=limit) == fuse(scores, weights)[:limit]


@given(COLUMN, COLUMN, st.floats(0.01, 100), st.floats(-100, 100))
def test_scale_and_offset_of_a_channel_do_not_matter(vector, keyword, scale, offset):
    # Scores that lie apart, so that rounding ties nothing that was apart.
    vector = {candidate: round(value / 1e5, 3) for candidate, value in vector.items()}
    keyword = {candidate: round(value / 1e5, 3) for candidate, value in keyword.items()}
    moved = {candidate: value * scale + offset for candidate, value in vector.items()}
    before = {r.id: r.score for r in fuse({"vector": vector, "keyword": keyword}, HALVES)}
    after = {r.id: r.score for r in fuse({"vector": moved, "keyword": keyword}, HALVES)}
    assert after == pytest.approx(before, abs=1e-6)


@pytest.mark.parametrize("scores", [{}, {"vector": {}}, {"vector": {}, "keyword": {}}])
def test_nothing_in_nothing_out(scores):
    assert fuse(scores, HALVES) == []
    assert all(not ranks for ranks in ranks_without(scores, HALVES).values())


def test_channels_that_tell_nobody_apart_leave_the_order_to_the_ids():
    results = fuse({"vector": {3: 0.7, 1: 0.7, 2: 0.7}, "keyword": {}}, HALVES)
    assert ids(results) == [1, 2, 3]
    assert [result.score for result in results] == [0.0, 0.0, 0.0]
    assert {result.channels["vector"].rank for result in results} == {1}


def test_rounding_noise_is_no_spread():
    results = fuse({"vector": {2: 0.1 + 0.2, 1: 0.3}}, {"vector": 1.0})
    assert ids(results) == [1, 2]


def test_a_floor_stands_for_what_was_not_scored():
    with_floor = fuse({"vector": {1: 0.5, 2: 0.4}, "keyword": {1: 5.0, 3: 4.0}}, HALVES, floors={"keyword": 0.0})
    without = fuse({"vector": {1: 0.5, 2: 0.4}, "keyword": {1: 5.0, 3: 4.0}}, HALVES)
    missing = {r.id: r.channels["keyword"].contribution for r in with_floor}
    lowest = {r.id: r.channels["keyword"].contribution for r in without}
    assert missing[2] < missing[3] < missing[1]
    assert lowest[2] == lowest[3] < lowest[1]


def test_given_standards_replace_those_of_the_candidates():
    results = fuse(
        {"vector": {1: 0.5, 2: 0.3}}, {"vector": 1.0}, standards={"vector": Standard(mean=0.1, deviation=0.2)}
    )
    assert [round(result.score, 6) for result in results] == [2.0, 1.0]
    flat = fuse({"vector": {1: 0.5, 2: 0.3}}, {"vector": 1.0}, standards={"vector": Standard(mean=0.1, deviation=0.0)})
    assert [result.score for result in flat] == [0.0, 0.0]


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_impossible_weights_are_refused(weight):
    with pytest.raises(ValueError, match="vector"):
        fuse({"vector": {1: 1.0}}, {"vector": weight})


@given(SCORES, WEIGHTS)
def test_ranks_without_a_channel_are_ranks_of_the_same_candidates(scores, weights):
    everyone = sorted(ids(fuse(scores, weights)))
    for name, ranks in ranks_without(scores, weights).items():
        assert weights[name] > 0
        assert sorted(ranks) == everyone
        assert sorted(ranks.values()) == list(range(1, len(everyone) + 1))


@given(st.floats(0, 1), st.floats(0.01, 5), st.floats(0.01, 5))
def test_trusting_keywords_less_keeps_the_sum_of_the_weights(coverage, vector, keyword):
    changed = trust_keywords({"vector": vector, "keyword": keyword}, coverage)
    assert sum(changed.values()) == pytest.approx(vector + keyword)
    assert 0 <= changed["keyword"] <= keyword
    if coverage >= 0.5:
        assert changed["keyword"] == keyword


@pytest.mark.parametrize("weights", [{"keyword": 1.0}, {"vector": 0.0, "keyword": 1.0}, {"vector": 1.0}, {}])
def test_a_channel_asked_alone_keeps_its_weight(weights):
    assert trust_keywords(weights, 0.0) == weights


def test_four_hundred_candidates_take_less_than_a_few_milliseconds():
    rng = random.Random(7)
    candidates = [UUID(int=rng.getrandbits(128)) for _ in range(400)]
    scores = {name: {candidate: rng.random() for candidate in candidates} for name in HALVES}
    best = math.inf
    for _ in range(20):
        started = time.perf_counter()
        fuse(scores, HALVES, limit=20)
        best = min(best, time.perf_counter() - started)
    assert best < 0.002  # 0.2 ms on the machine it was written on; slow machines must not fail the suite
