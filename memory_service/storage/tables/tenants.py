"""Who may do what: tenants, keys, sessions of the web view, namespaces with their encoders and policies."""

from sqlalchemy import ARRAY, REAL, BigInteger, Boolean, Column, Integer, LargeBinary, SmallInteger, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from memory_service.storage.tables.schema import Time, TransactionId, metadata, tenant_column

tenant = Table(
    "tenant",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("deleting_at", Time),
    Column("deleted_by", Uuid),
    Column("removed", JSONB, nullable=False, server_default="{}"),
)

encoder = Table(
    "encoder",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("dimension", Integer, nullable=False),
    Column("max_tokens", Integer, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("probe", ARRAY(REAL), nullable=False),
    Column("shelf", SmallInteger, nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("created_at", Time, nullable=False),
)

api_key = Table(
    "api_key",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("created_at", Time, nullable=False),
    Column("expires_at", Time),
    Column("revoked_at", Time),
    Column("last_used_at", Time),
)

web_session = Table(
    "web_session",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("hash", LargeBinary, nullable=False),
    Column("api_key_id", Uuid, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("expires_at", Time, nullable=False),
)

login_link = Table(
    "login_link",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("hash", LargeBinary, nullable=False),
    Column("api_key_id", Uuid, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("expires_at", Time, nullable=False),
)

namespace = Table(
    "namespace",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("path", Text(collation="C"), nullable=False),
    Column("settings", JSONB, nullable=False),
    Column("encoder_id", SmallInteger, nullable=False),
    Column("shelf", SmallInteger, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("folded_docs", BigInteger, nullable=False),
    Column("stats_docs", BigInteger, nullable=False),
    Column("languages", ARRAY(Text), nullable=False),
    Column("terms_version", SmallInteger, nullable=False),
    Column("terms_rebuilt_to", Uuid),
    Column("earlier_terms_rebuilt_to", Uuid),
    Column("moving_to", SmallInteger),
    Column("moving_since", TransactionId),
    Column("moved_at", Time),
    Column("retention_policy", JSONB),
    Column("also_encoder_id", SmallInteger),
)

policy = Table(
    "policy",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("namespace_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("body", JSONB, nullable=False),
    Column("known_from", Time, nullable=False),
    Column("known_to", Time, nullable=False),
)

reindex = Table(
    "reindex",
    metadata,
    tenant_column(),
    Column("namespace_id", Uuid, primary_key=True),
    Column("from_encoder_id", SmallInteger, nullable=False),
    Column("to_encoder_id", SmallInteger, nullable=False),
    Column("from_shelf", SmallInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("job_id", Uuid, nullable=False),
    Column("waits_for", ARRAY(Text)),
    Column("comparison", JSONB),
    Column("started_at", Time, nullable=False),
    Column("ready_at", Time),
    Column("turned_at", Time),
    Column("finished_at", Time),
)
