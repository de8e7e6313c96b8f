"""One value that was found in a text."""

from collections.abc import Callable, Iterable
from typing import NamedTuple


class Found(NamedTuple):
    """Where a value stands, and the one form that all its spellings share."""

    start: int
    end: int
    value: str


Finder = Callable[[str], Iterable[Found]]
