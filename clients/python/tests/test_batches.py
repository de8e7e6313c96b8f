import json
from typing import Any

import pytest
from either_way import got

from memory_client.batches import MOST_BYTES, MOST_CONTENT, MOST_MEMORIES, MOST_VALUES, batches


def sizes(bodies: list[dict[str, Any]], **options: int) -> list[int]:
    return [len(some) for some in batches(bodies, **options)]


def test_nothing_makes_no_call() -> None:
    assert batches([]) == []


def test_the_order_is_kept_and_nothing_is_left_out() -> None:
    bodies = [{"content": "x" * (n % 7) * 20_000, "external_id": str(n)} for n in range(200)]
    cut = batches(bodies)
    assert len(cut) > 1
    assert [body for some in cut for body in some] == bodies


def test_a_call_holds_so_many_memories() -> None:
    bodies = [{"content": "tea"}] * (MOST_MEMORIES + 1)
    assert sizes(bodies) == [MOST_MEMORIES, 1]
    assert sizes(bodies[:100], most=50) == [50, 50]


def test_a_call_holds_so_many_bytes_of_contents() -> None:
    quarter = {"content": "ß" * (MOST_CONTENT // 8)}  # two bytes each
    assert sizes([quarter] * 5) == [4, 1]


def test_a_call_holds_so_many_bytes() -> None:
    body = {"content": "tea", "value": "x" * 60_000}
    cut = batches([body] * 100)
    assert len(cut) == 2
    assert all(len(json.dumps(some)) <= MOST_BYTES for some in cut)


@pytest.mark.parametrize("sequence", [list, tuple])
def test_a_call_holds_so_many_values(sequence: type[Any]) -> None:
    body = {"content": "tea", "value": sequence([{"n": 0}] * (MOST_VALUES // 8 - 10))}  # two values each
    assert sizes([body] * 5) == [4, 1]  # their contents and the objects themselves beside them


def test_what_is_larger_than_a_call_stands_alone() -> None:
    large, small = {"content": "x" * (MOST_CONTENT + 1)}, {"content": "tea"}
    assert batches([small, large, small]) == [[small], [large], [small]]


def test_half_of_a_surrogate_pair_is_counted_and_not_judged() -> None:
    assert sizes([{"content": "\ud83d"}]) == [1]


@pytest.mark.anyio
async def test_the_service_takes_what_fills_a_call(client: Any, namespace: str) -> None:
    """Below what it takes on every side: the most memories, and large ones."""
    bodies = [{"content": f"note {n}", "namespace": namespace, "extract": "none"} for n in range(MOST_MEMORIES)]
    bodies += [
        {"content": f"list {n}", "namespace": namespace, "extract": "none", "value": [0] * 10_000} for n in range(12)
    ]
    for some in batches(bodies):
        assert (await got(client.add_many(some))).rejected == []
