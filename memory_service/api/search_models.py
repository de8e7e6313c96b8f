"""Bodies and answers of search, context and traces."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from memory_service.api.answer_models import Memory
from memory_service.api.block_models import LABEL
from memory_service.api.explain_models import ChannelOut, ExplainOut
from memory_service.api.fields import Flag, Number, RawFilter, ShortText, Time, is_blank
from memory_service.api.strict_json import Body
from memory_service.errors import FieldError, InvalidRequest, TooLarge
from memory_service.storage.namespaces import MAX_IN_ONE_SEARCH, check_path
from memory_service.types import CHANNELS

MAX_TOP_K = 200
MAX_QUERY_BYTES = 16 * 1024
MAX_BLOCKS = 64  # in one context
MAX_CHANNELS = 16  # More than there are; keeps complaints few.


def _question(query: str) -> str:
    if is_blank(query):
        raise ValueError("is empty")
    if len(query.encode()) > MAX_QUERY_BYTES:
        raise TooLarge("The query is longer than 16 KiB; ask with the part that matters.")
    return query


Question = Annotated[str, AfterValidator(_question)]
Weight = Annotated[float, Number, Field(ge=0, le=1_000, allow_inf_nan=False)]


def _within_top_k(value: int) -> int:
    if value > MAX_TOP_K:
        raise TooLarge(
            f"One search answers at most {MAX_TOP_K} results; narrow it with a filter, or list the memories."
        )
    return value


TopK = Annotated[int, Number, Field(ge=1, json_schema_extra={"maximum": MAX_TOP_K}), AfterValidator(_within_top_k)]


def _not_too_many_paths(paths: Any) -> Any:
    if isinstance(paths, list) and len(paths) > MAX_IN_ONE_SEARCH:
        raise TooLarge(
            f"One search looks into at most {MAX_IN_ONE_SEARCH:,} namespaces; use a prefix or several searches."
        )
    return paths


def few_channels(channels: Any) -> Any:
    """Refuse an object with more members than there can be channels."""
    if isinstance(channels, dict) and len(channels) > MAX_CHANNELS:
        raise ValueError(f"names more than {MAX_CHANNELS} channels")
    return channels


class AsOfIn(Body):
    """Two-fold time: true at `valid`, known at `known`."""

    valid: Time | None = None
    known: Time | None = None


class WindowIn(Body):
    """A span of valid time."""

    from_: Time | None = Field(default=None, validation_alias=AliasChoices("from", "from_"), serialization_alias="from")
    to: Time | None = None

    @field_validator("to")
    @classmethod
    def _ordered(cls, to: datetime | None, info: ValidationInfo) -> datetime | None:
        begins = info.data.get("from_")
        if begins is not None and to is not None and to < begins:
            raise ValueError("the window ends before it begins")
        return to


class SearchIn(Body):
    """One search."""

    query: Question
    namespace: str | None = None
    namespaces: Annotated[list[str], Field(min_length=1), BeforeValidator(_not_too_many_paths)] | None = None
    namespace_prefix: str | None = None
    user_id: ShortText | None = None
    agent_id: ShortText | None = None
    session_id: Annotated[ShortText | None, Field(validation_alias=AliasChoices("session_id", "run_id"))] = None
    filter: RawFilter | None = None
    top_k: TopK = 10
    preset: Literal["fast", "balanced", "thorough"] = "balanced"
    channels: Annotated[dict[str, Weight], BeforeValidator(few_channels)] | None = None
    as_of: AsOfIn | None = None
    now: Annotated[
        Time | None,
        Field(description="The time that relative dates in the query count from; the present when left out."),
    ] = None
    window: WindowIn | None = None
    min_confidence: Annotated[float, Number, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    diversity: Annotated[float, Number, Field(ge=0, le=1, allow_inf_nan=False)] = 0.0
    neighbours: Annotated[int, Number, Field(ge=0, le=3)] = 0
    explain: Flag = False
    reinforce: Flag = False
    include: Annotated[list[Literal["archived"]], Field(max_length=8)] = []
    token_budget: Annotated[int, Number, Field(ge=1, le=1_000_000)] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        named = [n for n in ("namespace", "namespaces", "namespace_prefix") if getattr(self, n) is not None]
        if len(named) > 1:
            raise ValueError(f"takes one of {' and '.join(named)}, not both")
        for path in [self.namespace, *(self.namespaces or [])]:
            if path is not None:
                check_path(path)
        return self

    def weights(self) -> dict[str, float] | None:
        """Return the channels asked and their weights, None for the defaults.

        Raises:
            InvalidRequest: a channel is unknown, or all weights are zero.
        """
        if self.channels is None:
            return None
        for name in self.channels:
            pointer = f"/channels/{name}"
            if name not in CHANNELS:
                detail = f"There is no channel {name[:40]!r}; the channels are {', '.join(CHANNELS)}."
                raise InvalidRequest(detail, errors=(FieldError(pointer, detail),), code="unknown_channel")
        asked = {name: weight for name, weight in self.channels.items() if weight > 0}
        if not asked:
            detail = "At least one channel needs a weight above 0."
            raise InvalidRequest(detail, errors=(FieldError("/channels", detail),))
        return asked


def theirs_or_nobodys(**scope: str | None) -> list[dict[str, Any]]:
    """Return conditions for the memories of a user or agent and those of nobody in particular, for each that is named."""
    return [{"OR": [{name: value}, {name: {"exists": False}}]} for name, value in scope.items() if value is not None]


Labels = Annotated[list[Annotated[str, Field(pattern=LABEL)]], Field(min_length=1, max_length=MAX_BLOCKS)]


class ContextIn(SearchIn):
    """A search whose answer is packed into a prompt; it looks at more results than a search, for the budget to choose from."""

    top_k: TopK = 30
    token_budget: Annotated[int, Number, Field(ge=1, le=1_000_000)] = 1200
    format: Literal["text", "messages", "json"] = "text"
    order: Literal["relevance", "time", "stable"] = "relevance"
    include_blocks: Annotated[
        Flag | Labels,
        Field(
            description="Core blocks that this agent sees with this user, before the memories: all, or those labelled so."
        ),
    ] = False


class ResultOut(BaseModel):
    """One memory found."""

    rank: int
    score: float
    memory: Memory
    channels: dict[str, ChannelOut]
    signals: dict[str, float]
    why: str
    neighbours: list[Memory]
    superseded_by: str | None


class TimingsOut(BaseModel):
    """Milliseconds per stage."""

    encode: float
    candidates: float
    graph: float
    fuse: float
    rerank: float
    total: float


class SearchOut(BaseModel):
    """What a search found."""

    search_id: str
    results: list[ResultOut]
    confidence: float
    abstain: bool
    timings_ms: TimingsOut
    explain: ExplainOut | None = None


class Citation(BaseModel):
    """A marker in a context and the verbatim span it stands for."""

    marker: str
    memory_id: str
    span: list[int]


class BlockCitation(BaseModel):
    """A marker in a context and the block it stands for, whole."""

    marker: str
    block_id: str
    label: str
    version: int
    span: list[int]
    text: str | None = None


class ContextOut(BaseModel):
    """Memories packed for a prompt."""

    text: str | None = None
    messages: list[dict[str, Any]] | None = None
    items: list[dict[str, Any]] | None = None
    citations: list[Citation]
    blocks: list[BlockCitation] | None = None
    blocks_left_out: list[str] | None = None
    tokens: int
    search_id: str
    prefix_hash: str


class FeedbackIn(Body):
    """Whether a found memory was of use."""

    memory_id: UUID
    useful: Flag
    cited: Flag = False
