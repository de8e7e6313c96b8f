"""The values used last, by key."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Keep as many values as fit, the longest unused goes first; safe to share between threads.

    >>> recent = Recent[str, int](most=2)
    >>> for key, value in {"a": 1, "b": 2}.items(): recent.keep(key, value)
    >>> recent.get("a")
    1
    >>> recent.keep("c", 3)
    >>> recent.get("a"), recent.get("b"), recent.get("c")
    (1, None, 3)
    """

    def __init__(self, *, most: int) -> None:
        """Keep at most so many."""
        self._most = most
        self._values: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        """Return a value that is kept."""
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                self._values.move_to_end(key)
            return value

    def keep(self, key: K, value: V) -> None:
        """Keep a value in place of the one before."""
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            if len(self._values) > self._most:
                self._values.popitem(last=False)

    def forget(self, which: Callable[[K], bool]) -> None:
        """Drop the values under some keys.

        >>> recent = Recent[str, int](most=2)
        >>> for key, value in {"a": 1, "b": 2}.items(): recent.keep(key, value)
        >>> recent.forget(lambda key: key == "a")
        >>> recent.get("a"), recent.get("b")
        (None, 2)
        """
        with self._lock:
            for key in [key for key in self._values if which(key)]:
                del self._values[key]
