"""Bodies of the memory calls, and how they become drafts."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from memory_service.api.fields import (
    MAX_BATCH_ITEMS,
    Content,
    Flag,
    Fraction,
    LongText,
    Metadata,
    Number,
    RawFilter,
    ShortText,
    Time,
    Value,
    Words,
)
from memory_service.api.strict_json import Body
from memory_service.errors import TooLarge
from memory_service.lifecycle.draft import DEFAULT_CONFIDENCE, DEFAULT_IMPORTANCE, Draft
from memory_service.storage.list_orders import ListOrder
from memory_service.storage.namespaces import check_path
from memory_service.types import DEFAULT_NAMESPACE, Extract, MemoryType, OnConflict, SourceKind

MAX_WAIT_S = 30

SessionId = Annotated[ShortText | None, Field(validation_alias=AliasChoices("session_id", "run_id"))]


class SourceIn(Body):
    """Where a memory comes from, as the caller knows it."""

    kind: SourceKind | None = None
    ref: LongText | None = None
    speaker: ShortText | None = None
    role: ShortText | None = None
    span: (
        Annotated[list[Annotated[int, Number, Field(ge=0, le=2**31 - 1)]], Field(min_length=2, max_length=2)] | None
    ) = None

    @field_validator("span")
    @classmethod
    def _ordered(cls, span: list[int] | None) -> list[int] | None:
        if span is not None and span[1] < span[0]:
            raise ValueError("span ends before it begins")
        return span


class MemoryIn(Body):
    """One memory to remember."""

    content: Content
    namespace: str = DEFAULT_NAMESPACE
    memory_type: MemoryType = MemoryType.EPISODIC
    payload_type: Literal["plaintext"] = "plaintext"
    user_id: ShortText | None = None
    agent_id: ShortText | None = None
    session_id: SessionId = None
    external_id: ShortText | None = None
    on_conflict: OnConflict = OnConflict.SKIP
    title: LongText | None = None
    context: LongText | None = None
    keywords: Words = []
    tags: Words = []
    entities: Words = []
    metadata: Metadata = {}
    value: Value = None
    importance: Fraction = DEFAULT_IMPORTANCE
    confidence: Fraction = DEFAULT_CONFIDENCE
    pinned: Flag = False
    language: Annotated[str, Field(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", max_length=35)] | None = None
    speaker: ShortText | None = None
    role: ShortText | None = None
    observed_at: Time | None = None
    valid_from: Time | None = None
    valid_to: Time | None = None
    expires_at: Time | None = None
    source: SourceIn | None = None
    extract: Extract | None = None
    wait: Literal["stored", "consolidated"] = "stored"
    timeout_s: Annotated[float, Number, Field(gt=0, le=MAX_WAIT_S, allow_inf_nan=False)] = 10

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_path(self.namespace)
        return self

    @field_validator("valid_to")
    @classmethod
    def _in_order(cls, valid_to: datetime | None, info: ValidationInfo) -> datetime | None:
        begins = info.data.get("valid_from")
        if begins is not None and valid_to is not None and valid_to < begins:
            raise ValueError("valid_to lies before valid_from")
        return valid_to

    def draft(self) -> Draft:
        """Return the draft this body describes."""
        source = self.source or SourceIn()
        return Draft(
            content=self.content,
            namespace=self.namespace,
            memory_type=self.memory_type,
            user_id=self.user_id,
            agent_id=self.agent_id,
            session_id=self.session_id,
            external_id=self.external_id,
            title=self.title,
            context=self.context,
            keywords=tuple(dict.fromkeys(self.keywords)),
            tags=tuple(dict.fromkeys(self.tags)),
            entities=tuple(dict.fromkeys(self.entities)),
            metadata=self.metadata,
            value=self.value,
            importance=self.importance if "importance" in self.model_fields_set else None,
            confidence=self.confidence,
            pinned=self.pinned,
            language=self.language,
            speaker=self.speaker or source.speaker,
            role=self.role or source.role,
            observed_at=self.observed_at,
            valid_from=self.valid_from,
            valid_to=self.valid_to,
            expires_at=self.expires_at,
            source_kind=source.kind,
            source_ref=source.ref,
            source_span=(source.span[0], source.span[1]) if source.span else None,
            extract=self.extract,
            on_conflict=self.on_conflict,
            given=frozenset(self.model_fields_set),
        )


class BatchIn(Body):
    """Up to 1,000 memories; each is judged by itself."""

    items: Annotated[list[Any], Field(min_length=1)]


class MessageIn(Body):
    """One turn of a conversation."""

    role: ShortText = "user"
    name: ShortText | None = None
    content: Content
    observed_at: Time | None = None
    external_id: ShortText | None = None


def _not_too_many(messages: Any) -> Any:
    # Before each is looked at: thousands of bad ones would make thousands of complaints.
    if isinstance(messages, list) and len(messages) > MAX_BATCH_ITEMS:
        raise TooLarge(f"One call holds at most {MAX_BATCH_ITEMS:,} messages; send the rest in another call.")
    return messages


class MessagesIn(Body):
    """Turns of one session, in order."""

    namespace: str = DEFAULT_NAMESPACE
    session_id: SessionId = None
    user_id: ShortText | None = None
    agent_id: ShortText | None = None
    messages: Annotated[list[MessageIn], Field(min_length=1), BeforeValidator(_not_too_many)]
    extract: Extract | None = None
    wait: Literal["stored", "consolidated"] = "stored"
    timeout_s: Annotated[float, Number, Field(gt=0, le=MAX_WAIT_S, allow_inf_nan=False)] = 10

    @model_validator(mode="after")
    def _valid_namespace(self) -> Self:
        check_path(self.namespace)
        return self

    def drafts(self) -> list[Draft]:
        """Return one draft per message; a repeated text is a new turn, so only external_id tells duplicates."""
        return [
            Draft(
                content=message.content,
                namespace=self.namespace,
                user_id=self.user_id,
                agent_id=self.agent_id,
                session_id=self.session_id,
                external_id=message.external_id,
                speaker=message.name,
                role=message.role,
                observed_at=message.observed_at,
                extract=self.extract,
                deduplicate=False,
            )
            for message in self.messages
        ]


class MemoryPatch(Body):
    """Fields to change; a field that is absent stays, one that is null is cleared where it may be."""

    content: Content = ""
    memory_type: MemoryType = MemoryType.EPISODIC
    user_id: ShortText | None = None
    agent_id: ShortText | None = None
    session_id: SessionId = None
    external_id: ShortText | None = None
    title: LongText | None = None
    context: LongText | None = None
    keywords: Words = []
    tags: Words = []
    entities: Words = []
    metadata: Metadata = {}
    value: Value = None
    importance: Fraction = DEFAULT_IMPORTANCE
    confidence: Fraction = DEFAULT_CONFIDENCE
    pinned: Flag = False
    language: Annotated[str, Field(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", max_length=35)] | None = None
    observed_at: Time | None = None
    valid_from: Time | None = None
    valid_to: Time | None = None
    expires_at: Time | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("names no field to change")
        return self

    @field_validator("observed_at")
    @classmethod
    def _observed_at_some_time(cls, observed_at: datetime | None) -> datetime:
        if observed_at is None:
            raise ValueError("observed_at cannot be cleared; every memory was observed at some time")
        return observed_at

    def changes(self) -> dict[str, Any]:
        """Return the named fields and their new values."""
        return {name: getattr(self, name) for name in sorted(self.model_fields_set)}


class QueryIn(Body):
    """A filter with paging."""

    filter: RawFilter | None = None
    namespace: str | None = None
    limit: Annotated[int, Number, Field(ge=1, le=1000)] = 50
    cursor: str | None = None
    order: ListOrder = ListOrder.NEWEST


class SelectionIn(Body):
    """Which memories a set-based change is about."""

    filter: RawFilter | None = None
    ids: Annotated[list[Any], Field(min_length=1, max_length=1000)] | None = None
    namespace: str | None = None
    dry_run: Flag = False

    @model_validator(mode="after")
    def _selects(self) -> Self:
        if (self.filter is None) == (self.ids is None):
            raise ValueError("needs either filter or ids")
        return self
