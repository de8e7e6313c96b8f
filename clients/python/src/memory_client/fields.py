"""The fields of requests: keyword arguments of the methods, and items of lists, under the names the service has for them.

A field that is None is left out, except in an update (also by ``on_conflict``), where it clears. A name that is not here is
sent all the same: the service may be newer than this client, and refuses what it does not know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypeAlias, TypedDict
from uuid import UUID

from memory_client.encoding import refuse
from memory_client.operation import Reading, Versioned, Writing

Id: TypeAlias = "str | UUID"
Time: TypeAlias = "datetime | str"
Extract: TypeAlias = Literal["none", "rules", "llm"]
Wait: TypeAlias = Literal["stored", "consolidated"]
MemoryType: TypeAlias = Literal["working", "episodic", "semantic", "procedural", "core"]

# Two names of one thing; the service answers with the second.
ALIASES = {"run_id": "session_id"}


class Owner(TypedDict, total=False):
    """Whose a memory is; ``run_id`` is another name of ``session_id``."""

    user_id: str | None
    agent_id: str | None
    session_id: str | None
    run_id: str | None


class SourceFields(TypedDict, total=False):
    """Where a memory comes from."""

    kind: Literal["user", "assistant", "tool", "document", "system", "inference"] | None
    ref: str | None
    speaker: str | None
    role: str | None
    span: Sequence[int] | None


class Header(Owner, total=False):
    """What both a new memory and a change of one may say."""

    memory_type: MemoryType | None
    external_id: str | None
    title: str | None
    context: str | None
    keywords: Sequence[str] | None
    tags: Sequence[str] | None
    entities: Sequence[str] | None
    metadata: Mapping[str, Any] | None
    value: Any
    importance: float | None
    confidence: float | None
    pinned: bool | None
    language: str | None
    observed_at: Time | None
    valid_from: Time | None
    valid_to: Time | None
    expires_at: Time | None


class NewMemory(Header, total=False):
    """A memory to be stored, apart from its content."""

    namespace: str | None
    payload_type: Literal["plaintext"] | None
    on_conflict: Literal["skip", "supersede", "update", "error"] | None
    speaker: str | None
    role: str | None
    source: SourceFields | None
    extract: Extract | None
    wait: Wait | None
    timeout_s: float | None


class MemoryItem(NewMemory, total=False):
    """A memory of a list."""

    content: str


class AddFields(NewMemory, Writing, total=False):
    """Keyword arguments of ``add``."""


class SupersedeFields(NewMemory, Versioned, total=False):
    """Keyword arguments of ``supersede``."""


class UpdateFields(Header, Versioned, total=False):
    """Keyword arguments of ``update``."""

    content: str


class Message(TypedDict, total=False):
    """One turn of a conversation."""

    role: str
    content: str
    name: str | None
    observed_at: Time | None
    external_id: str | None


class AsOf(TypedDict, total=False):
    """Two-fold time: true at ``valid``, known at ``known``."""

    valid: Time | None
    known: Time | None


# A span of valid time; ``from`` is a word of Python, so this one cannot be a class.
Window = TypedDict("Window", {"from": "Time | None", "to": "Time | None"}, total=False)


class Where(Owner, total=False):
    """Where a search looks."""

    namespace: str | None
    namespaces: Sequence[str] | None
    namespace_prefix: str | None


class SearchFields(Where, Writing, total=False):
    """Keyword arguments of ``search``."""

    filter: Mapping[str, Any] | None
    top_k: int | None
    preset: Literal["fast", "balanced", "thorough"] | None
    channels: Mapping[str, float] | None
    as_of: AsOf | None
    now: Time | None
    window: Window | None
    min_confidence: float | None
    diversity: float | None
    neighbours: int | None
    explain: bool | None
    reinforce: bool | None
    include: Sequence[Literal["archived"]] | None
    token_budget: int | None


class ContextFields(SearchFields, total=False):
    """Keyword arguments of ``context``."""

    format: Literal["text", "messages", "json"] | None
    order: Literal["relevance", "time", "stable"] | None
    include_blocks: bool | Sequence[str] | None


class MessagesFields(Owner, Writing, total=False):
    """Keyword arguments of ``add_messages``."""

    namespace: str | None
    extract: Extract | None
    wait: Wait | None
    timeout_s: float | None


Order: TypeAlias = Literal[
    "newest", "oldest", "latest_observed", "earliest_observed", "latest_updated", "most_important"
]


class ListFields(Reading, total=False):
    """Keyword arguments of ``list``; a list of values means any of them."""

    namespace: str | Sequence[str] | None
    user_id: str | Sequence[str] | None
    agent_id: str | Sequence[str] | None
    session_id: str | Sequence[str] | None
    run_id: str | Sequence[str] | None
    external_id: str | Sequence[str] | None
    memory_type: str | Sequence[str] | None
    payload_type: str | Sequence[str] | None
    state: str | Sequence[str] | None
    tags: str | Sequence[str] | None
    keywords: str | Sequence[str] | None
    entities: str | Sequence[str] | None
    speaker: str | Sequence[str] | None
    role: str | Sequence[str] | None
    importance: float | Sequence[float] | None
    confidence: float | Sequence[float] | None
    pinned: bool | None
    created_at: Time | Sequence[Time] | None
    created_after: Time | None
    created_before: Time | None
    updated_at: Time | Sequence[Time] | None
    updated_after: Time | None
    updated_before: Time | None
    observed_at: Time | Sequence[Time] | None
    observed_after: Time | None
    observed_before: Time | None
    valid_from: Time | Sequence[Time] | None
    valid_to: Time | Sequence[Time] | None
    order: Order | None
    limit: int | None
    cursor: str | None


def stated(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that say something, under the names of the service.

    >>> stated({"content": "x", "run_id": "r1", "user_id": None})
    {'content': 'x', 'session_id': 'r1'}

    What updates a memory that is there clears what is None, as ``update`` does:

    >>> stated({"content": "x", "on_conflict": "update", "expires_at": None})
    {'content': 'x', 'on_conflict': 'update', 'expires_at': None}

    Raises:
        ValidationFailed: a field is given under both of its names, with different values.
    """
    clears = fields.get("on_conflict") == "update"
    return renamed({name: value for name, value in fields.items() if value is not None or clears})


def renamed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields under the names of the service.

    Raises:
        ValidationFailed: a field is given under both of its names, with different values.
    """
    body = dict(fields)
    for alias, name in ALIASES.items():
        if alias in body:
            value = body.pop(alias)
            if name in body and body[name] != value:
                raise refuse(f"/{alias}", f"is another name of {name}, and the two differ")
            body[name] = value
    return body
