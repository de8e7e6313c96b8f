"""No policy passes its budget, loses what it promised to keep, or decides by chance."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_service.activation.compressing import attend, compress
from memory_service.activation.errors import BadTensor, MissingStatistic
from memory_service.activation.exactness import Exactness
from memory_service.activation.key_values import KeyValues
from memory_service.activation.policies.budgets import per_layer, proportional, pyramid
from memory_service.activation.policies.channels import ThinK
from memory_service.activation.policies.d2o import D2O
from memory_service.activation.policies.heads import HeadProfile, HeadWise, retrieval_scores
from memory_service.activation.policies.keep import Keep, Policy
from memory_service.activation.policies.merging import merged
from memory_service.activation.policies.observed import Cake, PyramidKV, SnapKV
from memory_service.activation.policies.sentences import SentenceKV
from memory_service.activation.policies.statistics import Budget, Statistics
from memory_service.activation.policies.tokens import Retention, TokenEntropy, stability
from memory_service.activation.policies.window import Random, Strided, Whole, Window
from tests.unit.activation.conftest import made_cache, made_statistics

PROFILE = HeadProfile(((0.1, 0.9), (0.4, 0.2)))
POLICIES: tuple[Policy, ...] = (
    Window(),
    Random(seed=3),
    Strided(),
    SnapKV(),
    PyramidKV(),
    Cake(),
    D2O(),
    D2O(merges=False, name="drop"),
    TokenEntropy(),
    TokenEntropy(decay=0.5, name="decayed"),
    Retention(),
    Retention(shared=True, name="shared"),
    SentenceKV(),
    HeadWise(PROFILE),
    HeadWise(PROFILE, summary=False),
    ThinK(inner=SnapKV()),
)
policies = pytest.mark.parametrize("policy", POLICIES, ids=lambda one: one.name)


@policies
@settings(max_examples=25, deadline=None)
@given(share=st.floats(0, 1), tokens=st.integers(0, 60), seed=st.integers(0, 3))
def test_a_budget_is_never_passed(policy: Policy, share: float, tokens: int, seed: int) -> None:
    stats = made_statistics(tokens, seed=seed)
    keep = policy.plan(stats, Budget(share))
    assert keep.entries.shape == (2, 2, tokens)
    if tokens:
        assert keep.share(stats.cache.dim) <= share + 1e-9
    else:
        assert keep.count == 0


@policies
def test_all_of_the_budget_is_used_where_it_can_be(policy: Policy) -> None:
    stats = made_statistics(100)
    share = policy.plan(stats, Budget(0.5)).share(stats.cache.dim)
    assert share > (0.44 if isinstance(policy, SentenceKV) else 0.48)


@policies
def test_a_whole_budget_keeps_everything_untouched(policy: Policy) -> None:
    stats = made_statistics(40)
    keep = policy.plan(stats, Budget(1))
    assert keep.entries.all()
    assert keep.exactness is Exactness.EXACT
    left = compress(stats.cache, keep)
    for layer, head in np.ndindex(2, 2):
        assert np.array_equal(left.entries[layer][head].keys, stats.cache.keys[layer, head])
        assert np.array_equal(left.entries[layer][head].values, stats.cache.values[layer, head])


@policies
def test_less_is_recorded_as_compressed(policy: Policy) -> None:
    assert policy.plan(made_statistics(40), Budget(0.5)).exactness is Exactness.COMPRESSED


@policies
@pytest.mark.parametrize("share", [0.3, 0.5])
def test_the_first_and_last_tokens_stay(policy: Policy, share: float) -> None:
    keep = policy.plan(made_statistics(100), Budget(share))
    sinks = keep.entries[:, :, :4].sum(axis=2)
    assert (sinks == np.minimum(4, keep.entries.sum(axis=2))).all()  # a layer of a pyramid may get less than 4
    if not isinstance(policy, PyramidKV | Cake):
        assert keep.entries[:, :, -8:].all()


@policies
def test_the_order_of_tokens_stays(policy: Policy) -> None:
    stats = made_statistics(60)
    left = compress(stats.cache, policy.plan(stats, Budget(0.4)))
    for head in (one for layer in left.entries for one in layer):
        plain = head.positions[head.bias == 0]
        assert (np.diff(plain) > 0).all()


@policies
def test_the_same_decision_is_taken_twice(policy: Policy) -> None:
    stats = made_statistics(60)
    one, two = (policy.plan(stats, Budget(0.4)).entries for _ in range(2))
    assert np.array_equal(one, two)


@policies
def test_one_token_and_none_are_no_trouble(policy: Policy) -> None:
    for tokens in (0, 1):
        stats = made_statistics(tokens)
        assert policy.plan(stats, Budget(0.5)).count <= 2 * tokens
        assert policy.plan(stats, Budget(1)).count == 4 * tokens


@pytest.mark.parametrize(
    "policy", [SnapKV(), PyramidKV(), Cake(), D2O(), TokenEntropy(), Retention(), SentenceKV(), ThinK(inner=Window())]
)
def test_what_was_not_observed_is_asked_for(policy: Policy) -> None:
    with pytest.raises(MissingStatistic):
        policy.plan(Statistics(made_cache(20)), Budget(0.5))


def test_no_query_is_no_observation() -> None:
    stats = made_statistics(20, queries=0)
    for policy in (SnapKV(), SentenceKV()):
        with pytest.raises(MissingStatistic):
            policy.plan(stats, Budget(0.5))


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), float("inf")])
def test_what_is_no_share_is_refused(share: float) -> None:
    with pytest.raises(BadTensor):
        Budget(share)


@pytest.mark.parametrize("field", ["attention", "queries", "surprisal", "retention"])
def test_nan_and_other_shapes_are_refused(field: str) -> None:
    stats = made_statistics(10)
    bad = getattr(stats, field).copy()
    bad.flat[0] = np.nan
    with pytest.raises(BadTensor, match="NaN"):
        replace(stats, **{field: bad})
    with pytest.raises(BadTensor, match="fit"):
        replace(stats, **{field: bad[..., :-1]})


def test_what_cannot_be_is_refused() -> None:
    stats = made_statistics(10)
    assert stats.attention is not None
    with pytest.raises(BadTensor):
        replace(stats, attention=-stats.attention)
    with pytest.raises(BadTensor):
        replace(stats, sentences=np.arange(10)[::-1])
    with pytest.raises(BadTensor):
        replace(stats, retention=np.full((2, 2, 10), 1.5, np.float32))


def one_head(attention: list[float]) -> Statistics:
    return Statistics(made_cache(len(attention), layers=1, heads=1), attention=np.array([[[attention]]], np.float32))


def test_snapkv_keeps_what_was_looked_at_and_its_neighbours() -> None:
    attention = [0.0] * 20
    attention[9] = 1.0
    keep = SnapKV(recent=1, sinks=1, kernel=3).plan(one_head(attention), Budget(0.25))
    assert np.flatnonzero(keep.entries[0, 0]).tolist() == [0, 8, 9, 10, 19]


def test_entropy_keeps_what_was_not_expected_until_it_fades() -> None:
    surprisal = np.array([0, 0, 5, 0, 4, 0, 0, 0], np.float32)
    stats = Statistics(made_cache(8), surprisal=surprisal, turns=np.array([0, 0, 0, 1, 1, 1, 1, 1]))
    fresh, faded = (
        TokenEntropy(decay=decay, sinks=1, recent=1).plan(stats, Budget(3 / 8)).entries[0, 0] for decay in (1.0, 0.5)
    )
    assert np.flatnonzero(fresh).tolist() == [0, 2, 7]
    assert np.flatnonzero(faded).tolist() == [0, 4, 7]


def test_retention_is_the_forgetting_curve() -> None:
    ages = np.arange(1, 50)
    assert np.exp(-ages / stability(0.9)) == pytest.approx(0.9**ages)


def test_an_old_token_outlives_a_young_one_that_was_to_be_forgotten() -> None:
    retention = np.full((1, 1, 10), 0.5, np.float32)
    retention[0, 0, 2] = 0.99
    stats = Statistics(made_cache(10, layers=1, heads=1), retention=retention)
    keep = Retention(sinks=0, recent=0).plan(stats, Budget(0.2))
    assert np.flatnonzero(keep.entries[0, 0]).tolist() == [2, 9]


def test_sentences_stay_whole_and_the_one_that_answers_comes() -> None:
    cache = made_cache(20, layers=1, heads=1)
    queries = cache.keys[:, :, 7:8] * 10  # asks for the second sentence
    stats = Statistics(cache, queries=queries, sentences=np.arange(20) // 5)
    keep = SentenceKV(sinks=0, recent=0).plan(stats, Budget(0.5)).entries[0, 0]
    assert keep[5:10].all()
    assert {int(keep[at : at + 5].sum()) for at in range(0, 20, 5)} == {0, 5}


def test_heads_that_retrieve_keep_everything() -> None:
    stats = made_statistics(100)
    keep = HeadWise(PROFILE).plan(stats, Budget(0.5))
    assert keep.entries[0, 1].all()
    assert not keep.entries[0, 0].all()
    left = compress(stats.cache, keep)
    short = left.entries[0][0]
    gone = ~keep.entries[0, 0]
    assert short.values[-1] == pytest.approx(stats.cache.values[0, 0][gone].mean(axis=0), abs=1e-6)
    assert short.bias[-1] == pytest.approx(np.log(gone.sum()))


def test_a_profile_of_another_model_is_refused() -> None:
    with pytest.raises(BadTensor):
        HeadWise(HeadProfile(((1.0,),))).plan(made_statistics(10), Budget(0.5))
    with pytest.raises(BadTensor):
        HeadProfile(((1.0,), (1.0, 2.0)))
    with pytest.raises(BadTensor):
        retrieval_scores(np.zeros((1, 1, 0, 3), np.float32), np.zeros((0, 3), np.bool_))


def test_think_beats_random_and_norms_where_queries_use_few_channels() -> None:
    rng = np.random.default_rng(5)
    cache = made_cache(60, layers=1, heads=1, dim=32)
    keys = cache.keys * np.linspace(3, 1, 32, dtype=np.float32)  # large where nobody looks
    used = rng.permutation(32)[:16]
    queries = rng.standard_normal((1, 1, 40, 32), np.float32) * 0.05
    queries[..., used] *= 20
    cache = KeyValues(keys, cache.values, cache.positions)
    stats = Statistics(cache, queries=queries)
    chosen = ThinK(pruned=0.4).plan(stats, Budget(0.82))
    whole = compress(cache, Whole().plan(stats, Budget(1))).entries[0][0]

    def error(channels: np.ndarray) -> float:
        left = compress(cache, Keep(np.ones((1, 1, 60), np.bool_), channels=channels)).entries[0][0]
        asked = queries[0, 0]
        return float(np.linalg.norm(attend(asked, left) - attend(asked, whole)))

    assert chosen.channels is not None
    count = int(chosen.channels.sum())
    assert count == 32 - 12
    by_norm, by_luck = np.zeros((2, 1, 1, 32), np.bool_)
    by_norm[0, 0, np.argsort(-np.linalg.norm(keys[0, 0], axis=0))[:count]] = True
    by_luck[0, 0, rng.permutation(32)[:count]] = True
    assert error(chosen.channels) < min(error(by_norm), error(by_luck)) / 2


def test_think_alone_says_that_it_cannot_meet_a_budget() -> None:
    with pytest.raises(BadTensor, match="more than allowed"):
        ThinK().plan(made_statistics(20), Budget(0.5))
    with pytest.raises(BadTensor, match="only chooses"):
        ThinK(inner=D2O()).plan(made_statistics(60), Budget(0.5))


def test_cake_gives_more_to_layers_that_look_around() -> None:
    still, restless = np.zeros((2, 1, 4, 40), np.float32)
    still[..., 3] = 1
    for query in range(4):
        restless[0, query, 10 * query : 10 * query + 10] = 0.1
    stats = Statistics(made_cache(40, heads=1), attention=np.stack([still, restless]))
    keep = Cake(sinks=1, recent=1).plan(stats, Budget(0.5))
    assert keep.entries[1].sum() > keep.entries[0].sum()


@given(
    st.lists(st.floats(0, 100), min_size=1, max_size=8),
    st.integers(0, 200),
    st.integers(1, 40),
)
def test_shares_of_a_budget_add_up(wants: list[float], total: int, most: int) -> None:
    given_ = proportional(total, np.array(wants), np.full(len(wants), most))
    assert given_.sum() == min(total, most * len(wants))
    assert (given_ >= 0).all()
    assert (given_ <= most).all()


@given(st.floats(1, 1000), st.integers(1, 12), st.floats(1, 30))
def test_a_pyramid_adds_up_and_falls(total: float, layers: int, steepness: float) -> None:
    budgets = pyramid(total, layers, steepness)
    assert budgets.sum() == pytest.approx(total)
    assert (np.diff(budgets) <= 1e-9).all()


def test_a_pyramid_keeps_its_sum_in_whole_tokens() -> None:
    assert per_layer(101, pyramid(101, 4, 20), 3, 30).sum() == 101


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), tokens=st.integers(2, 30))
def test_merging_conserves_weighted_mass(seed: int, tokens: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((tokens, 5), np.float32)
    kept = rng.random(tokens) < 0.5
    kept[rng.integers(tokens)] = True
    receivers = np.where(kept | (rng.random(tokens) < 0.3), -1, rng.choice(np.flatnonzero(kept), tokens))
    weights = rng.random(tokens, np.float32) + np.float32(0.1)
    now, mass = merged(vectors, kept, receivers, weights)
    counted = kept | (receivers >= 0)
    assert mass.sum() == pytest.approx(weights[counted].sum(), rel=1e-5)
    assert (mass[:, None] * now)[kept].sum(axis=0) == pytest.approx(
        (weights[:, None] * vectors)[counted].sum(axis=0), abs=1e-4
    )
    untouched = kept & ~np.isin(np.arange(tokens), receivers)
    assert np.array_equal(now[untouched], vectors[untouched])


def test_merging_a_duplicate_changes_nothing_but_its_weight() -> None:
    cache = made_cache(30, layers=1, heads=1)
    keys, values = cache.keys.copy(), cache.values.copy()
    keys[..., 15, :], values[..., 15, :] = keys[..., 3, :], values[..., 3, :]
    entries = np.ones((1, 1, 30), np.bool_)
    entries[0, 0, 15] = False
    receivers = np.full((1, 1, 30), -1)
    receivers[0, 0, 15] = 3
    cache = KeyValues(keys, values, cache.positions)
    left = compress(cache, Keep(entries, receivers, np.ones((1, 1, 30), np.float32)))
    assert left.entries[0][0].keys == pytest.approx(keys[0, 0][entries[0, 0]], abs=1e-6)


def test_d2o_merges_the_alike_and_drops_the_rest() -> None:
    stats = made_statistics(60)
    keep = D2O().plan(stats, Budget(0.4))
    assert keep.receivers is not None
    going = ~keep.entries
    assert (keep.receivers[going] >= 0).any()
    assert (keep.receivers[going] < 0).any()
    assert (keep.receivers[keep.entries] < 0).all()


@pytest.mark.parametrize(
    ("receivers", "weights"),
    [
        ([2, -1, -1], [1, 1, 1]),  # not kept
        ([3, -1, -1], [1, 1, 1]),
        ([-2, -1, -1], [1, 1, 1]),
        ([-1, -1, 0], [1, 1, -1]),
        ([-1, -1, 0], [1, 1, np.nan]),
        ([1, -1, 0], [1, 1, 1]),  # kept, and merged away
    ],
)
def test_an_impossible_merge_is_refused(receivers: list[int], weights: list[float]) -> None:
    with pytest.raises(BadTensor):
        Keep(np.array([[[True, True, False]]]), np.array([[receivers]]), np.array([[weights]], np.float32))


def test_a_plan_for_another_cache_is_refused() -> None:
    with pytest.raises(BadTensor):
        compress(made_cache(5), Keep(np.ones((2, 2, 6), np.bool_)))
    with pytest.raises(BadTensor):
        compress(made_cache(5), Keep(np.ones((2, 2, 5), np.bool_), channels=np.ones((2, 2, 3), np.bool_)))


def test_attention_to_nothing_is_refused() -> None:
    cache = made_cache(5)
    left = compress(cache, Keep(np.zeros((2, 2, 5), np.bool_)))
    with pytest.raises(BadTensor):
        attend(np.ones((1, 8), np.float32), left.entries[0][0])


def test_bytes_count_what_is_left() -> None:
    cache = made_cache(100, dim=32)
    half = np.zeros((2, 2, 100), np.bool_)
    half[..., :50] = True
    bytes_ = compress(cache, Keep(half)).bytes_in_bfloat16()
    assert bytes_ == cache.bytes_in_bfloat16() // 2 + 4 * 50 * 4 + 4 * 4  # and positions and lengths
