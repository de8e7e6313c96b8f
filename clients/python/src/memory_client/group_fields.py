"""The fields of requests of the groups of calls; see `fields` for those about memories and what holds for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

from memory_client.fields import Extract, Id, Owner, Time, Wait
from memory_client.operation import Reading, Versioned, Writing


class InNamespace(Reading, total=False):
    """Keyword arguments of most lists; ``limit`` is the size of a page, and ``cursor`` where to begin."""

    namespace: str | None
    limit: int | None
    cursor: str | None


class DocumentFields(Owner, Writing, total=False):
    """Keyword arguments of ``documents.add``."""

    title: str | None
    mime_type: str | None
    namespace: str | None
    external_id: str | None
    tags: Sequence[str] | None
    metadata: Mapping[str, Any] | None
    language: str | None
    observed_at: Time | None
    importance: float | None
    confidence: float | None
    extract: Extract | None
    wait: Wait | None
    timeout_s: float | None


class BlockAddress(TypedDict, total=False):
    """Whose block a label means."""

    namespace: str | None
    user_id: str | None
    agent_id: str | None


class BlockReading(BlockAddress, Reading, total=False):
    """Keyword arguments of calls that read one block."""


class BlockDeleting(BlockAddress, Versioned, total=False):
    """Keyword arguments of ``blocks.delete``."""


class BlockFields(BlockAddress, Versioned, total=False):
    """Keyword arguments of ``blocks.put``."""

    description: str | None
    limit: int | None
    read_only: bool | None
    metadata: Mapping[str, Any] | None
    edited_by: str | None


class PassageFields(TypedDict):
    """An exact passage of a block, and what is to stand in its place."""

    old: str
    new: str


class BlockPatch(BlockFields, total=False):
    """Keyword arguments of ``blocks.update``: one of ``value``, ``append`` and ``replace``, or none."""

    value: str
    append: str
    replace: PassageFields


class TaskFields(Owner, Writing, total=False):
    """Keyword arguments of ``tasks.create``."""

    input: Any
    namespace: str | None
    parent_id: Id | None
    depends_on: Sequence[Id] | None
    metadata: Mapping[str, Any] | None


class TaskPatch(Versioned, total=False):
    """Keyword arguments of ``tasks.update``."""

    title: str
    input: Any
    output: Any
    status: Literal["open", "running"]
    depends_on: Sequence[Id]
    metadata: Mapping[str, Any]


class TaskReplacement(Versioned, total=False):
    """Keyword arguments of ``tasks.replace``."""

    title: str
    input: Any
    depends_on: Sequence[Id]
    agent_id: str | None
    session_id: str | None
    run_id: str | None
    metadata: Mapping[str, Any]


class TaskListFields(Owner, InNamespace, total=False):
    """Keyword arguments of ``tasks.list``."""

    status: str | None
    parent_id: Id | None
    root_id: Id | None
    roots: bool | None


class ErasureFields(Owner, Writing, total=False):
    """What an erasure takes: a filter, ids, or all of a user, agent or session."""

    filter: Mapping[str, Any] | None
    ids: Sequence[Id] | None
    namespace: str | None


class WebhookFields(Writing, total=False):
    """Keyword arguments of ``webhooks.create``."""

    events: Sequence[str] | None
    namespace: str | None
    description: str | None
    secret: str | None
    content: bool | None
    active: bool | None


class WebhookPatch(Reading, total=False):
    """What ``webhooks.update`` may change; None clears ``namespace`` and ``description``."""

    url: str
    events: Sequence[str]
    namespace: str | None
    description: str | None
    content: bool
    active: bool


class DeliveryList(Reading, total=False):
    """Which deliveries ``webhooks.deliveries`` lists."""

    status: Literal["pending", "delivered", "dead"] | None
    event: str | None
    limit: int | None
    cursor: str | None


class ExportFields(Reading, total=False):
    """Keyword arguments of ``exports.create``."""

    namespace: str | None
    namespaces: Sequence[str] | None
    namespace_prefix: str | None
    filter: Mapping[str, Any] | None
    include: Sequence[str] | None


class PromptFields(Writing, total=False):
    """What prompts for engines begin with."""

    engine: str | None
    namespace: str | None
    namespaces: Sequence[str] | None
    system: str
    memory_ids: Sequence[Id] | None
    query: str | None
    user_id: str | None
    agent_id: str | None
    filter: Mapping[str, Any] | None
    top_k: int
    preset: str
    token_budget: int
    hot_from: int


class PlanFields(PromptFields, total=False):
    """Keyword arguments of ``kv.plan``."""

    messages: Sequence[Mapping[str, Any]]
    volatile: str
    codecs: Sequence[str]
    exactness: Sequence[str]


class PrecomputeFields(PromptFields, total=False):
    """Keyword arguments of ``kv.precompute``."""

    codec: str


class PolicyFields(Versioned, total=False):
    """Keyword arguments of ``policies.put`` and ``policies.patch``."""

    curve: str | None
    stability_days: Mapping[str, float] | None
    source_factors: Mapping[str, float] | None
    int8_below: float | None
    binary_below: float | None
    archive_below: float | None
    delete_after_days: float | None
    protect_importance: float | None
    protection: float | None
    promotion: Mapping[str, Any] | None
    gains: Mapping[str, Any] | None
    rank_weight: float | None


class CubeFields(Writing, total=False):
    """Keyword arguments of ``parametric.create``."""

    namespace: str | None
    kind: Literal["associative"] | None
    gamma: float | None
    ridge: float | None


class CubePair(TypedDict):
    """A cue, and the memory it is to bring."""

    cue: str
    memory_id: Id
