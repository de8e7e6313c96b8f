"""What runs of consolidation changed, and what they ask people."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime

from memory_client.models.base import Answer


class Plan(Answer):
    """What a run would change."""

    job_id: str
    considered: int
    counts: dict[str, int]
    changesets: list[str] = []
    changes: list[dict[str, Any]]
    truncated: bool


class Change(Answer):
    """One change of a changeset."""

    ordinal: int
    change: str
    step: str
    memory_id: str | None = None
    other_id: str | None = None
    target_id: str | None = None
    version_before: int | None = None
    version_after: int | None = None
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    score: float | None = None
    reason: str
    method: str


class Changeset(Answer):
    """What one run changed; lists leave out the changes."""

    id: str
    namespace: str
    job_id: str | None = None
    kind: str
    status: str
    counts: dict[str, int]
    usage: dict[str, Any] | None = None
    created_at: AwareDatetime
    reverted_at: AwareDatetime | None = None
    changes: list[Change] | None = None
    truncated: bool | None = None


class Reverted(Changeset):
    """A changeset that was taken back: the memories that are as before, and those left alone."""

    memories: list[str]
    conflicts: list[str]


class Review(Answer):
    """What a person is asked to decide."""

    id: str
    namespace: str
    kind: str
    proposal: str
    status: str
    memory_ids: list[str]
    score: float | None = None
    reason: str
    method: str
    changeset_id: str | None = None
    decision_changeset_id: str | None = None
    created_at: AwareDatetime
    decided_at: AwareDatetime | None = None


class Policy(Answer):
    """By what rule memories of a namespace fade; without an id, the defaults."""

    kind: str
    namespace: str
    id: str | None = None
    policy: dict[str, Any]
    known_from: AwareDatetime | None = None
    known_to: AwareDatetime | None = None


class Simulation(Answer):
    """What a policy would have done."""


class SavedQuery(Answer):
    """A question whose right answers are known."""

    id: str
    namespace: str
    query: str
    filter: dict[str, Any] | None = None
    relevant: list[str]
    source: str
    created_at: AwareDatetime


class FusionWeights(Answer):
    """A proposal of learned weights, and what became of it."""

    id: str
    namespace: str
    factors: dict[str, float]
    status: str
    reason: str
    evaluation: dict[str, Any]
    decided_at: AwareDatetime
    known_from: AwareDatetime
    known_to: AwareDatetime | None = None


class Factors(Answer):
    """The learned factors in force in a namespace."""

    namespace: str
    factors: dict[str, float]
