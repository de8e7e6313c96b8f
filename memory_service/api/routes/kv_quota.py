"""How much room KV memories take and may take, and what they spared."""

from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Response
from sqlalchemy.orm import Session

from memory_service.api.answers import answer
from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.kv.models import KvQuotaIn, KvQuotaOut, KvStatsOut
from memory_service.api.services import Services
from memory_service.api.strict_json import StrictRoute
from memory_service.errors import FieldError, InvalidRequest
from memory_service.storage import kv_room, kv_upkeep
from memory_service.storage.namespaces import find_namespace_id, unknown_namespace
from memory_service.storage.sql import Row
from memory_service.types import Caller, KeyScope

router = APIRouter(prefix="/v1/kv", tags=["kv"], route_class=StrictRoute)

Reader = Annotated[Caller, require(KeyScope.KV)]
Admin = Annotated[Caller, require(KeyScope.ADMIN)]


@router.get("/stats", response_model=KvStatsOut)
def get_kv_stats(caller: Reader, services: ServicesDep, session: SessionDep) -> Response:
    """Return what is kept, how often it was found and loaded, how much prefill that spared, and what upkeep found.

    Uses are counted behind the requests and show after a second or two.
    """
    engines = [_engine_json(row) for row in kv_room.usage_by_engine(session, caller.tenant_id)]
    sums = ("bytes", "hits", "asked_blocks", "found_blocks", "missed_blocks", "loaded_bytes")
    whole = {name: sum(one[name] for one in engines) for name in sums}
    return answer(
        {
            "count": sum(one["records"] for one in engines),
            **whole,
            "hit_rate": _rate(whole["found_blocks"], whole["asked_blocks"]),
            "saved_seconds": round(sum(one["saved_seconds"] for one in engines), 3),
            "engines": engines,
            "quota": _quota_json(session, services, caller.tenant_id),
            "upkeep": asdict(kv_upkeep.of_tenant(session, caller.tenant_id)),
        }
    )


@router.get("/quota", response_model=KvQuotaOut)
def get_kv_quota(caller: Reader, services: ServicesDep, session: SessionDep) -> Response:
    """Return how much may be kept, by the tenant and by those of its namespaces that have a quota, and how much is."""
    return answer(_quota_json(session, services, caller.tenant_id))


@router.put("/quota", response_model=KvQuotaOut)
def put_kv_quota(body: KvQuotaIn, caller: Admin, services: ServicesDep, session: SessionDep) -> Response:
    """Set how many bytes the tenant or a namespace may keep. What is above a lower quota goes with the next saves."""
    most = services.settings.kv_quota_mb << 20
    if body.bytes is not None and body.bytes > most:
        detail = f"The operator allows {most:,} bytes to a tenant (MEMORY_SERVICE_KV_QUOTA_MB)."
        raise InvalidRequest(detail, errors=(FieldError("/bytes", detail),))
    tenant_id = caller.tenant_id
    namespace_id = None
    if body.namespace is not None:
        namespace_id = find_namespace_id(session, tenant_id, body.namespace, pointer="/namespace")
        if namespace_id is None:
            raise unknown_namespace(body.namespace)
    kv_room.set_quota(session, tenant_id, namespace_id, body.bytes, now=services.clock())
    return answer(_quota_json(session, services, tenant_id))


def _quota_json(session: Session, services: Services, tenant_id: UUID) -> dict[str, Any]:
    most = services.settings.kv_quota_mb << 20
    return {
        "bytes": min(kv_room.quotas(session, tenant_id).get(None, most), most),
        "used_bytes": kv_room.taken(session, tenant_id),
        "most_bytes": most,
        "namespaces": kv_room.quota_paths(session, tenant_id),
    }


def _engine_json(row: Row) -> dict[str, Any]:
    return {
        "engine": row["engine"],
        "model": row["model"],
        "records": row["records"],
        "bytes": int(row["bytes"]),
        "tokens": int(row["tokens"]),
        "lookups": row["lookups"],
        "asked_blocks": row["asked_blocks"],
        "found_blocks": row["found_blocks"],
        "missed_blocks": row["asked_blocks"] - row["found_blocks"],
        "hit_rate": _rate(row["found_blocks"], row["asked_blocks"]),
        "hits": row["loads"],
        "loaded_tokens": row["loaded_tokens"],
        "loaded_bytes": row["loaded_bytes"],
        "saved_seconds": round(row["saved_s"], 3),
    }


def _rate(found: int, asked: int) -> float | None:
    return round(found / asked, 4) if asked else None
