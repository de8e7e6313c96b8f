"""The ASGI application: `uvicorn --factory memory_service.api.app:create_app`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import structlog
from anyio import to_thread
from fastapi import APIRouter, FastAPI
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from memory_service import __version__
from memory_service.api import problems
from memory_service.api.chat_proxy.proxy import ChatProxy
from memory_service.api.compat import mem0
from memory_service.api.docs import DOCS_ROUTES, document
from memory_service.api.metrics import Metrics
from memory_service.api.middleware import AnswerHead, CheckHost, LimitBody, Observe
from memory_service.api.opening import open_services
from memory_service.api.routes import (
    admin_sessions,
    api_keys,
    audit,
    blocks,
    built,
    changesets,
    chat,
    consolidations,
    context,
    dead_letters,
    documents,
    encoders,
    entities,
    erasures,
    exports,
    facts,
    fusion_policies,
    fusion_weights,
    graph,
    health,
    health_report,
    imports,
    jobs,
    kv_blocks,
    kv_checks,
    kv_engines,
    kv_memories,
    kv_plans,
    kv_quota,
    links,
    memories,
    memory_history,
    memory_lists,
    memory_states,
    messages,
    namespaces,
    parametric,
    policies,
    redaction_policies,
    reviews,
    saved_queries,
    scopes,
    search,
    structure,
    task_work,
    tasks,
    tenants,
    timeline,
    usage,
    webhooks,
)
from memory_service.api.routes.admin_sessions import LOGIN, MAX_LOGIN
from memory_service.api.routes.imports import IMPORTS
from memory_service.api.routes.kv_memories import KV_MEMORIES
from memory_service.api.services import Services
from memory_service.api.web_view import web_view_routes
from memory_service.errors import Misconfigured
from memory_service.garbage import spare_what_lives
from memory_service.logging import configure_logging
from memory_service.pulse import Pulse
from memory_service.settings import Settings, get_settings

log = structlog.get_logger(__name__)

# Order matters where paths overlap: /v1/memories/archive must be tried before /v1/memories/{memory_id}.
ROUTERS: list[APIRouter] = [
    search.router,
    memory_lists.router,
    memories.router,
    memory_states.router,
    memory_history.router,
    messages.router,
    documents.router,
    context.router,
    blocks.router,
    tasks.router,
    task_work.router,
    scopes.router,
    entities.router,
    structure.router,
    links.router,
    built.router,
    graph.router,
    timeline.router,
    facts.router,
    namespaces.router,
    fusion_policies.router,
    redaction_policies.router,
    policies.router,
    saved_queries.router,
    fusion_weights.router,
    consolidations.router,
    changesets.router,
    reviews.router,
    erasures.router,
    exports.router,
    imports.router,
    jobs.router,
    kv_engines.router,
    kv_plans.router,
    dead_letters.router,
    kv_memories.router,
    kv_checks.router,
    kv_blocks.router,
    kv_quota.router,
    parametric.router,
    usage.router,
    health_report.router,
    audit.router,
    webhooks.router,
    api_keys.router,
    tenants.router,
    encoders.router,
    health.router,
    admin_sessions.router,
    chat.router,
    *mem0.ROUTERS,
]

BUNDLE_TOO_LARGE = (
    "Export a namespace at a time and import one bundle after the other, or raise MEMORY_SERVICE_IMPORT_MB."
)
BLOB_TOO_LARGE = "Save fewer blocks at a time, or raise MEMORY_SERVICE_KV_UPLOAD_MB."
REQUEST_THREADS = 40
FORGET_EVERY_S = 1.0


def create_app(settings: Settings | None = None, *, shared: Path | None = None, pulse: Pulse | None = None) -> FastAPI:
    """Return the application; parts that take time to open are opened when it starts.

    Args:
        settings: those of the environment, unless they are given; then the process is not the application's alone.
        shared: the folder that this process has in common with others behind the same socket (see ``serve``).
        pulse: by which whoever started this process sees that it lives.
    """
    owns_process = settings is None
    settings = settings or get_settings()
    configure_logging(level=settings.log_level, log_format=settings.log_format)
    metrics = Metrics(shared)

    def of_all(name: str) -> Path | None:
        return None if shared is None else shared / name

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with ExitStack() as closing:
            try:
                app.state.services = await to_thread.run_sync(open_services, settings, metrics, closing, of_all)
            except Misconfigured as error:
                log.error("refused_to_start", code=error.specific_code, detail=error.detail)
                raise
            to_thread.current_default_thread_limiter().total_tokens = REQUEST_THREADS
            proxy = app.state.chat_proxy = ChatProxy(settings, layouts=of_all("layouts"))
            watching = asyncio.create_task(_forget_the_deleted(app.state.services, pulse))
            if owns_process:
                spare_what_lives()
            try:
                yield
            finally:
                watching.cancel()
                # Before the database is closed: it may still be written to.
                await proxy.close()

    app = FastAPI(
        title="Memory service",
        summary="Long-term memory for agents: durable, isolated, explained.",
        version=__version__,
        lifespan=lifespan,
        # Our routes as they are: included routers are matched twice per request.
        routes=[*_routes(), *DOCS_ROUTES, *web_view_routes()],
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=[
            Middleware(Observe, metrics=metrics),
            Middleware(CheckHost, host=settings.host, allowed_hosts=settings.allowed_hosts.split(",")),
            Middleware(
                LimitBody,
                uploads={
                    IMPORTS: (settings.import_mb << 20, BUNDLE_TOO_LARGE),
                    KV_MEMORIES: (settings.kv_upload_mb << 20, BLOB_TOO_LARGE),
                },
                short={LOGIN: MAX_LOGIN},
            ),
            Middleware(AnswerHead),
        ],
    )
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    problems.install(app)
    return app


def _routes() -> list[BaseRoute]:
    return [route for router in ROUTERS for route in router.routes]


async def _forget_the_deleted(services: Services, pulse: Pulse | None) -> None:
    """Drop what is kept in memory when any process deleted a tenant: its texts must not stay there."""
    seen = services.deleted.read()
    while True:
        if pulse is not None:
            pulse.beat()
        await asyncio.sleep(FORGET_EVERY_S)
        if (mark := services.deleted.read()) != seen:
            seen = mark
            await to_thread.run_sync(services.residents.clear)
