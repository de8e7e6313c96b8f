"""Webhooks and the outbox of what they are told."""

from sqlalchemy import ARRAY, Boolean, Column, Integer, LargeBinary, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from memory_service.storage.tables.schema import Time, metadata, tenant_column

webhook = Table(
    "webhook",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("url", Text, nullable=False),
    Column("events", ARRAY(Text), nullable=False),
    Column("namespace", Text),
    Column("description", Text),
    Column("content", Boolean, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("former_secret", LargeBinary),
    Column("former_until", Time),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("failing_since", Time),
    Column("retry_at", Time),
    Column("disabled_reason", Text),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
)

webhook_delivery = Table(
    "webhook_delivery",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("webhook_id", Uuid, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("event", Text, nullable=False),
    Column("namespace_id", Uuid),
    Column("subject_id", Uuid, nullable=False),
    Column("version", Integer),
    Column("details", JSONB, nullable=False),
    Column("occurred_at", Time, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Time, nullable=False),
    Column("tries", JSONB, nullable=False),
    Column("finished_at", Time),
)
