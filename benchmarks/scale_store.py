"""Put a synthetic namespace into a database in bulk, as the maintenance role; what is there already is not made again."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from pgvector import HalfVector
from sqlalchemy import text
from sqlalchemy.orm import Session

from benchmarks.scale_data import DIMENSION, Batch, Synthetic
from memory_service.storage.database import Database
from memory_service.storage.ids import new_id
from memory_service.storage.namespaces import Namespace, ensure_namespaces
from memory_service.storage.pending import fold_corpus
from memory_service.storage.search_index import count_in, post_terms

BATCH = 10_000
TENANT = UUID("5ca1e000-0000-7000-8000-000000000001")
ENCODER = 1

_MEMORY = (
    "tenant_id", "id", "namespace_id", "session_id", "payload_type", "memory_type", "state", "version", "content", "keywords",
    "tags", "entities", "metadata", "importance", "confidence", "pinned", "observed_at", "created_at", "updated_at",
    "content_version", "derivation_method", "derivation_parents", "content_hash", "extract", "enriched_version", "terms",
    "traits",
)  # fmt: skip
_EMBEDDING = (
    "tenant_id", "shelf", "namespace_id", "encoder_id", "memory_id", "version", "chunk", "span_from", "span_to", "known_from",
    "vector",
)  # fmt: skip
_EMBEDDING_TYPES = (
    "uuid", "smallint", "uuid", "smallint", "uuid", "integer", "smallint", "integer", "integer", "timestamptz", "halfvec",
)  # fmt: skip
_TURNS_OF_A_SESSION = 40


@dataclass(frozen=True, slots=True)
class Store:
    """The database of the benchmark: as the maintenance role, and as the service sees it."""

    maintenance: Database
    service: Database

    def prepare(self) -> None:
        """Make the tenant and the encoder."""
        with self.maintenance.transaction(TENANT) as session:
            session.execute(
                text("INSERT INTO tenant (id, name, created_at) VALUES (:id, 'scale', now()) ON CONFLICT DO NOTHING"),
                {"id": TENANT},
            )
            session.execute(
                text(
                    "INSERT INTO encoder (id, name, dimension, max_tokens, fingerprint, probe, shelf, is_default, created_at) "
                    "VALUES (:id, 'synthetic', :dimension, 256, 'none', '{}', 0, true, now()) ON CONFLICT DO NOTHING"
                ),
                {"id": ENCODER, "dimension": DIMENSION},
            )

    def namespace(self, path: str) -> Namespace:
        """Return a namespace, made if it is missing."""
        with self.maintenance.transaction(TENANT) as session:
            made = ensure_namespaces(session, TENANT, [path], now=datetime.now(UTC))
        return made[path]

    def count(self, namespace: Namespace) -> int:
        """Count the memories of a namespace."""
        with self.maintenance.transaction(TENANT) as session:
            found = session.scalar(
                text("SELECT count(*) FROM memory WHERE tenant_id = :t AND namespace_id = :n"),
                {"t": TENANT, "n": namespace.id},
            )
        return int(found or 0)

    def fill(self, path: str, size: int, *, data: Synthetic, done: Callable[[int], None]) -> None:
        """Store what is missing of a namespace, a batch in a transaction."""
        namespace = self.namespace(path)
        stored = self.count(namespace)
        done(stored)
        while stored < size:
            number, within = divmod(stored, BATCH)
            batch = data.batch(number, BATCH)
            until = min(BATCH, within + size - stored)
            part = Batch(batch.terms[within:until], batch.vectors[within:until])
            with self.maintenance.transaction(TENANT, durable=False) as session:
                ids = _copy(session, namespace, part, first=stored)
                post_terms(session, TENANT, ids)
                count_in(session, TENANT, [(namespace.id, len(ids))])
            stored += len(ids)
            done(len(ids))
        with self.maintenance.transaction(TENANT) as session:
            fold_corpus(session, TENANT, namespace.id)


def _copy(session: Session, namespace: Namespace, batch: Batch, *, first: int) -> list[UUID]:
    """Copy memories and vectors; postings are made of the terms by the service's own statement."""
    start = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=first)
    now = datetime.now(UTC)
    ids = [new_id() for _ in batch.terms]
    connection = session.connection().connection.driver_connection
    assert connection is not None
    with connection.cursor() as cursor:
        with cursor.copy(f"COPY memory ({', '.join(_MEMORY)}) FROM STDIN") as copy:
            for at, (memory_id, terms) in enumerate(zip(ids, batch.terms, strict=True)):
                observed = start + timedelta(minutes=at)
                turns = f"session {(first + at) // _TURNS_OF_A_SESSION}"
                copy.write_row(
                    (TENANT, memory_id, namespace.id, turns, "plaintext", "episodic", "activated", 1, " ".join(terms), [],
                     [], [], "{}", 0.5, 1.0, False, observed, now, now, 1, "verbatim", [], memory_id.bytes, "none", 1, terms,
                     0)
                )  # fmt: skip
        with cursor.copy(f"COPY embedding ({', '.join(_EMBEDDING)}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(_EMBEDDING_TYPES)
            for memory_id, vector in zip(ids, batch.vectors, strict=True):
                copy.write_row(
                    (TENANT, namespace.shelf, namespace.id, ENCODER, memory_id, 1, 0, 0, 1, now, HalfVector(vector))
                )
    return ids
