import itertools
import random
from uuid import UUID

import pytest

from retrieval.packing import Order, Passage, pack
from retrieval.standing import heat_bucket, standing_of


def row(**fields: object) -> dict[str, object]:
    return {"memory_type": "semantic", "user_id": None, "recall_count": 0, **fields}


def test_what_more_prompts_share_stands_before_what_fewer_do() -> None:
    order = [
        row(memory_type="core", user_id="ana"),
        row(source_kind="system"),
        row(recall_count=40),
        row(),
        row(user_id="ana", recall_count=40),
        row(user_id="ana"),
        row(memory_type="working", recall_count=400),
    ]
    standings = [standing_of(one) for one in order]
    assert standings == sorted(standings)
    assert standings[0] == standings[1]
    assert standing_of(row(user_id="ana", expires_at="2027-01-01")) == standing_of(row(memory_type="working"))


@pytest.mark.parametrize("recalls", [0, 1, 5, 100, 12_345])
def test_one_recall_seldom_moves_a_memory(recalls: int) -> None:
    assert heat_bucket(recalls) <= heat_bucket(recalls + 1)
    moves = sum(heat_bucket(n) != heat_bucket(n + 1) for n in range(recalls))
    assert moves <= 8


def test_the_same_choice_stands_the_same_whatever_it_was_ranked_by() -> None:
    rng = random.Random(7)
    passages = [Passage(UUID(int=n), f"text {n}", 1, standing=(rng.randrange(4), -rng.randrange(3))) for n in range(6)]
    orders = {
        tuple(p.id for p in pack(ranked, budget=100, order=Order.STABLE).passages)
        for ranked in itertools.permutations(passages)
    }
    assert len(orders) == 1
    (ids,) = orders
    by_id = {p.id: p for p in passages}
    assert [(by_id[i].standing, i) for i in ids] == sorted((p.standing, p.id) for p in passages)
