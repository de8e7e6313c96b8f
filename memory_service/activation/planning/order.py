"""The order in which memories stand in a prompt that is asked again: the one of `order: stable`."""

from collections.abc import Sequence
from typing import Any, Final, TypeVar

from retrieval.standing import Audience, audience, standing_of

MemoryRow = TypeVar("MemoryRow", bound=Any)

KINDS: Final = {
    Audience.SYSTEM: "system",
    Audience.SHARED: "shared",
    Audience.USER: "user",
    Audience.VOLATILE: "volatile",
}


def canonical(rows: Sequence[MemoryRow]) -> list[MemoryRow]:
    """Return memories as they stand in every prompt: by audience, the hotter first, then by id.

    Heat counts in buckets so wide that a recall seldom moves a memory, and with it all that stands behind it.

    >>> from uuid import UUID
    >>> mine = {"id": UUID(int=1), "memory_type": "semantic", "user_id": "ana", "recall_count": 9}
    >>> ours = {"id": UUID(int=3), "memory_type": "semantic", "user_id": None, "recall_count": 0}
    >>> core = {"id": UUID(int=2), "memory_type": "core"}
    >>> [row["id"].int for row in canonical([mine, ours, core])]
    [2, 3, 1]
    """
    return sorted(rows, key=lambda row: (standing_of(row), row["id"]))


def kind_of(row: Any) -> str:
    """Return whose prompts hold a memory: system, shared, user or volatile."""
    return KINDS[audience(row)]
