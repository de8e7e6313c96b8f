"""Cut memories into calls of ``add_many`` that the service takes, however many and however large they are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

MOST_MEMORIES: Final = 1_000
# Half of what one call may bring: few enough contents that they are encoded long before a client gives up.
MOST_CONTENT: Final = 512 * 1024  # bytes of all contents together
MOST_BYTES: Final = 4 * 1024 * 1024  # of the whole body
MOST_VALUES: Final = 100_000  # JSON values; the service reads twice as many


def batches(bodies: Sequence[dict[str, Any]], *, most: int = MOST_MEMORIES) -> list[list[dict[str, Any]]]:
    """Return memories in order, in lists that fit into one call each.

    What is larger than a call by itself stands alone: that one the service refuses, and none beside it.

    Args:
        bodies: memories as JSON, each with its ``content``.
        most: how many there may be in one call.

    >>> [len(some) for some in batches([{"content": "tea"}] * 5, most=2)]
    [2, 2, 1]
    >>> batches([])
    []
    """
    made: list[list[dict[str, Any]]] = []
    room: list[int] = []
    for body in bodies:
        needs = _needs(body)
        if not made or any(left < need for left, need in zip(room, needs, strict=True)):
            made.append([])
            room = [most, MOST_CONTENT, MOST_BYTES, MOST_VALUES]
        made[-1].append(body)
        room = [left - need for left, need in zip(room, needs, strict=True)]
    return made


def _needs(body: Mapping[str, Any]) -> tuple[int, int, int, int]:
    """Return what a memory takes of a call: itself, bytes of its content, bytes as it is sent at most, JSON values."""
    # Half of a surrogate pair is counted here and refused, by its place, where the call is written.
    content = body["content"].encode("utf-8", "surrogatepass")
    # In ASCII: never shorter than the UTF-8 that is sent.
    return 1, len(content), len(json.dumps(body)), _values(body)


def _values(value: Any) -> int:
    if isinstance(value, Mapping):
        return 1 + sum(map(_values, value.values()))
    return 1 + sum(map(_values, value)) if isinstance(value, list | tuple) else 1
