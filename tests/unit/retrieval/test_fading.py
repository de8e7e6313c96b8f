"""What has faded ranks lower where a policy asks for it, and among equals nothing moves."""

from uuid import UUID

import numpy as np
import pytest

from retrieval.channels import Channel
from retrieval.fading import RETRIEVABILITY, faded
from retrieval.ranking import Ranked
from retrieval.router import Route, Routing


def ranking(scores: list[float], *, limit: int | None = None) -> Ranked:
    """Return a ranking by one channel that gave each row its score."""
    score = np.array(scores)
    return Ranked(
        ids=[UUID(int=n) for n in range(len(scores))],
        order=np.argsort(-score, kind="stable")[:limit],
        score=score,
        found=np.ones(len(scores), dtype=np.bool_),
        channels={"vector": Channel(score=score, weight=1.0, contribution=score.copy())},
        signals={},
        routing=Routing(Route.QUESTION, "test"),
        coverage=None,
        best_cosine=None,
    )


def losses(*lost: float) -> dict[UUID, float]:
    return {UUID(int=n): amount for n, amount in enumerate(lost)}


def test_worked_by_hand() -> None:
    # Weight 1: the first has R .2 and loses .8, the second has R 1 and loses nothing.
    again = faded(ranking([2.0, 1.5]), losses(0.8, 0.0))
    assert again.order.tolist() == [1, 0]
    assert again.score.tolist() == pytest.approx([1.2, 1.5])
    assert again.signals[RETRIEVABILITY].tolist() == pytest.approx([-0.8, 0.0])


@pytest.mark.parametrize("lost", [(), (0.4, 0.4, 0.4)])
def test_among_memories_that_have_faded_alike_nothing_moves(lost: tuple[float, ...]) -> None:
    before = ranking([3.0, 2.0, 1.0])
    assert faded(before, losses(*lost)) is before


def test_contributions_still_add_up_and_the_loss_is_told() -> None:
    again = faded(ranking([3.0, 2.0, 1.0]), losses(1.0, 0.0, 0.5))
    for one in again.shown(3):
        assert sum(cell.contribution for cell in one.channels.values()) == pytest.approx(one.score)
        assert one.signals[RETRIEVABILITY] == one.channels["temporal"].contribution
    assert [one.rank for one in again.shown(3)] == [1, 2, 3]


def test_what_is_not_among_the_best_never_passes_them() -> None:
    before = ranking([5.0, 4.0, 3.9, 3.8], limit=2)
    again = faded(before, losses(0.0, 2.0))
    assert again.order.tolist() == [0, 1]
    assert [again.rank_of(row) for row in range(4)] == [1, 2, 3, 4]


def test_an_order_that_is_not_one_of_scores_stays() -> None:
    before = ranking([1.0, 2.0])
    spread = Ranked(
        **{name: getattr(before, name) for name in before.__dataclass_fields__} | {"order": np.array([0, 1])}
    )
    assert faded(spread, losses(0.0, 0.5)) is spread
