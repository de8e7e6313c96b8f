"""Work of the background: jobs, kept answers, and what models of language were asked."""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, SmallInteger, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from memory_service.storage.tables.schema import Time, metadata, tenant_column

job = Table(
    "job",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("namespace_id", Uuid),
    Column("status", Text, nullable=False),
    Column("done", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("items", JSONB, nullable=False),
    Column("result", JSONB(none_as_null=True)),
    Column("error", Text),
    Column("attempts", SmallInteger, nullable=False),
    Column("lease_until", Time),
    Column("created_at", Time, nullable=False),
    Column("started_at", Time),
    Column("finished_at", Time),
    Column("expires_at", Time, nullable=False),
)

idempotency_key = Table(
    "idempotency_key",
    metadata,
    tenant_column(),
    Column("api_key_id", Uuid, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_hash", LargeBinary, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("expires_at", Time, nullable=False),
)

tier_work = Table(
    "tier_work",
    metadata,
    tenant_column(),
    Column("namespace_id", Uuid, primary_key=True),
    Column("tier", Text, primary_key=True),
    Column("key", Text(collation="C"), primary_key=True),
    Column("due_at", Time, nullable=False),
)

model_usage = Table(
    "model_usage",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("job_id", Uuid),
    Column("task", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("calls", Integer, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("dead_letters", Integer, nullable=False),
    Column("fallback", Text),
    Column("created_at", Time, nullable=False),
    Column("expires_at", Time, nullable=False),
)

dead_letter = Table(
    "dead_letter",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("job_id", Uuid),
    Column("task", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("reply", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("expires_at", Time, nullable=False),
)

dead_letter_memory = Table(
    "dead_letter_memory",
    metadata,
    tenant_column(),
    Column("dead_letter_id", Uuid, primary_key=True),
    Column("memory_id", Uuid, primary_key=True),
)

import_record = Table(
    "import_record",
    metadata,
    tenant_column(),
    Column("job_id", Uuid, primary_key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("namespace", Text),
    Column("user_id", Text),
    Column("agent_id", Text),
    Column("session_id", Text),
    Column("record", LargeBinary),
    Column("status", Text),
    Column("item_id", Text),
    Column("code", Text),
    Column("detail", Text),
)

import_record_memory = Table(
    "import_record_memory",
    metadata,
    tenant_column(),
    Column("memory_id", Uuid, primary_key=True),
    Column("job_id", Uuid, primary_key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
)
