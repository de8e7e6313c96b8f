"""Bodies and answers of KV memories."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from memory_service.activation.exactness import Exactness
from memory_service.api.strict_json import Body
from memory_service.types import PayloadType

MAX_HASHES = 8_192

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256, 64 lower-case hexadecimal digits.")]
Codec = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z0-9_.+-]+$")]


class LookupIn(Body):
    """The blocks of a prompt, from its first."""

    engine: Digest
    block_hashes: list[Digest] = Field(max_length=MAX_HASHES)
    plan_id: UUID | None = Field(None, description="With a key: the plan that the blocks are of, if there is one.")
    codecs: list[Codec] = Field(["raw"], min_length=1, max_length=10, description="What the engine can read.")
    exactness: list[Exactness] = Field(
        [Exactness.EXACT],
        min_length=1,
        max_length=3,
        description="What it is to take; anything but exact is opted into.",
    )
    with_admitted: bool = Field(
        False, description="Say, too, how many leading blocks the plan still admits: for tensors that lie elsewhere."
    )


class RunOut(BaseModel):
    """Blocks `first` to `first + count` of the prompt, which a record holds from its block `offset_blocks` on."""

    kv_memory_id: UUID
    first: int
    count: int
    offset_blocks: int
    blocks: int
    bytes: int
    checksum: str
    codec: str
    exactness: Exactness


class LookupOut(BaseModel):
    """How many leading blocks are stored, and where."""

    stored: int
    runs: list[RunOut]
    admitted: int | None = Field(
        None,
        description="Only where it was asked for: leading blocks that the plan admits; 0 once a memory in it changed.",
    )


class KvSourceOut(BaseModel):
    """A memory in the prefix of a record, as it was then."""

    memory_id: UUID
    version: int
    token_start: int
    token_end: int


class KvMemoryOut(BaseModel):
    """The header of a KV memory: a MemCube of payload_type activation."""

    id: UUID
    payload_type: Literal[PayloadType.ACTIVATION]
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
    token_ids_hash: str | None
    text_hash: str | None
    codec: str
    exactness: Exactness
    bytes: int
    checksum: str
    prefill_s: float = Field(description="Seconds of prefill that one load spares.")
    state: Literal["live", "stale"]
    heat: float = Field(description="Uses, each halved with every day since.")
    hits: int
    last_hit_at: datetime | None
    created_at: datetime
    expires_at: datetime
    sources: list[KvSourceOut]


class KvMemoryDetailOut(KvMemoryOut):
    """A header with the hashes of its blocks."""

    block_hashes: list[str]


class KvSavedOut(KvMemoryOut):
    """The record under which the blocks can be loaded."""

    evicted: int = Field(description="Records that made room for it.")


class KvMemoriesOut(BaseModel):
    """A page of KV memories, newest first."""

    data: list[KvMemoryOut]
    next_cursor: str | None
    has_more: bool


class KvQuotaIn(Body):
    """How many bytes may be kept."""

    bytes: int | None = Field(ge=0, le=2**60, description="Null takes the limit away; that of the operator stays.")
    namespace: str | None = Field(None, description="Only here; the limit of the tenant holds beside it.")


class KvQuotaOut(BaseModel):
    """What may be kept, and what is."""

    bytes: int = Field(description="The quota of the tenant, never above the operator's.")
    used_bytes: int
    most_bytes: int = Field(description="The operator's bound.")
    namespaces: dict[str, int] = Field(description="Quotas of namespaces.")


class KvEngineStatsOut(BaseModel):
    """What one engine keeps here, and what it was spared."""

    engine: str
    model: str | None
    records: int
    bytes: int
    tokens: int
    lookups: int
    asked_blocks: int
    found_blocks: int
    missed_blocks: int
    hit_rate: float | None
    hits: int
    loaded_tokens: int
    loaded_bytes: int
    saved_seconds: float


class KvUpkeepOut(BaseModel):
    """What comparing the store with its records found up to now."""

    orphans: int = Field(description="Blobs that no record named; removed.")
    removed: int = Field(description="Blobs of records that went stale; removed.")
    lost: int = Field(description="Records whose blob was not there; not served any more.")
    damaged: int = Field(description="Records whose blob was not the one that was saved; not served any more.")


class KvStatsOut(BaseModel):
    """What is kept, how it is used, and what that spared."""

    count: int
    bytes: int
    hits: int = Field(description="Loads.")
    asked_blocks: int = Field(description="Blocks in look-ups.")
    found_blocks: int
    missed_blocks: int
    hit_rate: float | None = Field(description="Blocks found of those asked for; null before the first look-up.")
    loaded_bytes: int
    saved_seconds: float
    engines: list[KvEngineStatsOut]
    quota: KvQuotaOut
    upkeep: KvUpkeepOut


class KvCheckedOut(BaseModel):
    """Whether the blob of a KV memory is what was saved."""

    kv_memory_id: UUID
    sound: bool
    reason: Literal["lost", "damaged"] | None = Field(
        description="Why it is not; it cannot be loaded from now on, and its blocks may be saved anew."
    )
