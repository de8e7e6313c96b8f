"""Bodies and answers of the document calls."""

import base64
import binascii
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from memory_service.api.fields import Fraction, LongText, Metadata, Number, ShortText, Time, Words
from memory_service.api.memory_models import MAX_WAIT_S, SessionId
from memory_service.api.strict_json import Body
from memory_service.lifecycle.draft import DEFAULT_CONFIDENCE, DEFAULT_IMPORTANCE
from memory_service.lifecycle.posted_documents import Posted
from memory_service.storage.namespaces import check_path
from memory_service.types import DEFAULT_NAMESPACE, Extract


def _decoded(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("is the bytes of a file in base64")
    try:
        # Line breaks are common in it, and mean nothing.
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not base64") from None


File = Annotated[bytes, BeforeValidator(_decoded), Field(json_schema_extra={"type": "string", "format": "byte"})]


class DocumentIn(Body):
    """A document: its text as `content`, or the bytes of a file as `file`."""

    title: LongText | None = None
    content: str | None = None
    file: File | None = None
    mime_type: ShortText | None = None
    namespace: str = DEFAULT_NAMESPACE
    user_id: ShortText | None = None
    agent_id: ShortText | None = None
    session_id: SessionId = None
    external_id: ShortText | None = None
    tags: Words = []
    metadata: Metadata = {}
    language: Annotated[str, Field(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", max_length=35)] | None = None
    observed_at: Time | None = None
    importance: Fraction = DEFAULT_IMPORTANCE
    confidence: Fraction = DEFAULT_CONFIDENCE
    extract: Extract | None = None
    wait: Literal["stored", "consolidated"] = "stored"
    timeout_s: Annotated[float, Number, Field(gt=0, le=MAX_WAIT_S, allow_inf_nan=False)] = 10

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_path(self.namespace)
        if (self.content is None) == (self.file is None):
            raise ValueError("needs either content or file")
        return self

    def posted(self) -> Posted:
        """Return what this body says about the document."""
        return Posted(
            # A JSON string has its characters already, whatever a page says of its own encoding.
            mime_type=self.mime_type if self.content is None else "text/plain; charset=utf-8",
            title=self.title or None,
            namespace=self.namespace,
            user_id=self.user_id,
            agent_id=self.agent_id,
            session_id=self.session_id,
            external_id=self.external_id,
            tags=tuple(dict.fromkeys(self.tags)),
            metadata=self.metadata,
            language=self.language,
            observed_at=self.observed_at,
            importance=self.importance if "importance" in self.model_fields_set else None,
            confidence=self.confidence,
            extract=self.extract,
        )


class DocumentAccepted(BaseModel):
    """The job that reads the document; `unchanged` says that it was there already, and the job has nothing to do."""

    job_id: str
    document_id: str
    unchanged: bool


class DocumentOut(BaseModel):
    """A document without its text."""

    id: str
    namespace: str
    external_id: str | None
    user_id: str | None
    agent_id: str | None
    session_id: str | None
    title: str | None
    mime_type: str
    metadata: dict[str, Any]
    version: int
    characters: int
    chunks: int
    observed_at: str
    created_at: str
    updated_at: str
    archived_at: str | None


class DocumentSpan(BaseModel):
    """Which part of the text is which memory."""

    memory_id: str
    span: list[int]


class DocumentRead(DocumentOut):
    """A document with the text of one of its versions."""

    text_version: int
    content: str
    spans: list[DocumentSpan]


class DocumentList(BaseModel):
    """One page of documents."""

    data: list[DocumentOut]
    next_cursor: str | None
    has_more: bool
