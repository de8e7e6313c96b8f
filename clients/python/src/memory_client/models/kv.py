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


class KvSource(Answer):
    """A memory in the prefix of a KV memory, as it was then; ``token_end`` is exclusive."""

    memory_id: str
    version: int
    token_start: int
    token_end: int


class KvMemory(Answer):
    """The header of a KV memory: whole blocks that an engine computed, and what they were made of."""

    id: str
    payload_type: str
    namespace: str
    model: str
    engine: str
    fingerprint: dict[str, Any]
    block_size: int
    first_block: int
    blocks: int
    n_tokens: int
    parent_hash: str
    last_hash: str
    token_ids_hash: str | None = None
    text_hash: str | None = None
    codec: str
    exactness: str
    bytes: int
    checksum: str
    prefill_s: float
    state: str
    heat: float
    hits: int
    last_hit_at: AwareDatetime | None = None
    created_at: AwareDatetime
    expires_at: AwareDatetime
    sources: list[KvSource]


class KvMemoryDetail(KvMemory):
    """A header with the hashes of its blocks."""

    block_hashes: list[str]


class KvSaved(KvMemory):
    """The record under which saved blocks can be loaded; ``evicted`` records made room for it."""

    evicted: int


class KvRun(Answer):
    """Blocks of a prompt that one KV memory holds."""

    kv_memory_id: str
    first: int
    count: int
    offset_blocks: int
    blocks: int
    bytes: int
    checksum: str
    codec: str
    exactness: str


class KvLookup(Answer):
    """How many leading blocks are stored, and where."""

    stored: int
    runs: list[KvRun]
    admitted: int | None = None


class KvQuota(Answer):
    """How many bytes may be kept, and how many are."""

    bytes: int
    used_bytes: int
    most_bytes: int
    namespaces: dict[str, int]


class KvEngineStats(Answer):
    """What one engine keeps, and what it was spared."""

    engine: str
    model: str | None = None
    records: int
    bytes: int
    tokens: int
    lookups: int
    asked_blocks: int
    found_blocks: int
    missed_blocks: int
    hit_rate: float | None = None
    hits: int
    loaded_tokens: int
    loaded_bytes: int
    saved_seconds: float


class KvUpkeep(Answer):
    """What comparing the store with its records found up to now."""

    orphans: int
    removed: int
    lost: int
    damaged: int


class KvStats(Answer):
    """What is kept, how it is used, and what that spared."""

    count: int
    bytes: int
    hits: int
    asked_blocks: int
    found_blocks: int
    missed_blocks: int
    hit_rate: float | None = None
    loaded_bytes: int
    saved_seconds: float
    engines: list[KvEngineStats]
    quota: KvQuota
    upkeep: KvUpkeep


class KvChecked(Answer):
    """Whether the file of a KV memory is what was saved, and why it is not."""

    kv_memory_id: str
    sound: bool
    reason: str | None = None
