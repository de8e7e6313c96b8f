"""What calls about parametric memory take and answer."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, AliasChoices, BaseModel, Field, field_validator, model_validator

from memory_service.api.answer_models import Memory
from memory_service.api.fields import Fraction, Number, ShortText, not_blank
from memory_service.api.search_models import MAX_QUERY_BYTES
from memory_service.api.strict_json import Body
from memory_service.errors import TooLarge
from memory_service.parametric.canary import TOLERANCE
from memory_service.storage.parametric_pairs import MOST_GIVEN
from memory_service.types import DEFAULT_NAMESPACE

DEFAULT_RIDGE = 0.1


def _fits(value: str) -> str:
    if len(value.encode()) > MAX_QUERY_BYTES:
        raise TooLarge("A cue is at most 16 KiB, as a query is; take the part that matters.")
    return value


Cue = Annotated[str, AfterValidator(not_blank), AfterValidator(_fits)]
Name = Annotated[ShortText, AfterValidator(not_blank)]
Version = Annotated[int, Number, Field(ge=1, le=2**31 - 1)]


class ParametricIn(Body):
    """A cube to register."""

    name: Name
    namespace: str = DEFAULT_NAMESPACE
    kind: Literal["associative"] = "associative"
    gamma: Annotated[
        float,
        Number,
        Field(
            gt=0,
            le=1,
            allow_inf_nan=False,
            description="What a pair fades by when the next one is learned; 1: not at all.",
        ),
    ] = 1.0
    ridge: Annotated[
        float,
        Number,
        Field(
            ge=1e-3, le=1e6, allow_inf_nan=False, description="λ: how much a readout is damped; larger is more careful."
        ),
    ] = DEFAULT_RIDGE


class PairIn(Body):
    """A cue, and the memory it is to bring."""

    cue: Cue
    memory_id: UUID


Pairs = Annotated[list[PairIn], Field(min_length=1, max_length=MOST_GIVEN)]


class TrainIn(Body):
    """What a cube is to learn: `pairs`, or what feedback says."""

    id: UUID
    pairs: Pairs | None = None
    from_: Literal["feedback"] | None = Field(
        default=None,
        validation_alias=AliasChoices("from", "from_"),
        serialization_alias="from",
        description="Questions that were asked of its namespace, with the memories that were judged useful.",
    )
    probes: Annotated[
        list[PairIn],
        Field(max_length=MOST_GIVEN, description="Asked before the version is put in force, and not learned."),
    ] = []
    tolerance: Annotated[
        Fraction,
        Field(
            description="Which share of the sample of earlier pairs, and which of the probes, may be lost before the version is "
            "rejected."
        ),
    ] = TOLERANCE

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.pairs is None) == (self.from_ is None):
            raise ValueError("takes one of pairs and from")
        return self


class RouteIn(Body):
    """A query for cubes."""

    query: Cue
    namespaces: Annotated[list[str], Field(min_length=1, max_length=1_000)] = [DEFAULT_NAMESPACE]
    limit: Annotated[int, Number, Field(ge=1, le=100)] = 5
    min_score: Annotated[float, Number, Field(ge=-1, le=1, allow_inf_nan=False)] = 0.0


class MergeIn(Body):
    """Cubes to be added up."""

    ids: Annotated[list[UUID], Field(min_length=2, max_length=20)]
    name: Name

    @field_validator("ids")
    @classmethod
    def _each_once(cls, ids: list[UUID]) -> list[UUID]:
        if len(set(ids)) < len(ids):
            raise ValueError("names a cube twice, which would count what it knows twice")
        return ids


class RollbackIn(Body):
    """The cube to take back, and to which version: the one before, where none is named."""

    id: UUID
    version: Version | None = None


class CapacityOut(BaseModel):
    """How full a cube is; from `alarm_at` pairs on, a quarter of its dimensions, cues begin to get in each other's way."""

    used: int
    alarm_at: int
    alarm: bool


class CubeEncoderOut(BaseModel):
    """The model whose vectors keys and values are."""

    name: str
    dimension: int
    fingerprint: str


class SharesOut(BaseModel):
    """For which share of what was asked the right memory was named first, before a training and after it."""

    asked: int
    before: float | None
    after: float | None
    passed: bool


class CanaryOut(BaseModel):
    """What was asked before a version was put in force: a sample of the earlier pairs, and the probes; both have to pass.

    Probes of a cube that had been taught nothing are all to be named, but for the tolerance.
    """

    sample: SharesOut
    probes: SharesOut
    tolerance: float
    passed: bool


class ParametricOut(BaseModel):
    """A cube: its settings, and what is in force of it. A stale one is not served until a worker has made it anew."""

    id: UUID
    namespace: str
    name: str
    kind: str
    gamma: float
    ridge: float
    state: Literal["empty", "ready", "stale"]
    stale_because: str | None
    active_version: int | None
    pairs: int
    capacity: CapacityOut
    bytes: int
    checksum: str | None
    encoder: CubeEncoderOut
    canary: CanaryOut | None
    created_at: datetime
    updated_at: datetime


class ParametricVersionOut(BaseModel):
    """One version of a cube; without bytes it cannot be put in force."""

    version: int
    parent: int | None
    cause: Literal["trained", "rebuilt", "merged"]
    state: Literal["kept", "rejected", "stale"]
    active: bool
    stale_because: str | None
    pairs: int
    bytes: int
    checksum: str | None
    canary: CanaryOut | None
    job_id: UUID | None
    created_at: datetime


class ParametricDetailOut(ParametricOut):
    """A cube with its versions, newest first."""

    versions: list[ParametricVersionOut]


class ParametricListOut(BaseModel):
    """A page of cubes, newest first."""

    data: list[ParametricOut]
    next_cursor: str | None
    has_more: bool


class TrainingOut(BaseModel):
    """The job that teaches; its result says which version it made, and whether that is in force."""

    job_id: UUID


class AskedCubeOut(BaseModel):
    """A cube that was asked, and how much of the query it knows, 0 to 1."""

    id: UUID
    name: str
    namespace: str
    version: int
    familiarity: float


class PassedOverOut(BaseModel):
    """A cube that was not asked, and why."""

    id: UUID
    name: str
    namespace: str
    reason: str


class WhyOut(BaseModel):
    """The cue of a memory that is nearest to the query, and the cosine of the two."""

    cue: str
    likeness: float


class RoutedOut(BaseModel):
    """A memory that the readout names; its score is the cosine of the two, without what the memories of the cube share."""

    memory: Memory
    rank: int
    score: float
    why: WhyOut


class RouteOut(BaseModel):
    """What the cube that knows a query best says to it. Where none knows it, `abstain` is true and nothing is named."""

    abstain: bool
    reason: Literal["no_cube", "unfamiliar", "nothing_live"] | None
    cube: AskedCubeOut | None
    threshold: float
    considered: list[AskedCubeOut]
    passed_over: list[PassedOverOut]
    results: list[RoutedOut]
