"""What runs of consolidation changed, and what waits for a person."""

from sqlalchemy import Column, Double, Integer, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from memory_service.storage.tables.schema import Time, metadata, tenant_column

changeset = Table(
    "changeset",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("namespace_id", Uuid, nullable=False),
    Column("job_id", Uuid),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("counts", JSONB, nullable=False),
    Column("usage", JSONB),
    Column("created_at", Time, nullable=False),
    Column("reverted_at", Time),
)

change = Table(
    "change",
    metadata,
    tenant_column(),
    Column("changeset_id", Uuid, primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("change", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("memory_id", Uuid),
    Column("other_id", Uuid),
    Column("target_id", Uuid),
    Column("version_before", Integer),
    Column("version_after", Integer),
    Column("before", JSONB),
    Column("after", JSONB),
    Column("score", Double),
    Column("reason", Text, nullable=False),
    Column("method", Text, nullable=False),
)

review = Table(
    "review",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("namespace_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("proposal", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("memory_id", Uuid, nullable=False),
    Column("other_id", Uuid),
    Column("score", Double),
    Column("reason", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("changeset_id", Uuid),
    Column("decision_changeset_id", Uuid),
    Column("created_at", Time, nullable=False),
    Column("decided_at", Time),
)
