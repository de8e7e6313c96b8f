"""Where a memory stands among others in a prompt that is asked again: what many prompts share first, what changes last.

Engines and hosted APIs keep the work on a prompt up to the first token in which the next one differs. Two prompts seldom
hold the same memories; ordered like this, they begin with those that nearly every prompt holds and differ late.
"""

from enum import IntEnum
from typing import Any, Final

from memory_service.types import MemoryType, SourceKind


class Audience(IntEnum):
    """Whose prompts hold a memory, the widest first."""

    SYSTEM = 0  # the operator's words and core memories
    SHARED = 1  # of no user in particular
    USER = 2
    VOLATILE = 3  # working memories, and what is going to expire


Standing = tuple[int, int]
HEAT_BITS: Final = 2  # of a count of recalls: a bucket holds four times the recalls of the one below it


def standing_of(row: Any) -> Standing:
    """Return the place of a memory, as far as its id does not decide; lower stands first.

    >>> standing_of({"memory_type": "semantic", "user_id": "ana", "recall_count": 9})
    (2, -2)
    >>> standing_of({"memory_type": "core"}), standing_of({"memory_type": "working", "user_id": "ana"})
    ((0, 0), (3, 0))
    """
    return int(audience(row)), -heat_bucket(row.get("recall_count") or 0)


def audience(row: Any) -> Audience:
    """Return whose prompts hold a memory."""
    if row["memory_type"] == MemoryType.WORKING or row.get("expires_at") is not None:
        return Audience.VOLATILE
    if row["memory_type"] == MemoryType.CORE or row.get("source_kind") == SourceKind.SYSTEM:
        return Audience.SYSTEM
    return Audience.USER if row.get("user_id") is not None else Audience.SHARED


def heat_bucket(recalls: int) -> int:
    """Return how hot a memory is, in steps so wide that a recall seldom moves it and with it all that stands behind it.

    >>> [heat_bucket(n) for n in (0, 1, 2, 7, 8, 31, 32, 1000)]
    [0, 0, 1, 1, 2, 2, 3, 5]
    """
    return recalls.bit_length() // HEAT_BITS
