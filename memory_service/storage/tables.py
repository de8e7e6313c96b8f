"""The tables as SQLAlchemy sees them; migrations/ is where they are made, and a test holds the two together."""

from sqlalchemy import (
    ARRAY,
    REAL,
    BigInteger,
    Boolean,
    Column,
    Double,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import UserDefinedType

from memory_service.storage.schema import Time as Time
from memory_service.storage.schema import metadata as metadata
from memory_service.storage.schema import tenant_column as _tenant
from memory_service.storage.webhook_tables import webhook as webhook
from memory_service.storage.webhook_tables import webhook_delivery as webhook_delivery


class TransactionId(UserDefinedType[int]):
    """A 64-bit transaction id of Postgres; it never wraps around."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """Name the type in DDL."""
        return "xid8"


def _written() -> Column[object]:
    """Return the column that says which transaction wrote a row last; the database fills it in."""
    return Column("written", TransactionId, nullable=False, server_default=text("pg_current_xact_id()"))


def _state_columns(*, of_a_version: bool = False) -> list[Column[object]]:
    """Return the columns that make up one state of a memory; a version keeps exactly these, and is known by its number."""
    return [
        Column("namespace_id", Uuid, nullable=False),
        Column("user_id", Text),
        Column("agent_id", Text),
        Column("session_id", Text),
        Column("external_id", Text),
        Column("payload_type", Text, nullable=False),
        Column("memory_type", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("version", Integer, primary_key=of_a_version, nullable=False),
        Column("content", Text, nullable=False),
        Column("title", Text),
        Column("context", Text),
        Column("keywords", ARRAY(Text), nullable=False),
        Column("tags", ARRAY(Text), nullable=False),
        Column("entities", ARRAY(Text), nullable=False),
        Column("metadata", JSONB, nullable=False),
        Column("value", JSONB),
        Column("importance", Double, nullable=False),
        Column("confidence", Double, nullable=False),
        Column("pinned", Boolean, nullable=False),
        Column("language", Text),
        Column("speaker", Text),
        Column("role", Text),
        Column("observed_at", Time, nullable=False),
        Column("valid_from", Time),
        Column("valid_to", Time),
        Column("expires_at", Time),
        Column("created_at", Time, nullable=False),
        Column("updated_at", Time, nullable=False),
        Column("superseded_by", Uuid),
        Column("content_version", Integer, nullable=False),
        Column("derivation_method", Text, nullable=False),
        Column("derivation_parents", ARRAY(Uuid), nullable=False),
        Column("changeset_id", Uuid),
        Column("computed", ARRAY(Text), nullable=False),
        Column("trust", Double, nullable=False),
        Column("flags", ARRAY(Text), nullable=False),
    ]


STATE_COLUMNS: tuple[str, ...] = tuple(column.name for column in _state_columns())

tenant = Table(
    "tenant",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", Time, nullable=False),
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
    _tenant(),
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
    _tenant(),
    Column("id", Uuid, primary_key=True),
    Column("hash", LargeBinary, nullable=False),
    Column("api_key_id", Uuid, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("expires_at", Time, nullable=False),
)

login_link = Table(
    "login_link",
    metadata,
    _tenant(),
    Column("id", Uuid, primary_key=True),
    Column("hash", LargeBinary, nullable=False),
    Column("api_key_id", Uuid, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("expires_at", Time, nullable=False),
)

namespace = Table(
    "namespace",
    metadata,
    _tenant(),
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

memory = Table(
    "memory",
    metadata,
    _tenant(),
    Column("id", Uuid, primary_key=True),
    *_state_columns(),
    Column("content_hash", LargeBinary, nullable=False),
    Column("dedupe_hash", LargeBinary),
    Column("archived_at", Time),
    Column("extract", Text, nullable=False),
    Column("enriched_version", Integer, nullable=False),
    Column("terms", ARRAY(Text), nullable=False),
    Column("traits", SmallInteger),
    Column("precision_tier", SmallInteger, nullable=False, server_default="0"),
    Column("precision_since", Time),
    Column("precision_wanted", SmallInteger),
    Column("consolidated_version", Integer, nullable=False, server_default=text("0")),
    Column("surprise", Double),
    _written(),
)

memory_version = Table(
    "memory_version",
    metadata,
    _tenant(),
    Column("id", Uuid, primary_key=True),
    *_state_columns(of_a_version=True),
    Column("known_to", Time, nullable=False),
)

source = Table(
    "source",
    metadata,
    _tenant(),
    Column("memory_id", Uuid, primary_key=True),
    Column("ordinal", SmallInteger, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("ref", Text),
    Column("speaker", Text),
    Column("role", Text),
    Column("span_from", Integer),
    Column("span_to", Integer),
    Column("hash", LargeBinary, nullable=False),
    Column("created_at", Time, nullable=False),
)

link = Table(
    "link",
    metadata,
    _tenant(),
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
    _written(),
)

time_mention = Table(
    "time_mention",
    metadata,
    _tenant(),
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
    _tenant(),
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
    _tenant(),
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
    _tenant(),
    Column("namespace_id", Uuid, primary_key=True),
    Column("folded", Text(collation="C"), primary_key=True),
    Column("entity_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("apart", Boolean, nullable=False),
)

mention = Table(
    "mention",
    metadata,
    _tenant(),
    Column("memory_id", Uuid, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("entity_id", Uuid, primary_key=True),
    Column("namespace_id", Uuid, nullable=False),
    Column("names", ARRAY(Text), nullable=False),
    Column("spans", ARRAY(Integer), nullable=False),
    Column("known_from", Time, primary_key=True),
    Column("known_to", Time, nullable=False),
)

retention = Table(
    "retention",
    metadata,
    _tenant(),
    Column("memory_id", Uuid, primary_key=True),
    Column("stability_days", Double),
    Column("difficulty", Double),
    Column("recall_count", Integer, nullable=False),
    Column("last_recalled_at", Time),
    Column("namespace_id", Uuid, nullable=False),
    Column("spaced_uses", Double, nullable=False),
    Column("traces", ARRAY(Double)),
    Column("traced_at", Time),
    Column("refreshed_at", Time),
    Column("forgotten_at", Time),
    Column("policy_id", Uuid, nullable=False),
    Column("due_at", Time, nullable=False),
)

policy = Table(
    "policy",
    metadata,
    _tenant(),
    Column("id", Uuid, primary_key=True),
    Column("namespace_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("body", JSONB, nullable=False),
    Column("known_from", Time, nullable=False),
    Column("known_to", Time, nullable=False),
)

job = Table(
    "job",
    metadata,
    _tenant(),
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

trace = Table(
    "trace",
    metadata,
    _tenant(),
    Column("id", Uuid, primary_key=True),
    Column("namespaces", ARRAY(Text), nullable=False),
    Column("query", Text, nullable=False),
    Column("request", JSONB, nullable=False),
    Column("result", JSONB, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("expires_at", Time, nullable=False),
)

recall = Table(
    "recall",
    metadata,
    _tenant(),
    Column("memory_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("trace_id", Uuid, nullable=False),
    Column("rank", SmallInteger, nullable=False),
    Column("score", Double, nullable=False),
    Column("useful", Boolean),
    Column("cited", Boolean),
    Column("recalled_at", Time, nullable=False),
    Column("held_before", JSONB),
)

idempotency_key = Table(
    "idempotency_key",
    metadata,
    _tenant(),
    Column("api_key_id", Uuid, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_hash", LargeBinary, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("expires_at", Time, nullable=False),
)

tombstone = Table(
    "tombstone",
    metadata,
    _tenant(),
    Column("id", Uuid, primary_key=True),
    Column("namespace_id", Uuid, nullable=False),
    Column("content_hash", LargeBinary, nullable=False),
    Column("erased_at", Time, nullable=False),
    _written(),
)

erased_text = Table(
    "erased_text",
    metadata,
    _tenant(),
    Column("namespace_id", Uuid, primary_key=True),
    Column("hash", LargeBinary, primary_key=True),
    Column("memory_id", Uuid, nullable=False),
    Column("erased_at", Time, nullable=False),
)

feedback = Table(
    "feedback",
    metadata,
    _tenant(),
    Column("trace_id", Uuid, primary_key=True),
    Column("memory_id", Uuid, primary_key=True),
    Column("namespace_id", Uuid, nullable=False),
    Column("query", Text, nullable=False),
    Column("filter", JSONB),
    Column("useful", Boolean, nullable=False),
    Column("cited", Boolean, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("expires_at", Time, nullable=False),
)

saved_query = Table(
    "saved_query",
    metadata,
    _tenant(),
    Column("id", Uuid, primary_key=True),
    Column("namespace_id", Uuid, nullable=False),
    Column("query", Text, nullable=False),
    Column("filter", JSONB),
    Column("hash", LargeBinary, nullable=False),
    Column("source", Text, nullable=False),
    Column("created_at", Time, nullable=False),
)

saved_query_memory = Table(
    "saved_query_memory",
    metadata,
    _tenant(),
    Column("saved_query_id", Uuid, primary_key=True),
    Column("memory_id", Uuid, primary_key=True),
)

reindex = Table(
    "reindex",
    metadata,
    _tenant(),
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

fusion_weights = Table(
    "fusion_weights",
    metadata,
    _tenant(),
    Column("id", Uuid, primary_key=True),
    Column("namespace_id", Uuid, nullable=False),
    Column("factors", JSONB, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("evaluation", JSONB, nullable=False),
    Column("replaced", Uuid),
    Column("decided_at", Time, nullable=False),
    Column("known_from", Time, nullable=False),
    Column("known_to", Time, nullable=False),
)

changeset = Table(
    "changeset",
    metadata,
    _tenant(),
    Column("id", Uuid, primary_key=True),
    Column("namespace_id", Uuid, nullable=False),
    Column("job_id", Uuid),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("counts", JSONB, nullable=False),
    Column("usage", JSONB),
    Column("created_at", Time, nullable=False),
    Column("reverted_at", Time),
)

change = Table(
    "change",
    metadata,
    _tenant(),
    Column("changeset_id", Uuid, primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("change", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("memory_id", Uuid),
    Column("other_id", Uuid),
    Column("target_id", Uuid),
    Column("version_before", Integer),
    Column("version_after", Integer),
    Column("before", JSONB),
    Column("after", JSONB),
    Column("score", Double),
    Column("reason", Text, nullable=False),
    Column("method", Text, nullable=False),
)

review = Table(
    "review",
    metadata,
    _tenant(),
    Column("id", Uuid, primary_key=True),
    Column("namespace_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("proposal", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("memory_id", Uuid, nullable=False),
    Column("other_id", Uuid),
    Column("score", Double),
    Column("reason", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("changeset_id", Uuid),
    Column("decision_changeset_id", Uuid),
    Column("created_at", Time, nullable=False),
    Column("decided_at", Time),
)

tier_work = Table(
    "tier_work",
    metadata,
    _tenant(),
    Column("namespace_id", Uuid, primary_key=True),
    Column("tier", Text, primary_key=True),
    Column("key", Text(collation="C"), primary_key=True),
    Column("due_at", Time, nullable=False),
)


def _structure_columns() -> list[Column[object]]:
    """Return the columns of every structure over memories; one id has successive states."""
    return [
        _tenant(),
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
    _tenant(),
    Column("structure_id", Uuid, primary_key=True),
    Column("memory_id", Uuid, primary_key=True),
    Column("known_from", Time, primary_key=True),
    Column("known_to", Time, nullable=False),
    Column("namespace_id", Uuid, nullable=False),
    Column("structure", Text, nullable=False),
    _written(),
)

block = Table(
    "block",
    metadata,
    _tenant(),
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
    _tenant(),
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
    _tenant(),
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
    _tenant(),
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
    _tenant(),
    Column("task_id", Uuid, primary_key=True),
    Column("depends_on_id", Uuid, primary_key=True),
)

model_usage = Table(
    "model_usage",
    metadata,
    _tenant(),
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
    _tenant(),
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
    _tenant(),
    Column("dead_letter_id", Uuid, primary_key=True),
    Column("memory_id", Uuid, primary_key=True),
)

document = Table(
    "document",
    metadata,
    _tenant(),
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
    _tenant(),
    Column("document_id", Uuid, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("content", Text, nullable=False),
    Column("created_at", Time, nullable=False),
)

document_chunk = Table(
    "document_chunk",
    metadata,
    _tenant(),
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
    _tenant(),
    Column("job_id", Uuid, primary_key=True),
    Column("namespace_id", Uuid, nullable=False),
    Column("document_id", Uuid, nullable=False),
    Column("request", JSONB, nullable=False),
    Column("file", LargeBinary, nullable=False),
    Column("created_at", Time, nullable=False),
)

erasure = Table(
    "erasure",
    metadata,
    _tenant(),
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
    _tenant(),
    Column("erasure_id", Uuid, primary_key=True),
    Column("memory_id", Uuid, primary_key=True),
    Column("status", Text, nullable=False),
    Column("derived", Boolean, nullable=False),
)

audit_event = Table(
    "audit_event",
    metadata,
    _tenant(),
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
    _tenant(),
    Column("seq", BigInteger, primary_key=True),
    Column("event_id", Uuid, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

audit_pending = Table(
    "audit_pending",
    metadata,
    _tenant(),
    Column("event_id", Uuid, primary_key=True),
)

import_record = Table(
    "import_record",
    metadata,
    _tenant(),
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
    _tenant(),
    Column("memory_id", Uuid, primary_key=True),
    Column("job_id", Uuid, primary_key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
)

kv_memory = Table(
    "kv_memory",
    metadata,
    _tenant(),
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
    _tenant(),
    Column("hash", LargeBinary, primary_key=True),
    Column("kv_memory_id", Uuid, primary_key=True),
    Column("position", Integer, nullable=False),
)

kv_source = Table(
    "kv_source",
    metadata,
    _tenant(),
    Column("memory_id", Uuid, primary_key=True),
    Column("kv_memory_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("token_start", Integer, primary_key=True, autoincrement=False),
    Column("token_end", Integer, nullable=False),
)

kv_quota = Table(
    "kv_quota",
    metadata,
    _tenant(),
    Column("id", Uuid, primary_key=True),
    Column("namespace_id", Uuid),
    Column("bytes", BigInteger, nullable=False),
    Column("updated_at", Time, nullable=False),
)

kv_usage = Table(
    "kv_usage",
    metadata,
    _tenant(),
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
    _tenant(),
    Column("orphans", BigInteger, nullable=False),
    Column("removed", BigInteger, nullable=False),
    Column("lost", BigInteger, nullable=False),
    Column("damaged", BigInteger, nullable=False),
    Column("updated_at", Time, nullable=False),
)

kv_engine = Table(
    "kv_engine",
    metadata,
    _tenant(),
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
    _tenant(),
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
    _tenant(),
    Column("plan_id", Uuid, primary_key=True),
    Column("memory_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("token_start", Integer, nullable=False),
    Column("token_end", Integer, nullable=False),
    Column("first_block", Integer, nullable=False),
)
