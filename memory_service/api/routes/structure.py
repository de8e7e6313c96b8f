"""Structure of the memory: whom and what texts name, and how memories are linked."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel
from sqlalchemy import RowMapping

from memory_service.analysis.folding import fold, strip_accents
from memory_service.analysis.names import LONGEST_NAME
from memory_service.api.answer_models import Memory
from memory_service.api.answers import answer
from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.pages import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, page
from memory_service.api.strict_json import StrictRoute
from memory_service.errors import NotFound
from memory_service.lifecycle.records import memory_json, rfc3339
from memory_service.storage.entity_lists import EntityOrder, Place, get_entity, list_entities, list_mentions
from memory_service.storage.links import link_json, list_links
from memory_service.storage.namespaces import find_namespace_id
from memory_service.types import Caller, KeyScope

router = APIRouter(tags=["graph"], route_class=StrictRoute)

Reader = Annotated[Caller, require(KeyScope.READ)]
Namespace = Annotated[str | None, Query(description="Only this namespace; without it, all.")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]


class EntityOut(BaseModel):
    """One entity: a person, place or thing that texts name."""

    id: UUID
    namespace: str
    name: str
    aliases: list[str]
    kind: str
    mentions: int
    first_seen: datetime | None
    last_seen: datetime | None
    merged_into: UUID | None


class EntitiesOut(BaseModel):
    """A page of entities, in the order that was asked for."""

    data: list[EntityOut]
    next_cursor: str | None
    has_more: bool


class MentionOut(BaseModel):
    """One memory that names an entity: by which of its names, and where in the content, [from, to] in characters."""

    memory: Memory
    names: list[str]
    spans: list[list[int]]


class MentionsOut(BaseModel):
    """A page of memories that name an entity, the latest stored first."""

    data: list[MentionOut]
    next_cursor: str | None
    has_more: bool


def entity_json(row: RowMapping) -> dict[str, Any]:
    """Return one entity as JSON."""
    return {
        "id": str(row["id"]),
        "namespace": row["namespace"],
        "name": row["name"],
        "aliases": row["aliases"],
        "kind": row["kind"],
        "mentions": row["mentions"],
        "first_seen": rfc3339(row["first_seen"]),
        "last_seen": rfc3339(row["last_seen"]),
        "merged_into": str(row["merged_into"]) if row["merged_into"] else None,
    }


@router.get("/v1/entities", response_model=EntitiesOut)
def list_all_entities(
    caller: Reader,
    services: ServicesDep,
    session: SessionDep,
    namespace: Namespace = None,
    q: Annotated[
        str | None,
        Query(
            max_length=LONGEST_NAME,
            description="Only those with this in one of their names, whatever case and accents.",
        ),
    ] = None,
    name: Annotated[
        str | None,
        Query(
            max_length=LONGEST_NAME, description="Only those of which this is a whole name, whatever case and accents."
        ),
    ] = None,
    order: Annotated[
        EntityOrder, Query(description="`latest`: the latest found first; `mentions`: most first; `name`: by name.")
    ] = EntityOrder.LATEST,
    limit: Limit = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List whom and what texts name, with the number of live memories that do."""
    tenant_id, words, whole = caller.tenant_id, _words(q), _words(name)
    query = {"list": "entities", "namespace": namespace, "q": words, "name": whole, "order": order}
    after = decode_cursor(cursor, of=partial(Place.parse, order=order), tenant_id=tenant_id, query=query)
    space = None if namespace is None else find_namespace_id(session, tenant_id, namespace, pointer="?namespace")
    rows: Sequence[RowMapping] = ()
    # Of blank words nothing is left: they are part of any name, and no name.
    if (namespace is None or space is not None) and (name is None or whole):
        rows = list_entities(
            session,
            tenant_id,
            namespace_id=space,
            after=after,
            limit=limit + 1,
            now=services.clock(),
            words=words,
            name=whole,
            order=order,
        )
    place = partial(Place.of, order=order)
    return answer(page(rows, limit=limit, position=place, render=entity_json, tenant_id=tenant_id, query=query))


def _words(q: str | None) -> str:
    """Return a part of a name as names are folded; an apostrophe at its end stays, since more may follow."""
    return "" if q is None else " ".join(strip_accents(fold(q)).split())


@router.get("/v1/entities/{entity_id}", response_model=EntityOut)
def read_entity(entity_id: UUID, caller: Reader, services: ServicesDep, session: SessionDep) -> Response:
    """Read one entity."""
    row = get_entity(session, caller.tenant_id, entity_id, now=services.clock())
    if row is None:
        raise NotFound(f"There is no entity {entity_id}.", code="entity_not_found")
    return answer(entity_json(row))


@router.get("/v1/entities/{entity_id}/mentions", response_model=MentionsOut)
def list_entity_mentions(
    entity_id: UUID,
    caller: Reader,
    services: ServicesDep,
    session: SessionDep,
    limit: Limit = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List the live memories that name an entity, the latest stored first; what names a merged one names the other."""
    tenant_id, now = caller.tenant_id, services.clock()
    query = {"list": "mentions", "entity": str(entity_id)}
    before = decode_cursor(cursor, of=UUID, tenant_id=tenant_id, query=query)
    if get_entity(session, tenant_id, entity_id, now=now) is None:
        raise NotFound(f"There is no entity {entity_id}.", code="entity_not_found")
    rows = list_mentions(session, tenant_id, entity_id, before=before, limit=limit + 1, now=now)

    def mention_json(row: RowMapping) -> dict[str, Any]:
        places = row["mentioned_spans"]
        return {
            "memory": memory_json(row, now=now),
            "names": row["mentioned_names"],
            "spans": [list(pair) for pair in zip(places[::2], places[1::2], strict=True)],
        }

    return answer(
        page(
            rows,
            limit=limit,
            position=lambda row: row["id"],
            render=mention_json,
            tenant_id=tenant_id,
            query=query,
        )
    )


@router.get("/v1/links", response_model=dict[str, Any])
def list_all_links(
    caller: Reader,
    session: SessionDep,
    namespace: Namespace = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List the edges between memories, newest first."""
    tenant_id = caller.tenant_id
    query = {"list": "all links", "namespace": namespace}
    before = decode_cursor(cursor, of=UUID, tenant_id=tenant_id, query=query)
    space = None if namespace is None else find_namespace_id(session, tenant_id, namespace, pointer="?namespace")
    rows: Sequence[RowMapping] = ()
    if namespace is None or space is not None:
        rows = list_links(session, tenant_id, namespace_id=space, before=before, limit=limit + 1)
    return answer(
        page(rows, limit=limit, position=lambda row: row["id"], render=link_json, tenant_id=tenant_id, query=query)
    )
