"""What the records of a bundle hold, as values that were checked; `lines` reads them."""

import base64
import binascii
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from memory_service.storage.namespaces import check_path
from memory_service.types import Extract, LinkType, MemoryType, PayloadType, SourceKind, State
from memory_service.values import (
    Content,
    Flag,
    Fraction,
    LongText,
    Metadata,
    Number,
    ShortText,
    Time,
    Value,
    Words,
)

MAX_VERSIONS: Final = 10_000  # of one memory
MAX_PARENTS: Final = 10_000
MAX_TEXT: Final = 4_194_304  # characters of a document, as POST /v1/documents takes them
MAX_REDACTIONS: Final = 1_000  # rules, of all the policies that a memory was written under
MAX_BLOCK: Final = 65_536  # characters, as PUT /v1/blocks/{label} takes them
CLOSED: Final = frozenset({State.ARCHIVED, State.EXPIRED, State.MERGED})

Ordinal = Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)]
VersionNumber = Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)]
Real = Annotated[float, Number, Field(allow_inf_nan=False)]
Positive = Annotated[Real, Field(ge=0)]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Span = tuple[Ordinal, Ordinal]
Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", max_length=35)]
Path = Annotated[str, AfterValidator(check_path)]


class Record(BaseModel):
    """One line, or a part of one; fields that nobody knows are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DerivationRecord(Record):
    """How a state of a memory was made."""

    method: ShortText = "verbatim"
    parents: Annotated[list[UUID], Field(max_length=MAX_PARENTS)] = []
    changeset_id: UUID | None = None


class StateRecord(Record):
    """One state of a memory: what a version keeps."""

    namespace: Path
    user_id: ShortText | None = None
    agent_id: ShortText | None = None
    session_id: ShortText | None = None
    external_id: ShortText | None = None
    payload_type: Literal[PayloadType.PLAINTEXT] = PayloadType.PLAINTEXT
    memory_type: MemoryType = MemoryType.EPISODIC
    state: State = State.ACTIVATED
    version: VersionNumber
    content_version: VersionNumber
    content: Content
    title: LongText | None = None
    context: LongText | None = None
    keywords: Words = []
    tags: Words = []
    entities: Words = []
    metadata: Metadata = {}
    value: Value = None
    importance: Fraction
    confidence: Fraction
    pinned: Flag = False
    language: Language | None = None
    speaker: ShortText | None = None
    role: ShortText | None = None
    observed_at: Time
    valid_from: Time | None = None
    valid_to: Time | None = None
    expires_at: Time | None = None
    created_at: Time
    updated_at: Time
    superseded_by: UUID | None = None
    derivation: DerivationRecord = DerivationRecord()
    computed: Words = []
    trust: Fraction = 1.0
    flags: Words = []
    redactions: Annotated[dict[ShortText, Ordinal], Field(max_length=MAX_REDACTIONS)] | None = None  # by rule

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.content_version > self.version:
            raise ValueError("content_version lies after version")
        if self.updated_at < self.created_at:
            raise ValueError("updated_at lies before created_at")
        if self.valid_from is not None and self.valid_to is not None and self.valid_to < self.valid_from:
            raise ValueError("valid_to lies before valid_from")
        return self

    @property
    def closed(self) -> bool:
        """Say whether searches leave this state out."""
        return self.state in CLOSED


class VersionRecord(StateRecord):
    """A past state, known until another took its place."""

    known_to: Time

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.known_to < self.updated_at:
            raise ValueError("known_to lies before updated_at")
        return self


class SourceRecord(Record):
    """Where a memory comes from."""

    ordinal: Annotated[int, Field(strict=True, ge=0, le=2**15 - 1)]
    kind: SourceKind
    ref: LongText | None = None
    speaker: ShortText | None = None
    role: ShortText | None = None
    span: Span | None = None
    hash: Hash
    created_at: Time

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.span is not None and self.span[1] < self.span[0]:
            raise ValueError("span ends before it begins")
        return self


class RetentionRecord(Record):
    """How firmly a memory holds, and what made it so."""

    stability_days: Positive | None = None
    difficulty: Positive | None = None
    recall_count: Ordinal = 0
    last_recalled_at: Time | None = None
    spaced_uses: Positive = 0
    traces: Annotated[list[Positive], Field(min_length=8, max_length=8)] | None = None
    traced_at: Time | None = None
    refreshed_at: Time | None = None
    forgotten_at: Time | None = None


class EmbeddingRecord(Record):
    """A vector of one chunk of one text, in half precision: base64 of little-endian float16."""

    version: VersionNumber
    chunk: Annotated[int, Field(strict=True, ge=0, le=2**15 - 1)]
    span: Span
    vector: Annotated[str, Field(max_length=2**16)]

    def numbers(self) -> NDArray[np.float32] | None:
        """Return the vector, normalised; None when it is none."""
        try:
            raw = base64.b64decode(self.vector, validate=True)
        except (binascii.Error, ValueError):
            return None
        if not raw or len(raw) % 2:
            return None
        vector = np.frombuffer(raw, dtype="<f2").astype(np.float32)
        length = float(np.linalg.norm(vector))
        # Vectors are of length one; half precision moves that by a thousandth.
        return vector / length if np.isfinite(length) and 0.9 < length < 1.1 else None


def packed(vector: NDArray[Any]) -> str:
    """Return a vector as a bundle writes it.

    >>> EmbeddingRecord(version=1, chunk=0, span=(0, 1), vector=packed(np.array([0.6, 0.8]))).numbers().round(2).tolist()
    [0.6000000238418579, 0.800000011920929]
    """
    return base64.b64encode(np.asarray(vector, dtype="<f2").tobytes()).decode()


class MemoryRecord(StateRecord):
    """A memory with everything that belongs to it alone."""

    type: Literal["memory"]
    id: UUID
    archived_at: Time | None = None
    extract: Extract = Extract.RULES
    deduplicated: Flag = True
    enriched: Flag = False
    consolidated: Flag = False
    surprise: Real | None = None
    sources: Annotated[list[SourceRecord], Field(min_length=1, max_length=10_000)]
    versions: Annotated[list[VersionRecord], Field(max_length=MAX_VERSIONS)] = []
    retention: RetentionRecord | None = None
    embeddings: Annotated[list[EmbeddingRecord], Field(max_length=100_000)] = []

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.closed is not (self.archived_at is not None):
            raise ValueError("archived_at stands with the states archived, expired and merged, and with no other")
        if self.id in self.derivation.parents or self.superseded_by == self.id:
            raise ValueError("a memory is neither its own parent nor its own successor")
        if len({source.ordinal for source in self.sources}) < len(self.sources):
            raise ValueError("two sources have the same ordinal")
        states = self.states()
        for earlier, later in pairwise(states):
            if later.version <= earlier.version:
                raise ValueError("versions do not ascend up to that of the memory")
            if later.content_version < earlier.content_version or later.updated_at < earlier.updated_at:
                raise ValueError("a later version holds an earlier text or time")
        return self

    def states(self) -> list[StateRecord]:
        """Return every state in order; the present one is the last."""
        return [*self.versions, self]


class FusionRecord(Record):
    """How the ranking of a namespace may change."""

    learn: Flag = False


class SettingsRecord(Record):
    """The settings that a namespace has of its own."""

    extract: Extract | None = None
    consolidation: Literal["auto", "manual"] | None = None
    fusion: FusionRecord | None = None


class NamespaceRecord(Record):
    """A namespace."""

    type: Literal["namespace"]
    path: Path
    settings: SettingsRecord = SettingsRecord()


class PolicyRecord(Record):
    """The policy of a namespace that is in force."""

    type: Literal["policy"]
    namespace: Path
    kind: Literal["retention", "fusion", "redaction"]
    policy: Metadata


class BlockVersionRecord(Record):
    """One text that a core block had."""

    version: VersionNumber
    value: Annotated[str, Field(max_length=MAX_BLOCK)]
    description: LongText | None = None
    max_characters: Annotated[int, Field(strict=True, ge=1, le=MAX_BLOCK)]
    read_only: Flag = False
    metadata: Metadata = {}
    archived: Flag = False
    operation: ShortText
    edited_by: ShortText | None = None
    known_from: Time


class BlockRecord(Record):
    """A core block with its texts, the present one the last."""

    type: Literal["block"]
    id: UUID
    namespace: Path
    label: ShortText
    user_id: ShortText | None = None
    agent_id: ShortText | None = None
    created_at: Time
    versions: Annotated[list[BlockVersionRecord], Field(min_length=1, max_length=MAX_VERSIONS)]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for earlier, later in pairwise(self.versions):
            if later.version <= earlier.version or later.known_from < earlier.known_from:
                raise ValueError("versions do not ascend")
        return self


class LinkRecord(Record):
    """An edge between two memories, present or past."""

    type: Literal["link"]
    id: UUID
    source_id: UUID
    target_id: UUID
    link_type: LinkType
    weight: Real
    method: ShortText
    changeset_id: UUID | None = None
    known_from: Time
    known_to: Time | None = None

    @model_validator(mode="after")
    def _between_two(self) -> Self:
        if self.source_id == self.target_id:
            raise ValueError("an edge leads from one memory to another")
        if self.known_to is not None and self.known_to < self.known_from:
            raise ValueError("known_to lies before known_from")
        return self


class DocumentRecord(Record):
    """A document without its texts, which follow."""

    type: Literal["document"]
    id: UUID
    namespace: Path
    external_id: ShortText | None = None
    user_id: ShortText | None = None
    agent_id: ShortText | None = None
    session_id: ShortText | None = None
    title: LongText | None = None
    mime_type: ShortText
    metadata: Metadata = {}
    version: VersionNumber
    file_hash: Hash | None = None
    content_hash: Hash | None = None
    observed_at: Time
    created_at: Time
    updated_at: Time
    archived_at: Time | None = None


class ChunkRecord(Record):
    """Which memory is which span of a text."""

    ordinal: Ordinal
    memory_id: UUID
    span: Span


class DocumentTextRecord(Record):
    """The text of one version of a document."""

    type: Literal["document_text"]
    document_id: UUID
    version: VersionNumber
    content: Annotated[str, Field(max_length=MAX_TEXT)]
    created_at: Time
    chunks: Annotated[list[ChunkRecord], Field(max_length=1_000_000)] = []

    @model_validator(mode="after")
    def _within(self) -> Self:
        if len({chunk.ordinal for chunk in self.chunks}) < len(self.chunks):
            raise ValueError("two chunks have the same ordinal")
        if any(not c.span[0] <= c.span[1] <= len(self.content) for c in self.chunks):
            raise ValueError("a span lies outside the text")
        return self
