"""The turns around a hit."""

from dataclasses import replace

import numpy as np
import pytest

from retrieval.contiguity import (
    ContiguitySettings,
    answer_scores,
    following_scores,
    neighbour_scores,
    session_best_scores,
    session_word_scores,
)
from retrieval.rows import NONE, Postings, Rows
from tests.unit.retrieval.test_hopfield import patterns, rows_of


def turns(asks: list[bool], speaker: list[int]) -> Rows:
    """Return turns of one session, in order."""
    n = len(asks)
    return replace(
        rows_of(patterns(n)),
        session=np.zeros(n, np.int32),
        previous=np.arange(-1, n - 1, dtype=np.int32),
        following=np.array([*range(1, n), NONE], np.int32),
        asks=np.array(asks),
        speaker=np.array(speaker, np.int32),
        speakers=("Ada", "Bob"),
    )


def test_the_answer_to_a_question_that_is_found_gets_its_score() -> None:
    rows = turns([True, False, False], [0, 1, 0])
    assert answer_scores(rows, np.array([2.0, 0.5, 0.0])).tolist() == [0, 2, 0]


@pytest.mark.parametrize(
    ("asks", "speaker", "own"),
    [
        ([False, False], [0, 1], 2.0),  # no question
        ([True, False], [0, 0], 2.0),  # the same speaker goes on
        ([True, False], [NONE, 1], 2.0),  # nobody is known to ask
        ([True, False], [0, NONE], 2.0),  # nobody is known to answer
        ([True, False], [0, 1], -1.0),  # the question is no hit
    ],
)
def test_nothing_else_is_an_answer(asks: list[bool], speaker: list[int], own: float) -> None:
    assert answer_scores(turns(asks, speaker), np.array([own, 0.0])).tolist() == [0, 0]


def test_the_first_turn_answers_nothing_though_the_last_one_asks() -> None:
    """NONE must not be read as the last row."""
    assert answer_scores(turns([False, True], [0, 1]), np.array([0.0, 3.0])).tolist() == [0, 0]
    assert following_scores(turns([False, True], [0, 1]), np.array([1.0, 3.0])).tolist() == [3, 0]


def test_neighbours_share_the_score_of_a_hit() -> None:
    rows = turns([False] * 3, [0, 1, 0])
    got = neighbour_scores(rows, np.array([0.0, 2.0, 0.0]), settings=ContiguitySettings())
    assert got == pytest.approx([0.3, 0, 0.3])
    far = neighbour_scores(rows, np.array([2.0, 0.0, 0.0]), settings=ContiguitySettings())
    assert far == pytest.approx([0, 0.3, 0.2])


def test_numbers_of_sessions_that_no_row_has_count_for_nothing() -> None:
    """Those of archived memories: a process that has seen them ranks as one that has not."""

    def scored(numbers: list[int]) -> list[list[float]]:
        rows = replace(
            rows_of(patterns(5)),
            session=np.array(numbers, np.int32),
            length=np.array([2, 3, 30, 4, 5], np.int32),
            postings={"bees": Postings(np.array([0, 2, 3], np.int32), np.array([1, 2, 1], np.int32))},
        )
        best = session_best_scores(rows, np.arange(5.0))
        return [session_word_scores(rows, ["bees"], settings=ContiguitySettings()).tolist(), best.tolist()]

    compact = scored([0, 0, 1, NONE, 2])
    assert scored([7, 7, 40, NONE, 63]) == compact
    assert compact[0][3] == compact[1][3] == 0
    assert any(compact[0])
    assert scored([7, 7, 7, NONE, NONE]) == [[0.0] * 5] * 2, "of one session alone there is nothing to tell"
    assert scored([NONE] * 5) == [[0.0] * 5] * 2
