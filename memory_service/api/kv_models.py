"""Bodies and answers of engines, plans and blocks that are computed ahead."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from memory_service.activation.exactness import Exactness
from memory_service.activation.fingerprint import Fingerprint, Parallelism
from memory_service.activation.planning.admission import HOT_FROM, Reason
from memory_service.activation.saved_file import RAW
from memory_service.api.fields import Number, RawFilter, ShortText
from memory_service.api.kv.models import Codec
from memory_service.api.search_models import ContextIn, Question, TopK, theirs_or_nobodys
from memory_service.api.strict_json import Body
from memory_service.storage.namespaces import check_path
from memory_service.types import DEFAULT_NAMESPACE

MAX_MEMORIES = 500
MAX_TURNS = 1_000
MAX_NAMESPACES = 100
DIGEST = r"^[0-9a-f]{64}$"

Digest = Annotated[str, Field(pattern=DIGEST)]
Size = Annotated[int, Number, Field(ge=1, le=1 << 20)]
Words = Annotated[str, Field(max_length=1 << 20)]


class ParallelismIn(Body):
    """Over how many workers a model is split."""

    tensor: Size = 1
    pipeline: Size = 1
    context: Size = 1


class EngineIn(Body):
    """One model run one way; its digest, in the path, is that of these fields."""

    model: ShortText
    weights: Digest
    config: Digest
    tokenizer: Digest
    chat_template: Digest | None = None
    dtype: ShortText
    kv_dtype: ShortText
    block_size: Size
    parallelism: ParallelismIn = ParallelismIn()
    isa: ShortText
    layout: ShortText
    engine: ShortText
    engine_version: ShortText
    lora: Digest | None = None
    bytes_per_token: Annotated[int, Number, Field(ge=1, le=1 << 40)]
    prefill_tokens_per_s: Annotated[float, Number, Field(gt=0, le=1e12, allow_inf_nan=False)] | None = None

    def fingerprint(self) -> Fingerprint:
        """Return the fingerprint that these fields are.

        Raises:
            ActivationError: a name cannot be printed.
        """
        return Fingerprint(
            weights=self.weights,
            config=self.config,
            tokenizer=self.tokenizer,
            chat_template=self.chat_template,
            dtype=self.dtype,
            kv_dtype=self.kv_dtype,
            block_size=self.block_size,
            parallelism=Parallelism(
                tensor=self.parallelism.tensor, pipeline=self.parallelism.pipeline, context=self.parallelism.context
            ),
            isa=self.isa,
            layout=self.layout,
            engine=self.engine,
            engine_version=self.engine_version,
            lora=self.lora,
        )


class ParallelismOut(BaseModel):
    """Over how many workers a model is split."""

    tensor: int
    pipeline: int
    context: int


class FingerprintOut(BaseModel):
    """All that a key–value cache depends on besides the tokens."""

    weights: str
    config: str
    tokenizer: str
    chat_template: str | None
    dtype: str
    kv_dtype: str
    block_size: int
    parallelism: ParallelismOut
    isa: str
    layout: str
    engine: str
    engine_version: str
    lora: str | None


class EngineOut(BaseModel):
    """An engine that was announced."""

    digest: str
    model: str
    fingerprint: FingerprintOut
    bytes_per_token: int
    prefill_tokens_per_s: float | None
    created_at: datetime
    announced_at: datetime


class EngineListOut(BaseModel):
    """A page of engines."""

    data: list[EngineOut]
    next_cursor: str | None
    has_more: bool


class TurnIn(Body):
    """One turn of a conversation."""

    role: Literal["user", "assistant"]
    content: Words


class PromptIn(Body):
    """What a prompt begins with: the operator's words, and memories by id or by a search."""

    model: ShortText
    engine: Digest | None = Field(
        default=None, description="By its digest; the last one announced for the model if not said."
    )
    namespace: str | None = None
    namespaces: Annotated[list[str], Field(min_length=1, max_length=MAX_NAMESPACES)] | None = None
    system: Words = Field(default="", description="The operator's words; they stand first, the same in every prompt.")
    memory_ids: Annotated[list[UUID], Field(max_length=MAX_MEMORIES)] | None = Field(
        default=None, description="Which memories, the most important first. They stand in an order of their own."
    )
    query: Question | None = Field(default=None, description="What to search for, in place of ids.")
    user_id: ShortText | None = None
    agent_id: ShortText | None = None
    filter: RawFilter | None = None
    top_k: TopK = 12
    preset: Literal["fast", "balanced", "thorough"] = "balanced"
    token_budget: Annotated[int, Number, Field(ge=1, le=100_000)] = Field(
        default=4096, description="Tokens that the memories may have, as the model counts them."
    )
    hot_from: Annotated[int, Number, Field(ge=0, le=1_000_000)] = Field(
        default=HOT_FROM, description="Recalls from which a memory is worth saving; 0 saves every one that lasts."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.memory_ids is not None) and (self.query is not None):
            raise ValueError("takes memory_ids or a query, not both")
        if self.namespace is not None and self.namespaces is not None:
            raise ValueError("takes one of namespace and namespaces, not both")
        if self.query is None and (self.user_id or self.agent_id or self.filter):
            raise ValueError("user_id, agent_id and filter narrow a search, and there is no query")
        for path in self.paths:
            check_path(path)
        return self

    @property
    def paths(self) -> list[str]:
        """Return the namespaces that the prompt is about, the first of which its blocks belong to."""
        return self.namespaces if self.namespaces is not None else [self.namespace or DEFAULT_NAMESPACE]

    def search_for(self, *, more: int) -> ContextIn:
        """Return the search: memories of this user and agent, and those of nobody in particular."""
        conditions = theirs_or_nobodys(user_id=self.user_id, agent_id=self.agent_id)
        conditions += [self.filter] if self.filter else []
        return ContextIn(
            query=self.query or "",
            namespaces=self.paths,
            filter={"AND": conditions} if conditions else None,
            top_k=min(self.top_k + more, 200),
            order="stable",
            # Said only where the caller did: else a policy of the namespace may.
            **({"preset": self.preset} if "preset" in self.model_fields_set else {}),
        )


class PlanIn(PromptIn):
    """What a prompt is to hold."""

    messages: Annotated[list[TurnIn], Field(max_length=MAX_TURNS)] = Field(
        default=[], description="Turns of the conversation; without any the plan is for whatever conversation follows."
    )
    volatile: Words = Field(
        default="", description="What else the model is to know now and not later, such as the date."
    )
    codecs: Annotated[list[Codec], Field(min_length=1, max_length=10)] = Field(
        default=[RAW], description="What the engine can read: blocks in others do not count as stored."
    )
    exactness: Annotated[list[Exactness], Field(min_length=1, max_length=3)] = Field(
        default=[Exactness.EXACT], description="What it is to take; anything but exact is opted into."
    )


class PrecomputeIn(PromptIn):
    """What is to be computed ahead: what every conversation with these memories begins with."""

    codec: Literal["raw", "int8-k-channel-v-token"] = Field(
        default="raw",
        description="How numbers are kept: as the engine holds them, or in eight bits, which loses something and is recorded as "
        "compressed; only look-ups that ask for it find that.",
    )


class SectionOut(BaseModel):
    """A run of tokens of a prompt; `token_end` is exclusive."""

    kind: Literal["system", "shared", "user", "volatile", "conversation"]
    memory_id: UUID | None
    version: int | None
    token_start: int
    token_end: int


class KvBlockOut(BaseModel):
    """One whole block of a prompt: its name, whether it may be saved, whether it is stored."""

    hash: str
    admitted: bool
    stored: bool


class LeftOutOut(BaseModel):
    """A memory that is not in the prompt."""

    memory_id: UUID
    reason: Literal["budget", "low_trust", "in_conversation"]


class KvPlanOut(BaseModel):
    """A prompt, planned: what to send to the engine, and what it will find there."""

    plan_id: UUID
    model: str
    engine: str
    namespace: str
    token_ids: list[int]
    token_ids_hash: str
    text: str
    messages: list[dict[str, Any]]
    block_size: int
    sections: list[SectionOut]
    blocks: list[KvBlockOut]
    admitted_blocks: int
    admitted_until: Reason
    expected_hit_tokens: int
    prefix_hash: str
    left_out: list[LeftOutOut]
    search_id: str | None
    cache_salt: str
    kv_transfer_params: dict[str, Any]
    expires_at: datetime


class PrecomputeOut(BaseModel):
    """The job that computes blocks ahead, and the plan it works on."""

    job_id: UUID
    plan_id: UUID
