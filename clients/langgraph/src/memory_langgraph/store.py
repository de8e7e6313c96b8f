"""The store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from langgraph.store.base import BaseStore, Op, Result, TTLConfig
from memory_client import AsyncMemoryClient, MemoryClient

from memory_langgraph.flows import Flow, carried_out, carried_out_async, reads, writes
from memory_langgraph.items import Layout
from memory_langgraph.places import check_root
from memory_langgraph.texts import WHOLE

if TYPE_CHECKING:
    from typing_extensions import Self

DEFAULT_ROOT = "langgraph"


class MemoryServiceStore(BaseStore):
    """A LangGraph store whose items are memories of the memory service.

    One object serves both kinds of nodes: `put` and its kind block, `aput` and its kind await. What is written is found by the
    very next read, from this process or any other, by meaning and by words.

    Args:
        url: where the service is; as for `MemoryClient` when left out.
        api_key: its key; as for `MemoryClient` when left out.
        root: the namespace of the service below which all items lie. Stores with different roots see nothing of each other.
        fields: paths of the values by which items are found; the whole value when left out. `put(index=…)` goes before.
        ttl: how long items live where `put` does not say, and whether reading prolongs that.
        client_options: passed on to the clients, such as `timeout` and `retries`.

    Raises:
        NotConfigured: there is no service or no key.
        ValueError: the root is no path.
    """

    supports_ttl = True

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        root: str = DEFAULT_ROOT,
        fields: Sequence[str] = (WHOLE,),
        ttl: TTLConfig | None = None,
        **client_options: Any,
    ) -> None:
        self.ttl_config = ttl
        self._layout = Layout(check_root(root), tuple(fields))
        self._options = {"url": url, "api_key": api_key, **client_options}
        self._client = MemoryClient(**self._options)
        # The connections of an event loop serve no other one.
        self._async_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncMemoryClient] = WeakKeyDictionary()

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Carry out operations: first what reads, then what writes; the results are in the order of the operations.

        Raises:
            InvalidNamespaceError, InvalidKey, ValueError, TypeError: one of them cannot be carried out; none has been.
            ItemRejected: the service refused items; the others are stored.
            MemoryClientError: the service did not do it.
        """
        results, flows, writing = self._planned(ops)
        for flow in flows:
            carried_out(flow, self._client)
        if writing is not None:
            carried_out(writing, self._client)
        return results

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Do as `batch` does, awaiting; operations that only read are under way together."""
        results, flows, writing = self._planned(ops)
        client = self._async_client()
        await asyncio.gather(*(carried_out_async(flow, client) for flow in flows))
        if writing is not None:
            await carried_out_async(writing, client)
        return results

    def close(self) -> None:
        """Close the connections of blocking calls."""
        self._client.close()

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        client = self._async_clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
        self.close()

    def _async_client(self) -> AsyncMemoryClient:
        loop = asyncio.get_running_loop()
        client = self._async_clients.get(loop)
        if client is None:
            client = self._async_clients[loop] = AsyncMemoryClient(**self._options)
        return client

    def _planned(self, ops: Iterable[Op]) -> tuple[list[Result], list[Flow[None]], Flow[None] | None]:
        given = list(ops)
        results: list[Result] = [None] * len(given)
        return results, reads(given, self._layout, results), writes(given, self._layout)
