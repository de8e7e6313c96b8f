"""A store of its own for each test, over the running service."""

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from memory_langgraph import MemoryServiceStore


@pytest.fixture(autouse=True)
def _no_telemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGSMITH_TRACING", "false")


@pytest.fixture
def make_store(service: Any) -> Iterator[Callable[..., MemoryServiceStore]]:
    """Return a function that makes a store below a root that nobody else uses, unless one is given."""
    made = []

    def make(**options: Any) -> MemoryServiceStore:
        options.setdefault("root", f"tests/{secrets.token_hex(6)}")
        made.append(MemoryServiceStore(service.url, service.api_key, **options))
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.fixture
def store(make_store: Callable[..., MemoryServiceStore]) -> MemoryServiceStore:
    return make_store()
