"""What reading memories found: links, times, facts, entities and who mentions them."""

from sqlalchemy import ARRAY, Boolean, Column, Double, Integer, SmallInteger, Table, Text, Uuid

from memory_service.storage.tables.schema import Time, metadata, tenant_column, written

link = Table(
    "link",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("namespace_id", Uuid, nullable=False),
    Column("source_id", Uuid, nullable=False),
    Column("target_id", Uuid, nullable=False),
    Column("type", Text, nullable=False),
    Column("weight", Double, nullable=False),
    Column("derivation_method", Text, nullable=False),
    Column("changeset_id", Uuid),
    Column("known_from", Time, nullable=False),
    Column("known_to", Time, nullable=False),
    written(),
)

time_mention = Table(
    "time_mention",
    metadata,
    tenant_column(),
    Column("memory_id", Uuid, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("ordinal", SmallInteger, primary_key=True),
    Column("namespace_id", Uuid, nullable=False),
    Column("starts", Time),
    Column("ends", Time),
    Column("phrase", Text, nullable=False),
    Column("span_from", Integer, nullable=False),
    Column("span_to", Integer, nullable=False),
    Column("granularity", Text, nullable=False),
    Column("known_from", Time, nullable=False),
    Column("known_to", Time, nullable=False),
)

fact = Table(
    "fact",
    metadata,
    tenant_column(),
    Column("memory_id", Uuid, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("ordinal", SmallInteger, primary_key=True),
    Column("namespace_id", Uuid, nullable=False),
    Column("owner", Text(collation="C"), nullable=False),
    Column("subject", Text(collation="C"), nullable=False),
    Column("attribute", Text(collation="C"), nullable=False),
    Column("value", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("positive", Boolean, nullable=False),
    Column("functional", Boolean, nullable=False),
    Column("changed", Boolean, nullable=False),
    Column("ended", Boolean, nullable=False),
    Column("valid_from", Time),
    Column("valid_to", Time),
    Column("number", Double),
    Column("unit", Text),
    Column("span_from", Integer, nullable=False),
    Column("span_to", Integer, nullable=False),
    Column("method", Text, nullable=False),
    Column("known_from", Time, nullable=False),
    Column("known_to", Time, nullable=False),
)

entity = Table(
    "entity",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("namespace_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("folded", Text(collation="C"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("merged_into", Uuid),
)

entity_name = Table(
    "entity_name",
    metadata,
    tenant_column(),
    Column("namespace_id", Uuid, primary_key=True),
    Column("folded", Text(collation="C"), primary_key=True),
    Column("entity_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("apart", Boolean, nullable=False),
)

mention = Table(
    "mention",
    metadata,
    tenant_column(),
    Column("memory_id", Uuid, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("entity_id", Uuid, primary_key=True),
    Column("namespace_id", Uuid, nullable=False),
    Column("names", ARRAY(Text), nullable=False),
    Column("spans", ARRAY(Integer), nullable=False),
    Column("known_from", Time, primary_key=True),
    Column("known_to", Time, nullable=False),
)
