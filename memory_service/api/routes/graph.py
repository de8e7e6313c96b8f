"""A view of the graph: memories, what they name, how they are linked, what they are part of."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from memory_service.api.answers import answer, written
from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.fields import Time
from memory_service.api.searching import find
from memory_service.api.services import Services
from memory_service.api.strict_json import Body, StrictRoute
from memory_service.errors import FieldError, InvalidRequest, NotFound
from memory_service.lifecycle.graph_view import edges_json, graph_json
from memory_service.lifecycle.picture_view import picture_json
from memory_service.storage import graph
from memory_service.storage.graph_picture import picture
from memory_service.storage.graph_walk import View, newest
from memory_service.storage.ids import new_id
from memory_service.storage.namespaces import find_namespace_id
from memory_service.types import DEFAULT_NAMESPACE, AsOf, Caller, KeyScope, MemoryType, State
from retrieval.recalled import Recalled
from retrieval.request import RecallRequest

router = APIRouter(tags=["graph"], route_class=StrictRoute)

SEEDS_OF_A_QUERY = 10
MOST_SEEDS = 50
MOST_NODES = 10_000  # in one view


class NodeOut(BaseModel):
    """One node; the label is the beginning of its text, its name or its gist. All from `version` on are of memories.

    `degree` counts its edges to all of the graph, of each kind up to 1,000; `retrievability` is null as of an earlier time.
    """

    id: UUID
    kind: Literal["memory", "entity", "episode", "topic", "community"]
    label: str
    namespace: str
    degree: int
    version: int | None
    memory_type: MemoryType | None
    state: State | None
    source_kind: str | None
    trust: float | None
    flags: list[str] | None
    confidence: float | None
    importance: float | None
    pinned: bool | None
    retrievability: float | None
    observed_at: datetime | None
    valid_from: datetime | None
    valid_to: datetime | None
    created_at: datetime | None
    known_from: datetime | None
    superseded_by: UUID | None


class EdgeOut(BaseModel):
    """One edge; its type is that of a link, or `mentions`, or `part_of`. Known since and until when; null: still."""

    source: UUID
    target: UUID
    type: str
    weight: float | None
    known_from: datetime
    known_to: datetime | None


class GraphOut(BaseModel):
    """Nodes in the order in which they were reached, and the edges between them."""

    nodes: list[NodeOut]
    edges: list[EdgeOut]
    truncated: bool


class SpotsOut(BaseModel):
    """Nodes column by column, in the order in which they were reached; from `state` on null where it is no memory."""

    id: list[UUID]
    kind: list[Literal["memory", "entity", "episode", "topic", "community"]]
    label: list[str]
    namespace: list[str]
    degree: list[int]
    state: list[State | None]
    trust: list[float | None]
    importance: list[float | None]
    pinned: list[bool | None]
    retrievability: list[float | None]
    known_from: list[datetime | None]
    superseded_by: list[UUID | None]


class LinesOut(BaseModel):
    """Edges column by column; `source` and `target` are places in the columns of nodes."""

    source: list[int]
    target: list[int]
    type: list[str]
    weight: list[float | None]


class PictureOut(BaseModel):
    """A view as a picture needs it; fields are those of the same view as rows."""

    nodes: SpotsOut
    edges: LinesOut
    truncated: bool


class EdgesIn(Body):
    """Nodes between which edges are asked for; with `of`, only edges of which an end is among those."""

    nodes: Annotated[list[UUID], Field(min_length=1, max_length=MOST_NODES)]
    of: Annotated[list[UUID], Field(max_length=MOST_NODES)] | None = None
    namespace: str | None = None
    known_at: Time | None = None
    valid_at: Time | None = None


class EdgesOut(BaseModel):
    """Edges between nodes, in the order of their ends."""

    edges: list[EdgeOut]


class _Around:
    """What a view begins at, how far it goes and as of when; the same as rows and as a picture."""

    def __init__(
        self,
        seed: Annotated[
            list[UUID] | None, Query(description="Ids of memories, entities, episodes, topics or communities.")
        ] = None,
        query: Annotated[str | None, Query(max_length=4_096, description="Begin at what this finds.")] = None,
        namespace: Annotated[str | None, Query(description="Only this namespace; without it, all.")] = None,
        depth: Annotated[int, Query(ge=0, le=3)] = 1,
        limit: Annotated[int, Query(ge=1, le=MOST_NODES)] = 150,
        begin: Annotated[
            int,
            Query(
                ge=1,
                le=MOST_NODES,
                description="At how many of the newest memories to begin, without seed and query.",
            ),
        ] = 25,
        known_at: Annotated[Time | None, Query(description="As it was known then.")] = None,
        valid_at: Annotated[Time | None, Query(description="Only memories that were true then.")] = None,
    ) -> None:
        self.seed, self.query, self.namespace = seed, query, namespace
        self.depth, self.limit, self.begin = depth, limit, begin
        self.as_of = AsOf(valid=valid_at, known=known_at)

    def start(self, session: Session, services: Services, caller: Caller) -> tuple[Sequence[UUID | str], View]:
        """Return the nodes at which the view begins, and when and where it is.

        Raises:
            InvalidRequest: too many seeds, or an empty query.
            NotFound: there is no such namespace.
        """
        tenant_id = caller.tenant_id
        if self.seed is not None and len(self.seed) > MOST_SEEDS:
            detail = f"A view begins at most at {MOST_SEEDS} nodes."
            raise InvalidRequest(detail, errors=(FieldError("?seed", detail),))
        if self.query is not None and not self.query.strip():
            detail = "The query is empty."
            raise InvalidRequest(detail, errors=(FieldError("?query", detail),))
        # The search comes first: it encodes, and no connection is held meanwhile.
        asked = () if self.query is None else _found(services, caller, self.query, self.namespace, self.as_of)
        seeds: Sequence[UUID | str] = [*(self.seed or ()), *asked]
        namespace = self.namespace
        space = None if namespace is None else find_namespace_id(session, tenant_id, namespace, pointer="?namespace")
        view = View(services.clock(), namespace_id=space, known=self.as_of.known, valid=self.as_of.valid)
        if self.seed is None and self.query is None and (namespace is None or space is not None):
            seeds = newest(session, tenant_id, view, most=min(self.begin, self.limit))
        return seeds, view

    def check(self, nodes: Sequence[object]) -> None:
        """Refuse a view of which no seed is there.

        Raises:
            NotFound: none is.
        """
        if self.seed and not nodes:
            raise NotFound("There is no such node.", code="node_not_found")


Around = Annotated[_Around, Depends()]


@router.get("/v1/graph", response_model=GraphOut)
def read_graph(
    caller: Annotated[Caller, require(KeyScope.READ)], services: ServicesDep, session: SessionDep, around: Around
) -> Response:
    """Show what lies around seeds, around what a query finds, or around the newest memories; now or as of another time."""
    seeds, view = around.start(session, services, caller)
    found = graph.around(session, caller.tenant_id, seeds, view, depth=around.depth, limit=around.limit)
    around.check(found.nodes)
    return answer(graph_json(found, view))


@router.get("/v1/graph/picture", response_model=PictureOut)
def read_picture(
    caller: Annotated[Caller, require(KeyScope.READ)], services: ServicesDep, session: SessionDep, around: Around
) -> Response:
    """Show the same as a picture of thousands of nodes needs it: fewer fields, column by column."""
    seeds, view = around.start(session, services, caller)
    found = picture(session, caller.tenant_id, seeds, view, depth=around.depth, limit=around.limit)
    around.check(found.nodes)
    return written(picture_json(found, view))


@router.post("/v1/graph/edges", response_model=EdgesOut)
def read_edges(
    body: EdgesIn, caller: Annotated[Caller, require(KeyScope.READ)], services: ServicesDep, session: SessionDep
) -> Response:
    """Return the edges between nodes that are known already, as when what is beside one of them joins a view.

    Ids of what is no node, or not in the namespace, are left out.
    """
    space = None
    if body.namespace is not None:
        space = find_namespace_id(session, caller.tenant_id, body.namespace, pointer="/namespace") or new_id()
    view = View(services.clock(), namespace_id=space, known=body.known_at, valid=body.valid_at)
    edges = graph.between(session, caller.tenant_id, body.nodes, view)
    if body.of is not None:
        of = set(body.of)
        edges = [edge for edge in edges if edge.source in of or edge.target in of]
    return answer({"edges": edges_json(edges)})


def _found(services: Services, caller: Caller, query: str, namespace: str | None, as_of: AsOf) -> list[UUID]:
    """Return the best memories for a query, best first. The search leaves no trace: it shows no scores to explain."""
    ids: list[UUID] = []

    def deliver(_: Session, recalled: Recalled) -> None:
        ids.extend(result.found.id for result in recalled.results)

    request = RecallRequest(query=query, namespace=namespace or DEFAULT_NAMESPACE, top_k=SEEDS_OF_A_QUERY, as_of=as_of)
    find(services, caller, request, now=services.clock(), deliver=deliver)
    return ids
