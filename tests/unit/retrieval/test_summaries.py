"""Summaries: whole episodes, and those with which the talk was taken up again."""

from dataclasses import replace

import numpy as np
import pytest

from retrieval.query import parse_query
from retrieval.ranking import Ranked, rank
from retrieval.ranking_settings import DEFAULT
from retrieval.router import RouterSettings
from retrieval.rows import NONE
from retrieval.summaries import SummarySettings, by_episode, openings
from tests.unit.retrieval.test_groups import patterns, rows_of

DAY = 86_400.0
# No words are known here, so the router would take everything for a statement.
ASKED = replace(DEFAULT, router=RouterSettings(statement_coverage=0.0, any_coverage=0.0))
SUMMARY = "Give me a summary of the project"


def ranked(text: str, **changed: object) -> Ranked:
    rows = replace(
        rows_of(patterns(12)),
        observed_at=np.concatenate([np.arange(6.0), 9 * DAY + np.arange(6.0)]),
        episode=np.repeat(np.arange(4, dtype=np.int32), 3),
    )
    rows = replace(rows, **changed)  # type: ignore[arg-type]
    return rank(rows, parse_query(text), vector=rows.vectors[7], settings=ASKED)


def test_a_summary_takes_two_of_each_episode_first() -> None:
    got = ranked(SUMMARY)
    first = (got.order[:8] // 3).tolist()
    assert first == [n for pair in first[::2] for n in (pair, pair)]
    assert sorted(set(first)) == [0, 1, 2, 3]
    assert sorted(got.order.tolist()) == list(range(12))


def test_the_opening_is_shown_and_adds_up() -> None:
    got = ranked(SUMMARY)
    shown = got.shown(12)
    by_row = {one.row: one.signals["opening"] for one in shown}
    assert by_row[0] == by_row[6] == pytest.approx(DEFAULT.priors.opening)
    assert by_row[6] > by_row[7] > by_row[11]
    for one in shown:
        assert sum(cell.contribution for cell in one.channels.values()) == pytest.approx(one.score)


@pytest.mark.parametrize("text", ["What is the project called?", "In what order did I build the project?"])
def test_other_questions_know_nothing_of_it(text: str) -> None:
    got, without = ranked(text), ranked(text, episode=None)
    assert "opening" not in got.signals
    assert got.order.tolist() == without.order.tolist()


def test_without_episodes_a_summary_is_spread_over_time() -> None:
    got = ranked(SUMMARY, episode=None)
    assert "opening" not in got.signals


def test_rows_of_no_episode_stand_for_themselves() -> None:
    score = np.array([4.0, 3.0, 2.0, 1.0])
    got = by_episode(np.arange(4), score, np.full(4, NONE, np.int32), settings=SummarySettings(each=1))
    assert got.tolist() == [0, 1, 2, 3]


def test_episodes_worth_the_same_are_not_mixed() -> None:
    score = np.array([2.0, 2.0, 1.0, 1.0])
    got = by_episode(np.arange(4), score, np.array([5, 9, 5, 9], np.int32), settings=SummarySettings())
    assert got.tolist() == [0, 2, 1, 3]


def test_nothing_and_far_scores_do_no_harm() -> None:
    none = by_episode(np.empty(0, np.intp), np.empty(0), np.empty(0, np.int32), settings=SummarySettings())
    assert none.tolist() == []
    far = by_episode(np.arange(2), np.array([0.0, -5000.0]), np.array([0, 1], np.int32), settings=SummarySettings())
    assert far.tolist() == [0, 1]
    assert openings(np.array([np.nan, np.nan]), settings=SummarySettings()).tolist() == [0.0, 0.0]
    assert openings(np.empty(0), settings=SummarySettings()).tolist() == []
