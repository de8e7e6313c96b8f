"""Erasures with their receipts and what they leave of blocks and documents, and the audit chain."""

from sqlalchemy import BigInteger, Boolean, Column, LargeBinary, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from memory_service.storage.tables.schema import Time, metadata, tenant_column

erasure = Table(
    "erasure",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("namespace_id", Uuid),
    Column("job_id", Uuid, nullable=False),
    Column("api_key_id", Uuid),
    Column("selected_by", Text, nullable=False),
    Column("selection_hash", LargeBinary, nullable=False),
    Column("status", Text, nullable=False),
    Column("counts", JSONB, nullable=False),
    Column("verified", Boolean),
    Column("remains", JSONB, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("finished_at", Time),
)

erasure_item = Table(
    "erasure_item",
    metadata,
    tenant_column(),
    Column("erasure_id", Uuid, primary_key=True),
    Column("memory_id", Uuid, primary_key=True),
    Column("status", Text, nullable=False),
    Column("derived", Boolean, nullable=False),
)

erased_record = Table(
    "erased_record",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("erased_at", Time, nullable=False),
)

audit_event = Table(
    "audit_event",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("at", Time, nullable=False),
    Column("api_key_id", Uuid),
    Column("action", Text, nullable=False),
    Column("subject", Text),
    Column("subject_id", Uuid),
    Column("namespace_id", Uuid),
    Column("details", JSONB, nullable=False),
)

audit_seal = Table(
    "audit_seal",
    metadata,
    tenant_column(),
    Column("seq", BigInteger, primary_key=True),
    Column("event_id", Uuid, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

audit_pending = Table(
    "audit_pending",
    metadata,
    tenant_column(),
    Column("event_id", Uuid, primary_key=True),
)
