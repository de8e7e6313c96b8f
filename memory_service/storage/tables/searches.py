"""Searches as they were answered, what was said of them, and what was learned from that."""

from sqlalchemy import ARRAY, Boolean, Column, LargeBinary, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from memory_service.storage.tables.schema import Time, metadata, tenant_column

trace = Table(
    "trace",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("namespaces", ARRAY(Text), nullable=False),
    Column("query", Text, nullable=False),
    Column("request", JSONB, nullable=False),
    Column("result", JSONB, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("expires_at", Time, nullable=False),
)

feedback = Table(
    "feedback",
    metadata,
    tenant_column(),
    Column("trace_id", Uuid, primary_key=True),
    Column("memory_id", Uuid, primary_key=True),
    Column("namespace_id", Uuid, nullable=False),
    Column("query", Text, nullable=False),
    Column("filter", JSONB),
    Column("useful", Boolean, nullable=False),
    Column("cited", Boolean, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("expires_at", Time, nullable=False),
)

saved_query = Table(
    "saved_query",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("namespace_id", Uuid, nullable=False),
    Column("query", Text, nullable=False),
    Column("filter", JSONB),
    Column("hash", LargeBinary, nullable=False),
    Column("source", Text, nullable=False),
    Column("created_at", Time, nullable=False),
)

saved_query_memory = Table(
    "saved_query_memory",
    metadata,
    tenant_column(),
    Column("saved_query_id", Uuid, primary_key=True),
    Column("memory_id", Uuid, primary_key=True),
)

fusion_weights = Table(
    "fusion_weights",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("namespace_id", Uuid, nullable=False),
    Column("factors", JSONB, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("evaluation", JSONB, nullable=False),
    Column("replaced", Uuid),
    Column("decided_at", Time, nullable=False),
    Column("known_from", Time, nullable=False),
    Column("known_to", Time, nullable=False),
)
