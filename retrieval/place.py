"""Where a search looks, and as of when."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from memory_service.storage.namespaces import Namespace
from retrieval.corpus import Corpus
from retrieval.encoders import Widths
from retrieval.request import RecallRequest


@dataclass(frozen=True, slots=True)
class Place:
    """Where a search looks, and as of when."""

    tenant_id: UUID
    namespaces: tuple[Namespace, ...]
    corpus: Corpus
    now: datetime
    widths: Widths = field(default_factory=dict)  # dimensions by encoder, where the query has vectors of several

    def at(self, request: RecallRequest) -> datetime:
        """Return the moment of knowledge: the one asked for, or the present."""
        return request.as_of.known or self.now
