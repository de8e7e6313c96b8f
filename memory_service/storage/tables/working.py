"""What an agent works with: core blocks and trees of tasks."""

from sqlalchemy import ARRAY, Boolean, Column, Integer, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from memory_service.storage.tables.schema import Time, metadata, tenant_column

block = Table(
    "block",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("namespace_id", Uuid, nullable=False),
    Column("label", Text, nullable=False),
    Column("user_id", Text),
    Column("agent_id", Text),
    Column("version", Integer, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
)

block_version = Table(
    "block_version",
    metadata,
    tenant_column(),
    Column("block_id", Uuid, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("value", Text, nullable=False),
    Column("description", Text),
    Column("max_characters", Integer, nullable=False),
    Column("read_only", Boolean, nullable=False),
    Column("metadata", JSONB, nullable=False),
    Column("archived", Boolean, nullable=False),
    Column("operation", Text, nullable=False),
    Column("edited_by", Text),
    Column("known_from", Time, nullable=False),
)

task_node = Table(
    "task_node",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("namespace_id", Uuid, nullable=False),
    Column("root_id", Uuid, nullable=False),
    Column("parent_id", Uuid),
    Column("depth", Integer, nullable=False),
    Column("user_id", Text),
    Column("agent_id", Text),
    Column("session_id", Text),
    Column("replaces", Uuid),
    Column("status", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
)

task_version = Table(
    "task_version",
    metadata,
    tenant_column(),
    Column("task_id", Uuid, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("status", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("input", JSONB),
    Column("output", JSONB),
    Column("outcome", Text),
    Column("metadata", JSONB, nullable=False),
    Column("depends_on", ARRAY(Uuid), nullable=False),
    Column("superseded_by", Uuid),
    Column("closed_at", Time),
    Column("operation", Text, nullable=False),
    Column("known_from", Time, nullable=False),
)

task_dependency = Table(
    "task_dependency",
    metadata,
    tenant_column(),
    Column("task_id", Uuid, primary_key=True),
    Column("depends_on_id", Uuid, primary_key=True),
)
