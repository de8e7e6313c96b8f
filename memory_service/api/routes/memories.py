"""Memories one at a time: remember, read, correct, supersede, archive, restore, pin, erase."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from sqlalchemy.orm import Session

from memory_service.api.answer_models import Memory
from memory_service.api.answers import memory_answer, versions_wanted
from memory_service.api.dependencies import AnyCaller, ServicesDep, SessionDep, check_scope, require
from memory_service.api.erasing import begin_erasure, begun_answer
from memory_service.api.erasure_models import BegunOut
from memory_service.api.fields import Time
from memory_service.api.idempotency import idempotent_after, was_replayed
from memory_service.api.memory_models import MAX_WAIT_S, MemoryIn, MemoryPatch
from memory_service.api.services import Services
from memory_service.api.strict_json import StrictRoute
from memory_service.api.waiting import wait_until_consolidated
from memory_service.api.writing import encoding_of, nudge_enrichment
from memory_service.errors import FieldError, InvalidRequest
from memory_service.lifecycle import archive as archiving
from memory_service.lifecycle.correct import correct, load_for_change, missing
from memory_service.lifecycle.draft import NewText, Prepared, prepare
from memory_service.lifecycle.records import memory_json
from memory_service.lifecycle.remember import remember
from memory_service.lifecycle.selection import Selection
from memory_service.lifecycle.supersede import in_place_of, supersede
from memory_service.storage import memories
from memory_service.types import Caller, KeyScope

router = APIRouter(prefix="/v1/memories", tags=["memories"], route_class=StrictRoute)

Reader = Annotated[Caller, require(KeyScope.READ)]
Writer = Annotated[Caller, require(KeyScope.WRITE)]
IfMatch = Annotated[str | None, Header(alias="If-Match")]


def read_memory(session: Session, caller: Caller, memory_id: UUID, *, now: datetime) -> dict[str, Any]:
    """Return one memory as JSON.

    Raises:
        NotFound, Gone: it is not in this tenant, or erased.
    """
    row = memories.get_record(session, caller.tenant_id, memory_id)
    if row is None:
        raise missing(session, caller.tenant_id, memory_id)
    return memory_json(row, now=now)


@router.post("", status_code=201, response_model=Memory, responses={200: {"model": Memory}})
def create_memory(
    body: MemoryIn, request: Request, caller: Writer, services: ServicesDep, session: SessionDep
) -> Response:
    """Remember one text; it is durable and findable when this answers."""
    now = services.clock()
    encoding = encoding_of(services, caller)

    def encode() -> Sequence[Prepared]:
        return prepare([body.draft()], encoding=encoding, now=now)

    def produce(prepared: Sequence[Prepared]) -> Response:
        (outcome,) = remember(session, caller.tenant_id, prepared, encoding=encoding, now=now)
        if outcome.problem is not None:
            raise outcome.problem
        if outcome.record is not None:
            record = memory_json(outcome.record, now=now)
        else:
            record = read_memory(session, caller, outcome.memory_id, now=now)
        if outcome.status == "skipped":
            return memory_answer(record)
        nudge_enrichment(session, services, caller)
        if outcome.status == "updated":
            return memory_answer(record)
        location = {"Location": f"/v1/memories/{outcome.memory_id}"}
        return memory_answer(record, status=201, headers=location)

    response = idempotent_after(request, caller, session, encode, produce)
    return _when_wanted(response, body, caller, services, session)


def _when_wanted(response: Response, body: MemoryIn, caller: Caller, services: Services, session: Session) -> Response:
    """Answer now, or once a memory just made is consolidated when the body asks to wait for that."""
    if body.wait == "stored" or response.status_code != 201 or was_replayed(response):
        return response
    location = response.headers["location"]
    memory_id = UUID(location.rsplit("/", 1)[1])
    if not wait_until_consolidated(services, session, caller, [memory_id], timeout_s=body.timeout_s):
        return response
    record = read_memory(session, caller, memory_id, now=services.clock())
    return memory_answer(record, status=201, headers={"Location": location})


@router.get(
    "/{memory_id}",
    response_model=Memory,
    responses={202: {"model": Memory, "description": "The wait ended before the memory was consolidated."}},
)
def get_memory(
    memory_id: UUID,
    caller: Reader,
    services: ServicesDep,
    session: SessionDep,
    as_of: Annotated[Time | None, Query(description="Read the memory as it was known at this time.")] = None,
    wait: Annotated[
        Literal["stored", "consolidated"], Query(description="`consolidated` holds the answer back until it is.")
    ] = "stored",
    timeout_s: Annotated[float, Query(gt=0, le=MAX_WAIT_S, allow_inf_nan=False)] = 10,
) -> Response:
    """Read one memory, now or as it was known at a time; or wait until it is consolidated and read it then."""
    if as_of is None:
        record = read_memory(session, caller, memory_id, now=services.clock())
        if wait == "stored":
            return memory_answer(record)
        done = wait_until_consolidated(services, session, caller, [memory_id], timeout_s=timeout_s)
        record = read_memory(session, caller, memory_id, now=services.clock())
        return memory_answer(record, status=200 if done else 202)
    if wait != "stored":
        detail = "A memory as it was known at a time is waited for in vain; ask with wait or with as_of."
        raise InvalidRequest(detail, errors=(FieldError("?wait", detail),))
    row = memories.get_records_as_known(session, caller.tenant_id, [memory_id], known=as_of).get(memory_id)
    if row is None:
        raise missing(session, caller.tenant_id, memory_id)
    return memory_answer(memory_json(row, now=as_of))


@router.patch("/{memory_id}", response_model=Memory)
def correct_memory(
    memory_id: UUID,
    body: MemoryPatch,
    request: Request,
    caller: Writer,
    services: ServicesDep,
    session: SessionDep,
    if_match: IfMatch = None,
) -> Response:
    """Change fields of a memory as a new version of it."""
    now = services.clock()
    encoding = encoding_of(services, caller)
    changes = body.changes()
    wanted = versions_wanted(if_match)

    def encode() -> NewText | None:
        return encoding.new_texts([(memory_id, changes["content"])])[0] if "content" in changes else None

    def produce(text: NewText | None) -> Response:
        correct(
            session,
            caller.tenant_id,
            memory_id,
            changes,
            chunks=None if text is None else text.chunks,
            encoded=None if text is None else text.content,
            encoding=encoding,
            if_match=wanted,
            now=now,
        )
        nudge_enrichment(session, services, caller)
        return memory_answer(read_memory(session, caller, memory_id, now=now))

    return idempotent_after(request, caller, session, encode, produce)


@router.delete("/{memory_id}", status_code=204, response_class=Response, responses={202: {"model": BegunOut}})
def delete_memory(
    memory_id: UUID,
    caller: AnyCaller,
    services: ServicesDep,
    session: SessionDep,
    if_match: IfMatch = None,
    erase: Annotated[bool, Query(description="Remove it for good; needs the scope memories:erase.")] = False,
) -> Response:
    """Archive a memory (restorable, needs memories:write), or erase it for good (needs memories:erase alone)."""
    now = services.clock()
    check_scope(caller, KeyScope.ERASE if erase else KeyScope.WRITE)
    row = load_for_change(session, caller.tenant_id, memory_id, if_match=versions_wanted(if_match))
    archiving.archive(session, caller.tenant_id, [memory_id], now=now)
    if not erase:
        return Response(status_code=204)
    selection = Selection(before=now, ids=(memory_id,))
    return begun_answer(begin_erasure(session, services, caller, selection, namespace_id=row["namespace_id"]))


@router.post("/{memory_id}/supersede", status_code=201, response_model=Memory)
def supersede_memory(
    memory_id: UUID,
    body: MemoryIn,
    request: Request,
    caller: Writer,
    services: ServicesDep,
    session: SessionDep,
    if_match: IfMatch = None,
) -> Response:
    """Put a new memory in the place of an old one, whose validity ends where the new one's begins."""
    now = services.clock()
    encoding = encoding_of(services, caller)
    wanted = versions_wanted(if_match)
    given = body.model_fields_set

    def encode() -> Prepared:
        # It will lie where the old one lies, is redacted as that namespace has it, and said by whom that one states.
        with services.database.transaction(caller.tenant_id, durable=False) as glance:
            old = memories.get_record(glance, caller.tenant_id, memory_id)
        draft = (
            body.draft() if old is None else in_place_of(old, body.draft(), given=given, redactors=encoding.redactors())
        )
        (prepared,) = prepare([draft], encoding=encoding, now=now)
        return prepared

    def produce(prepared: Prepared) -> Response:
        old = load_for_change(session, caller.tenant_id, memory_id, if_match=wanted)
        new_id = supersede(session, caller.tenant_id, old, prepared, given=given, encoding=encoding, now=now)
        nudge_enrichment(session, services, caller)
        record = read_memory(session, caller, new_id, now=now)
        return memory_answer(record, status=201, headers={"Location": f"/v1/memories/{new_id}"})

    response = idempotent_after(request, caller, session, encode, produce)
    return _when_wanted(response, body, caller, services, session)
