"""Carry out flows by blocking."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from memory_client.errors import MemoryClientError
from memory_client.exchange import exchange
from memory_client.executor import Executor, failures
from memory_client.flow import Effect, Emission, Emit, Flow, Open, Read, Send, Sleep
from memory_client.operation import Operation, Reply
from memory_client.patience import holding, watch

if TYPE_CHECKING:
    from memory_client.discovery import Endpoint
    from memory_client.patience import Patience
    from memory_client.retries import Retries
    from memory_client.timeouts import Timeout

T = TypeVar("T")


class SyncExecutor(Executor):
    """Carries out flows by blocking; threads may share it."""

    def __init__(
        self, endpoint: Endpoint, *, timeout: Timeout, retries: Retries, transport: httpx.BaseTransport | None = None
    ) -> None:
        super().__init__(endpoint, timeout=timeout, retries=retries)
        self._http = httpx.Client(transport=transport, **self.http_options())

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def perform(self, operation: Operation[T]) -> T:
        """Carry out one call."""
        return self.run(exchange(operation, self.conduct))

    def run(self, flow: Flow[T]) -> T:
        """Carry out a flow and return what it returns."""
        channel = _Channel(self, self._http)
        try:
            effect = next(flow)
            while True:
                try:
                    outcome = channel.carry_out(effect)
                except MemoryClientError as failure:
                    effect = flow.throw(failure)
                else:
                    effect = flow.send(outcome)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]  # The value of a Flow[T].
        finally:
            flow.close()
            channel.close()

    def iterate(self, flow: Emission[T]) -> Iterator[T]:
        """Carry out a flow and yield what it emits."""
        channel = _Channel(self, self._http)
        try:
            effect = next(flow)
            while True:
                try:
                    outcome = (yield effect.item) if isinstance(effect, Emit) else channel.carry_out(effect)
                except MemoryClientError as failure:
                    effect = flow.throw(failure)
                else:
                    effect = flow.send(outcome)
        except StopIteration:
            return
        finally:
            flow.close()
            channel.close()


class _Channel:
    """The I/O of one flow, and the answer it holds open."""

    __slots__ = ("_chunks", "_executor", "_http", "_open")

    def __init__(self, executor: Executor, http: httpx.Client) -> None:
        self._executor, self._http = executor, http
        self._open: httpx.Response | None = None
        self._chunks: Iterator[bytes] = iter(())

    def carry_out(self, effect: Effect) -> Any:
        if isinstance(effect, Sleep):
            return time.sleep(effect.seconds)
        with failures(self._executor.endpoint.url):
            if isinstance(effect, Read):
                with holding(self._executor.patience(effect)):
                    return next(self._chunks, b"")
            assert isinstance(effect, Send)
            self.close()
            patience = self._executor.patience(effect)
            with holding(patience):
                return self._attempt(effect, patience)

    def _attempt(self, effect: Send, patience: Patience) -> Reply:
        request = self._executor.request(self._http, effect)
        request.extensions["trace"] = watch
        response = self._open = self._http.send(request, stream=True)
        if isinstance(effect, Open) and response.is_success:
            self._chunks = response.iter_bytes()
            return Reply(response.status_code, response.headers, b"")
        body = []
        for chunk in response.iter_bytes():
            patience.check()
            body.append(chunk)
        self.close()
        return Reply(response.status_code, response.headers, b"".join(body))

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None
