"""What consolidation reads of memories: plain values, loaded once and handed to pure steps."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from json import dumps
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Ref:
    """A memory in the version that was read; a plan is good only as long as it still has that version."""

    id: UUID
    version: int


@dataclass(frozen=True, slots=True)
class Record:
    """One live memory as a step sees it."""

    id: UUID
    version: int
    content: str
    observed_at: datetime
    created_at: datetime
    memory_type: str = "episodic"
    state: str = "activated"
    content_version: int = 1
    user_id: str | None = None
    agent_id: str | None = None
    session_id: str | None = None
    external_id: str | None = None
    speaker: str | None = None
    role: str | None = None
    source_kind: str = "user"
    title: str | None = None
    context: str | None = None
    keywords: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()  # canonical names
    language: str | None = None
    importance: float = 0.5
    confidence: float = 1.0
    pinned: bool = False
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    expires_at: datetime | None = None
    superseded_by: UUID | None = None
    derivation_method: str = "verbatim"
    parents: tuple[UUID, ...] = ()
    extract: str = "rules"
    trust: float = 1.0  # how far the text may be believed, 0..1
    computed: frozenset[str] = frozenset()  # fields that rules filled in, which rules may fill in anew
    stated: frozenset[bytes] = frozenset()  # what the caller put beside the text, as hashes: `stated_of`

    @property
    def ref(self) -> Ref:
        """The memory in this version."""
        return Ref(self.id, self.version)

    def outlasts(self, other: "Record") -> bool:
        """Say whether it is still in the results, or still holds, when the other one has ended.

        >>> from datetime import UTC
        >>> at, end = datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
        >>> ends = Record(UUID(int=1), 1, "a", at, at, expires_at=end)
        >>> stays = Record(UUID(int=2), 1, "a", at, at)
        >>> stays.outlasts(ends), ends.outlasts(stays), ends.outlasts(ends)
        (True, False, False)
        """
        ends = ((self.expires_at, other.expires_at), (self.valid_to, other.valid_to))
        return any(theirs is not None and (mine is None or mine > theirs) for mine, theirs in ends)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A live memory of the same namespace near another one."""

    record: Record
    cosine: float


@dataclass(frozen=True, slots=True)
class Edge:
    """A present link between two memories."""

    id: UUID
    source: UUID
    target: UUID
    type: str
    weight: float
    method: str = "rules"  # who drew it


@dataclass(frozen=True, slots=True)
class Considered:
    """A memory that is new to consolidation, with what is near it.

    `neighbours` are at most the 20 nearest live memories that came before it (earlier `observed_at`, then id), best first;
    `edges` are the present links that lead to it or to one of its neighbours.
    """

    record: Record
    vector: NDArray[np.float32]  # (d,), normalised: the mean of its chunks
    neighbours: tuple[Neighbour, ...] = ()
    edges: tuple[Edge, ...] = field(default=())
    kin: tuple[
        Neighbour, ...
    ] = ()  # live ones that give a value of the same attribute of the same subject, near or not


def stated_of(row: Mapping[str, Any], computed: Collection[str]) -> frozenset[bytes]:
    """Return hashes of what a caller put beside the text of a memory: its value, each part of the metadata, tags.

    Who looks for one of these finds the memory by it, so that no other one stands for it that lacks it.

    >>> one, two = (stated_of({"value": None, "metadata": {"ticket": n}, "tags": ["a"]}, ()) for n in (1, 2))
    >>> len(one), len(one & two), stated_of({"value": None, "metadata": {}, "tags": ["a"]}, ["tags"])
    (2, 1, frozenset())
    """
    said: list[tuple[str, Any]] = [("metadata", part) for part in (row["metadata"] or {}).items()]
    if row["value"] is not None:
        said.append(("value", row["value"]))
    if "tags" not in computed:
        said += [("tag", one) for one in row["tags"]]
    return frozenset(blake2b(dumps(one, sort_keys=True).encode(), digest_size=16).digest() for one in said)
