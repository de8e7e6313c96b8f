"""What consolidation builds over memories: episodes, topics, gists, communities, profiles."""

from sqlalchemy import ARRAY, Column, Integer, LargeBinary, SmallInteger, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from memory_service.storage.tables.schema import Time, metadata, tenant_column, written


def _structure_columns() -> list[Column[object]]:
    """Return the columns of every structure over memories; one id has successive states."""
    return [
        tenant_column(),
        Column("id", Uuid, primary_key=True),
        Column("known_from", Time, primary_key=True),
        Column("known_to", Time, nullable=False),
        Column("namespace_id", Uuid, nullable=False),
        Column("changeset_id", Uuid),
        Column("method", Text, nullable=False),
    ]


episode = Table(
    "episode",
    metadata,
    *_structure_columns(),
    Column("user_id", Text),
    Column("agent_id", Text),
    Column("session_id", Text, nullable=False),
    Column("first_memory_id", Uuid, nullable=False),
    Column("last_memory_id", Uuid, nullable=False),
    Column("starts", Time, nullable=False),
    Column("ends", Time, nullable=False),
    Column("size", Integer, nullable=False),
)

topic = Table(
    "topic",
    metadata,
    *_structure_columns(),
    Column("parent_id", Uuid),
    Column("level", SmallInteger, nullable=False),
    Column("size", Integer, nullable=False),
    Column("centroid", LargeBinary),
)

gist = Table(
    "gist",
    metadata,
    *_structure_columns(),
    Column("target_structure", Text, nullable=False),
    Column("target_id", Uuid, nullable=False),
    Column("text", Text, nullable=False),
    Column("keywords", ARRAY(Text), nullable=False),
    Column("spans", JSONB, nullable=False),
)

community = Table(
    "community",
    metadata,
    *_structure_columns(),
    Column("size", Integer, nullable=False),
    Column("entity_ids", ARRAY(Uuid), nullable=False),
)

profile = Table(
    "profile",
    metadata,
    *_structure_columns(),
    Column("user_id", Text, nullable=False),
    Column("lines", JSONB, nullable=False),
)

structure_member = Table(
    "structure_member",
    metadata,
    tenant_column(),
    Column("structure_id", Uuid, primary_key=True),
    Column("memory_id", Uuid, primary_key=True),
    Column("known_from", Time, primary_key=True),
    Column("known_to", Time, nullable=False),
    Column("namespace_id", Uuid, nullable=False),
    Column("structure", Text, nullable=False),
    written(),
)
