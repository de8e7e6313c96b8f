"""What both executors share: how requests look, and what the failures of the network mean."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from memory_client.errors import ConnectionFailed, TimedOut
from memory_client.exchange import Conduct, attempts, exchange
from memory_client.flow import Read
from memory_client.operation import Operation, Reply
from memory_client.patience import Patience

if TYPE_CHECKING:
    from typing_extensions import Self

    from memory_client.discovery import Endpoint
    from memory_client.flow import Flow, Send
    from memory_client.retries import Retries
    from memory_client.timeouts import Timeout

T = TypeVar("T")

# Failures before the service can have seen the request.
UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


class Executor:
    """Carries out flows. What differs between blocking and awaiting is in the two classes below this one."""

    def __init__(self, endpoint: Endpoint, *, timeout: Timeout, retries: Retries) -> None:
        self.endpoint = endpoint
        self.conduct = Conduct(timeout, retries, time.monotonic, random.random)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return itself: a copy of an answer, or of a client, asks over the same connections."""
        return self

    def exchange(self, operation: Operation[T]) -> Flow[T]:
        """Return the flow of one call, as a step of a longer one."""
        return exchange(operation, self.conduct)

    def opening(self, operation: Operation[Any]) -> Flow[Reply]:
        """Return the flow that opens an answer to be read piece by piece."""
        return attempts(operation, self.conduct, streaming=True)

    def http_options(self) -> dict[str, Any]:
        """Return how the HTTP client is to be made."""
        return {
            "base_url": self.endpoint.url,
            "headers": self.endpoint.headers(),
            # A proxy of the environment cannot reach this machine's own loopback; and plain HTTP needs no certificates,
            # whose loading costs more than many calls.
            "trust_env": not self.endpoint.is_local,
            "verify": self.endpoint.url.startswith("https:"),
            # The service bounds what it does at once; a second bound here would only be a second queue.
            "limits": httpx.Limits(max_connections=None, max_keepalive_connections=64),
        }

    def request(self, http: httpx.Client | httpx.AsyncClient, effect: Send) -> httpx.Request:
        """Return one attempt as httpx knows it."""
        operation, limits = effect.operation, effect.limits
        return http.build_request(
            operation.method,
            operation.target,
            content=operation.content,
            headers=dict(operation.headers),
            timeout=httpx.Timeout(limits.read, connect=limits.connect, pool=limits.total),
        )

    def patience(self, effect: Send | Read) -> Patience:
        """Return what ends an attempt, or the reading of a piece, also where something arrives drop by drop."""
        total = effect.within if isinstance(effect, Read) else effect.limits.total
        return Patience(total, self.conduct.clock)


@contextmanager
def failures(url: str) -> Iterator[None]:
    """Raise failures of the network as ours; those of httpx quote neither key nor body, and stay as the cause."""
    try:
        yield
    except httpx.TimeoutException as error:
        sent = not isinstance(error, UNSENT)
        what = "did not answer in time" if sent else "could not be reached in time"
        raise TimedOut(f"The memory service at {url} {what}.", sent=sent) from error
    except httpx.RequestError as error:
        sent = not isinstance(error, UNSENT)
        what = "broke off the connection" if sent else "cannot be reached; is it running?"
        raise ConnectionFailed(
            f"The memory service at {url} {what} ({str(error) or type(error).__name__})", sent=sent
        ) from error
