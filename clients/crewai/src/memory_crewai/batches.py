"""Cut what is to be written into calls that the service takes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

# Memories, bytes of their contents, bytes in all, and JSON values: below what one call may bring, and few enough contents that
# they are encoded long before a client gives up.
ROOM = (1_000, 512 * 1024, 4 * 1024 * 1024, 100_000)


def batches(bodies: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return the bodies in order, in lists that fit into one call each."""
    made: list[list[dict[str, Any]]] = []
    room = [0] * len(ROOM)
    for body in bodies:
        content = len(body["content"].encode("utf-8", "surrogatepass"))
        needs = (1, content, len(json.dumps(body)), _count(body))
        if any(left < need for left, need in zip(room, needs, strict=True)):
            made.append([])
            room = list(ROOM)
        made[-1].append(body)
        room = [left - need for left, need in zip(room, needs, strict=True)]
    return made


def _count(value: Any) -> int:
    if isinstance(value, Mapping):
        return 1 + sum(map(_count, value.values()))
    return 1 + sum(map(_count, value)) if isinstance(value, list) else 1
