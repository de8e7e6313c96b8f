"""The ASGI application: `uvicorn --factory memory_service.api.app:create_app`."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import structlog
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, FastAPI
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from memory_service import __version__
from memory_service.api import problems
from memory_service.api.auth import Authenticator
from memory_service.api.chat_proxy.proxy import ChatProxy
from memory_service.api.compat import mem0
from memory_service.api.docs import DOCS_ROUTES, document
from memory_service.api.keeping import Kept
from memory_service.api.kv.parts import KvParts
from memory_service.api.kv.uses import KvUses
from memory_service.api.kv_planner import KvPlanner
from memory_service.api.metrics import Metrics, TimedEncoder
from memory_service.api.middleware import AnswerHead, CheckHost, LimitBody, Observe
from memory_service.api.rate_limit import SLOTS, RateLimiter
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
from memory_service.api.services import Services, utc_now
from memory_service.api.sharing import Mark, Windows
from memory_service.api.web_view import web_view_routes
from memory_service.blobs.opening import open_blobs
from memory_service.chat_model.salt_secret import salt_secret
from memory_service.encoder import BatchingEncoder, Encoders, LoadedEncoder, Served
from memory_service.encoding import count_encoders, open_default, open_encoder
from memory_service.errors import Misconfigured, Unavailable
from memory_service.failing_parts import FAILING
from memory_service.garbage import spare_what_lives
from memory_service.jobs import Nudger
from memory_service.lifecycle.kv_looks import Looks
from memory_service.logging import configure_logging
from memory_service.pulse import Pulse
from memory_service.reranker.bounded import BoundedReranker
from memory_service.reranker.cross_encoder import open_cross_encoder
from memory_service.settings import Settings, get_settings
from memory_service.storage.bootstrap import role_urls
from memory_service.storage.database import Database
from memory_service.storage.reservations import Reservations
from retrieval.resident import Residents

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
APPLICATION = "memory-service-api"  # as the database lists its connections
DATABASE_PATIENCE_S = 30  # After a crash of everything the database may still be recovering.
REQUEST_THREADS = 40
LOGIN_RATE = "20/minute"  # per address: a person needs one, a guesser of 256 random bits gets nowhere with any number
FORGET_EVERY_S = 1.0
MEASURED_KEPT = 1_000  # answers, a kilobyte or two each


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


def open_services(
    settings: Settings,
    metrics: Metrics,
    closing: ExitStack,
    of_all: Callable[[str], Path | None] = lambda _: None,
) -> Services:
    """Open everything a request needs; what was opened is closed with ``closing``, in reverse order.

    Args:
        settings: of the service.
        metrics: where is counted what happens.
        closing: what closes it.
        of_all: names the file that all processes behind the socket have in common for a purpose; None where this is the only one.

    Raises:
        Misconfigured: the database or the encoder is not the one this service may work with.
        Unavailable: the database does not answer.
    """
    service_url = role_urls(settings).service
    database = Database(
        service_url,
        pool_size=settings.pool_size,
        application_name=APPLICATION,
        secret=partial(salt_secret, settings),
    )
    closing.callback(database.dispose)
    reservations = Reservations(service_url, application_name=APPLICATION)
    closing.callback(reservations.close)
    _await_database(database)
    database.check_role()
    metrics.watch_pool(database.engine.pool)
    database.redactions.observe = lambda rule, values: metrics.redacted(rule.kind, rule.do.value, values)
    row, encoder = open_default(database, settings, now=utc_now())
    own = _served(encoder, metrics)
    models = Encoders(
        row.id,
        own,
        load=lambda encoder_id: _served(open_encoder(database, settings, encoder_id), metrics),
        count=lambda: count_encoders(database),
    )
    closing.callback(models.close)
    reranker = None
    if settings.reranker:
        reranker = BoundedReranker(
            settings.reranker, lambda: open_cross_encoder(settings.reranker), budget_s=settings.reranker_ms / 1000
        )
        closing.callback(reranker.close)
    nudger = Nudger(settings.broker_url)
    nudger.start()
    closing.callback(nudger.close)
    authenticator = Authenticator(database, clock=utc_now, revoked=Mark(of_all("revoked")))
    authenticator.last_used.start()
    closing.callback(authenticator.last_used.close)
    kv = KvParts(
        blobs=open_blobs(settings),
        looks=Looks(),
        uses=KvUses(database, clock=utc_now),
        secret=salt_secret(settings),
        staging=None if settings.kv_url else str(settings.kv_folder),
    )
    metrics.watch_upkeep(lambda: kv.uses.upkeep)
    kv.uses.start()
    closing.callback(kv.uses.close)
    measured = Kept(most=MEASURED_KEPT, file=of_all("measured"))
    closing.callback(measured.close)
    return Services(
        settings=settings,
        database=database,
        reservations=reservations,
        encoder=encoder,
        batching=own.batching,
        encoder_id=row.id,
        encoders=models,
        nudger=nudger,
        authenticator=authenticator,
        rate_limiter=RateLimiter(settings.rate_limit, windows=Windows(SLOTS, of_all("rates"))),
        login_limiter=RateLimiter(
            LOGIN_RATE, may="This address may try to log in", windows=Windows(SLOTS, of_all("logins"))
        ),
        metrics=metrics,
        residents=Residents(limit_bytes=settings.resident_mb << 20, largest=settings.resident_largest),
        measured=measured,
        deleted=Mark(of_all("deleted")),
        reranker=reranker,
        kv=kv,
        failing=of_all(FAILING),
        planner=KvPlanner(settings),
        commit_threads=CapacityLimiter(settings.pool_size * 2),
    )


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


def _await_database(database: Database) -> None:
    give_up = time.monotonic() + DATABASE_PATIENCE_S
    while True:
        try:
            with database.untenanted():
                return
        except Unavailable:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.25)


def _served(encoder: LoadedEncoder, metrics: Metrics) -> Served:
    return Served(encoder, BatchingEncoder(TimedEncoder(encoder, metrics), observer=metrics.encoder_batch))
