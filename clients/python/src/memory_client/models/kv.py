"""Prompts for engines with a key–value cache."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime

from memory_client.models.base import Answer


class Engine(Answer):
    """One model run one way, named by the digest of its fingerprint."""

    digest: str
    model: str
    fingerprint: dict[str, Any]
    bytes_per_token: int
    prefill_tokens_per_s: float | None = None
    created_at: AwareDatetime
    announced_at: AwareDatetime


class PromptSection(Answer):
    """A run of tokens of a prompt; ``token_end`` is exclusive."""

    kind: str
    memory_id: str | None = None
    version: int | None = None
    token_start: int
    token_end: int


class PromptBlock(Answer):
    """One whole block of a prompt."""

    hash: str
    admitted: bool
    stored: bool


class PromptLeftOut(Answer):
    """A memory that is not in a prompt, and why."""

    memory_id: str
    reason: str


class KvPlan(Answer):
    """A prompt, planned: send messages or token ids with the salt and the parameters."""

    plan_id: str
    model: str
    engine: str
    namespace: str
    token_ids: list[int]
    token_ids_hash: str
    text: str
    messages: list[dict[str, Any]]
    block_size: int
    sections: list[PromptSection]
    blocks: list[PromptBlock]
    admitted_blocks: int
    admitted_until: str
    expected_hit_tokens: int
    prefix_hash: str
    left_out: list[PromptLeftOut]
    search_id: str | None = None
    cache_salt: str
    kv_transfer_params: dict[str, Any]
    expires_at: AwareDatetime


class PrecomputeStarted(Answer):
    """The job that computes blocks ahead, and the plan it works on."""

    job_id: str
    plan_id: str
