"""Answers that say why: the explanation of a search, its replay, and where a memory fell out of it."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from memory_service.api.strict_json import Body


class ChannelOut(BaseModel):
    """What one channel said of one result."""

    rank: int | None
    score: float | None
    weight: float
    contribution: float


class DateOut(BaseModel):
    """A time that a query names, from start to before end; null where it is open."""

    phrase: str
    start: str | None
    end: str | None


class QueryOut(BaseModel):
    """What was understood of a query."""

    text: str
    spoken: str
    language: str
    speaker: str | None
    names: list[str]
    numbers: list[str]
    phrases: list[str]
    terms: list[str]
    alternatives: dict[str, list[str]]
    question_word: str | None
    is_question: bool
    dates: list[DateOut]
    asks_latest: bool
    asks_earliest: bool
    asks_current: bool
    intents: list[Literal["summary", "course", "answers"]]
    coverage: float | None
    route: str | None
    route_reason: str | None


class CandidateOut(BaseModel):
    """A memory in a ranking, with what each channel said of it."""

    memory_id: str
    rank: int
    score: float
    channels: dict[str, ChannelOut]
    signals: dict[str, float]


class ExplainOut(BaseModel):
    """How a search came to its results."""

    query: QueryOut
    weights: dict[str, float]
    learned: dict[str, float]
    policy: dict[str, Any]
    namespaces: list[str]
    candidates: int
    loaded: Literal["resident", "snapshot", "candidates"] | None
    timings_ms: dict[str, float]
    counterfactual_ranks: Annotated[
        dict[str, dict[str, int | None]],
        Field(
            description="By memory and channel, the rank by score if that channel were silent, before diversity and succession"
            " move results; null where no other channel found the memory."
        ),
    ]
    near_misses: list[CandidateOut]


class WhyNotIn(Body):
    """Which memory is missed."""

    memory_id: UUID


class ConditionOut(BaseModel):
    """A condition of the search that a memory does not satisfy."""

    part: Literal["filter", "valid", "window"]
    condition: str | None


class BudgetOut(BaseModel):
    """Tokens that the results may hold and do hold, and those of the memory."""

    limit: int
    used: int
    tokens: int


class RemedyOut(BaseModel):
    """What would have brought a memory in, as fields of a search; each by itself."""

    top_k: int
    channels: dict[str, float] | None


class WhyNotOut(BaseModel):
    """Where a memory fell out of a search; null is what the stage has no evidence for."""

    search_id: str
    memory_id: str
    version: int | None
    stage: Literal[
        "found", "below_top_k", "budget", "not_a_candidate", "filtered", "archived", "expired", "not_yet_known",
        "other_namespace",
    ]  # fmt: skip
    detail: str
    rank: int | None
    score: float | None
    channels: dict[str, ChannelOut] | None
    signals: dict[str, float] | None
    last_result: CandidateOut | None
    costs: dict[str, float] | None
    dearest_channel: str | None
    missing_score: float | None
    would_bring_it_in: RemedyOut | None
    excluded_by: list[ConditionOut]
    budget: BudgetOut | None
    cosine: float | None
    matched_terms: list[str]


class ReplayedOut(BaseModel):
    """One result of a replay."""

    memory_id: str
    version: int
    rank: int
    score: float


class DifferenceOut(BaseModel):
    """A memory that has another place or version in the replay; null where it is not in one of them."""

    memory_id: str
    was: int | None
    now: int | None


class ReplayOut(BaseModel):
    """The search made again as of its time; `same` when memories, versions and order are."""

    as_of: str
    results: list[ReplayedOut]
    same: bool
    erased_since: int
    differences: list[DifferenceOut]


class TraceOut(BaseModel, extra="allow"):
    """What a search asked, found and nearly found; `replay` when asked for."""

    search_id: str
    query: str
    namespaces: list[str]
    request: dict[str, Any]
    created_at: str
    expires_at: str
    results: list[dict[str, Any]]
    near_misses: list[dict[str, Any]]
    replay: ReplayOut | None = None
