"""Lists of memories, for every route that answers one."""

from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.api.pages import decode_cursor, page
from memory_service.filters import Filter, mentions
from memory_service.lifecycle.records import memory_json
from memory_service.storage import memories
from memory_service.storage.filter_sql import compile_filter
from memory_service.storage.list_orders import ListOrder, place_in, place_of
from memory_service.storage.namespaces import find_namespace_id
from memory_service.storage.sql import Sql, all_of
from memory_service.types import Caller

MAX_LIST_LIMIT = 1_000
EVERYWHERE = Sql("true")
LIVE = "m.archived_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > :shown_at)"


def in_namespace(session: Session, tenant_id: UUID, path: str | None, *, pointer: str) -> Sql:
    """Return the condition that rows `m` lie in a namespace; no namespace means all of them.

    Raises:
        InvalidRequest: the path is none; `pointer` says where the request names it.
        NamespaceNotFound: it does not exist (the default namespace always does, if only in name).
    """
    if path is None:
        return Sql("true")
    namespace_id = find_namespace_id(session, tenant_id, path, pointer=pointer)
    if namespace_id is None:
        return Sql("false")
    return Sql("m.namespace_id = :in_namespace", {"in_namespace": namespace_id})


def list_page(
    session: Session,
    caller: Caller,
    *,
    selection: Filter,
    asked: object,
    namespace: str | None,
    limit: int,
    cursor: str | None,
    now: datetime,
    order: ListOrder = ListOrder.NEWEST,
    namespace_at: str = "?namespace",
    within: Sql = EVERYWHERE,
) -> dict[str, Any]:
    """Return one page of the memories that a filter selects, newest first unless `order` says otherwise.

    As in a search, archived and expired memories are left out unless the filter says something about `state`.

    `asked` is the filter as it was asked; a cursor continues only the list of the same. `namespace_at` is where the
    request names the namespace, `within` a condition on rows `m` that no filter can say.
    """
    query = {"list": "memories", "filter": asked, "namespace": namespace, "order": order}
    place = decode_cursor(cursor, of=partial(place_in, order), tenant_id=caller.tenant_id, query=query)
    compiled = compile_filter(selection, at=now)
    shown = Sql("true") if mentions(selection, "state") else Sql(LIVE, {"shown_at": now})
    where = all_of(in_namespace(session, caller.tenant_id, namespace, pointer=namespace_at), compiled, shown, within)
    rows = memories.list_records(session, caller.tenant_id, where=where, limit=limit + 1, order=order, after=place)
    return page(
        rows,
        limit=limit,
        position=lambda row: place_of(order, row),
        render=lambda row: memory_json(row, now=now),
        tenant_id=caller.tenant_id,
        query=query,
    )
