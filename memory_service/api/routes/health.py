"""Is the process alive, can it serve, what does it count. No key is asked for, no tenant's data are shown."""

import time
from collections.abc import Callable
from typing import Any, Literal

from anyio import CapacityLimiter, fail_after, to_thread
from fastapi import APIRouter, Response
from pydantic import BaseModel
from sqlalchemy import text
from starlette.responses import JSONResponse

from memory_service.api.dependencies import ServicesDep
from memory_service.api.metrics import CONTENT_TYPE
from memory_service.api.services import Services
from memory_service.api.strict_json import StrictRoute
from memory_service.errors import MemoryServiceError
from memory_service.failing_parts import complaints, read_failing
from memory_service.storage.migrate import head_revision

router = APIRouter(tags=["health"], route_class=StrictRoute)

PART_TIMEOUT_S = 2.0
# Probes that hang must not take the threads of requests.
_PROBES = CapacityLimiter(8)


class PartOut(BaseModel):
    """Whether one part works, and why not."""

    ok: bool
    reason: str | None = None


class ReadyOut(BaseModel):
    """Whether the service can do its work."""

    status: Literal["ready", "degraded", "not_ready"]
    detail: str
    parts: dict[str, PartOut]


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Say that the process is alive; asks nothing else."""
    return {"status": "alive"}


@router.get("/readyz", responses={503: {"model": ReadyOut, "description": "A part that is needed does not work."}})
async def readyz(services: ServicesDep) -> ReadyOut:
    """Say what works: 200 when requests can be served, 503 when they cannot.

    Without the broker the service is degraded, not down: writes are stored, and jobs wait in the database.
    So it is while one of the processes that `memory-service run` started is down, or keeps ending: this one serves.
    """
    checks = CHECKS if services.failing is None else CHECKS | {"processes": _processes}
    parts = {name: await _probe(check, services) for name, check in checks.items()}
    bad = {name: part.reason for name, part in parts.items() if not part.ok}
    if set(bad) - SPARED:
        status: Literal["ready", "degraded", "not_ready"] = "not_ready"
    else:
        status = "degraded" if bad else "ready"
    detail = "; ".join(f"{name}: {reason}" for name, reason in bad.items()) or "Every part works."
    answer = ReadyOut(status=status, detail=detail, parts=parts)
    code = 503 if status == "not_ready" else 200
    return JSONResponse(answer.model_dump(), code, {"Retry-After": "2"} if code == 503 else None)  # type: ignore[return-value]


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(services: ServicesDep) -> Response:
    """Return the numbers of the API processes on this machine in the text format of Prometheus."""
    body = await to_thread.run_sync(services.metrics.render)
    return Response(body, headers={"Content-Type": CONTENT_TYPE})


async def _probe(check: Callable[[Services], str | None], services: Services) -> PartOut:
    try:
        with fail_after(PART_TIMEOUT_S):
            reason = await to_thread.run_sync(check, services, abandon_on_cancel=True, limiter=_PROBES)
    except TimeoutError:
        reason = f"no answer within {PART_TIMEOUT_S:g} s"
    except MemoryServiceError as error:
        reason = error.detail
    except OSError as error:
        reason = str(error)
    return PartOut(ok=reason is None, reason=reason)


def _database(services: Services) -> str | None:
    with services.database.untenanted() as connection:
        connection.execute(text("SELECT 1"))
    return None


def _migrations(services: Services) -> str | None:
    with services.database.untenanted() as connection:
        present: Any = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if present == HEAD:
        return None
    return f"the database stands at {present}, this code needs {HEAD}: run `memory-service migrate`"


def _broker(services: Services) -> str | None:
    services.nudger.check()
    return None


def _encoder(services: Services) -> str | None:
    vector = services.batching.encode_query("ready?", timeout_s=PART_TIMEOUT_S)
    return None if vector.shape == (services.encoder.identity.dimension,) else "it makes vectors of a wrong length"


def _processes(services: Services) -> str | None:
    return None if services.failing is None else complaints(read_failing(services.failing), now=time.monotonic())


HEAD = head_revision()
SPARED = frozenset({"broker", "processes"})  # Requests are served without.
CHECKS: dict[str, Callable[[Services], str | None]] = {
    "database": _database,
    "migrations": _migrations,
    "encoder": _encoder,
    "broker": _broker,
}
