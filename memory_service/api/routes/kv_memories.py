"""KV memories: saved and loaded by engines, listed and deleted by their owners."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session

from memory_service.activation.exactness import Exactness
from memory_service.activation.saved_file import RAW
from memory_service.api.answers import answer
from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.idempotency import idempotent
from memory_service.api.kv.engine_routes import BlobRoute, check_engine, grant_of
from memory_service.api.kv.models import Codec, Digest, KvMemoriesOut, KvMemoryDetailOut, KvSavedOut
from memory_service.api.pages import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, page
from memory_service.api.services import Services
from memory_service.blobs.protocol import BlobMissing, blob_name
from memory_service.errors import FieldError, Forbidden, Gone, InvalidRequest, MemoryServiceError, NotFound
from memory_service.lifecycle.kv_arriving import bring, settle
from memory_service.lifecycle.kv_checking import mark
from memory_service.lifecycle.kv_loading import GONE_BECAUSE, loadable
from memory_service.lifecycle.kv_records import record_json
from memory_service.lifecycle.kv_saving import Limits, Part, Saved, save
from memory_service.lifecycle.kv_sweeping import remove_blobs
from memory_service.storage import kv_blocks, kv_memories, kv_plans
from memory_service.storage.database import end
from memory_service.storage.namespaces import find_namespace_id
from memory_service.types import Caller, KeyScope

KV_MEMORIES: Final = "/v1/kv/memories"
MAX_BLOCK: Final = 1_000_000
SAFETENSORS: Final = "application/vnd.safetensors"

router = APIRouter(prefix=KV_MEMORIES, tags=["kv"], route_class=BlobRoute)

Engine = Annotated[Caller, require(KeyScope.KV)]


@router.post(
    "",
    status_code=201,
    response_model=KvSavedOut,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
def create_kv_memory(
    request: Request,
    caller: Engine,
    services: ServicesDep,
    session: SessionDep,
    first_block: Annotated[int, Query(ge=0, le=MAX_BLOCK, description="Which block of the plan is the first.")],
    count: Annotated[int, Query(ge=1, le=MAX_BLOCK, description="How many blocks there are.")],
    checksum: Annotated[Digest, Query(description="SHA-256 of the file.")],
    plan_id: Annotated[UUID | None, Query(description="Whose blocks they are; a grant says it.")] = None,
    engine: Annotated[Digest | None, Query(description="Digest of the fingerprint; a grant says it.")] = None,
    codec: Annotated[Codec, Query(description="How numbers are written.")] = RAW,
    exactness: Annotated[Exactness, Query(description="What was done to them.")] = Exactness.EXACT,
) -> Response:
    """Save whole blocks of a plan (a safetensors file): 201, or 200 when they are here already.

    409 when a memory of the prompt has changed since the plan was made, 507 when what is kept is worth more.
    """
    part = _part(request, plan_id, engine, first_block, count, codec, exactness)
    tenant_id, now = caller.tenant_id, services.clock()
    if request.state.checksum != checksum:
        raise InvalidRequest(
            "The checksum does not fit: the file was changed or cut off on its way.",
            code="kv_checksum_mismatch",
            errors=(FieldError("?checksum", "is not the SHA-256 of the body"),),
        )
    open_session, blobs, looks = services.database.transaction, services.kv.blobs, services.kv.looks
    arrived = bring(
        open_session, blobs, looks, tenant_id, part, request.state.upload, size=request.state.upload_bytes,
        checksum=checksum, now=now,
    )  # fmt: skip
    saved: list[Saved] = []

    def produce() -> Response:
        saved.append(save(session, tenant_id, part, arrived, limits=_limits(services), now=now))
        row = kv_memories.get_record(session, tenant_id, saved[0].id)
        if row is None:
            raise NotFound("The blocks were here and are not any more; save them again.")
        sources = kv_memories.sources_of(session, tenant_id, [saved[0].id])[saved[0].id]
        return answer(
            {**record_json(row, sources, now=now), "evicted": len(saved[0].evicted)},
            status=201 if saved[0].is_new else 200,
            headers={"Location": f"{KV_MEMORIES}/{saved[0].id}"},
        )

    stored: Saved | None = None
    try:
        response = idempotent(request, caller, session, produce)
        stored = saved[0] if saved else None
    finally:
        # After a failure there is nothing to keep, and no connection is held while the store is asked.
        end(session)
        outcome = "refused" if stored is None else "stored" if stored.is_new else "present"
        services.metrics.kv.saved(outcome, request.state.upload_bytes)
        settle(open_session, blobs, tenant_id, arrived, stored, now=now)
    return response


def _part(
    request: Request,
    plan_id: UUID | None,
    engine: str | None,
    first_block: int,
    count: int,
    codec: str,
    exactness: Exactness,
) -> Part:
    grant = grant_of(request)
    if grant is not None:
        if plan_id not in (None, grant.plan_id):
            raise Forbidden("This grant is of another plan.")
        check_engine(request, engine or grant.engine)
        plan_id, engine = grant.plan_id, grant.engine
    missing = [name for name, value in (("plan_id", plan_id), ("engine", engine)) if value is None]
    if plan_id is None or engine is None:
        raise InvalidRequest(
            "With a key in place of a grant, the plan and the engine are to be named.",
            errors=tuple(FieldError(f"?{name}", "is missing") for name in missing),
        )
    return Part(plan_id, engine, first_block, count, codec, exactness)


def _limits(services: Services) -> Limits:
    return Limits(tenant_bytes=services.settings.kv_quota_mb << 20, ttl=timedelta(days=services.settings.kv_ttl_days))


@router.get("", response_model=KvMemoriesOut)
def list_kv_memories(
    caller: Engine,
    services: ServicesDep,
    session: SessionDep,
    request: Request,
    namespace: Annotated[str | None, Query(description="Only of this namespace.")] = None,
    engine: Annotated[Digest | None, Query(description="Only of this engine.")] = None,
    memory_id: Annotated[UUID | None, Query(description="Only those made of this memory.")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List the KV memories that can be loaded, newest first."""
    _keys_only(request)
    tenant_id, now = caller.tenant_id, services.clock()
    query = {"list": "kv memories", "namespace": namespace, "engine": engine, "memory_id": str(memory_id)}
    before = decode_cursor(cursor, of=UUID, tenant_id=tenant_id, query=query)
    namespace_id = None
    if namespace is not None:
        # The default namespace exists before anything is in it.
        found = find_namespace_id(session, tenant_id, namespace, pointer="?namespace")
        namespace_id = found or UUID(int=0)
    rows = kv_memories.list_records(
        session, tenant_id, namespace_id=namespace_id, engine=engine, memory_id=memory_id, before=before,
        limit=limit + 1, now=now,
    )  # fmt: skip
    sources = kv_memories.sources_of(session, tenant_id, [row["id"] for row in rows])
    return answer(
        page(
            rows,
            limit=limit,
            position=lambda row: row["id"],
            render=lambda row: record_json(row, sources[row["id"]], now=now),
            tenant_id=tenant_id,
            query=query,
        )
    )


@router.get("/{kv_memory_id}", response_model=KvMemoryDetailOut)
def get_kv_memory(
    kv_memory_id: UUID, caller: Engine, services: ServicesDep, session: SessionDep, request: Request
) -> Response:
    """Return the header of a KV memory: what it was made of, by what, and how it is used. 410 once it is stale."""
    row = readable(session, services, caller, request, kv_memory_id)
    sources = kv_memories.sources_of(session, caller.tenant_id, [kv_memory_id])[kv_memory_id]
    hashes = kv_memories.hashes_of(session, caller.tenant_id, kv_memory_id)
    return answer({**record_json(row, sources, now=services.clock()), "block_hashes": hashes})


@router.get(
    "/{kv_memory_id}/blob",
    response_class=StreamingResponse,
    responses={200: {"content": {SAFETENSORS: {"schema": {"type": "string", "format": "binary"}}}}},
)
def get_kv_blob(kv_memory_id: UUID, caller: Engine, services: ServicesDep, request: Request) -> Response:
    """Return the file of a KV memory as it was saved; its ETag is the checksum. 410 once a source changed or was erased."""
    # No connection is held while the store is asked.
    try:
        with services.database.transaction(caller.tenant_id, durable=False) as session:
            row = readable(session, services, caller, request, kv_memory_id)
    except Gone:
        services.metrics.kv.not_loaded("stale")
        raise
    with ExitStack() as opening:
        try:
            blob = opening.enter_context(services.kv.blobs.open(blob_name(caller.tenant_id, kv_memory_id)))
        except BlobMissing:
            raise _unservable(services, caller, kv_memory_id, kv_memories.LOST) from None
        # What has another size than was promised would break off, or be cut: nobody could use it.
        if blob.size != row["bytes"]:
            raise _unservable(services, caller, kv_memory_id, kv_memories.DAMAGED)
        opened = opening.pop_all()
    services.kv.looks.loaded(caller.tenant_id, kv_memory_id)
    services.kv.uses.loaded(caller.tenant_id, kv_memory_id)
    services.metrics.kv.loaded(row["bytes"])

    def body() -> Iterator[bytes]:
        with opened:
            yield from blob.parts

    headers = {"ETag": f'"{row["checksum"].hex()}"', "Content-Length": str(row["bytes"])}
    return StreamingResponse(body(), media_type=SAFETENSORS, headers=headers)


@router.delete("/{kv_memory_id}", status_code=204)
def delete_kv_memory(
    kv_memory_id: UUID, caller: Engine, services: ServicesDep, session: SessionDep, request: Request
) -> Response:
    """Delete a KV memory: it cannot be loaded from now on, and its blob is removed. The memories it was made of stay."""
    _keys_only(request)
    now, tenant_id = services.clock(), caller.tenant_id
    with services.database.transaction(tenant_id) as marking:
        loadable(marking, tenant_id, kv_memory_id, now=now)
        kv_memories.mark_stale(marking, tenant_id, [kv_memory_id], reason=kv_memories.DELETED, now=now)
    remove_blobs(services.database.transaction, services.kv.blobs, tenant_id, [kv_memory_id], now=now)
    return Response(status_code=204)


def _unservable(services: Services, caller: Caller, kv_memory_id: UUID, wrong: str) -> MemoryServiceError:
    """Mark a record whose blob is lost or damaged; return the answer to who asked for it."""
    if not mark(services.database.transaction, caller.tenant_id, kv_memory_id, wrong, now=services.clock()):
        return stale_meanwhile(services, caller, kv_memory_id)
    services.metrics.kv.not_loaded(wrong)
    return Gone(f"This KV memory cannot be loaded any more: {GONE_BECAUSE[wrong]}.", code="kv_stale")


def stale_meanwhile(services: Services, caller: Caller, kv_memory_id: UUID) -> MemoryServiceError:
    """Return the answer to who asked for a record that went stale while its blob was looked at: why it did."""
    services.metrics.kv.not_loaded("stale")
    try:
        with services.database.transaction(caller.tenant_id, durable=False) as session:
            loadable(session, caller.tenant_id, kv_memory_id, now=services.clock())
    except (Gone, NotFound) as error:
        return error
    # Nothing makes a stale record loadable again.
    raise AssertionError("a record that could not be marked can be loaded")


def readable(session: Session, services: Services, caller: Caller, request: Request, kv_memory_id: UUID) -> Any:
    """Return a record that may be loaded with this key or grant; what a grant does not reach is not there."""
    row = loadable(session, caller.tenant_id, kv_memory_id, now=services.clock())
    grant = grant_of(request)
    if grant is not None:
        plan = kv_plans.get_plan(session, caller.tenant_id, grant.plan_id, now=services.clock())
        hashes = plan.block_hashes if plan is not None and plan.engine == grant.engine else ()
        if not kv_blocks.holds_any(session, caller.tenant_id, kv_memory_id, hashes):
            raise NotFound("There is no such KV memory in the plan of this grant.")
    return row


def _keys_only(request: Request) -> None:
    if grant_of(request) is not None:
        raise Forbidden("A grant looks up, loads and saves the blocks of its plan; this call needs a key.")
