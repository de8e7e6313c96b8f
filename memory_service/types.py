"""The vocabulary: choices, and the small values that travel between layers."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Literal
from uuid import UUID


class PayloadType(StrEnum):
    """What a memory carries."""

    PLAINTEXT = "plaintext"
    ACTIVATION = "activation"
    PARAMETRIC = "parametric"


class MemoryType(StrEnum):
    """Which memory system a record belongs to."""

    WORKING = "working"
    EPISODIC = "episodic"
    SEMANTIC = "semantic"
    PROCEDURAL = "procedural"
    CORE = "core"


class State(StrEnum):
    """Where a memory is in its life; erased memories leave only a tombstone."""

    GENERATED = "generated"
    ACTIVATED = "activated"
    MERGED = "merged"
    ARCHIVED = "archived"
    EXPIRED = "expired"
    FROZEN = "frozen"


class PrecisionTier(IntEnum):
    """How many bytes the vectors of a memory take: it falls as the memory fades and rises when it is recalled."""

    HALF = 0  # two bytes a number
    INT8 = 1  # one byte a number
    BINARY = 2  # one bit a number

    @property
    def label(self) -> str:
        """Return its name outside: half, int8 or binary."""
        return self.name.lower()


class SourceKind(StrEnum):
    """Who or what a memory comes from."""

    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"
    DOCUMENT = "document"
    SYSTEM = "system"
    INFERENCE = "inference"


class OnConflict(StrEnum):
    """What happens when a live memory already has the external_id."""

    SKIP = "skip"
    SUPERSEDE = "supersede"
    UPDATE = "update"
    ERROR = "error"


class Extract(StrEnum):
    """How knowledge is drawn from a text in the background."""

    NONE = "none"
    RULES = "rules"
    LLM = "llm"


class KeyScope(StrEnum):
    """What an API key may do."""

    READ = "memories:read"
    WRITE = "memories:write"
    ERASE = "memories:erase"
    KV = "kv:use"
    ADMIN = "admin"
    OPERATOR = "operator"


class JobStatus(StrEnum):
    """Where a background job is."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TaskStatus(StrEnum):
    """Where a node of a task tree is; all but the first two are closed."""

    OPEN = "open"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"  # another node took its place
    DISCARDED = "discarded"  # rolled back, or taken away


UNFINISHED = (TaskStatus.OPEN, TaskStatus.RUNNING)
WITHOUT_EFFECT = (TaskStatus.SUPERSEDED, TaskStatus.DISCARDED)  # what they say no longer counts


class LinkType(StrEnum):
    """What an edge between two memories means."""

    SIMILAR = "similar"
    SAME_ENTITY = "same_entity"
    NEXT = "next"
    PART_OF = "part_of"
    DERIVED_FROM = "derived_from"
    SUPPORTS = "supports"
    CONTRADICTS = "contradicts"
    SUPERSEDES = "supersedes"
    CO_RECALLED = "co_recalled"


class Action(StrEnum):
    """What the audit chain writes down; words of ours, never of a user."""

    KEY_CREATE = "api_key.create"
    KEY_ROTATE = "api_key.rotate"
    KEY_REVOKE = "api_key.revoke"
    TENANT_CREATE = "tenant.create"
    TENANT_DELETE = "tenant.delete"
    TENANT_GONE = "tenant.gone"
    NAMESPACE_CREATE = "namespace.create"
    NAMESPACE_CHANGE = "namespace.change"
    POLICY_CHANGE = "policy.change"
    POLICY_DELETE = "policy.delete"
    ERASURE_BEGIN = "erasure.begin"
    ERASURE_FINISH = "erasure.finish"
    MEMORIES_ARCHIVE = "memories.archive"
    MEMORIES_RESTORE = "memories.restore"
    MEMORIES_REDACT = "memories.redact"
    SCOPE_ARCHIVE = "scope.archive"
    CONSOLIDATION_BEGIN = "consolidation.begin"
    CHANGESET_REVERT = "changeset.revert"
    REVIEW_APPROVE = "review.approve"
    REVIEW_DECLINE = "review.decline"
    REVIEW_UNDO = "review.undo"
    ENTITY_MERGE = "entity.merge"
    ENTITY_SPLIT = "entity.split"
    WEIGHTS_REVERT = "fusion_weights.revert"
    JOB_CANCEL = "job.cancel"
    JOB_RETRY = "job.retry"
    EXPORT_BEGIN = "export.begin"
    IMPORT_BEGIN = "import.begin"
    LINK_CREATE = "login_link.create"
    SESSION_BEGIN = "web_session.begin"
    SESSION_END = "web_session.end"
    ENCODER_REGISTER = "encoder.register"
    ENCODER_DEFAULT = "encoder.default"
    REINDEX_BEGIN = "reindex.begin"
    REINDEX_CUT_OVER = "reindex.cut_over"
    REINDEX_ROLL_BACK = "reindex.roll_back"
    REINDEX_FINISH = "reindex.finish"
    WEBHOOK_CREATE = "webhook.create"
    WEBHOOK_CHANGE = "webhook.change"
    WEBHOOK_DELETE = "webhook.delete"
    WEBHOOK_ROTATE = "webhook.rotate"
    PARAMETRIC_CREATE = "parametric.create"
    PARAMETRIC_TRAIN = "parametric.train"
    PARAMETRIC_MERGE = "parametric.merge"
    PARAMETRIC_ROLL_BACK = "parametric.roll_back"
    PARAMETRIC_DELETE = "parametric.delete"


Channel = Literal["vector", "keyword", "graph", "temporal", "hopfield"]
CHANNELS: tuple[Channel, ...] = ("vector", "keyword", "graph", "temporal", "hopfield")

DEFAULT_NAMESPACE = "default"

CALLER = "caller"  # the method of a link that a caller drew: no run ends it, and reverting a run leaves it

CONSOLIDATE = "consolidate"  # the kind of job
IMPORT = "import"  # the kind of job
PRECOMPUTE = "precompute"  # the kind of job
REINDEX = "reindex"  # the kind of job
DROP_VECTORS = "drop_vectors"  # the kind of job
TRAIN = "train"  # the kind of job


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking: the tenant and rights that an API key stands for."""

    tenant_id: UUID
    key_id: UUID
    scopes: frozenset[str]

    def may(self, scope: KeyScope) -> bool:
        """Say whether the key carries this scope; admin implies the memory scopes, never operator."""
        if scope in self.scopes:
            return True
        return KeyScope.ADMIN in self.scopes and scope is not KeyScope.OPERATOR


@dataclass(frozen=True, slots=True)
class AsOf:
    """Two-fold time: the world as it was at ``valid``, as we knew it at ``known``."""

    valid: datetime | None = None
    known: datetime | None = None


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """A span of valid time; an open end is unbounded."""

    start: datetime | None = None
    end: datetime | None = None
