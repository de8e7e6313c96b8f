"""Records of CrewAI as memories of the service, and back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from crewai.memory.types import MemoryRecord

from memory_crewai.places import path_of, scope_of

if TYPE_CHECKING:
    from memory_client import Memory

MARK = "crewai"  # the key in `metadata` that says a memory is a record of ours
OURS: Mapping[str, Any] = {f"metadata.{MARK}.private": {"exists": True}, "external_id": {"exists": True}}
_SIMPLE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def fields_of(record: MemoryRecord) -> dict[str, Any]:
    """Return what a record says, as fields of a memory.

    Raises:
        ValueError: its metadata is no JSON, or has a key that is taken.
        TypeError: its metadata is nothing that JSON can hold.
    """
    if MARK in record.metadata:
        raise ValueError(f"The metadata of the record {record.id!r} has the key {MARK!r}, which is the storage's own.")
    own = {"source": record.source, "private": record.private, "categories": record.categories}
    return {
        "content": record.content,
        "tags": list(dict.fromkeys(record.categories)),
        # As it comes back: tuples as lists. JSON also refuses what is no data.
        "metadata": json.loads(json.dumps({**record.metadata, MARK: own}, allow_nan=False)),
        "importance": record.importance,
        "observed_at": _aware(record.created_at).isoformat(),
    }


def body_of(record: MemoryRecord, root: str, *, user_id: str | None) -> dict[str, Any]:
    """Return the memory that a record is stored as.

    Raises:
        ValueError, TypeError: it cannot be one.
    """
    return {
        **fields_of(record),
        "namespace": path_of(root, record.scope),
        "external_id": record.id,
        "on_conflict": "update",
        **({"user_id": user_id} if user_id is not None else {}),
    }


def record_of(memory: Memory, root: str) -> MemoryRecord:
    """Return a memory as a record."""
    metadata = dict(memory.metadata)
    own = metadata.pop(MARK)
    recalled = memory.retention.last_recalled_at
    return MemoryRecord(
        id=str(memory.external_id),
        content=memory.content,
        scope=scope_of(root, memory.namespace),
        categories=own["categories"],
        metadata=metadata,
        importance=memory.importance,
        created_at=_naive(memory.observed_at),
        last_accessed=_naive(recalled or memory.updated_at),
        source=own["source"],
        private=own["private"],
    )


def narrowing(
    *,
    user_id: str | None = None,
    categories: Sequence[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    older_than: datetime | None = None,
    ids: Sequence[str] | None = None,
) -> list[Mapping[str, Any]]:
    """Return terms of a filter that let through at least what `matches` does."""
    terms: list[Mapping[str, Any]] = [OURS]
    if user_id is not None:
        terms.append({"user_id": user_id})
    if categories:
        terms.append({"tags": {"in": list(categories)}})
    if older_than is not None:
        terms.append({"observed_at": {"lt": _aware(older_than).isoformat()}})
    if ids is not None:
        terms.append({"external_id": {"in": list(ids)}})
    for key, wanted in (metadata or {}).items():
        if isinstance(wanted, str) and _SIMPLE_KEY.fullmatch(key):
            terms.append({f"metadata.{key}": wanted})
    return terms


def matches(
    record: MemoryRecord, *, categories: Sequence[str] | None = None, metadata: Mapping[str, Any] | None = None
) -> bool:
    """Say whether a record is in one of the categories and has all of the metadata; nothing asked for is had by all."""
    if categories and not set(categories) & set(record.categories):
        return False
    return all(key in record.metadata and record.metadata[key] == wanted for key, wanted in (metadata or {}).items())


def _aware(moment: datetime) -> datetime:
    """Return a moment with its time zone; CrewAI means UTC where it names none."""
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment


def _naive(moment: datetime) -> datetime:
    """Return a moment as CrewAI reckons with it: in UTC, without saying so."""
    return moment.astimezone(timezone.utc).replace(tzinfo=None)
