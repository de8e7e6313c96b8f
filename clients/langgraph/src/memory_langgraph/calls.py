"""The calls of the client that a store makes, as values: each takes a client, blocking or awaiting, and makes one call of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from memory_client import AsyncMemoryClient, Memory, MemoryClient

Call: TypeAlias = "Callable[[MemoryClient | AsyncMemoryClient], Any]"

MOST_NAMESPACES = 200  # in one page
BALANCED = 50  # Candidates of each kind in a large namespace; who wants more results needs more of them.


def query(chosen: Mapping[str, Any], *, namespace: str | None = None, limit: int, cursor: str | None = None) -> Call:
    """Ask for one page of the memories that a filter selects, newest first."""
    return lambda client: client.query(chosen, namespace=namespace, limit=limit).page(cursor)


def search(words: str, *, prefix: str, filter: Mapping[str, Any], top_k: int) -> Call:
    """Ask for the memories that come closest to a question."""
    preset: Literal["balanced", "thorough"] = "balanced" if top_k <= BALANCED else "thorough"
    return lambda client: client.search(words, namespace_prefix=prefix, filter=filter, top_k=top_k, preset=preset)


def write(bodies: Sequence[Mapping[str, Any]]) -> Call:
    """Store memories, each in the place of the one that has its external id."""
    return lambda client: client.add_many(bodies)  # type: ignore[arg-type]  # Fields of a MemoryItem, made by `items`.


def archive(chosen: Mapping[str, Any], *, namespace: str) -> Call:
    """Archive the memories that a filter selects."""
    return lambda client: client.archive_many(filter=chosen, namespace=namespace)


def extend(memory: Memory, end: datetime) -> Call:
    """Give a memory a later end, unless somebody has changed it since it was read."""
    return lambda client: client.update(memory.id, expires_at=end, if_match=memory.version)


def occupied(prefix: str, *, cursor: str | None = None) -> Call:
    """Ask for one page of the namespaces at and below a path that hold something."""
    return lambda client: client.namespaces.list(prefix=prefix, occupied=True, limit=MOST_NAMESPACES).page(cursor)
