"""A view of the graph: memories, what they name, how they are linked, what they are part of."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from memory_service.api.answers import answer
from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.searching import tools_of
from memory_service.api.services import Services
from memory_service.api.strict_json import StrictRoute
from memory_service.errors import FieldError, InvalidRequest, NotFound
from memory_service.storage import graph
from memory_service.storage.namespaces import find_namespace_id
from memory_service.types import DEFAULT_NAMESPACE, Caller, KeyScope
from retrieval.recall import Recalled, recall
from retrieval.request import RecallRequest

router = APIRouter(tags=["graph"], route_class=StrictRoute)

SEEDS_OF_A_QUERY = 10
MOST_SEEDS = 50


class NodeOut(BaseModel):
    """One node; the label is the beginning of its text, its name or its gist."""

    id: UUID
    kind: Literal["memory", "entity", "episode", "topic", "community"]
    label: str
    namespace: str


class EdgeOut(BaseModel):
    """One edge; its type is that of a link, or `mentions`, or `part_of`."""

    source: UUID
    target: UUID
    type: str
    weight: float | None


class GraphOut(BaseModel):
    """Nodes in the order in which they were reached, and the edges between them."""

    nodes: list[NodeOut]
    edges: list[EdgeOut]
    truncated: bool


@router.get("/v1/graph", response_model=GraphOut)
def read_graph(
    caller: Annotated[Caller, require(KeyScope.READ)],
    services: ServicesDep,
    session: SessionDep,
    seed: Annotated[
        list[UUID] | None, Query(description="Ids of memories, entities, episodes, topics or communities.")
    ] = None,
    query: Annotated[str | None, Query(max_length=4_096, description="Begin at what this finds.")] = None,
    namespace: Annotated[str | None, Query(description="Only this namespace; without it, all.")] = None,
    depth: Annotated[int, Query(ge=0, le=3)] = 1,
    limit: Annotated[int, Query(ge=1, le=500)] = 150,
) -> Response:
    """Show what lies around seeds, around what a query finds, or around the newest memories."""
    tenant_id, now = caller.tenant_id, services.clock()
    if seed is not None and len(seed) > MOST_SEEDS:
        detail = f"A view begins at most at {MOST_SEEDS} nodes."
        raise InvalidRequest(detail, errors=(FieldError("?seed", detail),))
    if query is not None and not query.strip():
        detail = "The query is empty."
        raise InvalidRequest(detail, errors=(FieldError("?query", detail),))
    # The search comes first: it encodes, and no connection is held meanwhile.
    seeds = [*(seed or ()), *(() if query is None else _found(services, caller, query, namespace))]
    space = None if namespace is None else find_namespace_id(session, tenant_id, namespace, pointer="?namespace")
    if seed is None and query is None and (namespace is None or space is not None):
        seeds = graph.newest(session, tenant_id, namespace_id=space, now=now)
    found = graph.around(session, tenant_id, seeds, namespace_id=space, depth=depth, limit=limit, now=now)
    if seed and not found.nodes:
        raise NotFound("There is no such node.", code="node_not_found")
    return answer(_graph_json(found))


def _found(services: Services, caller: Caller, query: str, namespace: str | None) -> list[UUID]:
    """Return the best memories for a query, best first. The search leaves no trace: it shows no scores to explain."""
    ids: list[UUID] = []

    def deliver(_: Session, recalled: Recalled) -> None:
        ids.extend(result.found.id for result in recalled.results)

    recall(
        lambda: services.database.transaction(caller.tenant_id),
        caller.tenant_id,
        RecallRequest(query=query, namespace=namespace or DEFAULT_NAMESPACE, top_k=SEEDS_OF_A_QUERY),
        tools=tools_of(services),
        now=services.clock(),
        deliver=deliver,
    )
    return ids


def _graph_json(found: graph.Graph) -> dict[str, Any]:
    return {
        "nodes": [{"id": str(n.id), "kind": n.kind, "label": n.label, "namespace": n.namespace} for n in found.nodes],
        "edges": [
            {"source": str(e.source), "target": str(e.target), "type": e.type, "weight": e.weight} for e in found.edges
        ],
        "truncated": found.truncated,
    }
