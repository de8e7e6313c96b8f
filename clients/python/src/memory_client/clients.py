"""The two clients: the same calls, one blocking and one awaiting."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from memory_client.async_executor import AsyncExecutor
from memory_client.calls import E
from memory_client.discovery import find_endpoint
from memory_client.resources.access import ApiKeys, Tenants
from memory_client.resources.adding import AddingMemories
from memory_client.resources.base import Resource
from memory_client.resources.consolidation import Changesets, Consolidations, Reviews
from memory_client.resources.documents import Documents
from memory_client.resources.health import Health
from memory_client.resources.jobs import Jobs
from memory_client.resources.scopes import Agents, Namespaces, Sessions, Users
from memory_client.resources.searching import Searching
from memory_client.resources.structure import Communities, Entities, Episodes, Facts, GraphCalls, Profiles, Topics
from memory_client.resources.tuning import FusionWeightsCalls, Policies, SavedQueries
from memory_client.retries import Retries
from memory_client.sync_executor import SyncExecutor
from memory_client.timeouts import Timeout

if TYPE_CHECKING:
    import httpx
    from typing_extensions import Self


class Calls(AddingMemories[E], Searching[E], Resource[E]):
    """Every call of the service: those about memories on the client itself, all others in groups."""

    def __init__(self, executor: E) -> None:
        super().__init__(executor)
        self.jobs: Jobs[E] = Jobs(executor)
        self.documents: Documents[E] = Documents(executor)
        self.namespaces: Namespaces[E] = Namespaces(executor)
        self.users: Users[E] = Users(executor)
        self.agents: Agents[E] = Agents(executor)
        self.sessions: Sessions[E] = Sessions(executor)
        self.graph: GraphCalls[E] = GraphCalls(executor)
        self.entities: Entities[E] = Entities(executor)
        self.facts: Facts[E] = Facts(executor)
        self.episodes: Episodes[E] = Episodes(executor)
        self.topics: Topics[E] = Topics(executor)
        self.communities: Communities[E] = Communities(executor)
        self.profiles: Profiles[E] = Profiles(executor)
        self.consolidations: Consolidations[E] = Consolidations(executor)
        self.changesets: Changesets[E] = Changesets(executor)
        self.reviews: Reviews[E] = Reviews(executor)
        self.policies: Policies[E] = Policies(executor)
        self.saved_queries: SavedQueries[E] = SavedQueries(executor)
        self.fusion_weights: FusionWeightsCalls[E] = FusionWeightsCalls(executor)
        self.api_keys: ApiKeys[E] = ApiKeys(executor)
        self.tenants: Tenants[E] = Tenants(executor)
        self.health: Health[E] = Health(executor)


class MemoryClient(Calls[SyncExecutor]):
    """A client that blocks; threads may share it. Close it, or use it in a ``with`` block.

    Args:
        url: of the service; without one, ``MEMORY_SERVICE_URL`` or the service of this machine.
        api_key: without one, ``MEMORY_SERVICE_API_KEY`` or, for a service of this machine, the key that lies beside its data.
        timeout: of every call that does not bring its own; a number is the seconds in total.
        retries: how often a call is tried, and how the pauses between grow.
        transport: what carries HTTP, instead of connections of its own.

    Raises:
        NotConfigured: there is no key, or the URL is none.
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
        api_key: without one, ``MEMORY_SERVICE_API_KEY`` or, for a service of this machine, the key that lies beside its data.
        timeout: of every call that does not bring its own; a number is the seconds in total.
        retries: how often a call is tried, and how the pauses between grow.
        transport: what carries HTTP, instead of connections of its own.

    Raises:
        NotConfigured: there is no key, or the URL is none.
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
