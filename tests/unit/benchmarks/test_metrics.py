import doctest
import importlib
import math

import pytest

from benchmarks.metrics import mean, ndcg_at, percentile, ranks_of, recall_at, reciprocal_rank, separation

MODULES = (
    *("blocks", "datasets", "exactness", "loading", "metrics", "moments", "prometheus", "provenance", "results"),
    *("ablation", "ablation_data", "ablation_overlap", "ablation_ranks", "ablation_raw", "ablation_table"),
    *("bootstrap", "cue_noise", "noisy_cues", "noisy_table", "retrieval"),
)


@pytest.mark.parametrize("name", MODULES)
def test_worked_examples(name: str) -> None:
    tried = doctest.testmod(importlib.import_module(f"benchmarks.{name}"))
    assert tried.attempted > 0
    assert tried.failed == 0


def test_recall_counts_each_piece_of_evidence_once() -> None:
    ranked = ["g1", "x", "g2", "y", "z"]
    gold = ["g1", "g2", "g3", "g4"]
    assert [recall_at(k, ranked=ranked, gold=gold) for k in (1, 2, 3, 50)] == [0.25, 0.25, 0.5, 0.5]


def test_reciprocal_rank_takes_the_first_hit() -> None:
    assert reciprocal_rank(ranked=["x", "y", "g2", "g1"], gold=["g1", "g2"]) == pytest.approx(1 / 3)


def test_ndcg_by_hand() -> None:
    # Hits at ranks 2 and 4: 1/log2(3) + 1/log2(5) = 0.63093 + 0.43068; ideal for three: 1 + 0.63093 + 0.5.
    found = ndcg_at(10, ranked=["x", "g1", "y", "g2"], gold=["g1", "g2", "g3"])
    assert found == pytest.approx((0.6309297536 + 0.4306765581) / 2.1309297536)


def test_ndcg_of_more_evidence_than_places_can_still_be_one() -> None:
    assert ndcg_at(2, ranked=["a", "b"], gold=["a", "b", "c"]) == 1.0


def test_ndcg_ignores_what_lies_below() -> None:
    assert ndcg_at(1, ranked=["x", "g"], gold=["g"]) == 0.0


def test_a_question_without_evidence_is_an_error() -> None:
    with pytest.raises(ValueError, match="without evidence"):
        recall_at(5, ranked=["a"], gold=[])
    with pytest.raises(ValueError, match="without evidence"):
        reciprocal_rank(ranked=["a"], gold=[])


def test_ranks_start_at_one() -> None:
    assert ranks_of(["a", "b"], ranked=["a"]) == [1, None]


def test_percentiles_of_few_values() -> None:
    assert percentile([5.0], 0.95) == 5.0
    assert percentile([1.0, 2.0, 3.0, 4.0, 5.0], 0.25) == 2.0
    assert math.isnan(percentile([], 0.5))
    assert math.isnan(mean([]))


def test_separation_of_perfect_and_reversed_scores() -> None:
    assert separation([2.0, 3.0], [0.0, 1.0]) == 1.0
    assert separation([0.0], [1.0]) == 0.0
    assert math.isnan(separation([], [1.0]))
