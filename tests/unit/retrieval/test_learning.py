"""Learned factors: recovered, bounded, in small steps, and refused when they do not help."""

import numpy as np
from numpy.typing import NDArray

from retrieval.learning import CHANNELS, Judged, compare, fit, learn, outcome

VECTOR, KEYWORD = 0, 1


def a_search(rng: np.random.Generator, number: int, *, keyword: float, promised: bool = False) -> Judged:
    """Return thirty rows: the vector channel knows the one that is relevant, keywords push it by so much."""
    contributions = np.zeros((30, len(CHANNELS)))
    contributions[:, VECTOR] = rng.normal(size=30)
    contributions[:, KEYWORD] = rng.normal(size=30)
    relevant = np.zeros(30, dtype=np.bool_)
    relevant[7] = True
    contributions[7, VECTOR] += 2.0
    contributions[7, KEYWORD] += keyword
    return Judged(f"{number:03}", contributions, relevant, np.zeros(30, dtype=np.bool_), promised=promised)


def searches(count: int, *, keyword: float, seed: int = 1, promised: bool = False) -> list[Judged]:
    rng = np.random.default_rng(seed)
    return [a_search(rng, n, keyword=keyword, promised=promised) for n in range(count)]


def test_a_misleading_channel_loses_weight_and_a_good_one_gains() -> None:
    assert fit(searches(60, keyword=-1.5), {})["keyword"] < 0.8
    assert fit(searches(60, keyword=2.5), {})["keyword"] > 1.1


def test_factors_are_recovered_within_small_steps_and_bounds() -> None:
    judged, current = searches(80, keyword=-1.5), dict.fromkeys(CHANNELS, 1.0)
    for _ in range(6):
        proposed = fit(judged, current)
        assert 2 ** (-3 / 8) - 1e-9 <= proposed["keyword"] / current["keyword"] <= 2 ** (3 / 8) + 1e-9
        current = proposed
    assert current["keyword"] == 0.5
    assert current["vector"] == 1.0
    assert {current[name] for name in ("graph", "temporal", "hopfield")} == {1.0}, "who says nothing keeps its weight"


def test_the_same_judgements_teach_the_same_whatever_their_order() -> None:
    judged = searches(40, keyword=-1.0)
    assert learn(judged) == learn(judged[::-1])


def test_what_helps_unseen_queries_is_accepted() -> None:
    lesson = learn(searches(60, keyword=-1.5))
    assert lesson.accepted, lesson.reason
    assert lesson.unseen is not None
    assert lesson.unseen.after.ndcg > lesson.unseen.before.ndcg
    assert lesson.unseen.better > lesson.unseen.worse


def test_too_few_judgements_change_nothing() -> None:
    lesson = learn(searches(9, keyword=-1.5), {"keyword": 1.2})
    assert not lesson.accepted
    assert lesson.factors["keyword"] == 1.2
    assert "must be 10" in lesson.reason


def feedback_against(saved: list[Judged]) -> list[Judged]:
    """Return unsaved searches whose judgements say the contrary of the saved ones."""
    return [
        Judged(f"z{s.key}", s.contributions, s.relevant, s.rejected, saved=False)
        for s in searches(120, keyword=-1.5, seed=5)
    ] + saved


def test_a_proposal_that_hurts_saved_queries_is_refused() -> None:
    saved = searches(12, keyword=2.0, seed=3)
    for search in saved:
        search.contributions[7, VECTOR] = 0.0  # only words find it
    lesson = learn(feedback_against(saved))
    assert lesson.factors["keyword"] < 1
    assert not lesson.accepted
    assert lesson.overall is not None
    assert lesson.overall.after.ndcg < lesson.overall.before.ndcg


def test_no_gain_for_many_buys_the_loss_of_a_promised_one() -> None:
    good = searches(60, keyword=-1.5)
    assert learn(good).accepted
    # In tenth place by its keywords alone: it falls out as soon as they lose weight.
    contributions = np.zeros((30, len(CHANNELS)))
    contributions[:10, VECTOR] = np.linspace(2.0, 1.02, 10)
    contributions[15, KEYWORD] = 1.03
    relevant: NDArray[np.bool_] = np.arange(30) == 15
    promised = Judged("promise", contributions, relevant, np.zeros(30, dtype=np.bool_), promised=True)
    assert outcome(promised, {}).recall == 1
    lesson = learn([*good, promised])
    assert not lesson.accepted
    assert lesson.overall is not None
    assert lesson.overall.broken == 1
    assert lesson.overall.after.ndcg > lesson.overall.before.ndcg


def test_comparing_counts_each_search_once() -> None:
    judged = searches(20, keyword=-2.0)
    found = compare([(s, {}, {"keyword": 0.5}) for s in judged])
    assert found.searches == 20
    assert found.better + found.worse <= 20
    assert compare([(s, {}, {}) for s in judged]).better == 0
