"""The awaiting twins, many writers at once, and event loops that come and go."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from langgraph.store.base import GetOp, PutOp

from memory_langgraph import MemoryServiceStore


def test_every_method_has_its_twin(store: MemoryServiceStore) -> None:
    async def work() -> None:
        async with store:
            await store.aput(("a", "b"), "k", {"text": "tea"})
            await store.aput(("a", "b"), "other", {"text": "coffee"}, index=False, ttl=5)
            item = await store.aget(("a", "b"), "k")
            assert item is not None
            assert item.value == {"text": "tea"}
            assert {one.key for one in await store.asearch(("a",))} == {"k", "other"}
            assert [one.key for one in await store.asearch(("a",), query="tea")] == ["k"]
            assert await store.alist_namespaces(prefix=("a",)) == [("a", "b")]
            assert await store.abatch([GetOp(("a", "b"), "k"), PutOp(("a", "b"), "k", None)]) == [item, None]
            await store.adelete(("a", "b"), "other")
            assert await store.alist_namespaces() == []

    asyncio.run(work())


def test_one_store_serves_loop_after_loop(store: MemoryServiceStore) -> None:
    async def put(number: int) -> None:
        await store.aput(("a",), f"k{number}", {"n": number})
        assert await store.aget(("a",), f"k{number}") is not None
        await store.aclose()

    for number in range(3):
        asyncio.run(put(number))
    assert len(store.search(("a",))) == 3


def test_of_many_writers_to_one_key_one_is_last_and_none_fails(store: MemoryServiceStore) -> None:
    def write(number: int) -> None:
        store.put(("a",), "k", {"n": number, "text": f"version {number}"})

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, range(48)))
    (only,) = store.search(("a",))
    assert only.value["text"] == f"version {only.value['n']}"
    store.put(("a",), "k", {"n": -1})
    last = store.get(("a",), "k")
    assert last is not None
    assert last.value == {"n": -1}


def test_many_tasks_at_once(store: MemoryServiceStore) -> None:
    async def work() -> "list[Any]":
        async with store:
            await asyncio.gather(*(store.aput(("a", str(n % 5)), f"k{n}", {"n": n}) for n in range(100)))
            got = await asyncio.gather(*(store.aget(("a", str(n % 5)), f"k{n}") for n in range(100)))
            assert [item.value["n"] if item else None for item in got] == list(range(100))
            return await store.asearch(("a",), limit=200)

    assert len(asyncio.run(work())) == 100


def test_two_batches_in_opposite_order_both_succeed(store: MemoryServiceStore) -> None:
    ops = [PutOp(("a",), f"k{n}", {"n": n}) for n in range(50)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(store.batch, [ops, ops[::-1], ops, ops[::-1]]))
    assert len(store.search(("a",), limit=100)) == 50
