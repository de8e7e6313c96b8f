"""Carry out flows by awaiting."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

import httpx

from memory_client.errors import MemoryClientError
from memory_client.exchange import exchange
from memory_client.executor import Executor, failures
from memory_client.flow import Effect, Emission, Emit, Flow, Open, Read, Send, Sleep
from memory_client.operation import Operation, Reply

if TYPE_CHECKING:
    from memory_client.discovery import Endpoint
    from memory_client.patience import Patience
    from memory_client.retries import Retries
    from memory_client.timeouts import Timeout

T = TypeVar("T")

# What httpx ends at the same moment goes first: it says whether the service can have seen the request.
SLACK_S = 0.05


class AsyncExecutor(Executor):
    """Carries out flows by awaiting, under asyncio and trio alike; threads and event loops may share it."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        timeout: Timeout,
        retries: Retries,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(endpoint, timeout=timeout, retries=retries)
        self._transport, self._closed = transport, False
        # What is made for a wrong proxy fails here, and not at the first call.
        self._unused: list[httpx.AsyncClient] = [self._client()]
        # The connections of an event loop serve no other one: a program may have several, one after another or in threads.
        self._of_loop: WeakKeyDictionary[Any, httpx.AsyncClient] = WeakKeyDictionary()

    async def close(self) -> None:
        """Close the connections of this event loop; those of others end with them."""
        self._closed = True
        for http in (*self._unused, self._of_loop.pop(_loop(), None)):
            if http is not None:
                await http.aclose()

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=self._transport, **self.http_options())

    def _http(self) -> httpx.AsyncClient:
        """Return the connections of the event loop that runs."""
        if self._closed:
            raise RuntimeError("Cannot send a request, as the client has been closed.")
        loop = _loop()
        http = self._of_loop.get(loop)
        if http is None:
            try:
                http = self._unused.pop()
            except IndexError:
                http = self._client()
            self._of_loop[loop] = http
        return http

    async def perform(self, operation: Operation[T]) -> T:
        """Carry out one call."""
        return await self.run(exchange(operation, self.conduct))

    async def run(self, flow: Flow[T]) -> T:
        """Carry out a flow and return what it returns."""
        channel = _Channel(self, self._http())
        try:
            effect = next(flow)
            while True:
                try:
                    outcome = await channel.carry_out(effect)
                except MemoryClientError as failure:
                    effect = flow.throw(failure)
                else:
                    effect = flow.send(outcome)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]  # The value of a Flow[T].
        finally:
            flow.close()
            await channel.close()

    async def iterate(self, flow: Emission[T]) -> AsyncIterator[T]:
        """Carry out a flow and yield what it emits."""
        channel = _Channel(self, self._http())
        try:
            effect = next(flow)
            while True:
                try:
                    outcome = (yield effect.item) if isinstance(effect, Emit) else await channel.carry_out(effect)
                except MemoryClientError as failure:
                    effect = flow.throw(failure)
                else:
                    effect = flow.send(outcome)
        except StopIteration:
            return
        finally:
            flow.close()
            await channel.close()


def _loop() -> Any:
    from anyio.lowlevel import current_token

    token: Any = current_token()
    return getattr(token, "native_token", token)  # Before anyio 4 the token is the loop's own.


class _Channel:
    """The I/O of one flow, and the answer it holds open."""

    __slots__ = ("_chunks", "_executor", "_http", "_open")

    def __init__(self, executor: Executor, http: httpx.AsyncClient) -> None:
        self._executor, self._http = executor, http
        self._open: httpx.Response | None = None
        self._chunks: AsyncIterator[bytes] | None = None

    async def carry_out(self, effect: Effect) -> Any:
        from anyio import move_on_after, sleep  # Loaded where it is needed: a program that blocks never is.

        if isinstance(effect, Sleep):
            return await sleep(effect.seconds)
        with failures(self._executor.endpoint.url):
            assert isinstance(effect, Read | Send)
            if isinstance(effect, Send):
                await self.close()
            patience = self._executor.patience(effect)
            left = patience.left()
            with move_on_after(None if left is None else left + SLACK_S):
                if isinstance(effect, Send):
                    return await self._attempt(effect, patience)
                return b"" if self._chunks is None else await anext(self._chunks, b"")
            raise patience.spent()

    async def _attempt(self, effect: Send, patience: Patience) -> Reply:
        request = self._executor.request(self._http, effect)
        response = self._open = await self._http.send(request, stream=True)
        if isinstance(effect, Open) and response.is_success:
            self._chunks = response.aiter_bytes()
            return Reply(response.status_code, response.headers, b"")
        body = []
        async for chunk in response.aiter_bytes():
            patience.check()
            body.append(chunk)
        await self.close()
        return Reply(response.status_code, response.headers, b"".join(body))

    async def close(self) -> None:
        if isinstance(self._chunks, AsyncGenerator):  # Left to the garbage collector it would be closed too late.
            await self._chunks.aclose()
            self._chunks = None
        if self._open is not None:
            await self._open.aclose()
            self._open = None
