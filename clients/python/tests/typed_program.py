"""A program as a type checker sees it; `test_typing.py` has mypy read it, and it is never run."""

from collections.abc import AsyncIterator, Iterator

from typing_extensions import assert_type

from memory_client import AsyncMemoryClient, Job, Memory, MemoryClient
from memory_client.async_executor import AsyncExecutor
from memory_client.models import Added, AddedMany, AddedMessages, Context, Page, SearchAnswer, Started
from memory_client.paging import AsyncPaged, Paged
from memory_client.sync_executor import SyncExecutor


def blocking(client: MemoryClient) -> None:
    assert_type(client.get("id"), Memory)
    assert_type(client.add("x", namespace="n", tags=["t"], timeout=3), Added[SyncExecutor])
    assert_type(client.add(content={"content": "x"}).wait(), Memory)
    assert_type(client.add(["x"]), AddedMessages[SyncExecutor] | AddedMany[SyncExecutor])
    assert_type(client.add_messages([{"role": "user", "content": "x"}]).wait(), list[Memory])
    assert_type(client.search("x", top_k=3, preset="fast"), SearchAnswer)
    assert_type(client.search("x").results[0].memory.content, str)
    assert_type(client.context("x", format="text"), Context)
    assert_type(client.list(limit=3), Paged[Memory])
    assert_type(client.list().page(), Page[Memory])
    assert_type([memory.content for memory in client.list()], list[str])
    assert_type(client.jobs.watch("id"), Iterator[Job])
    assert_type(client.jobs.wait("id"), Job)
    assert_type(client.delete("id", if_match=3), Started[SyncExecutor] | None)
    client.get("id", as_off="2024")  # type: ignore[call-arg]
    client.search(3)  # type: ignore[arg-type]
    client.search("x", preset="quick")  # type: ignore[arg-type]
    client.add("x", colour="blue")  # type: ignore[call-overload]
    client.get("id", if_match=3)  # type: ignore[call-arg]


async def awaiting(client: AsyncMemoryClient) -> None:
    assert_type(await client.get("id"), Memory)
    added = await client.add("x", namespace="n")
    assert_type(added, Added[AsyncExecutor])
    assert_type(await added.wait(), Memory)
    assert_type(await client.add(["x"]), AddedMessages[AsyncExecutor] | AddedMany[AsyncExecutor])
    assert_type((await client.search("x")).results[0].memory.content, str)
    assert_type(client.list(limit=3), AsyncPaged[Memory])
    assert_type(await client.list(), Page[Memory])
    assert_type([memory.content async for memory in client.list()], list[str])
    assert_type(client.jobs.watch("id"), AsyncIterator[Job])
    assert_type(await client.jobs.wait("id"), Job)
    print(client.get("id").content)  # type: ignore[attr-defined]
