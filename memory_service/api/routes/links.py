"""Links that callers draw and take back."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import AliasChoices, BaseModel, Field

from memory_service.api.answers import answer
from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.fields import Number
from memory_service.api.idempotency import idempotent
from memory_service.api.strict_json import Body, StrictRoute
from memory_service.lifecycle import linking
from memory_service.lifecycle.linking import Edge
from memory_service.storage.links import link_json
from memory_service.types import Caller, KeyScope, LinkType

router = APIRouter(prefix="/v1/links", tags=["graph"], route_class=StrictRoute)

Writer = Annotated[Caller, require(KeyScope.WRITE)]


class LinkIn(Body):
    """An edge from one memory to another of the same namespace."""

    from_: Annotated[UUID, Field(validation_alias=AliasChoices("from", "from_"), serialization_alias="from")]
    to: UUID
    type: LinkType
    weight: Annotated[float, Number, Field(gt=0, le=1, allow_inf_nan=False)] = 1.0


class LinkMethodOut(BaseModel):
    """Who drew an edge: `caller`, `rules`, or the name of a model."""

    method: str


class LinkOut(BaseModel):
    """An edge between two memories."""

    id: UUID
    source_id: UUID
    target_id: UUID
    type: LinkType
    weight: float
    derivation: LinkMethodOut
    created_at: datetime


@router.post(
    "", status_code=201, response_model=LinkOut, responses={200: {"model": LinkOut, "description": "It was there."}}
)
def create_link(request: Request, body: LinkIn, caller: Writer, services: ServicesDep, session: SessionDep) -> Response:
    """Draw an edge between two memories. It is the caller's: no run of consolidation ends it. 200 where it was there."""

    def produce() -> Response:
        edge = Edge(body.from_, body.to, body.type, body.weight)
        row, new = linking.link(session, caller.tenant_id, edge, now=services.clock())
        return answer(link_json(row), status=201 if new else 200)

    return idempotent(request, caller, session, produce)


@router.delete("/{link_id}", status_code=204, response_class=Response)
def delete_link(link_id: UUID, caller: Writer, services: ServicesDep, session: SessionDep) -> Response:
    """Take back an edge that a caller drew. 409 for one that a run drew: revert its changeset."""
    linking.unlink(session, caller.tenant_id, link_id, now=services.clock())
    return Response(status_code=204)
