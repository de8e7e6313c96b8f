"""Items as memories: the value as it is, its text as the content, and what belongs to the store under a name of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from langgraph.store.base import Item, PutOp, SearchItem

from memory_langgraph.filters import INTEGERS
from memory_langgraph.lifetimes import expiry, is_stale
from memory_langgraph.places import external_id_of, key_of, namespace_of, path_of
from memory_langgraph.texts import text_of

if TYPE_CHECKING:
    from memory_client import Memory

MARK = "langgraph"  # the key in `metadata` that says an item is ours
# What was superseded, by an import or by hand, has handed its external id over to its successor.
OURS: Mapping[str, Any] = {f"metadata.{MARK}.indexed": {"exists": True}, "external_id": {"exists": True}}
INDEXED: Mapping[str, Any] = {f"metadata.{MARK}.indexed": True, "external_id": {"exists": True}}


@dataclass(frozen=True)
class Layout:
    """How a store lies in the service: below which namespace, and by which fields its items are found."""

    root: str
    fields: tuple[str, ...]


def body_of(op: PutOp, layout: Layout, *, now: datetime) -> dict[str, Any]:
    """Return the memory that an item is stored as.

    Raises:
        InvalidNamespaceError, InvalidKey, ValueError: it has no place, or no end, in the service.
        TypeError: the value is no mapping that JSON can hold.
    """
    if not isinstance(op.value, Mapping):
        raise TypeError(f"The value of an item is a mapping, not {type(op.value).__name__}.")
    value = _as_it_comes_back(op)
    text = text_of(value, op.index, fields=layout.fields)
    return {
        "namespace": path_of(layout.root, op.namespace),
        "external_id": external_id_of(op.key),
        "on_conflict": "update",
        # Every memory has a content. One that is not indexed is known by its place.
        "content": text or json.dumps([*op.namespace, op.key], ensure_ascii=False),
        "value": value,
        "metadata": {MARK: {"indexed": text is not None, "ttl_minutes": op.ttl}},
        "expires_at": None if op.ttl is None else expiry(op.ttl, now=now).isoformat(),
        # An item is data of a program: it neither fades nor is it read for facts, and the same text may be put anew.
        "pinned": True,
        "extract": "none",
        "observed_at": now.isoformat(),
    }


def _as_it_comes_back(op: PutOp) -> dict[str, Any]:
    """Return the value of an item with tuples as lists and names as text.

    Raises:
        ValueError, TypeError: it holds what JSON has no form for, or is no text in UTF-8.
    """
    try:
        value: dict[str, Any] = json.loads(json.dumps(dict(op.value or {}), allow_nan=False))
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"The value of {_named(op)} holds half of a surrogate pair.") from error
    except RecursionError as error:
        raise ValueError(f"The value of {_named(op)} is nested too deeply.") from error
    except (TypeError, ValueError) as error:
        raise type(error)(f"The value of {_named(op)} cannot be kept: {error}") from error
    return value


def _named(op: PutOp) -> str:
    return f"the item {op.key!r} in {tuple(op.namespace)!r}"


def item_of(memory: Memory, layout: Layout) -> Item:
    """Return a memory of the store as an item."""
    return Item(**_fields(memory, layout))


def found_item(memory: Memory, layout: Layout, *, score: float | None = None) -> SearchItem:
    """Return a memory of the store as a result of a search."""
    return SearchItem(**_fields(memory, layout), score=score)


def _fields(memory: Memory, layout: Layout) -> dict[str, Any]:
    # An item that was imported from another store is as old as it was there.
    imported = memory.metadata.get(MARK, {}).get("created_at")
    created_at = memory.created_at if imported is None else datetime.fromisoformat(imported)
    # Refreshing an end, or importing, is no update of an item.
    by_put = imported is not None or _ttl(memory) is not None
    return {
        "value": value_of(memory),
        "key": key_of(memory.external_id or ""),
        "namespace": namespace_of(layout.root, memory.namespace),
        "created_at": created_at,
        "updated_at": max(memory.observed_at, created_at) if by_put else memory.updated_at,
    }


def value_of(memory: Memory) -> Any:
    """Return the value of an item as it was put: a whole number beyond 64 bits was a float there."""
    return _restored(memory.value)


def _restored(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _restored(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_restored(one) for one in value]
    return float(value) if isinstance(value, int) and value not in INTEGERS else value


def refreshed_end(memory: Memory, *, now: datetime) -> datetime | None:
    """Return the new end of an item that is read now, None where that is worth no write."""
    ttl = _ttl(memory)
    if ttl is None or memory.expires_at is None or not is_stale(memory.expires_at, ttl, now=now):
        return None
    return expiry(ttl, now=now)


def _ttl(memory: Memory) -> float | None:
    ttl: float | None = memory.metadata.get(MARK, {}).get("ttl_minutes")
    return ttl
