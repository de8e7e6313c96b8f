"""The rows of memories that are imported as new, gathered table by table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import numpy as np

from memory_service.analysis.memory_terms import language_of, memory_terms
from memory_service.analysis.traits import traits
from memory_service.analysis.trust import judge
from memory_service.bundle.records import MemoryRecord, StateRecord
from memory_service.bundle.spans import LiveText
from memory_service.lifecycle.draft import Chunk, content_hash
from memory_service.lifecycle.import_decision import Importing
from memory_service.lifecycle.imported_vectors import Encoded, texts_of
from memory_service.storage.imported import VectorRow, Whole
from memory_service.storage.namespaces import Namespace
from memory_service.types import Extract


@dataclass(slots=True)
class ImportedRows:
    """Rows of new memories, gathered table by table."""

    wanted: Importing
    namespaces: Mapping[str, Namespace]
    identities: Mapping[UUID, bytes]
    memories: list[dict[str, Any]] = field(default_factory=list)
    versions: list[dict[str, Any]] = field(default_factory=list)
    sources: list[dict[str, Any]] = field(default_factory=list)
    postings: list[dict[str, Any]] = field(default_factory=list)
    vectors: list[VectorRow] = field(default_factory=list)
    retention: list[dict[str, Any]] = field(default_factory=list)
    languages: list[tuple[UUID, str]] = field(default_factory=list)

    @property
    def encoders(self) -> dict[UUID, tuple[int, ...]]:
        """Return under which encoders each namespace is written."""
        return {one.id: one.encoders for one in self.namespaces.values()}

    def whole(self) -> Whole:
        """Return what was gathered."""
        return Whole(
            self.memories, self.versions, self.sources, self.postings, self.vectors, self.retention, self.languages
        )

    def add(self, record: MemoryRecord, left_out: frozenset[int], encoded: Encoded) -> None:
        """Gather the rows of one memory."""
        namespace_id = self.namespaces[record.namespace].id
        kind = next((source.kind for source in record.sources if source.ordinal == 0), None)
        for text in texts_of(record, left_out):
            terms = self._found_by(namespace_id, record.id, text, encoded.chunks.get(text.version, ()))
        language = language_of(record.content, record.language)
        if language not in self.namespaces[record.namespace].languages:
            self.languages.append((namespace_id, language))
        seen = record.content_version if record.enriched or record.extract is Extract.NONE else 0
        self.memories.append(
            {
                "tenant_id": self.wanted.tenant_id,
                "id": record.id,
                **self._state(record, kind),
                "content_hash": content_hash(record.content),
                "dedupe_hash": self.identities.get(record.id),
                "archived_at": record.archived_at,
                "extract": record.extract,
                "enriched_version": seen,
                "terms": terms,
                "traits": traits(record.content, language).pack(),
                "consolidated_version": record.content_version if record.consolidated else 0,
                "surprise": record.surprise,
            }
        )
        self.versions += [
            {"id": record.id, **self._state(version, kind), "known_to": version.known_to}
            for version in record.versions
            if version.version not in left_out
        ]
        self.sources += [
            {
                "memory_id": record.id,
                "ordinal": source.ordinal,
                "kind": source.kind,
                "ref": source.ref,
                "speaker": source.speaker,
                "role": source.role,
                "span_from": source.span[0] if source.span else None,
                "span_to": source.span[1] if source.span else None,
                "hash": bytes.fromhex(source.hash),
                "created_at": source.created_at,
            }
            for source in record.sources
        ]
        held = record.retention.model_dump() if record.retention else {}
        self.retention.append({"memory_id": record.id, "namespace_id": namespace_id, **held})

    def _state(self, state: StateRecord, kind: str | None) -> dict[str, Any]:
        values = state.model_dump(
            exclude={
                "namespace", "derivation", "type", "id", "known_to", "archived_at", "extract", "deduplicated", "enriched",
                "consolidated", "surprise", "sources", "versions", "retention", "embeddings",
            }
        )  # fmt: skip
        values |= {
            "namespace_id": self.namespaces[state.namespace].id,
            "derivation_method": state.derivation.method,
            "derivation_parents": state.derivation.parents,
            "changeset_id": state.derivation.changeset_id,
        }
        if not self.wanted.trusted:
            # Nobody's text is trusted more for having been carried here.
            own = judge(state.content, kind)
            values |= {
                "trust": min(state.trust, own.value),
                "flags": list(dict.fromkeys([*state.flags, *own.flags])),
            }
        return values

    def _found_by(self, namespace_id: UUID, memory_id: UUID, text: LiveText, chunks: Sequence[Chunk]) -> list[str]:
        """Gather postings and vectors of one text; return its terms."""
        said = text.said
        encoders = self.encoders[namespace_id]
        language = language_of(said.content, said.language)
        terms = list(
            memory_terms(
                said.content,
                language=language,
                speaker=said.speaker,
                observed_at=said.observed_at,
                title=said.title,
                context=said.context,
                computed=said.computed,
            )
        )
        span = {"known_from": text.known_from, "known_to": text.known_to}
        place = {"namespace_id": namespace_id, "memory_id": memory_id, "version": text.version}
        if terms:
            self.postings.append({**place, "terms": terms, **span})
        self.vectors += [
            VectorRow(
                namespace_id, encoder_id, memory_id, text.version, number, chunk.span, text.known_from, text.known_to,
                np.asarray(chunk.vector, dtype=np.float32),
            )
            for encoder_id in encoders
            for number, chunk in enumerate(one for one in chunks if one.encoder_id == encoder_id)
        ]  # fmt: skip
        return terms
