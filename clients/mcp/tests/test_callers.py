"""Clients of many keys: each has its own, few are kept, and none is closed under a call."""

import asyncio

import pytest

from memory_mcp.callers import MOST_KEPT, Clients
from memory_mcp.settings import Settings

pytestmark = pytest.mark.anyio

SETTINGS = Settings(url="http://127.0.0.1:9", api_key="configured")


async def test_each_key_has_a_client_of_its_own_which_is_kept() -> None:
    clients = Clients(SETTINGS)
    async with clients.lend("a") as one, clients.lend("b") as two, clients.lend(None) as default:
        assert len({id(one), id(two), id(default)}) == 3
        assert [c._executor.endpoint.api_key for c in (one, two, default)] == ["a", "b", "configured"]
    async with clients.lend("a") as again:
        assert again is one
    await clients.close()


async def test_few_are_kept_and_none_is_closed_under_a_call() -> None:
    clients = Clients(SETTINGS)
    async with clients.lend("first") as first:
        for n in range(3 * MOST_KEPT):
            async with clients.lend(f"key-{n}"):
                pass
        assert len(clients._kept) <= MOST_KEPT
        async with clients.lend("first") as still:
            assert still is first
    # As many calls as there are at once may each have one; afterwards few are left.
    await asyncio.gather(*(_held(clients, f"other-{n}") for n in range(2 * MOST_KEPT)))
    assert len(clients._kept) <= MOST_KEPT
    await clients.close()
    assert not clients._kept


async def _held(clients: Clients, key: str) -> None:
    async with clients.lend(key):
        await asyncio.sleep(0.05)
