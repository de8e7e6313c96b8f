from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.packing import Order, Passage, pack

START = datetime(2023, 5, 8, tzinfo=UTC)
PASSAGES = st.lists(
    st.builds(
        Passage,
        id=st.uuids(),
        text=st.just("text"),
        tokens=st.integers(0, 60),
        observed_at=st.none() | st.integers(0, 5).map(lambda days: START + timedelta(days=days)),
    ),
    max_size=15,
    unique_by=lambda passage: passage.id,
)
COST = st.integers(0, 5)


@given(PASSAGES, st.integers(0, 300), st.sampled_from(Order), COST, COST)
def test_the_budget_is_never_exceeded_and_nothing_is_lost(ranked, budget, order, per_passage, frame):
    packing = pack(ranked, budget=budget, order=order, per_passage=per_passage, frame=frame)
    cost = sum(passage.tokens + per_passage for passage in packing.passages)
    assert packing.tokens == (cost + frame if packing.passages else 0) <= budget
    assert sorted(p.id for p in (*packing.passages, *packing.left_out)) == sorted(p.id for p in ranked)


@given(PASSAGES, st.integers(0, 300))
def test_what_was_left_out_did_not_fit_beside_what_is_more_relevant(ranked, budget):
    packing = pack(ranked, budget=budget)
    for left in packing.left_out:
        before = [p for p in packing.passages if ranked.index(p) < ranked.index(left)]
        assert sum(p.tokens for p in before) + left.tokens > budget


@given(PASSAGES, st.integers(0, 300))
def test_the_order_changes_nothing_but_the_order(ranked, budget):
    chosen = {order: pack(ranked, budget=budget, order=order).passages for order in Order}
    assert len({frozenset(p.id for p in passages) for passages in chosen.values()}) == 1
    assert list(chosen[Order.RELEVANCE]) == [p for p in ranked if p in chosen[Order.RELEVANCE]]
    stable = [p.id for p in chosen[Order.STABLE]]
    assert stable == sorted(stable)
    times = [p.observed_at for p in chosen[Order.TIME] if p.observed_at]
    assert times == sorted(times)


def test_what_has_no_time_stands_last():
    undated = Passage(UUID(int=1), "undated", 1)
    dated = Passage(UUID(int=2), "dated", 1, START)
    assert pack([undated, dated], budget=9, order=Order.TIME).passages == (dated, undated)


def test_one_long_text_does_not_empty_the_context():
    long, short = Passage(UUID(int=1), "long", 100), Passage(UUID(int=2), "short", 3)
    assert pack([long, short], budget=10).passages == (short,)


def test_negative_counts_are_errors():
    with pytest.raises(ValueError, match="negative"):
        pack([], budget=-1)
