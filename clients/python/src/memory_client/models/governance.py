"""Erasures, the audit trail, and what came of imports."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime

from memory_client.models.base import Answer


class Derived(Answer):
    """What was made of memories that are to go."""

    memories: int
    rebuilt: dict[str, int] = {}


class ErasurePreview(Answer):
    """What an erasure would take, counted by table."""

    dry_run: bool
    matched: int
    changed: int
    memories: int
    derived: Derived
    counts: dict[str, int]
    truncated: bool


class Tally(Answer):
    """What became of the memories of an erasure."""

    erased: int
    derived: int
    absent: int


class Erasure(Answer):
    """The receipt of an erasure; lists leave out the ids."""

    id: str
    status: str
    job_id: str
    namespace: str | None = None
    selected_by: str
    selection_hash: str
    requested_by: str | None = None
    requested_at: AwareDatetime
    finished_at: AwareDatetime | None = None
    memories: Tally
    counts: dict[str, int]
    verified: bool | None = None
    remains: dict[str, int] = {}
    memory_ids: list[str] | None = None
    truncated: bool | None = None


class ErasureItem(Answer):
    """What became of one memory."""

    memory_id: str
    status: str
    derived: bool


class AuditEvent(Answer):
    """Who did what, when."""

    id: str
    at: AwareDatetime
    actor: str | None = None
    action: str
    subject: str | None = None
    subject_id: str | None = None
    namespace: str | None = None
    namespace_id: str | None = None
    details: dict[str, Any] = {}
    seq: int | None = None
    hash: str | None = None


class AuditVerdict(Answer):
    """Whether the chain of the audit trail is whole."""

    intact: bool
    checked: int
    unsealed: int
    stray: int
    head: dict[str, Any] | None = None
    broken_at: dict[str, Any] | None = None


class Usage(Answer):
    """What a tenant or a namespace uses."""

    namespace: str | None = None
    measured_at: AwareDatetime
    memories: dict[str, Any]
    bytes: dict[str, Any]
    days: list[dict[str, Any]]
    models: list[dict[str, Any]]


class HealthReport(Answer):
    """How well the memories of a tenant or a namespace are kept."""

    namespace: str | None = None
    measured_at: AwareDatetime
    memories: dict[str, Any]
    retention: dict[str, int]
    junk: dict[str, Any]
    duplicates: dict[str, Any]
    contradictions: dict[str, int]
    low_trust: dict[str, int]
    reviews_open: int
    waiting: dict[str, int]
    week: dict[str, Any]
    last_consolidation: dict[str, Any] | None = None


class ImportOutcome(Answer):
    """What became of one line of a bundle."""

    line: int
    kind: str
    status: str
    id: str | None = None
    code: str | None = None
    detail: str | None = None
