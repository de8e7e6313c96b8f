"""What consolidation makes of memories."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime

from memory_client.models.base import Answer
from memory_client.models.memories import Memory


class Entity(Answer):
    """Somebody or something that memories mention."""

    id: str
    namespace: str
    name: str
    aliases: list[str] = []
    kind: str
    mentions: int
    first_seen: AwareDatetime | None = None
    last_seen: AwareDatetime | None = None
    merged_into: str | None = None


class Mention(Answer):
    """A memory that names an entity: by which of its names, and where in the content, [from, to] in characters."""

    memory: Memory
    names: list[str] = []
    spans: list[list[int]] = []


class Fact(Answer):
    """What a memory says of somebody, read by rules or a model."""

    memory_id: str
    namespace: str
    subject: str
    attribute: str
    value: str
    number: float | None = None
    unit: str | None = None
    positive: bool
    functional: bool
    ended: bool
    valid_from: AwareDatetime | None = None
    valid_to: AwareDatetime | None = None
    span: list[int]
    method: str
    observed_at: AwareDatetime
    superseded_by: str | None = None


class Quote(Answer):
    """Where one sentence of a gist stands."""

    memory_id: str
    version: int
    span: list[int]


class Gist(Answer):
    """What a group of memories says, in its own sentences."""

    text: str
    keywords: list[str] = []
    spans: list[Quote] = []
    derivation: dict[str, Any] = {}


class _Group(Answer):
    id: str
    namespace: str
    size: int
    memory_ids: list[str] = []
    gist: Gist | None = None
    derivation: dict[str, Any] = {}
    updated_at: AwareDatetime


class Episode(_Group):
    """Turns of a session that belong together."""

    user_id: str | None = None
    agent_id: str | None = None
    session_id: str
    starts: AwareDatetime
    ends: AwareDatetime


class Topic(_Group):
    """A node of the tree of topics."""

    parent_id: str | None = None
    depth: int
    leaf: bool


class Community(_Group):
    """Entities that are mentioned together."""

    entities: list[str] = []


class Profile(Answer):
    """What lasts and what is recent about a user."""

    user_id: str
    static: list[dict[str, Any]]
    recent: list[dict[str, Any]]
    updated_at: AwareDatetime


class Node(Answer):
    """A point of the graph."""

    id: str
    kind: str
    label: str
    namespace: str
    degree: int
    version: int | None = None
    memory_type: str | None = None
    state: str | None = None
    source_kind: str | None = None
    trust: float | None = None
    flags: list[str] | None = None
    confidence: float | None = None
    importance: float | None = None
    pinned: bool | None = None
    retrievability: float | None = None
    observed_at: AwareDatetime | None = None
    valid_from: AwareDatetime | None = None
    valid_to: AwareDatetime | None = None
    created_at: AwareDatetime | None = None
    known_from: AwareDatetime | None = None
    superseded_by: str | None = None


class Edge(Answer):
    """A line of the graph."""

    source: str
    target: str
    type: str
    weight: float | None = None
    known_from: AwareDatetime
    known_to: AwareDatetime | None = None


class Graph(Answer):
    """A part of the graph."""

    nodes: list[Node]
    edges: list[Edge]
    truncated: bool


class Edges(Answer):
    """Lines between points of the graph."""

    edges: list[Edge]


class PictureNodes(Answer):
    """Points of the graph, field by field; what only memories have is None for the others."""

    id: list[str]
    kind: list[str]
    label: list[str]
    namespace: list[str]
    degree: list[int]
    state: list[str | None]
    trust: list[float | None]
    importance: list[float | None]
    pinned: list[bool | None]
    retrievability: list[float | None]
    known_from: list[AwareDatetime | None]
    superseded_by: list[str | None]


class PictureLines(Answer):
    """Lines of the graph, field by field; their ends are places among the points."""

    source: list[int]
    target: list[int]
    type: list[str]
    weight: list[float | None]


class Picture(Answer):
    """A part of the graph as a picture needs it."""

    nodes: PictureNodes
    edges: PictureLines
    truncated: bool


class TimelineBucket(Answer):
    """A bar of the timeline."""

    start: AwareDatetime
    count: int


class Moment(Answer):
    """A memory on the timeline, with both of its times."""

    id: str
    namespace: str
    label: str
    memory_type: str
    state: str
    observed_at: AwareDatetime
    valid_from: AwareDatetime | None = None
    valid_to: AwareDatetime | None = None
    created_at: AwareDatetime
    known_from: AwareDatetime
    superseded_by: str | None = None


class Timeline(Answer):
    """How many memories lie when, and a page of them, the earliest first."""

    axis: str
    bucket: str | None = None
    buckets: list[TimelineBucket]
    data: list[Moment]
    next_cursor: str | None = None
    has_more: bool


class TimelineCell(Answer):
    """A part of the plane of both times that has memories."""

    column: int
    row: int
    count: int
    valid_from: AwareDatetime
    valid_to: AwareDatetime
    known_from: AwareDatetime
    known_to: AwareDatetime


class TimelinePlane(Answer):
    """How many memories lie where by both of their times; columns along valid time, rows along known time."""

    total: int
    columns: int
    rows: int
    cells: list[TimelineCell]
