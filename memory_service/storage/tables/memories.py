"""Memories with their versions and sources, how firm they are, and what is left of those that were erased."""

from sqlalchemy import ARRAY, Boolean, Column, Double, Integer, LargeBinary, SmallInteger, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from memory_service.storage.tables.schema import Time, metadata, tenant_column, written


def state_columns(*, of_a_version: bool = False) -> list[Column[object]]:
    """Return the columns that make up one state of a memory; a version keeps exactly these, and is known by its number."""
    return [
        Column("namespace_id", Uuid, nullable=False),
        Column("user_id", Text),
        Column("agent_id", Text),
        Column("session_id", Text),
        Column("external_id", Text),
        Column("payload_type", Text, nullable=False),
        Column("memory_type", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("version", Integer, primary_key=of_a_version, nullable=False),
        Column("content", Text, nullable=False),
        Column("title", Text),
        Column("context", Text),
        Column("keywords", ARRAY(Text), nullable=False),
        Column("tags", ARRAY(Text), nullable=False),
        Column("entities", ARRAY(Text), nullable=False),
        Column("metadata", JSONB, nullable=False),
        Column("value", JSONB),
        Column("importance", Double, nullable=False),
        Column("confidence", Double, nullable=False),
        Column("pinned", Boolean, nullable=False),
        Column("language", Text),
        Column("speaker", Text),
        Column("role", Text),
        Column("observed_at", Time, nullable=False),
        Column("valid_from", Time),
        Column("valid_to", Time),
        Column("expires_at", Time),
        Column("created_at", Time, nullable=False),
        Column("updated_at", Time, nullable=False),
        Column("superseded_by", Uuid),
        Column("content_version", Integer, nullable=False),
        Column("derivation_method", Text, nullable=False),
        Column("derivation_parents", ARRAY(Uuid), nullable=False),
        Column("changeset_id", Uuid),
        Column("computed", ARRAY(Text), nullable=False),
        Column("trust", Double, nullable=False),
        Column("flags", ARRAY(Text), nullable=False),
        Column("redactions", JSONB),
    ]


STATE_COLUMNS: tuple[str, ...] = tuple(column.name for column in state_columns())

memory = Table(
    "memory",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    *state_columns(),
    Column("content_hash", LargeBinary, nullable=False),
    Column("dedupe_hash", LargeBinary),
    Column("archived_at", Time),
    Column("extract", Text, nullable=False),
    Column("enriched_version", Integer, nullable=False),
    Column("terms", ARRAY(Text), nullable=False),
    Column("traits", SmallInteger),
    Column("precision_tier", SmallInteger, nullable=False, server_default="0"),
    Column("precision_since", Time),
    Column("precision_wanted", SmallInteger),
    Column("consolidated_version", Integer, nullable=False, server_default=text("0")),
    Column("surprise", Double),
    written(),
)

memory_version = Table(
    "memory_version",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    *state_columns(of_a_version=True),
    Column("known_to", Time, nullable=False),
)

source = Table(
    "source",
    metadata,
    tenant_column(),
    Column("memory_id", Uuid, primary_key=True),
    Column("ordinal", SmallInteger, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("ref", Text),
    Column("speaker", Text),
    Column("role", Text),
    Column("span_from", Integer),
    Column("span_to", Integer),
    Column("hash", LargeBinary, nullable=False),
    Column("created_at", Time, nullable=False),
)

retention = Table(
    "retention",
    metadata,
    tenant_column(),
    Column("memory_id", Uuid, primary_key=True),
    Column("stability_days", Double),
    Column("difficulty", Double),
    Column("recall_count", Integer, nullable=False),
    Column("last_recalled_at", Time),
    Column("namespace_id", Uuid, nullable=False),
    Column("spaced_uses", Double, nullable=False),
    Column("traces", ARRAY(Double)),
    Column("traced_at", Time),
    Column("refreshed_at", Time),
    Column("forgotten_at", Time),
    Column("policy_id", Uuid, nullable=False),
    Column("due_at", Time, nullable=False),
)

recall = Table(
    "recall",
    metadata,
    tenant_column(),
    Column("memory_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("trace_id", Uuid, nullable=False),
    Column("rank", SmallInteger, nullable=False),
    Column("score", Double, nullable=False),
    Column("useful", Boolean),
    Column("cited", Boolean),
    Column("recalled_at", Time, nullable=False),
    Column("held_before", JSONB),
)

tombstone = Table(
    "tombstone",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("namespace_id", Uuid, nullable=False),
    Column("content_hash", LargeBinary, nullable=False),
    Column("erased_at", Time, nullable=False),
    written(),
)

erased_text = Table(
    "erased_text",
    metadata,
    tenant_column(),
    Column("namespace_id", Uuid, primary_key=True),
    Column("hash", LargeBinary, primary_key=True),
    Column("memory_id", Uuid, nullable=False),
    Column("erased_at", Time, nullable=False),
)
