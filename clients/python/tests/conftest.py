"""The same cases for both clients: a case awaits what it is given, and either client gives it something."""

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from memory_client import AsyncMemoryClient, MemoryClient, Retries, Timeout

sys.path.insert(0, str(Path(__file__).parent))  # For the two modules below, which are no tests.

from either_way import got
from misbehaving_proxy import MisbehavingProxy


class Service(Protocol):
    """What the fixture ``service`` of all clients gives."""

    url: str
    api_key: str
    data_dir: Path

    def http(self, api_key: str | None = None) -> Any: ...


Client = Any  # MemoryClient or AsyncMemoryClient; a case does not know which.
KINDS = {"sync": MemoryClient, "async": AsyncMemoryClient}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=list(KINDS))
def connect(request: pytest.FixtureRequest) -> Callable[..., Client]:
    """Return the class of one kind of client, with pauses short enough for tests."""

    def make(url: str, api_key: str | None = None, **options: Any) -> Client:
        options = {"retries": Retries(base_s=0.01, cap_s=0.05), "timeout": Timeout(2, 20, 60)} | options
        return KINDS[request.param](url, api_key, **options)

    return make


@pytest.fixture
async def client(connect: Callable[..., Client], service: Service) -> AsyncIterator[Client]:
    """Return a client of the running service."""
    made = connect(service.url, service.api_key)
    yield made
    await got(made.close())


@pytest.fixture
def proxy(service: Service) -> Iterator[MisbehavingProxy]:
    """Return a proxy in front of the running service that fails as it is told."""
    with MisbehavingProxy(service.url) as made:
        yield made


@pytest.fixture
async def shaky(connect: Callable[..., Client], service: Service, proxy: MisbehavingProxy) -> AsyncIterator[Client]:
    """Return a client that goes through the misbehaving proxy."""
    made = connect(proxy.url, service.api_key)
    yield made
    await got(made.close())
