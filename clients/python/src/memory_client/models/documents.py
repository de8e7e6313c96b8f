"""Texts too long for one memory."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime

from memory_client.models.base import Answer


class DocumentSpan(Answer):
    """Which memory is which part of the text."""

    memory_id: str
    span: list[int]


class Document(Answer):
    """A document; lists leave out its text."""

    id: str
    namespace: str
    external_id: str | None = None
    user_id: str | None = None
    agent_id: str | None = None
    session_id: str | None = None
    title: str | None = None
    mime_type: str
    metadata: dict[str, Any] = {}
    version: int
    characters: int
    chunks: int
    observed_at: AwareDatetime
    created_at: AwareDatetime
    updated_at: AwareDatetime
    archived_at: AwareDatetime | None = None
    text_version: int | None = None
    content: str | None = None
    spans: list[DocumentSpan] | None = None
