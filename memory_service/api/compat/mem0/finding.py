"""Read, list, search: the same queries as below `/v1`, answered in mem0's shapes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import Request, Response
from sqlalchemy.orm import Session

from memory_service.api.answers import answer
from memory_service.api.compat.mem0.bodies import FilteredIn, FindIn
from memory_service.api.compat.mem0.filters import Raw, joined
from memory_service.api.compat.mem0.shapes import (
    entity_item,
    found_items,
    history_of,
    memory_item,
    page_of,
    with_fields,
)
from memory_service.api.listing import LIVE, in_namespace
from memory_service.api.profiles import standing_lines
from memory_service.api.searching import search
from memory_service.api.services import Services
from memory_service.errors import NamespaceNotFound, NotFound
from memory_service.filters import mentions, parse_filter
from memory_service.lifecycle.records import memory_json, rfc3339, version_json
from memory_service.storage import memories
from memory_service.storage.filter_sql import compile_filter
from memory_service.storage.namespaces import find_namespace_id
from memory_service.storage.scopes import list_owners
from memory_service.storage.sql import Row, Sql, all_of
from memory_service.storage.structure_lists import profiles_of
from memory_service.types import Caller, State
from retrieval.recalled import Recalled

MAX_HISTORY = 1_000  # versions of one memory, the newest
NOWHERE = Sql("false")


def missing(memory_id: object) -> NotFound:
    """Return the error for a memory that is not there: deleted, erased or never seen; mem0 knows one word for it."""
    return NotFound(f"There is no memory {memory_id} here.", code="memory_not_found")


def id_of(text: str) -> UUID:
    """Return the id of a memory.

    Raises:
        NotFound: no memory has such an id.
    """
    try:
        return UUID(text)
    except ValueError:
        raise missing(repr(text[:80])) from None


def read_row(session: Session, caller: Caller, memory_id: UUID, namespace: str, *, deleted: bool = False) -> Row:
    """Return one memory of a namespace; one that was deleted only where `deleted` asks for it.

    Raises:
        NotFound: it is not there.
    """
    row = memories.get_record(session, caller.tenant_id, memory_id)
    if row is None or row["namespace"] != namespace or (row["state"] == State.ARCHIVED and not deleted):
        raise missing(memory_id)
    return row


def read_item(session: Session, caller: Caller, memory_id: UUID, namespace: str, *, now: datetime) -> dict[str, Any]:
    """Return one memory in mem0's shape.

    Raises:
        NotFound: it is not there.
    """
    return memory_item(memory_json(read_row(session, caller, memory_id, namespace), now=now))


def read_history(session: Session, caller: Caller, memory_id: UUID, namespace: str) -> list[dict[str, Any]]:
    """Return what happened to one memory, oldest first, its deletion too.

    Raises:
        NotFound: it is not there, or erased.
    """
    read_row(session, caller, memory_id, namespace, deleted=True)
    rows = memories.list_versions(session, caller.tenant_id, memory_id, before=None, limit=MAX_HISTORY)
    return history_of([version_json(row) for row in reversed(rows)])


def where_of(session: Session, caller: Caller, namespace: str, selection: Raw, *, now: datetime) -> Sql:
    """Return the condition on memories that a translated filter makes; what is not live only where it says so.

    Raises:
        InvalidFilter: the filter asks for what no field allows.
    """
    read = parse_filter(selection, pointer="/filters")
    try:
        inside = in_namespace(session, caller.tenant_id, namespace, pointer="{namespace}")
    except NamespaceNotFound:
        return NOWHERE  # Every chat loop asks before it writes.
    shown = Sql("true") if mentions(read, "state") else Sql(LIVE, {"shown_at": now})
    return all_of(inside, compile_filter(read, at=now), shown)


def list_items(
    session: Session, caller: Caller, services: Services, namespace: str, selection: Raw, *, limit: int
) -> list[dict[str, Any]]:
    """Return the newest memories that a translated filter selects."""
    now = services.clock()
    where = where_of(session, caller, namespace, selection, now=now)
    return _items(session, caller, where, limit=limit, offset=0, now=now)


def _items(
    session: Session, caller: Caller, where: Sql, *, limit: int, offset: int, now: datetime
) -> list[dict[str, Any]]:
    rows = memories.list_records(session, caller.tenant_id, where=where, limit=limit, offset=offset)
    return [memory_item(memory_json(row, now=now)) for row in rows]


def list_page(
    request: Request,
    session: Session,
    caller: Caller,
    services: Services,
    namespace: str,
    body: FilteredIn,
    *,
    page: int,
    page_size: int,
) -> Response:
    """Answer one page of the memories that a body selects, newest first, and how many there are."""
    now = services.clock()
    where = where_of(session, caller, namespace, joined(body.selection()), now=now)
    items = _items(session, caller, where, limit=page_size, offset=(page - 1) * page_size, now=now)
    count = memories.count_matching(session, caller.tenant_id, where=where)
    shown = with_fields(items, body.fields)
    return answer(page_of(shown, count=count, page=page, page_size=page_size, address=_address(request)))


def _address(request: Request) -> Any:
    # As it was sent: a slash within the namespace is %2F, and only so leads here again.
    sent: bytes | None = request.scope.get("raw_path")
    url = request.url.replace(path=sent.decode("latin-1").partition("?")[0]) if sent else request.url
    return lambda page: str(url.include_query_params(page=page))


def find(request: Request, caller: Caller, services: Services, namespace: str, body: FindIn) -> Response:
    """Search, and answer in mem0's shape; a namespace that nothing was written to yet has no results."""
    wanted = body.search(namespace)

    def respond(_: Recalled, document: dict[str, Any]) -> Response:
        items = found_items(document["results"], threshold=body.threshold, top_k=body.wanted)
        found = {"search_id": document["search_id"], "abstain": document["abstain"]}
        return answer({"results": with_fields(items, body.fields), **found})

    try:
        return search(request, services, caller, wanted, respond)
    except NamespaceNotFound:
        return answer({"results": []})


def list_entities(
    request: Request,
    session: Session,
    caller: Caller,
    services: Services,
    namespace: str,
    *,
    page: int,
    page_size: int,
) -> Response:
    """Answer users, agents, apps and runs that live memories belong to."""
    rows: Sequence[Row] = ()
    try:
        namespace_id = find_namespace_id(session, caller.tenant_id, namespace, pointer="{namespace}")
    except NamespaceNotFound:
        namespace_id = None
    if namespace_id is not None:
        rows = list_owners(
            session,
            caller.tenant_id,
            namespace_id,
            limit=page_size,
            offset=(page - 1) * page_size,
            now=services.clock(),
        )
    items = [entity_item(dict(row), time_of=rfc3339) for row in rows]
    count = rows[0]["total"] if rows else 0
    return answer(page_of(items, count=count, page=page, page_size=page_size, address=_address(request)))


def read_profile(session: Session, caller: Caller, services: Services, namespace: str, user_id: str) -> dict[str, Any]:
    """Return what consolidation made out about a user.

    Raises:
        NotFound: no memory of the namespace is about this user.
    """
    base = {"entity_type": "user", "entity_id": user_id, "generation_count": 0, "profile": None, "updated_at": None}
    try:
        namespace_id = find_namespace_id(session, caller.tenant_id, namespace, pointer="{namespace}")
    except NamespaceNotFound:
        namespace_id = None
    rows = profiles_of(session, caller.tenant_id, user_id, namespace_id=namespace_id) if namespace_id else ()
    if not rows:
        about: Raw = {"user_id": {"eq": user_id}}
        if not list_items(session, caller, services, namespace, about, limit=1):
            raise NotFound("Nothing is known of this user.", code="profile_not_found")
        return base | {"status": "pending"}
    lines = standing_lines(session, caller.tenant_id, rows, now=services.clock())
    profile = {name: [line["text"] for line in lines if line["section"] == name] for name in ("static", "recent")}
    updated = rfc3339(max(row["known_from"] for row in rows))
    return base | {"status": "succeeded", "profile": profile, "updated_at": updated, "generation_count": 1}
