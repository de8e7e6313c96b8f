"""Open what a request works with, once per process."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from anyio import CapacityLimiter

from memory_service.api.auth import Authenticator
from memory_service.api.keeping import Kept
from memory_service.api.kv.parts import KvParts
from memory_service.api.kv.uses import KvUses
from memory_service.api.kv_planner import KvPlanner
from memory_service.api.metrics import Metrics, TimedEncoder
from memory_service.api.rate_limit import SLOTS, RateLimiter
from memory_service.api.services import Services, utc_now
from memory_service.api.sharing import Mark, Windows
from memory_service.blobs.opening import open_blobs
from memory_service.chat_model.salt_secret import salt_secret
from memory_service.encoder import Encoders, LoadedEncoder, Served
from memory_service.encoding import count_encoders, open_default, open_encoder
from memory_service.errors import Unavailable
from memory_service.failing_parts import FAILING
from memory_service.jobs import Nudger
from memory_service.lifecycle.kv_looks import Looks
from memory_service.reranker.bounded import BoundedReranker
from memory_service.reranker.cross_encoder import open_cross_encoder
from memory_service.settings import Settings
from memory_service.storage.bootstrap import role_urls
from memory_service.storage.database import Database
from memory_service.storage.reservations import Reservations
from retrieval.helper import Helper
from retrieval.resident import Residents

APPLICATION = "memory-service-api"  # as the database lists its connections
DATABASE_PATIENCE_S = 30  # After a crash of everything the database may still be recovering.
LOGIN_RATE = "20/minute"  # per address: a person needs one, a guesser of 256 random bits gets nowhere with any number
MEASURED_KEPT = 1_000  # answers, a kilobyte or two each

# Names the file that all processes have in common for a purpose.
OfAll = Callable[[str], Path | None]


def open_services(settings: Settings, metrics: Metrics, closing: ExitStack, of_all: OfAll = lambda _: None) -> Services:
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
    database, reservations = _open_storage(settings, metrics, closing)
    row, encoder = open_default(database, settings, now=utc_now())
    own = _served(encoder, settings, metrics)
    return Services(
        settings=settings,
        database=database,
        reservations=reservations,
        encoder=encoder,
        batching=own.batching,
        encoder_id=row.id,
        # In this order, because they are closed in the reverse one.
        encoders=_open_encoders(row.id, own, database, settings, metrics, closing),
        reranker=_open_reranker(settings, closing),
        nudger=_start_nudger(settings, closing),
        authenticator=_start_authenticator(database, of_all, closing),
        kv=_start_kv(database, settings, metrics, closing),
        measured=_open_measured(of_all, closing),
        rate_limiter=RateLimiter(settings.rate_limit, windows=Windows(SLOTS, of_all("rates"))),
        login_limiter=RateLimiter(
            LOGIN_RATE, may="This address may try to log in", windows=Windows(SLOTS, of_all("logins"))
        ),
        metrics=metrics,
        residents=Residents(limit_bytes=settings.resident_mb << 20, largest=settings.resident_largest),
        deleted=Mark(of_all("deleted")),
        failing=of_all(FAILING),
        helper=_start_helper(closing),
        planner=KvPlanner(settings),
        commit_threads=CapacityLimiter(settings.pool_size * 2),
    )


def _open_storage(settings: Settings, metrics: Metrics, closing: ExitStack) -> tuple[Database, Reservations]:
    """Connect to the database, wait until it answers, and look whether it is one this service may work with."""
    url = role_urls(settings).service
    database = Database(
        url, pool_size=settings.pool_size, application_name=APPLICATION, secret=partial(salt_secret, settings)
    )
    closing.callback(database.dispose)
    reservations = Reservations(url, application_name=APPLICATION)
    closing.callback(reservations.close)
    _await_database(database)
    database.check_role()
    metrics.watch_pool(database.engine.pool)
    database.redactions.observe = lambda rule, values: metrics.redacted(rule.kind, rule.do.value, values)
    return database, reservations


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


def _open_encoders(
    default: int, own: Served, database: Database, settings: Settings, metrics: Metrics, closing: ExitStack
) -> Encoders:
    """Keep the default encoder, and what opens another one once a namespace needs it."""
    encoders = Encoders(
        default,
        own,
        load=lambda encoder_id: _served(open_encoder(database, settings, encoder_id), settings, metrics),
        count=lambda: count_encoders(database),
    )
    closing.callback(encoders.close)
    return encoders


def _served(encoder: LoadedEncoder, settings: Settings, metrics: Metrics) -> Served:
    timed = TimedEncoder(encoder, metrics)
    return Served.of(encoder, threads=settings.encoder_threads, inner=timed, observer=metrics.encoder_batch)


def _open_reranker(settings: Settings, closing: ExitStack) -> BoundedReranker | None:
    """Return a reranker that opens its model when it is first asked; None where none is configured."""
    if not settings.reranker:
        return None
    reranker = BoundedReranker(
        settings.reranker, lambda: open_cross_encoder(settings.reranker), budget_s=settings.reranker_ms / 1000
    )
    closing.callback(reranker.close)
    return reranker


def _start_nudger(settings: Settings, closing: ExitStack) -> Nudger:
    nudger = Nudger(settings.broker_url)
    nudger.start()
    closing.callback(nudger.close)
    return nudger


def _start_authenticator(database: Database, of_all: OfAll, closing: ExitStack) -> Authenticator:
    authenticator = Authenticator(database, clock=utc_now, revoked=Mark(of_all("revoked")))
    authenticator.last_used.start()
    closing.callback(authenticator.last_used.close)
    return authenticator


def _start_kv(database: Database, settings: Settings, metrics: Metrics, closing: ExitStack) -> KvParts:
    """Open what keeps tensors, and start to write down which of them are used."""
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
    return kv


def _start_helper(closing: ExitStack) -> Helper:
    helper = Helper()
    closing.callback(helper.close)
    return helper


def _open_measured(of_all: OfAll, closing: ExitStack) -> Kept:
    measured = Kept(most=MEASURED_KEPT, file=of_all("measured"))
    closing.callback(measured.close)
    return measured
