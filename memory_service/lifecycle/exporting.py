"""Export: what a tenant keeps, as the lines of a bundle, a page at a time."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.bundle.framing import Frame
from memory_service.bundle.records import RetentionRecord, packed
from memory_service.lifecycle.records import rfc3339
from memory_service.storage import exports
from memory_service.storage.encoders import EncoderRow
from memory_service.storage.sql import Row, Sql

PAGE: Final = 200  # memories, each with its history
LINKS: Final = 1_000
EVERYTHING: Final = Sql("true")

PARTS: Final = (
    "archived",
    "versions",
    "retention",
    "links",
    "settings",
    "policies",
    "blocks",
    "documents",
    "embeddings",
)
DEFAULT_PARTS: Final = frozenset(PARTS) - {"embeddings"}
# What tells of a whole namespace is left out where a filter asks for some of its memories.
WHOLE_NAMESPACES: Final = frozenset({"settings", "policies", "blocks", "documents"})
_OPEN: Final = Sql("m.archived_at IS NULL")

_PLAIN: Final = (
    "user_id", "agent_id", "session_id", "external_id", "payload_type", "memory_type", "state", "version", "content_version",
    "content", "title", "context", "keywords", "tags", "entities", "metadata", "value", "importance", "confidence", "pinned",
    "language", "speaker", "role",
)  # fmt: skip
LEFT_OUT: Final = ["kv", "parametric"]
"""What no bundle has: numbers that mean nothing to another engine or encoder, and are made anew of the memories."""

_TIMES: Final = ("observed_at", "valid_from", "valid_to", "expires_at", "created_at", "updated_at")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to export: of which namespaces (none: of all), which memories, and which parts of them."""

    paths: tuple[str, ...] | None = None
    where: Sql = EVERYTHING
    filtered: bool = False
    parts: Collection[str] = field(default=DEFAULT_PARTS)

    @property
    def taken(self) -> frozenset[str]:
        """Return the parts that are exported."""
        return frozenset(self.parts) - (WHOLE_NAMESPACES if self.filtered else frozenset())


@dataclass(frozen=True, slots=True)
class Exporter:
    """One export under way."""

    session: Session
    tenant_id: UUID
    wanted: Wanted
    encoder: EncoderRow
    service_version: str
    now: datetime
    frame: Frame = field(default_factory=Frame)

    def pages(self) -> Iterator[bytes]:
        """Yield the bundle, some lines at a time; memory does not grow with its length."""
        namespaces = exports.namespaces_to_export(self.session, self.tenant_id, self.wanted.paths)
        yield self.frame.header(
            {
                "service_version": self.service_version,
                "created_at": rfc3339(self.now),
                "encoder": {
                    "name": self.encoder.name,
                    "dimension": self.encoder.dimension,
                    "fingerprint": self.encoder.fingerprint,
                },
                "include": sorted(self.wanted.taken),
                "filtered": self.wanted.filtered,
                "left_out": LEFT_OUT,
            }
        )
        if "settings" in self.wanted.taken:
            yield self._lines({"type": "namespace", "path": n["path"], "settings": n["settings"]} for n in namespaces)
        if "policies" in self.wanted.taken:
            yield self._lines(self._policies(namespaces))
        if "blocks" in self.wanted.taken:
            for namespace in namespaces:
                yield from self._blocks(namespace["id"], namespace["path"])
        for namespace in namespaces:
            yield from self._memories(namespace["id"], namespace["path"])
        # What points at memories comes when all of them are there.
        for namespace in namespaces:
            if "links" in self.wanted.taken:
                yield from self._links(namespace["id"])
            if "documents" in self.wanted.taken:
                yield from self._documents(namespace["id"], namespace["path"])
        yield self.frame.end()

    def _lines(self, records: Iterator[dict[str, Any]]) -> bytes:
        return b"".join(self.frame.record(record) for record in records)

    def _policies(self, namespaces: Sequence[Row]) -> Iterator[dict[str, Any]]:
        paths = {n["id"]: n["path"] for n in namespaces}
        found = exports.policies_of(self.session, self.tenant_id, list(paths))
        for row in sorted(found, key=lambda row: (paths[row["namespace_id"]], row["kind"])):
            yield {
                "type": "policy",
                "namespace": paths[row["namespace_id"]],
                "kind": row["kind"],
                "policy": row["body"],
            }

    def _blocks(self, namespace_id: UUID, path: str) -> Iterator[bytes]:
        after: UUID | None = None
        while rows := exports.page_of_blocks(self.session, self.tenant_id, namespace_id, after=after, limit=PAGE):
            after = rows[-1]["id"]
            texts = exports.block_versions_of(self.session, self.tenant_id, [row["id"] for row in rows])
            for row in rows:
                versions = texts[row["id"]]
                if versions[-1]["archived"] and "archived" not in self.wanted.taken:
                    continue
                kept = versions if "versions" in self.wanted.taken else versions[-1:]
                yield self.frame.record(block_record(row, path, kept))

    @property
    def _where(self) -> Sql:
        where = self.wanted.where
        if "archived" in self.wanted.taken:
            return where
        return Sql(f"({where.text}) AND {_OPEN.text}", where.params)

    def _memories(self, namespace_id: UUID, path: str) -> Iterator[bytes]:
        after: UUID | None = None
        while True:
            rows = exports.page_of_memories(
                self.session, self.tenant_id, namespace_id, where=self._where, after=after, limit=PAGE
            )
            if not rows:
                return
            yield self._lines(self._with_parts(rows, path))
            if len(rows) < PAGE:
                return
            after = rows[-1]["id"]

    def _with_parts(self, rows: Sequence[Row], path: str) -> Iterator[dict[str, Any]]:
        ids = [row["id"] for row in rows]
        taken = self.wanted.taken
        sources = exports.sources_of(self.session, self.tenant_id, ids)
        versions = exports.versions_of(self.session, self.tenant_id, ids) if "versions" in taken else {}
        retention = exports.retention_of(self.session, self.tenant_id, ids) if "retention" in taken else {}
        vectors: Mapping[UUID, Sequence[Row]] = {}
        if "embeddings" in taken:
            vectors = exports.vectors_of(self.session, self.tenant_id, ids, encoder_id=self.encoder.id)
        for row in rows:
            record = memory_record(row, path, sources.get(row["id"], ()))
            if "versions" in taken:
                record["versions"] = [version_record(version) for version in versions.get(row["id"], ())]
            if row["id"] in retention:
                record["retention"] = retention_record(retention[row["id"]])
            if row["id"] in vectors:
                kept = {
                    record["content_version"],
                    *(version["content_version"] for version in record.get("versions", ())),
                }
                record["embeddings"] = [
                    embedding_record(one) for one in vectors[row["id"]] if one["version"] in kept
                ]  # fmt: skip
            yield record

    def _links(self, namespace_id: UUID) -> Iterator[bytes]:
        after: UUID | None = None
        while True:
            rows = exports.page_of_links(
                self.session, self.tenant_id, namespace_id, where=self._where, after=after, limit=LINKS
            )
            if not rows:
                return
            yield self._lines(link_record(row) for row in rows)
            after = rows[-1]["id"]

    def _documents(self, namespace_id: UUID, path: str) -> Iterator[bytes]:
        after: UUID | None = None
        while (row := exports.documents_of(self.session, self.tenant_id, namespace_id, after=after)) is not None:
            after = row["id"]
            if row["archived_at"] is not None and "archived" not in self.wanted.taken:
                continue
            yield self.frame.record(document_record(row, path))
            versions = exports.text_versions(self.session, self.tenant_id, row["id"])
            for version in versions if "versions" in self.wanted.taken else versions[-1:]:
                yield self.frame.record(self._text(row["id"], version))

    def _text(self, document_id: UUID, version: int) -> dict[str, Any]:
        row = exports.text_of(self.session, self.tenant_id, document_id, version)
        return {
            "type": "document_text",
            "document_id": str(document_id),
            "version": version,
            "content": row["content"],
            "created_at": rfc3339(row["created_at"]),
            "chunks": [
                {"ordinal": c["ordinal"], "memory_id": str(c["memory_id"]), "span": [c["span_from"], c["span_to"]]}
                for c in exports.chunks_of(self.session, self.tenant_id, document_id, version)
            ],
        }


def _state(row: Row, path: str) -> dict[str, Any]:
    return {
        "namespace": path,
        **{name: row[name] for name in _PLAIN},
        **{name: rfc3339(row[name]) for name in _TIMES},
        "superseded_by": _id(row["superseded_by"]),
        "derivation": {
            "method": row["derivation_method"],
            "parents": [str(parent) for parent in row["derivation_parents"]],
            "changeset_id": _id(row["changeset_id"]),
        },
        "computed": row["computed"],
        "trust": row["trust"],
        "flags": row["flags"],
        "redactions": row["redactions"],
    }


def _id(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def memory_record(row: Row, path: str, sources: Sequence[Row]) -> dict[str, Any]:
    """Return a memory with its sources."""
    return {
        "type": "memory",
        "id": str(row["id"]),
        **_state(row, path),
        "archived_at": rfc3339(row["archived_at"]),
        "extract": row["extract"],
        "deduplicated": row["deduplicated"],
        "enriched": row["enriched"],
        "consolidated": row["consolidated"],
        "surprise": row["surprise"],
        "sources": [
            {
                "ordinal": s["ordinal"],
                "kind": s["kind"],
                "ref": s["ref"],
                "speaker": s["speaker"],
                "role": s["role"],
                "span": None if s["span_from"] is None else [s["span_from"], s["span_to"]],
                "hash": s["hash"].hex(),
                "created_at": rfc3339(s["created_at"]),
            }
            for s in sources
        ],
    }


def version_record(row: Row) -> dict[str, Any]:
    """Return a past state of a memory."""
    return {**_state(row, row["namespace"]), "known_to": rfc3339(row["known_to"])}


def retention_record(row: Row) -> dict[str, Any]:
    """Return how firmly a memory holds."""
    plain: Callable[[Any], Any] = lambda value: rfc3339(value) if isinstance(value, datetime) else value  # noqa: E731
    return {name: plain(row[name]) for name in RetentionRecord.model_fields}


def embedding_record(row: Row) -> dict[str, Any]:
    """Return one vector."""
    return {
        "version": row["version"],
        "chunk": row["chunk"],
        "span": [row["span_from"], row["span_to"]],
        "vector": packed(row["vector"].to_numpy()),
    }


def link_record(row: Row) -> dict[str, Any]:
    """Return an edge."""
    return {
        "type": "link",
        "id": str(row["id"]),
        "source_id": str(row["source_id"]),
        "target_id": str(row["target_id"]),
        "link_type": row["type"],
        "weight": row["weight"],
        "method": row["derivation_method"],
        "changeset_id": _id(row["changeset_id"]),
        "known_from": rfc3339(row["known_from"]),
        "known_to": rfc3339(row["known_to"]),
    }


def block_record(row: Row, path: str, versions: Sequence[Row]) -> dict[str, Any]:
    """Return a core block with its texts."""
    return {
        "type": "block",
        "id": str(row["id"]),
        "namespace": path,
        **{name: row[name] for name in ("label", "user_id", "agent_id")},
        "created_at": rfc3339(row["created_at"]),
        "versions": [
            {
                **{name: value for name, value in version.items() if name != "block_id"},
                "known_from": rfc3339(version["known_from"]),
            }
            for version in versions
        ],
    }


def document_record(row: Row, path: str) -> dict[str, Any]:
    """Return a document without its texts."""
    hashes = {name: row[name].hex() if row[name] is not None else None for name in ("file_hash", "content_hash")}
    times = {name: rfc3339(row[name]) for name in ("observed_at", "created_at", "updated_at", "archived_at")}
    plain = ("external_id", "user_id", "agent_id", "session_id", "title", "mime_type", "metadata", "version")
    return {
        "type": "document",
        "id": str(row["id"]),
        "namespace": path,
        **{name: row[name] for name in plain},
        **hashes,
        **times,
    }
