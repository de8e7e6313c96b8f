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

    def __init__(self, *, most: int, size: Callable[[V], int] = lambda _: 1) -> None:
        """Keep at most so many, or values that are together at most so large.

        >>> recent = Recent[str, str](most=5, size=len)
        >>> for key, value in {"a": "xy", "b": "xy", "c": "xyz"}.items(): recent.keep(key, value)
        >>> recent.get("a"), recent.get("b"), recent.get("c")
        (None, 'xy', 'xyz')
        """
        self._size = size
        self._room = most
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
            before = self._values.pop(key, None)
            if before is not None:
                self._room += self._size(before)
            self._values[key] = value
            self._room -= self._size(value)
            while self._room < 0 and self._values:
                self._room += self._size(self._values.popitem(last=False)[1])

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
                self._room += self._size(self._values.pop(key))
