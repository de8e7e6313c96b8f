"""What a search found, and why."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime

from memory_client.models.base import Answer
from memory_client.models.memories import Memory
from memory_client.models.working import BlockCitation


class Channel(Answer):
    """What one channel contributed to a result."""

    rank: int | None = None
    score: float | None = None
    weight: float
    contribution: float


class Result(Answer):
    """One memory found; scores are comparable within one answer only."""

    rank: int
    score: float
    memory: Memory
    channels: dict[str, Channel] = {}
    signals: dict[str, float] = {}
    why: str = ""
    neighbours: list[Memory] = []
    superseded_by: str | None = None


class Timings(Answer):
    """Milliseconds per stage."""

    total: float


class Candidate(Answer):
    """A memory that was considered."""

    memory_id: str
    rank: int
    score: float
    channels: dict[str, Channel] = {}
    signals: dict[str, float] = {}


class Explanation(Answer):
    """How the question was read, and what just missed."""

    query: dict[str, Any]
    weights: dict[str, float]
    learned: dict[str, float] = {}
    policy: dict[str, Any] = {}
    namespaces: list[str] = []
    candidates: int
    loaded: str | None = None
    timings_ms: dict[str, float] = {}
    counterfactual_ranks: dict[str, dict[str, int | None]] = {}
    near_misses: list[Candidate] = []


class SearchAnswer(Answer):
    """What a search found; `abstain` says that nothing found is likely an answer."""

    search_id: str
    results: list[Result]
    confidence: float
    abstain: bool
    timings_ms: Timings
    explain: Explanation | None = None


class Citation(Answer):
    """A marker in a context, and the verbatim span it stands for."""

    marker: str
    memory_id: str
    span: list[int]


class Context(Answer):
    """Memories packed for a prompt: `text`, `messages` or `items`, as asked."""

    text: str | None = None
    messages: list[dict[str, Any]] | None = None
    items: list[dict[str, Any]] | None = None
    citations: list[Citation]
    blocks: list[BlockCitation] | None = None
    blocks_left_out: list[str] | None = None
    tokens: int
    search_id: str
    prefix_hash: str


class Replay(Answer):
    """A search made again with what was known then."""

    as_of: AwareDatetime
    results: list[dict[str, Any]]
    same: bool
    erased_since: int
    differences: list[dict[str, Any]]


class Trace(Answer):
    """What a search asked, found and nearly found."""

    search_id: str
    query: str
    namespaces: list[str]
    request: dict[str, Any]
    created_at: AwareDatetime
    expires_at: AwareDatetime
    results: list[dict[str, Any]]
    near_misses: list[dict[str, Any]]
    replay: Replay | None = None


class WhyNot(Answer):
    """Where a memory fell out of a search, and why."""

    search_id: str
    memory_id: str
    version: int | None = None
    stage: str
    detail: str
    rank: int | None = None
    score: float | None = None
    channels: dict[str, Channel] | None = None
    signals: dict[str, float] | None = None
    last_result: Candidate | None = None
    costs: dict[str, float] | None = None
    dearest_channel: str | None = None
    missing_score: float | None = None
    would_bring_it_in: dict[str, Any] | None = None
    excluded_by: list[dict[str, Any]] = []
    budget: dict[str, Any] | None = None
    cosine: float | None = None
    matched_terms: list[str] = []


class Feedback(Answer):
    """What a judgement changed."""
