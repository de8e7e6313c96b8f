"""Flows: what a client does, as generators that ask for I/O and are given its outcome.

Everything with logic in it (attempts, paging, following a job) is written once as a flow. The two executors only carry out
effects, one by blocking and one by awaiting.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from memory_client.operation import Operation, Reply

T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """Seconds one attempt may take to connect and be silent, and all of it."""

    connect: float | None
    read: float | None
    total: float | None


@dataclass(frozen=True)
class Send:
    """Make one attempt; its outcome is a `Reply`, or `ConnectionFailed` is thrown in."""

    operation: Operation[Any]
    limits: Limits


@dataclass(frozen=True)
class Open(Send):
    """Make one attempt and leave its answer open; its outcome is a `Reply`, whose body is empty where it streams."""


@dataclass(frozen=True)
class Read:
    """Read on in the answer that is open; its outcome is bytes, empty at the end.

    Within so many seconds, if it says so, else `TimedOut` is thrown in; what arrives in between does not begin them anew.
    """

    within: float | None = None


@dataclass(frozen=True)
class Sleep:
    """Let time pass."""

    seconds: float


@dataclass(frozen=True)
class Emit(Generic[T]):
    """Give one item to whoever iterates."""

    item: T


Effect: TypeAlias = "Send | Open | Read | Sleep"
# A flow that returns one thing, and one that emits many.
Flow: TypeAlias = "Generator[Effect, Any, T]"
Emission: TypeAlias = "Generator[Effect | Emit[T], Any, None]"


def send(operation: Operation[Any], limits: Limits) -> Flow[Reply]:
    """Make one attempt."""
    reply: Reply = yield Send(operation, limits)
    return reply


def open_stream(operation: Operation[Any], limits: Limits) -> Flow[Reply]:
    """Make one attempt whose answer is then read piece by piece."""
    reply: Reply = yield Open(operation, limits)
    return reply


def read(within: float | None = None) -> Flow[bytes]:
    """Read on in the answer that is open, for so many seconds at most."""
    chunk: bytes = yield Read(within)
    return chunk


def sleep(seconds: float) -> Flow[None]:
    """Let time pass."""
    yield Sleep(seconds)


def emit(item: T) -> Emission[T]:
    """Give one item to whoever iterates."""
    yield Emit(item)
