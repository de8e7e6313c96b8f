"""How many chunks the vector channel looks at, so that it brings as many memories as are wanted.

It cuts before it knows whose the nearest chunks are, because that is cheap and one chunk is the rule. A few long texts can take
all places then: the channel says of how many memories its rows are, and is asked for more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from retrieval.vector_channel import COARSE_ROWS

# An index is asked so often for more chunks, so many times as many each time, before all memories are counted without it.
_WIDENINGS: Final = 3
_WIDER: Final = 4


@dataclass(frozen=True, slots=True)
class Reach:
    """What the vector channel looks at: so many chunks, or so many memories by their nearest chunks."""

    wanted: int  # memories; of those in coarse precision so many times `COARSE_ROWS`
    rows: int
    exact: bool = False  # leave the indexes aside
    by_memory: bool = False

    @property
    def most(self) -> int:
        """How many memories are returned, whatever was looked at."""
        return first_reach(self.wanted).rows

    @property
    def foremost(self) -> int:
        """How many memories of a channel bring the turns around them: half of what is wanted of it."""
        return (self.wanted + 1) // 2


def first_reach(wanted: int) -> Reach:
    """Return what is asked first: half as many chunks again as memories, so that a few long texts ask nothing twice.

    >>> first_reach(30).rows
    45
    """
    return Reach(wanted, wanted + wanted // 2)


def further(reach: Reach, brought: Sequence[int], *, by_index: int | None) -> Reach | None:
    """Return what to ask next, None where there are as many memories as are wanted, or no more.

    Args:
        reach: what was asked.
        brought: how many rows came and of how many memories they are, then the same in coarse precision.
        by_index: how many rows the poorest index brought, None where none was asked.

    >>> further(first_reach(30), [45, 31, 0, 0], by_index=None) is None
    True
    >>> further(first_reach(30), [45, 29, 0, 0], by_index=None)
    Reach(wanted=30, rows=45, exact=True, by_memory=True)
    >>> further(first_reach(30), [45, 29, 0, 0], by_index=45)
    Reach(wanted=30, rows=180, exact=False, by_memory=False)
    >>> further(first_reach(30), [45, 45, 0, 0], by_index=44)
    Reach(wanted=30, rows=45, exact=True, by_memory=False)
    """
    if by_index is not None and by_index < reach.rows:
        return replace(reach, exact=True)
    rows, memories, coarse_rows, coarse_memories = brought
    crowded = rows >= reach.rows and memories < reach.wanted
    crowded |= coarse_rows >= COARSE_ROWS * reach.rows and coarse_memories < COARSE_ROWS * reach.wanted
    if reach.by_memory or not crowded:
        return None
    if by_index is not None and reach.rows < reach.most * _WIDER**_WIDENINGS:
        return replace(reach, rows=_WIDER * reach.rows)
    return Reach(reach.wanted, reach.most, exact=True, by_memory=True)
