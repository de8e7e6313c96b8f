"""Documents, their texts and the memories that were cut from them."""

from sqlalchemy import Column, Integer, LargeBinary, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from memory_service.storage.tables.schema import Time, metadata, tenant_column

document = Table(
    "document",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("namespace_id", Uuid, nullable=False),
    Column("external_id", Text),
    Column("user_id", Text),
    Column("agent_id", Text),
    Column("session_id", Text),
    Column("title", Text),
    Column("mime_type", Text, nullable=False),
    Column("metadata", JSONB, nullable=False),
    Column("version", Integer, nullable=False),
    Column("file_hash", LargeBinary),
    Column("content_hash", LargeBinary),
    Column("characters", Integer, nullable=False),
    Column("chunks", Integer, nullable=False),
    Column("job_id", Uuid, nullable=False),
    Column("observed_at", Time, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
    Column("archived_at", Time),
)

document_text = Table(
    "document_text",
    metadata,
    tenant_column(),
    Column("document_id", Uuid, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("content", Text, nullable=False),
    Column("created_at", Time, nullable=False),
)

document_chunk = Table(
    "document_chunk",
    metadata,
    tenant_column(),
    Column("document_id", Uuid, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("memory_id", Uuid, nullable=False),
    Column("span_from", Integer, nullable=False),
    Column("span_to", Integer, nullable=False),
)

document_upload = Table(
    "document_upload",
    metadata,
    tenant_column(),
    Column("job_id", Uuid, primary_key=True),
    Column("namespace_id", Uuid, nullable=False),
    Column("document_id", Uuid, nullable=False),
    Column("request", JSONB, nullable=False),
    Column("file", LargeBinary, nullable=False),
    Column("created_at", Time, nullable=False),
)
