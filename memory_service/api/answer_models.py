"""Answers of the memory calls, as the contract shows them."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from memory_service.types import MemoryType, PayloadType, SourceKind, State


class Source(BaseModel):
    """Where a memory comes from."""

    kind: SourceKind | None
    ref: str | None
    speaker: str | None
    role: str | None
    span: list[int] | None
    hash: str | None


class Derivation(BaseModel):
    """How a memory was made."""

    method: str
    parents: list[str]
    changeset_id: str | None


class Retention(BaseModel):
    """How firmly a memory holds now."""

    stability_days: float
    difficulty: float
    retrievability: float
    recall_count: int
    last_recalled_at: str | None
    precision_tier: Literal["half", "int8", "binary"]


class Memory(BaseModel):
    """The MemCube: payload and header."""

    model_config = ConfigDict(extra="allow")

    id: str
    namespace: str
    user_id: str | None
    agent_id: str | None
    session_id: str | None
    external_id: str | None
    payload_type: PayloadType
    memory_type: MemoryType
    state: State
    version: int
    content: str
    title: str | None
    context: str | None
    keywords: list[str]
    tags: list[str]
    entities: list[str]
    metadata: dict[str, Any]
    value: Any
    importance: float
    confidence: float
    trust: float
    flags: list[str]
    redactions: dict[str, int] | None
    pinned: bool
    language: str | None
    observed_at: str
    valid_from: str | None
    valid_to: str | None
    created_at: str
    updated_at: str
    expires_at: str | None
    superseded_by: str | None
    source: Source
    derivation: Derivation
    retention: Retention
    links_count: int


class MemoryList(BaseModel):
    """One page of memories."""

    data: list[Memory]
    next_cursor: str | None
    has_more: bool


class ItemOutcome(BaseModel):
    """What became of one item of a batch."""

    index: int
    status: Literal["created", "skipped", "superseded", "updated", "rejected"]
    id: str | None
    problem: dict[str, Any] | None


class BatchOut(BaseModel):
    """What became of every item, in order."""

    results: list[ItemOutcome]


class MessagesOut(BaseModel):
    """The id of each turn in order, those that are not stored, and the job that enriches the new ones."""

    job_id: str
    memories: list[str]
    rejected: list[ItemOutcome]


class Changed(BaseModel):
    """What a set-based change did, or would do."""

    matched: int
    changed: int
    dry_run: bool
