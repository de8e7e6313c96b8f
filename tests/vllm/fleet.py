"""Starts the servers that a run needs two at a time, ahead of the tests that ask for them.

A server imports vLLM twice, a process each, before it listens: half a minute of one core. Two at a time keep two cores busy, and
the rest is started while tests run.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from threading import Lock
from typing import Final, Self, TypeVar

Started = TypeVar("Started")

AT_A_TIME: Final = 2


@dataclass(slots=True)
class Fleet:
    """What is running, or about to."""

    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(AT_A_TIME, "start"))
    _running: ExitStack = field(default_factory=ExitStack)
    _one: Lock = field(default_factory=Lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Stop all; what has not begun to start never does."""
        self._pool.shutdown(cancel_futures=True)
        self._running.close()

    def start(self, server: Callable[[], AbstractContextManager[Started]]) -> "Future[Started]":
        """Start a server once there is room; its result is what the server gives, its exception why it did not start."""

        def run() -> Started:
            opened = server()
            found = opened.__enter__()
            with self._one:
                self._running.push(opened.__exit__)
            return found

        return self._pool.submit(run)
