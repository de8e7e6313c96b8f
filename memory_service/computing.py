"""Hear of the moment at which a thread goes on to compute outside of the interpreter, which then is free for others."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_listener: ContextVar[Callable[[], None] | None] = ContextVar("listener", default=None)


@contextmanager
def told_when_computing(tell: Callable[[], None]) -> Iterator[None]:
    """Call `tell` in this thread whenever it is about to compute within the context; it must be quick.

    >>> with told_when_computing(lambda: print("now")):
    ...     about_to_compute()
    now
    >>> about_to_compute()
    """
    token = _listener.set(tell)
    try:
        yield
    finally:
        _listener.reset(token)


def about_to_compute() -> None:
    """Say that what follows needs no interpreter for a while: a model's inference, say."""
    tell = _listener.get()
    if tell is not None:
        tell()
