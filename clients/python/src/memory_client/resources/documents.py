"""Texts too long for one memory."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

from memory_client import models
from memory_client.calls import E, call, listing
from memory_client.fields import stated
from memory_client.operation import Ask
from memory_client.resources.base import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from memory_client.fields import Id
    from memory_client.group_fields import DocumentFields, InNamespace
    from memory_client.models import Document, DocumentStarted, Memory, Started
    from memory_client.operation import Reading


class Documents(Resource[E]):
    """Calls about documents."""

    @call("POST", "/v1/documents")
    def add(self, content: str | bytes, **fields: Unpack[DocumentFields]) -> Ask[DocumentStarted[E]]:
        """Take over a document, to be cut into memories by a job; the same text again changes nothing.

        Args:
            content: its text, or the bytes of its file (then ``mime_type`` says what they are).
            fields: ``title``, ``namespace``, ``external_id`` and so on, see :class:`DocumentFields`.
        """
        said = {"content": content} if isinstance(content, str) else {"file": b64encode(content).decode("ascii")}
        return Ask(models.DocumentStarted, body={**said, **stated(fields)})

    @listing("GET", "/v1/documents")
    def list(self, **where: Unpack[InNamespace]) -> Ask[Document]:
        """List documents, newest first, without their texts."""
        return Ask(models.Document, query=where)

    @call("GET", "/v1/documents/{document_id}")
    def get(self, document_id: Id, *, version: int | None = None, **options: Unpack[Reading]) -> Ask[Document]:
        """Return a document with its text, or an earlier one, and which memory is which span of it."""
        return Ask(models.Document, document_id, query={"version": version})

    @listing("GET", "/v1/documents/{document_id}/memories")
    def memories(self, document_id: Id, *, limit: int | None = None, **options: Unpack[Reading]) -> Ask[Memory]:
        """List the memories that a document was cut into, in the order in which they were stored."""
        return Ask(models.Memory, document_id, query={"limit": limit})

    @call("DELETE", "/v1/documents/{document_id}")
    def delete(self, document_id: Id, *, erase: bool = False, **options: Unpack[Reading]) -> Ask[Started[E] | None]:
        """Archive a document with its memories; or erase them for good, as a job that is returned."""
        return Ask(models.Started, document_id, query={"erase": erase or None})
