"""Parametric memories: cubes, their versions, and the pairs that they were taught."""

from sqlalchemy import ARRAY, Boolean, Column, Double, Integer, LargeBinary, SmallInteger, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from memory_service.storage.tables.schema import Time, metadata, tenant_column

parametric_memory = Table(
    "parametric_memory",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("namespace_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("gamma", Double, nullable=False),
    Column("ridge", Double, nullable=False),
    Column("active_version", Integer),
    Column("last_version", Integer, nullable=False),
    Column("rest_until", Time),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
)

parametric_version = Table(
    "parametric_version",
    metadata,
    tenant_column(),
    Column("parametric_memory_id", Uuid, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("parent", Integer),
    Column("lineage", ARRAY(Integer), nullable=False),
    Column("cause", Text, nullable=False),
    Column("job_id", Uuid),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("stale_at", Time),
    Column("encoder_id", SmallInteger, nullable=False),
    Column("dimension", Integer, nullable=False),
    Column("pairs", Integer, nullable=False),
    Column("weights", LargeBinary),
    Column("checksum", LargeBinary),
    Column("centroid", LargeBinary),
    Column("canary", JSONB(none_as_null=True)),
    Column("created_at", Time, nullable=False),
)

parametric_pair = Table(
    "parametric_pair",
    metadata,
    tenant_column(),
    Column("parametric_memory_id", Uuid, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("namespace_id", Uuid, nullable=False),
    Column("memory_id", Uuid, nullable=False),
    Column("memory_version", Integer, nullable=False),
    Column("cue", Text, nullable=False),
    Column("cue_hash", LargeBinary, nullable=False),
    Column("origin", Text, nullable=False),
    Column("user_id", Text),
    Column("agent_id", Text),
    Column("session_id", Text),
    Column("job_id", Uuid),
    Column("probe", Boolean, nullable=False),
    Column("version", Integer),
    Column("encoder_id", SmallInteger),
    Column("key", LargeBinary),
    Column("value", LargeBinary),
    Column("created_at", Time, nullable=False),
)
