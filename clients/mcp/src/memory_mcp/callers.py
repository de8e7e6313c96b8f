"""One client of the service per key, kept open between calls."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from memory_client import AsyncMemoryClient

from memory_mcp.settings import Settings

MOST_KEPT = 64  # idle clients; each holds a few connections


@dataclass(slots=True)
class _Kept:
    client: AsyncMemoryClient
    in_use: int = 0


@dataclass(slots=True)
class Clients:
    """Clients by key. One that serves a call is never closed."""

    settings: Settings
    _kept: "OrderedDict[str | None, _Kept]" = field(default_factory=OrderedDict)

    @asynccontextmanager
    async def lend(self, api_key: str | None) -> AsyncIterator[AsyncMemoryClient]:
        """Lend the client of a key; null stands for the configured key, or the one that the SDK finds."""
        kept = self._kept.get(api_key)
        if kept is None:
            kept = self._kept[api_key] = _Kept(self._make(api_key))
        self._kept.move_to_end(api_key)
        kept.in_use += 1
        try:
            yield kept.client
        finally:
            kept.in_use -= 1
            await self._close_the_oldest()

    async def close(self) -> None:
        """Close every client."""
        kept, self._kept = self._kept, OrderedDict()
        await asyncio.gather(*(one.client.close() for one in kept.values()))

    def _make(self, api_key: str | None) -> AsyncMemoryClient:
        settings = self.settings
        return AsyncMemoryClient(settings.url, api_key=api_key or settings.api_key, timeout=settings.timeout_s)

    async def _close_the_oldest(self) -> None:
        idle = [key for key, kept in self._kept.items() if not kept.in_use]
        for key in idle[: max(0, len(self._kept) - MOST_KEPT)]:
            await self._kept.pop(key).client.close()
