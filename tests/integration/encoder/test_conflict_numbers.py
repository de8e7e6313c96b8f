"""Conflict decisions on the pairs labelled by hand, with vectors of the packaged model: the numbers we promise."""

from collections.abc import Sequence

import pytest

from benchmarks.conflicts import HALVES, Judged, judge, read_pairs, summary
from memory_service.encoder import LoadedEncoder


@pytest.fixture(scope="module")
def judged(loaded: LoadedEncoder) -> Sequence[Judged]:
    return judge(read_pairs(), loaded.encode)


def test_the_set_is_what_it_says() -> None:
    pairs = read_pairs()
    assert len(pairs) >= 240
    assert len({pair["id"] for pair in pairs}) == len(pairs)
    assert {pair["half"] for pair in pairs} == set(HALVES)
    texts = {(pair["old"]["text"], pair["new"]["text"]) for pair in pairs}
    assert len(texts) > len(pairs) - 5


@pytest.mark.parametrize("label", ["duplicate", "supersede"])
def test_precision_and_recall(judged: Sequence[Judged], label: str) -> None:
    found = summary(judged)[label]
    assert found["precision"] >= 0.95
    assert found["recall"] >= 0.80


@pytest.mark.parametrize("label", ["duplicate", "supersede"])
def test_rules_hold_on_the_half_they_were_not_tuned_on(judged: Sequence[Judged], label: str) -> None:
    found = summary([one for one in judged if one.pair["half"] == "held_out"])[label]
    assert found["precision"] >= 0.95
    assert found["recall"] >= 0.75


def test_few_are_left_to_a_person_who_need_not_be_asked(judged: Sequence[Judged]) -> None:
    asked = summary(judged)["asked"]
    assert asked["all"] - asked["where_asking_is_fine"] <= 0.05 * len(judged)
