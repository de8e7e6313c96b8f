"""Bodies and answers about encoders and the namespaces that change theirs."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from memory_service.api.fields import Flag, Fraction, ShortText
from memory_service.api.strict_json import Body


class EncoderIn(Body):
    """A model to register."""

    name: Annotated[ShortText, Field(min_length=1)] = Field(
        description="packaged-minilm, a folder on the machines of API and workers, or a model downloaded to them."
    )


class EncoderOut(BaseModel):
    """An encoder; counts are of the caller's tenant."""

    id: int
    name: str
    dimension: int
    max_tokens: int
    fingerprint: str
    default: bool = Field(description="New namespaces begin with it.")
    state: Literal["serving", "registered"] = Field(description="Whether searches of a namespace use it.")
    namespaces: int
    memories: int


class EncodersOut(BaseModel):
    """A page of encoders, the oldest first."""

    data: list[EncoderOut]
    next_cursor: str | None
    has_more: bool


class NamespaceChoice(Body):
    """One namespace, or all."""

    namespace: str | None = None
    all: Flag = False

    @model_validator(mode="after")
    def _one_of_both(self) -> "NamespaceChoice":
        if (self.namespace is None) == (not self.all):
            raise ValueError("name a namespace, or say all")
        return self


class ReindexIn(NamespaceChoice):
    """The namespaces that are to change to the encoder."""


class CutOverIn(NamespaceChoice):
    """The namespaces whose searches are to use the new encoder."""

    force: Flag = Field(default=False, description="Also where the comparison speaks against it.")
    least_overlap: Fraction = Field(
        default=0.3, description="How much of the first ten results must agree where no saved query says what is right."
    )
    most_recall_lost: Fraction = Field(default=0.05, description="By how much recall@10 of the saved queries may fall.")


class TurnIn(NamespaceChoice):
    """The namespaces that are meant."""


class ComparisonOut(BaseModel):
    """The same questions searched under both encoders; null where there is nothing to measure it by."""

    queries: int
    judged: int = Field(description="How many of them are saved queries, whose right answers are known.")
    overlap_at_10: float | None
    recall_before: float | None
    recall_after: float | None


class ReindexOut(BaseModel):
    """How far a namespace is on its way to another encoder."""

    namespace: str
    from_encoder_id: int
    to_encoder_id: int
    state: Literal["backfilling", "ready", "cut_over", "dropping", "finished", "given_up"]
    job_id: UUID
    comparison: ComparisonOut | None
    started_at: datetime
    ready_at: datetime | None
    turned_at: datetime | None
    finished_at: datetime | None


class ReindexesOut(BaseModel):
    """A page of namespaces, in order of path."""

    data: list[ReindexOut]
    next_cursor: str | None
    has_more: bool


class TurnedOut(BaseModel):
    """The namespaces as they are now."""

    data: list[ReindexOut]


class BegunReindexOut(BaseModel):
    """The job that fills, and of how many namespaces."""

    job_id: UUID
    namespaces: int
