"""KV memories: blocks that engines computed, what they were made of, and plans of prompts."""

from sqlalchemy import BigInteger, Boolean, Column, Double, Integer, LargeBinary, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from memory_service.storage.tables.schema import Time, metadata, tenant_column

kv_memory = Table(
    "kv_memory",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("namespace_id", Uuid, nullable=False),
    Column("plan_id", Uuid),
    Column("model", Text, nullable=False),
    Column("engine", LargeBinary, nullable=False),
    Column("fingerprint", JSONB, nullable=False),
    Column("block_size", Integer, nullable=False),
    Column("first_block", Integer, nullable=False),
    Column("blocks", Integer, nullable=False),
    Column("n_tokens", Integer, nullable=False),
    Column("parent_hash", LargeBinary, nullable=False),
    Column("last_hash", LargeBinary, nullable=False),
    Column("token_ids_hash", LargeBinary),
    Column("text_hash", LargeBinary),
    Column("codec", Text, nullable=False),
    Column("exactness", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("checksum", LargeBinary, nullable=False),
    Column("prefill_s", Double, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("stale_at", Time),
    Column("has_blob", Boolean, nullable=False),
    Column("heat", Double, nullable=False),
    Column("heat_at", Time, nullable=False),
    Column("hits", BigInteger, nullable=False),
    Column("last_hit_at", Time),
    Column("created_at", Time, nullable=False),
    Column("expires_at", Time, nullable=False),
)

kv_block = Table(
    "kv_block",
    metadata,
    tenant_column(),
    Column("hash", LargeBinary, primary_key=True),
    Column("kv_memory_id", Uuid, primary_key=True),
    Column("position", Integer, nullable=False),
)

kv_source = Table(
    "kv_source",
    metadata,
    tenant_column(),
    Column("memory_id", Uuid, primary_key=True),
    Column("kv_memory_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("token_start", Integer, primary_key=True, autoincrement=False),
    Column("token_end", Integer, nullable=False),
)

kv_quota = Table(
    "kv_quota",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("namespace_id", Uuid),
    Column("bytes", BigInteger, nullable=False),
    Column("updated_at", Time, nullable=False),
)

kv_usage = Table(
    "kv_usage",
    metadata,
    tenant_column(),
    Column("engine", LargeBinary, primary_key=True),
    Column("lookups", BigInteger, nullable=False),
    Column("asked_blocks", BigInteger, nullable=False),
    Column("found_blocks", BigInteger, nullable=False),
    Column("loads", BigInteger, nullable=False),
    Column("loaded_tokens", BigInteger, nullable=False),
    Column("saved_s", Double, nullable=False),
    Column("updated_at", Time, nullable=False),
    Column("loaded_bytes", BigInteger, nullable=False, server_default=text("0")),
)

kv_upkeep = Table(
    "kv_upkeep",
    metadata,
    tenant_column(),
    Column("orphans", BigInteger, nullable=False),
    Column("removed", BigInteger, nullable=False),
    Column("lost", BigInteger, nullable=False),
    Column("damaged", BigInteger, nullable=False),
    Column("updated_at", Time, nullable=False),
)

kv_engine = Table(
    "kv_engine",
    metadata,
    tenant_column(),
    Column("digest", LargeBinary, primary_key=True),
    Column("model", Text, nullable=False),
    Column("fingerprint", JSONB, nullable=False),
    Column("bytes_per_token", BigInteger, nullable=False),
    Column("prefill_tokens_per_s", Double),
    Column("created_at", Time, nullable=False),
    Column("announced_at", Time, nullable=False),
)

kv_plan = Table(
    "kv_plan",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("namespace_id", Uuid, nullable=False),
    Column("engine", LargeBinary, nullable=False),
    Column("model", Text, nullable=False),
    Column("token_count", Integer, nullable=False),
    Column("token_ids_hash", LargeBinary, nullable=False),
    Column("text_hash", LargeBinary, nullable=False),
    Column("block_size", Integer, nullable=False),
    Column("block_hashes", LargeBinary, nullable=False),
    Column("admitted", Integer, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("expires_at", Time, nullable=False),
)

kv_plan_source = Table(
    "kv_plan_source",
    metadata,
    tenant_column(),
    Column("plan_id", Uuid, primary_key=True),
    Column("memory_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("token_start", Integer, nullable=False),
    Column("token_end", Integer, nullable=False),
    Column("first_block", Integer, nullable=False),
)
