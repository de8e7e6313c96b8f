"""Encoders, and namespaces that change theirs."""

from __future__ import annotations

from pydantic import AwareDatetime

from memory_client.models.base import Answer


class Encoder(Answer):
    """A model that makes vectors; counts are of the caller's tenant."""

    id: int
    name: str
    dimension: int
    max_tokens: int
    fingerprint: str
    default: bool
    state: str
    namespaces: int
    memories: int


class Comparison(Answer):
    """The same questions ranked under two encoders; None where there is nothing to measure it by."""

    queries: int
    judged: int
    overlap_at_10: float | None
    recall_before: float | None
    recall_after: float | None


class Reindex(Answer):
    """How far a namespace is on its way to another encoder."""

    namespace: str
    from_encoder_id: int
    to_encoder_id: int
    state: str
    job_id: str
    comparison: Comparison | None
    started_at: AwareDatetime
    ready_at: AwareDatetime | None
    turned_at: AwareDatetime | None
    finished_at: AwareDatetime | None


class Turned(Answer):
    """Namespaces as they are after a step."""

    data: list[Reindex]
