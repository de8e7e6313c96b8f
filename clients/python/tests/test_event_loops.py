"""One awaiting client in several event loops, one after another and at once."""

import asyncio
import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from memory_client import AsyncMemoryClient

# asyncio says of an event loop that ends with connections that they were never closed; only their own loop could have done so.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _ends() -> Iterator[None]:
    """Let what is left be said in the test that left it."""
    yield
    gc.collect()


def test_event_loops_one_after_another_share_a_client(service: Any, namespace: str) -> None:
    # The connections of a loop that has ended were taken up in the next one: "Event loop is closed".
    client = AsyncMemoryClient(service.url, service.api_key)

    async def added(number: int) -> str:
        return (await client.add(f"Tom ran {number} km.", namespace=namespace)).id

    assert len({asyncio.run(added(number)) for number in range(4)}) == 4
    asyncio.run(client.close())


def test_event_loops_of_threads_share_a_client(service: Any, namespace: str) -> None:
    client = AsyncMemoryClient(service.url, service.api_key)

    async def added(number: int) -> list[str]:
        stored = await asyncio.gather(
            *(client.add(f"Tom ran {number}.{part} km.", namespace=namespace) for part in range(4))
        )
        return [one.id for one in stored]

    with ThreadPoolExecutor(4) as threads:
        ids = {one for some in threads.map(lambda number: asyncio.run(added(number)), range(8)) for one in some}
    assert len(ids) == 32


def test_a_closed_client_asks_in_no_event_loop(service: Any, namespace: str) -> None:
    client = AsyncMemoryClient(service.url, service.api_key)

    async def listed() -> None:
        await client.namespaces.list()

    asyncio.run(listed())
    asyncio.run(client.close())
    with pytest.raises(RuntimeError, match="has been closed"):
        asyncio.run(listed())
