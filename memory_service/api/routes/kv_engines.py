"""Engines with a key–value cache: announced with all that their numbers depend on."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from memory_service.activation.errors import ActivationError
from memory_service.api.answers import answer
from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.fields import ShortText
from memory_service.api.kv_models import DIGEST, EngineIn, EngineListOut, EngineOut
from memory_service.api.pages import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, page
from memory_service.api.problems import invalid_request
from memory_service.api.strict_json import StrictRoute
from memory_service.errors import FieldError
from memory_service.storage import kv_engines
from memory_service.storage.kv_engines import Engine
from memory_service.storage.sql import Row
from memory_service.types import Caller, KeyScope

router = APIRouter(prefix="/v1/kv/engines", tags=["kv"], route_class=StrictRoute)

User = Annotated[Caller, require(KeyScope.KV)]


@router.put(
    "/{digest}",
    response_model=EngineOut,
    responses={201: {"model": EngineOut, "description": "An engine that was not known yet."}},
)
def put_kv_engine(
    digest: Annotated[str, Path(pattern=DIGEST)],
    body: EngineIn,
    caller: User,
    services: ServicesDep,
    session: SessionDep,
) -> Response:
    """Announce an engine, or that it is still there; plans for its model are made for the one announced last.

    The digest has to be that of the fields: two that differ in one of them cannot use each other's numbers.
    """
    try:
        fingerprint = body.fingerprint()
    except ActivationError as error:
        raise invalid_request([FieldError("", f"{error}")]) from None
    if (own := fingerprint.digest()) != digest:
        raise invalid_request([FieldError("{digest}", f"is not the digest of these fields, which is {own}")])
    engine, new = kv_engines.announce(
        session,
        caller.tenant_id,
        fingerprint,
        model=body.model,
        bytes_per_token=body.bytes_per_token,
        prefill_tokens_per_s=body.prefill_tokens_per_s,
        now=services.clock(),
    )
    return answer(engine_json(engine), status=201 if new else 200)


@router.get("", response_model=EngineListOut)
def list_kv_engines(
    caller: User,
    session: SessionDep,
    model: ShortText | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List engines in order of their digests."""
    query = {"list": "kv_engines", "model": model}
    after = decode_cursor(cursor, of=str, tenant_id=caller.tenant_id, query=query)
    found = kv_engines.list_engines(session, caller.tenant_id, model=model, after=after, limit=limit + 1)
    return answer(
        page(
            [engine_json(engine) for engine in found],
            limit=limit,
            position=_digest,
            render=lambda row: row,
            tenant_id=caller.tenant_id,
            query=query,
        )
    )


def _digest(row: Row) -> str:
    return str(row["digest"])


def engine_json(engine: Engine) -> dict[str, Any]:
    """Return an engine as JSON."""
    return EngineOut.model_validate(
        {
            "digest": engine.digest,
            "model": engine.model,
            "fingerprint": asdict(engine.fingerprint),
            "bytes_per_token": engine.bytes_per_token,
            "prefill_tokens_per_s": engine.prefill_tokens_per_s,
            "created_at": engine.created_at,
            "announced_at": engine.announced_at,
        }
    ).model_dump(mode="json")
