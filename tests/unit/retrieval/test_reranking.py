from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest

from retrieval.channels import Channel
from retrieval.ranking import Ranked
from retrieval.reranking import RERANKED, RERANKER, amounts, reranked, text_of, to_rerank
from retrieval.router import Route, Routing
from retrieval.why_not import shortfall


def ranking(scores: list[float], *, limit: int | None = None) -> Ranked:
    """Return a ranking by one channel that gave each row its score."""
    score = np.array(scores)
    channels = {name: Channel(score=score, weight=0.5, contribution=score / 2) for name in ("vector", "keyword")}
    return Ranked(
        ids=[UUID(int=n) for n in range(len(scores))],
        order=np.argsort(-score, kind="stable")[:limit],
        score=score,
        found=np.ones(len(scores), dtype=np.bool_),
        channels=channels,
        signals={},
        routing=Routing(Route.QUESTION, "test"),
        coverage=None,
        best_cosine=None,
    )


def said(*scores: float | None) -> dict[UUID, float]:
    return {UUID(int=n): score for n, score in enumerate(scores) if score is not None}


def test_worked_by_hand() -> None:
    # Present 4, 2, 0: deviation √(8/3) = 1.633. Said −1, 0, 1: z = −1.225, 0, 1.225. Each z is worth 1.633, so 2 moves.
    again = reranked(ranking([4.0, 2.0, 0.0]), said(-1.0, 0.0, 1.0))
    assert again.score.tolist() == pytest.approx([2.0, 2.0, 2.0])
    assert again.signals[RERANKER].tolist() == pytest.approx([-2.0, 0.0, 2.0])
    assert again.order.tolist() == [0, 1, 2]  # equal scores by id


def test_it_moves_but_does_not_replace() -> None:
    again = reranked(ranking([10.0, 1.0, 0.0, -1.0]), said(5.2, 5.0, 6.0, 5.5))
    assert again.order.tolist() == [0, 2, 3, 1]  # far ahead stays ahead; those who stood close change places
    assert again.score.mean() == pytest.approx(2.5)
    shown = again.shown(4)
    assert [one.rank for one in shown] == [1, 2, 3, 4]
    assert [one.score for one in shown] == sorted((one.score for one in shown), reverse=True)
    for one in shown:
        parts = sum(cell.contribution for cell in one.channels.values())
        assert parts + one.signals[RERANKER] == pytest.approx(one.score)


def test_scale_and_offset_of_the_model_do_not_matter() -> None:
    before = ranking([3.0, 2.5, 2.0, 1.0])
    one, other = reranked(before, said(1, 3, 2, 4)), reranked(before, said(-9, -7, -8, -6))
    assert one.score.tolist() == pytest.approx(other.score.tolist())


def test_what_was_not_scored_keeps_its_score() -> None:
    before = ranking([5.0, 4.0, 3.0, 2.0])
    again = reranked(before, said(0.0, 1.0))
    assert again.score.tolist() == pytest.approx([4.5 - 0.0, 4.5, 3.0, 2.0])
    assert again.signals[RERANKER].tolist() == pytest.approx([-0.5, 0.5, 0.0, 0.0])
    nothing = reranked(before, {})
    assert nothing.order.tolist() == before.order.tolist()
    assert nothing.score.tolist() == before.score.tolist()


def test_one_score_and_equal_scores_tell_nothing() -> None:
    before = ranking([5.0, 4.0, 3.0])
    for scores in (said(7.0), said(2.0, 2.0, 2.0)):
        assert reranked(before, scores).score.tolist() == before.score.tolist()
    assert amounts(np.array([1.0, 1.0]), np.array([0.0, 9.0])).tolist() == [0.0, 0.0]


def test_no_row_comes_into_the_order_that_was_not_in_it() -> None:
    again = reranked(ranking([5.0, 4.9, 4.8, 4.7], limit=2), said(0.0, 1.0))
    assert sorted(again.order.tolist()) == [0, 1]


def test_the_best_are_read_and_an_order_over_time_is_left_alone() -> None:
    many = ranking([float(-n) for n in range(80)])
    assert to_rerank(many).tolist() == list(range(RERANKED))
    assert to_rerank(replace(many, order=many.order[::-1])).tolist() == []


def test_long_texts_are_cut() -> None:
    assert len(text_of("Ana", "x" * 100_000)) == 4_000


def test_why_not_counts_the_reranker_and_promises_no_weight() -> None:
    before = ranking([4.0, 3.0, 2.9])
    assert shortfall(before, 2, before.shown(2)[-1], top_k=2).costs.keys() == {"vector", "keyword"}
    again = reranked(before, said(1.0, 3.0, 0.0))
    fell = shortfall(again, 2, again.shown(2)[-1], top_k=2)
    assert fell.costs[RERANKER] > 0
    assert sum(fell.costs.values()) == pytest.approx(fell.missing)
    assert fell.change is None
