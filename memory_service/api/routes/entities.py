"""What a person knows of entities: which are one, and which names mean somebody else."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import Field

from memory_service.api.answers import answer
from memory_service.api.auditing import note
from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.idempotency import idempotent
from memory_service.api.routes.structure import EntityOut, entity_json
from memory_service.api.strict_json import Body, StrictRoute
from memory_service.errors import NotFound
from memory_service.lifecycle.identify import merge_entities, split_entity
from memory_service.storage.entity_lists import get_entity
from memory_service.storage.namespaces import find_namespace_id
from memory_service.types import DEFAULT_NAMESPACE, Action, Caller, KeyScope

router = APIRouter(prefix="/v1/entities", tags=["graph"], route_class=StrictRoute)

Writer = Annotated[Caller, require(KeyScope.WRITE)]
MOST = 100  # entities or names in one request


class MergeIn(Body):
    """Entities that are one."""

    namespace: str = DEFAULT_NAMESPACE
    from_: Annotated[list[UUID], Field(alias="from", min_length=1, max_length=MOST)]
    into: UUID


class SplitIn(Body):
    """Names of an entity that mean another one."""

    namespace: str = DEFAULT_NAMESPACE
    entity_id: UUID
    names: Annotated[list[str], Field(min_length=1, max_length=MOST)]


@router.post("/merge", response_model=EntityOut)
def merge(request: Request, body: MergeIn, caller: Writer, services: ServicesDep, session: SessionDep) -> Response:
    """Merge entities into one: what mentions them mentions it, and their names mean it from now on."""

    def produce() -> Response:
        namespace_id = _namespace(session, caller, body.namespace, body.into)
        now = services.clock()
        merge_entities(session, caller.tenant_id, namespace_id, body.from_, body.into, now=now)
        merged, into = [str(one) for one in body.from_], ("entity", body.into)
        note(session, services, caller, Action.ENTITY_MERGE, subject=into, namespace_id=namespace_id, merged=merged)
        row = get_entity(session, caller.tenant_id, body.into, now=now)
        assert row is not None  # it was just merged into
        return answer(entity_json(row))

    return idempotent(request, caller, session, produce)


@router.post("/split", status_code=201, response_model=EntityOut)
def split(request: Request, body: SplitIn, caller: Writer, services: ServicesDep, session: SessionDep) -> Response:
    """Split names off an entity; answers the entity that has them now. It takes a merge back, and a merge takes it back."""

    def produce() -> Response:
        namespace_id = _namespace(session, caller, body.namespace, body.entity_id)
        now = services.clock()
        new = split_entity(session, caller.tenant_id, namespace_id, body.entity_id, body.names, now=now)
        old = ("entity", body.entity_id)
        note(session, services, caller, Action.ENTITY_SPLIT, subject=old, namespace_id=namespace_id, new_id=str(new))
        row = get_entity(session, caller.tenant_id, new, now=now)
        assert row is not None  # it was just made
        return answer(entity_json(row), status=201, headers={"Location": f"/v1/entities/{new}"})

    return idempotent(request, caller, session, produce)


def _namespace(session: SessionDep, caller: Caller, path: str, entity_id: UUID) -> UUID:
    namespace_id = find_namespace_id(session, caller.tenant_id, path, pointer="/namespace")
    if namespace_id is None:  # `default`, before the first write
        raise NotFound(f"There is no entity {entity_id} in this namespace.", code="entity_not_found")
    return namespace_id
