"""Where blocks are kept: what a store can do, whatever it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Grant:
    """What a request carries: by which right, and for which plan, its blocks are looked up and saved."""

    token: str
    plan_id: str | None = None


@dataclass(frozen=True, slots=True)
class StoredRun:
    """Blocks that lie in one file.

    Attributes:
        id: the file's name in its store
        first: which of the blocks asked for is the first here
        count: how many of them
        offset: how many blocks stand before them in the file
        bytes: size of the file
        checksum: SHA-256 of the file
    """

    id: str
    first: int
    count: int
    offset: int
    bytes: int
    checksum: str


class Store(Protocol):
    """Keeps files of blocks under the hashes of the blocks. Used by several threads at once."""

    def lookup(self, grant: Grant, engine: str, hashes: Sequence[str]) -> list[StoredRun]:
        """Return the runs that hold the longest stored beginning of `hashes`, in order, without gap or overlap.

        Raises:
            StoreFailed: the store does not answer.
        """
        ...

    def load(self, grant: Grant, run: StoredRun) -> bytes:
        """Return a file, of which nobody has checked anything yet.

        Raises:
            NotThere: it is gone.
            StoreFailed: the store does not answer.
        """
        ...

    def save(self, grant: Grant, *, engine: str, first: int, hashes: Sequence[str], checksum: str, data: bytes) -> bool:
        """Keep a file; return whether it was new.

        Raises:
            StoreFailed: the store does not answer, or does not want it.
        """
        ...

    def check(self, grant: Grant, run: StoredRun) -> None:
        """Have the store look at a file that was not what is stored under its name, so that nobody is given it again.

        Raises:
            StoreFailed: the store does not answer.
        """
        ...

    def close(self) -> None:
        """Give back what the store holds."""
        ...


def longest(runs: Sequence[StoredRun], most: int) -> list[StoredRun]:
    """Return the runs that lie one after another from block 0 on, cut off after `most` blocks.

    A store's answer is not believed: what leaves a gap, overlaps or is empty ends the list.

    >>> a, b = StoredRun("a", 0, 3, 0, 1, ""), StoredRun("b", 3, 4, 1, 1, "")
    >>> [(run.id, run.count) for run in longest([a, b], 5)]
    [('a', 3), ('b', 2)]
    >>> longest([b], 5)
    []
    """
    found: list[StoredRun] = []
    reached = 0
    for run in runs:
        count = min(run.count, most - reached)
        if run.first != reached or count < 1 or run.offset < 0:
            break
        found.append(StoredRun(run.id, run.first, count, run.offset, run.bytes, run.checksum))
        reached += count
    return found
