"""Memories and what lies behind them."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime, Field

from memory_client.models.base import Answer


class Source(Answer):
    """Where a memory comes from."""

    kind: str | None = None
    ref: str | None = None
    speaker: str | None = None
    role: str | None = None
    span: list[int] | None = None
    hash: str | None = None


class Derivation(Answer):
    """How something was made."""

    method: str
    parents: list[str] = []
    changeset_id: str | None = None


class Retention(Answer):
    """How firmly a memory holds now."""

    stability_days: float
    difficulty: float
    retrievability: float
    recall_count: int
    last_recalled_at: AwareDatetime | None = None
    precision_tier: str


class Header(Answer):
    """What a memory and each version of one say."""

    id: str
    namespace: str
    user_id: str | None = None
    agent_id: str | None = None
    session_id: str | None = None
    external_id: str | None = None
    payload_type: str
    memory_type: str
    state: str
    version: int
    content: str
    title: str | None = None
    context: str | None = None
    keywords: list[str] = []
    tags: list[str] = []
    entities: list[str] = []
    metadata: dict[str, Any] = {}
    value: Any = None
    importance: float
    confidence: float
    trust: float = 1.0
    flags: list[str] = []
    redactions: dict[str, int] | None = None
    pinned: bool
    language: str | None = None
    observed_at: AwareDatetime
    valid_from: AwareDatetime | None = None
    valid_to: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None
    superseded_by: str | None = None

    @property
    def run_id(self) -> str | None:
        """The session, by its other name."""
        return self.session_id


class Memory(Header):
    """One memory: its payload and its header."""

    created_at: AwareDatetime
    updated_at: AwareDatetime
    source: Source
    derivation: Derivation
    retention: Retention
    links_count: int = 0


class Version(Header):
    """One state of a memory, and the span of time in which it was the known one."""

    known_from: AwareDatetime
    known_to: AwareDatetime | None = None


class ItemOutcome(Answer):
    """What became of one item of a batch; ``problem`` says why one was rejected."""

    index: int
    status: str
    id: str | None = None
    problem: dict[str, Any] | None = None


class Changed(Answer):
    """What a set-based change did, or would do."""

    matched: int
    changed: int
    dry_run: bool


class FieldChange(Answer):
    """One field that two versions differ in."""

    field: str
    from_: Any = Field(alias="from")
    to: Any


class Diff(Answer):
    """What changed between two versions."""

    id: str
    from_: int = Field(alias="from")
    to: int
    changes: list[FieldChange]
    content_diff: str


class LineageNode(Answer):
    """A memory or a source in a lineage."""

    id: str
    kind: str


class LineageEdge(Answer):
    """What came from what."""

    from_: str = Field(alias="from")
    to: str
    type: str


class Provenance(Answer):
    """Where a memory comes from and what replaced it."""

    memory_id: str
    nodes: list[LineageNode]
    edges: list[LineageEdge]
    truncated: bool


class Link(Answer):
    """An edge between two memories."""

    id: str
    source_id: str
    target_id: str
    type: str
    weight: float | None = None
    derivation: Derivation
    created_at: AwareDatetime


class RetentionCourse(Retention):
    """How a memory has faded, and will if nobody recalls it."""

    memory_id: str
    fading_since: AwareDatetime
    protected: bool
    activation: float
    policy: dict[str, Any]
    traces: list[dict[str, Any]]
    past: list[dict[str, Any]]
    forecast: list[dict[str, Any]]
    reaches: list[dict[str, Any]]


class Recall(Answer):
    """One recall that was reinforced or judged."""

    search_id: str
    rank: int | None = None
    score: float | None = None
    useful: bool | None = None
    cited: bool | None = None
    recalled_at: AwareDatetime


class StillPending(Answer):
    """A memory that the background has not read yet, as the answer of a wait that ran out."""

    id: str
