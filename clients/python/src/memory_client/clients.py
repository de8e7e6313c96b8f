"""The two clients: the same calls, one blocking and one awaiting."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from memory_client.async_executor import AsyncExecutor
from memory_client.calls import E
from memory_client.discovery import find_endpoint
from memory_client.resources.adding import AddingMemories
from memory_client.resources.groups import Groups
from memory_client.resources.searching import Searching
from memory_client.retries import Retries
from memory_client.sync_executor import SyncExecutor
from memory_client.timeouts import Timeout

if TYPE_CHECKING:
    import httpx
    from typing_extensions import Self


class Calls(AddingMemories[E], Searching[E], Groups[E]):
    """Every call of the service: those about memories on the client itself, all others in groups."""


class MemoryClient(Calls[SyncExecutor]):
    """A client that blocks; threads may share it. Close it, or use it in a ``with`` block.

    Args:
        url: of the service; without one, ``MEMORY_SERVICE_URL`` or the service of this machine.
        api_key: without one, ``MEMORY_SERVICE_API_KEY`` or, for a service of this machine, the key that lies beside its data;
            an empty one is refused, in the argument as in the variable.
        timeout: of every call that does not bring its own; a number is the seconds in total.
        retries: how often a call is tried, and how the pauses between grow.
        transport: what carries HTTP, instead of connections of its own.

    Raises:
        NotConfigured: there is no key, it is empty, or the URL is none.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: Timeout | float | None = None,
        retries: Retries | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(
            SyncExecutor(
                find_endpoint(url, api_key),
                timeout=Timeout().within(timeout),
                retries=retries or Retries(),
                transport=transport,
            )
        )

    def close(self) -> None:
        """Close all connections."""
        self._executor.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class AsyncMemoryClient(Calls[AsyncExecutor]):
    """A client that awaits, under asyncio and trio. Close it, or use it in an ``async with`` block.

    Args:
        url: of the service; without one, ``MEMORY_SERVICE_URL`` or the service of this machine.
        api_key: without one, ``MEMORY_SERVICE_API_KEY`` or, for a service of this machine, the key that lies beside its data;
            an empty one is refused, in the argument as in the variable.
        timeout: of every call that does not bring its own; a number is the seconds in total.
        retries: how often a call is tried, and how the pauses between grow.
        transport: what carries HTTP, instead of connections of its own.

    Raises:
        NotConfigured: there is no key, it is empty, or the URL is none.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: Timeout | float | None = None,
        retries: Retries | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(
            AsyncExecutor(
                find_endpoint(url, api_key),
                timeout=Timeout().within(timeout),
                retries=retries or Retries(),
                transport=transport,
            )
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._executor.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
