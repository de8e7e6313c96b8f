"""Memories many at a time: lists, queries, batches, set-based archive and restore."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from memory_service.api.answer_models import BatchOut, Changed, MemoryList
from memory_service.api.answers import answer
from memory_service.api.auditing import note, place_of
from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.described_parameters import described_parameters
from memory_service.api.fields import MAX_BATCH_BYTES, MAX_BATCH_ITEMS, selects_everything
from memory_service.api.idempotency import idempotent, idempotent_after
from memory_service.api.listing import MAX_LIST_LIMIT, in_namespace, list_page
from memory_service.api.memory_models import BatchIn, MemoryIn, QueryIn, SelectionIn
from memory_service.api.pages import DEFAULT_LIMIT
from memory_service.api.problems import field_errors, invalid_request, problem_of_item
from memory_service.api.strict_json import StrictRoute, checks_own_values, takes_parameters
from memory_service.api.waiting import wait_until_consolidated
from memory_service.api.writing import encoding_of, nudge_enrichment
from memory_service.errors import (
    FieldError,
    InvalidFilter,
    InvalidRequest,
    MemoryServiceError,
    TooLarge,
)
from memory_service.filters import PARAMETER_NAMES, Filter, filter_from_query, is_filter_parameter, parse_filter
from memory_service.json_values import check_value
from memory_service.lifecycle import archive as archiving
from memory_service.lifecycle.draft import Outcome, Prepared, prepare
from memory_service.lifecycle.remember import remember
from memory_service.storage import memories
from memory_service.storage.filter_sql import compile_filter
from memory_service.storage.list_orders import ListOrder
from memory_service.storage.sql import Sql, all_of
from memory_service.types import Action, Caller, KeyScope

router = APIRouter(prefix="/v1/memories", tags=["memories"], route_class=StrictRoute)

Reader = Annotated[Caller, require(KeyScope.READ)]
Writer = Annotated[Caller, require(KeyScope.WRITE)]

SET_SIZE = 10_000  # memories one archive or restore call changes at most

ORDERS = (
    "By when they were stored, observed or last changed, or by importance. What changes its place while you read on may be "
    "missed or come twice; everything else comes once."
)


@router.get("", response_model=MemoryList, openapi_extra={"parameters": described_parameters()})
@takes_parameters(is_filter_parameter, names=PARAMETER_NAMES)
def list_memories(
    caller: Reader,
    services: ServicesDep,
    session: SessionDep,
    request: Request,
    namespace: str | None = None,
    order: Annotated[ListOrder, Query(description=ORDERS)] = ListOrder.NEWEST,
    limit: Annotated[int, Query(ge=1, le=MAX_LIST_LIMIT)] = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List memories, newest first unless `order` says otherwise.

    A parameter given several times means one of these values. `created_after`, `created_before` and the same for
    `updated` and `observed` bound times; `metadata.<path>` compares with the text and with the number or boolean that it
    is. POST /v1/memories/query takes the whole filter grammar.
    """
    given: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        if is_filter_parameter(name):
            given.setdefault(name, []).append(value)
    return answer(
        list_page(
            session,
            caller,
            selection=_from_address(given),
            asked=given,
            namespace=namespace,
            limit=limit,
            cursor=cursor,
            now=services.clock(),
            order=order,
        )
    )


def _from_address(given: dict[str, list[str]]) -> Filter:
    try:
        return filter_from_query(given)
    except InvalidFilter as error:
        found = tuple(FieldError("?" + e.pointer.removeprefix("/"), e.detail) for e in error.errors)
        raise type(error)(error.detail, errors=found, code=error.specific_code) from error


@router.post("/query", response_model=MemoryList)
def query_memories(body: QueryIn, caller: Reader, services: ServicesDep, session: SessionDep) -> Response:
    """List the memories that a filter selects, newest first unless `order` says otherwise."""
    wanted = body.filter or {}
    return answer(
        list_page(
            session,
            caller,
            selection=parse_filter(wanted),
            asked=wanted,
            namespace=body.namespace,
            limit=body.limit,
            cursor=body.cursor,
            now=services.clock(),
            order=body.order,
            namespace_at="/namespace",
        )
    )


def read_items(raw: Sequence[Any]) -> tuple[dict[int, MemoryIn], dict[int, dict[str, Any]]]:
    """Validate items one by one; return the good ones and the problems of the others, by index."""
    good: dict[int, MemoryIn] = {}
    bad: dict[int, dict[str, Any]] = {}
    for index, item in enumerate(raw):
        try:
            fault = check_value(item)
            if fault is not None:
                raise invalid_request([fault])
            good[index] = MemoryIn.model_validate(item)
        except ValidationError as error:
            # Its sentence names the place within the item, as that of one memory does.
            found = field_errors([{**e, "loc": ("body", *e["loc"])} for e in error.errors()], item)
            bad[index] = problem_of_item(invalid_request(found), below=f"/items/{index}")
        except MemoryServiceError as error:
            bad[index] = problem_of_item(error, below=f"/items/{index}")
    return good, bad


@router.post("/batch", response_model=BatchOut)
@checks_own_values
def create_batch(
    body: BatchIn, request: Request, caller: Writer, services: ServicesDep, session: SessionDep
) -> Response:
    """Remember up to 1,000 texts; a bad one never fails its neighbours.

    Items that say `"wait": "consolidated"` hold the answer back until they are enriched, for as long as the largest
    `timeout_s` among them; the answer is the same either way.
    """
    if len(body.items) > MAX_BATCH_ITEMS:
        raise TooLarge(f"A batch holds at most {MAX_BATCH_ITEMS:,} items; send the rest in another call.")
    good, bad = read_items(body.items)
    if sum(len(item.content.encode()) for item in good.values()) > MAX_BATCH_BYTES:
        raise TooLarge("The contents of a batch add up to more than 2 MiB; send fewer items per call.")
    now = services.clock()
    encoding = encoding_of(services, caller)
    order = sorted(good)
    awaited: list[UUID] = []

    def encode() -> Sequence[Prepared]:
        return prepare([good[index].draft() for index in order], encoding=encoding, now=now)

    def produce(prepared: Sequence[Prepared]) -> Response:
        stored = remember(session, caller.tenant_id, prepared, encoding=encoding, now=now) if prepared else []
        if stored:
            nudge_enrichment(session, services, caller)
        awaited[:] = [
            outcome.memory_id
            for index, outcome in zip(order, stored, strict=True)
            if good[index].wait == "consolidated" and outcome.problem is None
        ]
        return answer({"results": _results(dict(zip(order, stored, strict=True)), bad)})

    response = idempotent_after(request, caller, session, encode, produce)
    if awaited:
        patience = max(item.timeout_s for item in good.values() if item.wait == "consolidated")
        wait_until_consolidated(services, session, caller, awaited, timeout_s=patience)
    return response


def _results(stored: dict[int, Outcome], bad: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
    results = []
    for index in range(len(stored) + len(bad)):
        if index in bad:
            results.append({"index": index, "status": "rejected", "id": None, "problem": bad[index]})
            continue
        outcome = stored[index]
        problem = None
        if outcome.problem is not None:
            problem = problem_of_item(outcome.problem, below=f"/items/{index}")
        memory_id = str(outcome.memory_id) if outcome.memory_id and problem is None else None
        results.append({"index": index, "status": outcome.status, "id": memory_id, "problem": problem})
    return results


def _select(session: Session, caller: Caller, body: SelectionIn, state: Sql, *, now: datetime) -> Sql:
    if body.ids is not None:
        try:
            ids = [UUID(str(i)) for i in body.ids]
        except ValueError as error:
            detail = "ids are UUIDs."
            raise InvalidRequest(detail, errors=(FieldError("/ids", detail),)) from error
        chosen = Sql("m.id = ANY(CAST(:chosen AS uuid[]))", {"chosen": ids})
    else:
        chosen = compile_filter(parse_filter(body.filter), at=now)
    return all_of(in_namespace(session, caller.tenant_id, body.namespace, pointer="/namespace"), chosen, state)


def _change_set(
    name: str, body: SelectionIn, request: Request, caller: Caller, services: ServicesDep, session: Session
) -> Response:
    now = services.clock()
    archived = Sql("(m.archived_at IS NOT NULL OR m.expires_at <= :right_now)", {"right_now": now})
    state = archived if name == "restore" else Sql("m.state <> 'archived'")

    def produce() -> Response:
        where = _select(session, caller, body, state, now=now)
        if body.dry_run:
            count = memories.count_matching(session, caller.tenant_id, where=where)
            return answer({"matched": count, "changed": 0, "dry_run": True})
        ids = memories.matching_ids(session, caller.tenant_id, where=where, limit=SET_SIZE + 1)
        if len(ids) > SET_SIZE:
            raise TooLarge(f"More than {SET_SIZE:,} memories match; narrow the filter and repeat the call.")
        change = archiving.restore if name == "restore" else archiving.archive
        changed = change(session, caller.tenant_id, ids, now=now) if ids else []
        action = Action.MEMORIES_RESTORE if name == "restore" else Action.MEMORIES_ARCHIVE
        by = "filter" if body.ids is None else "ids"
        place = place_of(session, caller, body.namespace)
        note(session, services, caller, action, namespace_id=place, changed=len(changed), selected_by=by)
        return answer({"matched": len(ids), "changed": len(changed), "dry_run": False})

    return produce() if body.dry_run else idempotent(request, caller, session, produce)


@router.post("/archive", response_model=Changed)
def archive_memories(
    body: SelectionIn, request: Request, caller: Writer, services: ServicesDep, session: SessionDep
) -> Response:
    """Archive every memory that a filter selects; `dry_run` only counts them.

    A filter that selects everything needs a namespace beside it.
    """
    if selects_everything(body.filter) and body.namespace is None and not body.dry_run:
        detail = "selects everything: name the namespace that is to be emptied"
        raise invalid_request([FieldError("/filter", detail)])
    return _change_set("archive", body, request, caller, services, session)


@router.post("/restore", response_model=Changed)
def restore_memories(
    body: SelectionIn, request: Request, caller: Writer, services: ServicesDep, session: SessionDep
) -> Response:
    """Restore every archived or expired memory that a filter selects; `dry_run` only counts them."""
    return _change_set("restore", body, request, caller, services, session)
