"""The Celery application: what workers do, and the beat that finds what a lost message left.

Tasks take ids, are idempotent and acknowledge late. A message is only a nudge: what is to be done stands in Postgres,
and every sweep picks it up from there. Across tenants a worker sees nothing but ids, through SECURITY DEFINER functions;
each piece of work then runs in transactions of its tenant, under row level security.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from time import monotonic
from typing import Any
from uuid import UUID

import structlog
from celery import Celery
from celery.signals import setup_logging, task_postrun, worker_process_init, worker_process_shutdown
from sqlalchemy import Connection, text

from consolidation import consolidate, enriching
from consolidation.conflicts.screening import forget_texts
from consolidation.delivering import Deliverer
from consolidation.delivery_turn import Delivering
from consolidation.departing import depart
from consolidation.kept import Kept
from consolidation.models_here import Compute, ModelsHere
from consolidation.precision import raise_waiting
from consolidation.recut import recut_namespace
from consolidation.shelving import SETTLED_FROM, Building, move_to_own_shelf
from consolidation.tenancy import EncodeQuery, Spending, Tenancy
from consolidation.zettelkasten.vocabulary import forget_phrases
from memory_service.activation.errors import ActivationError
from memory_service.activation.fingerprint import Fingerprint
from memory_service.activation.model_folder import folder_config_digest, weights_digest
from memory_service.analysis.tokens import TERMS_VERSION
from memory_service.blobs.opening import open_blobs
from memory_service.blobs.protocol import BlobStore
from memory_service.chat_model.cache_salt import cache_salt
from memory_service.chat_model.guarded import GuardedChat
from memory_service.chat_model.loading import open_chat_model
from memory_service.chat_model.salt_secret import salt_secret
from memory_service.encoder import BatchingEncoder, Encoders, LoadedEncoder, Served
from memory_service.encoding import count_encoders, open_default, open_encoder
from memory_service.errors import Unavailable
from memory_service.jobs import CONSOLIDATE_NAMESPACE, ENRICH, QUEUE, RUN_JOB, SHELVE
from memory_service.lifecycle.draft import Encoding
from memory_service.lifecycle.kv_saving import Limits
from memory_service.lifecycle.kv_sweeping import REMEMBERED, sweep_spent, sweep_store
from memory_service.logging import configure_logging
from memory_service.model_text.models import Models
from memory_service.settings import get_settings
from memory_service.storage import jobs
from memory_service.storage.bootstrap import role_urls
from memory_service.storage.changesets import only_run
from memory_service.storage.database import Database
from memory_service.storage.namespaces import find_namespaces
from memory_service.storage.shelves import only_mover
from memory_service.storage.tenants import is_leaving
from memory_service.types import CONSOLIDATE, REINDEX
from memory_service.webhooks.addresses import Reach, read_networks
from memory_service.webhooks.schedule import Schedule

log = structlog.get_logger(__name__)

SWEEP = "consolidation.sweep"
HOUSEKEEP = "consolidation.housekeep"
SWEEP_KV = "consolidation.sweep_kv"
SWEEP_EVERY_S = 10.0
HOUSEKEEP_EVERY_S = 300.0
SWEEP_KV_EVERY_S = 900.0  # It lists the whole store; what is known to be stale goes with every sweep.
SWEPT_AT_ONCE = 500
_LEAVING = "SELECT * FROM deleting_tenants(:limit)"
WEBHOOKS_AT_ONCE = 10_000  # Whose turn it is shows when all are known.
PURGED_AT_ONCE = 10_000  # deliveries, in each transaction
PURGE_FOR_S = 60.0  # of each housekeeping, for deliveries that are old
# Of one task: others wait for the worker meanwhile, and reading a namespace anew takes seconds. Well below the limit of a task.
CONSOLIDATE_FOR_S = 90.0
JOBS_FOR_S = 60.0  # of each sweep, for jobs of which no message told: the rest of the sweep is to have its turn
DEPART_FOR_S = 20.0  # of each sweep, for tenants that are deleted
RECUT_FOR_S = 5.0  # of each sweep, while there is something to cut anew
RAISE_FOR_S = 60.0  # of each housekeeping, while something waits to rise to its precision tier
UNHURRIED = frozenset({CONSOLIDATE, REINDEX})  # kinds of jobs that give way to others
LOOKED_AT = 20  # jobs that wait, when a run asks whether to give way
TASK_LIMIT_S = 600
LAST_DELIVERIES_S = 2.0  # for messages that are on their way when a worker ends
MOVE_LIMIT_S = 6 * 3600  # The index of a million vectors takes a quarter of an hour to build.

app = Celery("memory-service", broker=get_settings().broker_url or "memory://", set_as_current=False)
app.conf.update(
    task_default_queue=QUEUE,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_time_limit=TASK_LIMIT_S,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    broker_connection_retry=True,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    # With late acknowledgement Redis hands a message out again after this long: longer than any task may take.
    broker_transport_options={"visibility_timeout": 2 * TASK_LIMIT_S},
    beat_schedule={
        "sweep": {"task": SWEEP, "schedule": SWEEP_EVERY_S, "options": {"expires": SWEEP_EVERY_S}},
        "sweep-kv": {"task": SWEEP_KV, "schedule": SWEEP_KV_EVERY_S, "options": {"expires": SWEEP_KV_EVERY_S}},
        "housekeep": {"task": HOUSEKEEP, "schedule": HOUSEKEEP_EVERY_S, "options": {"expires": HOUSEKEEP_EVERY_S}},
    },
)


@setup_logging.connect(weak=False)
def _log_our_way(**_: object) -> None:
    settings = get_settings()
    configure_logging(level=settings.log_level, log_format=settings.log_format)


@lru_cache(maxsize=1)
def _database() -> Database:
    """Open the database once per worker process, after the fork."""
    settings = get_settings()
    database = Database(
        role_urls(settings).service,
        pool_size=2,
        application_name="memory-service-worker",
        secret=partial(salt_secret, settings),
    )
    database.check_role()
    return database


@lru_cache(maxsize=1)
def _chat() -> GuardedChat | None:
    """Open the model once per worker process: its circuit breaker lives there."""
    return open_chat_model(get_settings())


@lru_cache(maxsize=1)
def _kept() -> Kept:
    """Open what a worker process keeps of namespaces between the turns of a run."""
    return Kept()


@lru_cache(maxsize=1)
def _blobs() -> BlobStore:
    """Open the store of KV memories once per worker process."""
    return open_blobs(get_settings())


@worker_process_init.connect(weak=False)
def _forget_inherited(**_: object) -> None:
    _database.cache_clear()
    _blobs.cache_clear()
    _chat.cache_clear()
    _kept.cache_clear()
    _deliverer.cache_clear()
    _deliverer().start()


@task_postrun.connect(weak=False)
def _let_go(**_: object) -> None:
    """Keep no text between two tasks, and no vectors that nobody asked for in a while."""
    forget_texts()
    forget_phrases()
    if _kept.cache_info().currsize:
        _kept().drop_idle()


@lru_cache(maxsize=1)
def _deliverer() -> Deliverer:
    """Return the thread that delivers webhooks, one per worker process; its connections are its own."""
    settings = get_settings()
    database = Database(role_urls(settings).service, pool_size=2, application_name="memory-service-webhooks")
    due = "SELECT * FROM due_webhooks(:now, :limit)"
    return Deliverer(
        Delivering(
            due=lambda now: _across_tenants(due, by=database, now=now, limit=WEBHOOKS_AT_ONCE),
            open=database.transaction,
            reach=Reach(read_networks(settings.webhook_networks)),
            schedule=Schedule(
                attempts=settings.webhook_attempts,
                first_wait=timedelta(seconds=settings.webhook_backoff_s),
                disable_after=timedelta(days=settings.webhook_disable_days),
            ),
            timeout_s=settings.webhook_timeout_s,
        )
    )


@worker_process_shutdown.connect(weak=False)
def _close(**_: object) -> None:
    if _deliverer.cache_info().currsize:
        _deliverer().stop(timeout_s=LAST_DELIVERIES_S)
    if _database.cache_info().currsize:
        _database().dispose()
    if _chat.cache_info().currsize and (chat := _chat()) is not None:
        chat.close()


def _now() -> datetime:
    return datetime.now(UTC)


def _tenancy(tenant_id: UUID, *, until: float | None = None) -> Tenancy:
    """Return a tenant as this worker sees it; `until`, on the monotonic clock, is when what takes long is to stop."""
    database, settings = _database(), get_settings()
    return Tenancy(
        tenant_id=tenant_id,
        open=lambda: database.transaction(tenant_id),
        clock=_now,
        open_encoder=_open_encoder,
        chat=_chat(),
        spending=Spending(
            job_tokens=settings.llm_job_tokens,
            context_tokens=settings.llm_context_tokens,
            reply_ttl=timedelta(days=settings.llm_reply_ttl_days),
        ),
        open_encoding=lambda: _open_encoding(tenant_id),
        alone=lambda namespace_id: only_run(database.engine, namespace_id),
        go_on=lambda: until is None or monotonic() < until,
        turn_s=CONSOLIDATE_FOR_S,
        others_wait=_others_wait,
        nudge=lambda job_id: run_job.delay(str(tenant_id), str(job_id)),
        models_here=_models_here,
        kept=_kept(),
    )


@lru_cache(maxsize=1)
def _models() -> Models:
    return Models(get_settings().model_places)


def _models_here() -> ModelsHere:
    settings = get_settings()
    secret = salt_secret(settings)
    return ModelsHere(
        models=_models(),
        open=_open_model,
        salt_of=lambda tenant_id: cache_salt(secret, tenant_id),
        blobs=_blobs(),
        limits=Limits(tenant_bytes=settings.kv_quota_mb << 20, ttl=timedelta(days=settings.kv_ttl_days)),
    )


@contextmanager
def _open_model(name: str, fingerprint: Fingerprint) -> Iterator[Compute]:
    """Open a model for one piece of work, after the fork: idle weights in every worker would take the machine's memory.

    Raises:
        ActivationError: it is not the one that the engine runs, or cannot be run here.
    """
    folder = _models().folder(name)
    if folder_config_digest(folder) != fingerprint.config or weights_digest(folder) != fingerprint.weights:
        raise ActivationError(f"the engine runs {name!r} with other weights or another configuration")
    # Here, so that a worker that runs no model never loads torch.
    from memory_service.activation.transformer.computing import compute, open_model

    model = open_model(folder, fingerprint.dtype)
    try:
        yield partial(compute, model)
    finally:
        del model


def _others_wait() -> bool:
    """Tell whether a job waits for a worker that somebody waits for.

    Asked between batches, so that an erasure, an import or a document waits for a batch and not for a run.
    """
    for tenant_id, job_id in _across_tenants("SELECT * FROM due_jobs(:now, :limit)", now=_now(), limit=LOOKED_AT):
        with _database().transaction(tenant_id) as session:
            job = jobs.get_job(session, tenant_id, job_id)
        if job is not None and job["kind"] not in UNHURRIED:
            return True
    return False


def _anything_waits() -> bool:
    """Tell whether any job waits for a worker."""
    return next(_across_tenants("SELECT * FROM due_jobs(:now, :limit)", now=_now(), limit=1), None) is not None


@contextmanager
def _open_encoder(encoder_id: int) -> Iterator[EncodeQuery]:
    """Load an encoder for one piece of work: learning is rare, and a model that lies idle in every worker is not.

    Raises:
        Unavailable: it cannot be loaded here, or is not the model that made the vectors.
    """
    encoder = open_encoder(_database(), get_settings(), encoder_id)
    try:
        yield lambda query: encoder.encode([query])[0]
    finally:
        encoder.close()


@contextmanager
def _open_encoding(tenant_id: UUID | None = None) -> Iterator[Encoding]:
    """Load the encoder for texts, as the API encodes what it stores, and others when one of them is needed.

    Raises:
        Misconfigured: it is not the model that made the vectors.
    """
    database, settings = _database(), get_settings()
    row, encoder = open_default(database, settings, now=_now())
    encoders = Encoders(
        row.id,
        _served(encoder),
        load=lambda encoder_id: _served(open_encoder(database, settings, encoder_id)),
        count=lambda: count_encoders(database),
    )
    try:
        own = _under(encoders, row.id)
        if tenant_id is not None:
            own = replace(
                own, encoders_at=partial(_encoders_at, tenant_id), redactors=partial(database.redactions.of, tenant_id)
            )
        yield own
    finally:
        encoders.close()


def _served(encoder: LoadedEncoder) -> Served:
    # It puts texts of one length together, as padding is what encoding spends its time on.
    return Served(encoder, BatchingEncoder(encoder))


def _under(encoders: Encoders, encoder_id: int) -> Encoding:
    served = encoders.get(encoder_id)
    return Encoding(
        encode=served.batching.encode_passages,
        chunk=lambda content: [(span.start, span.end) for span in served.encoder.chunk(content)],
        encoder_id=encoder_id,
        under=lambda other: _under(encoders, other),
    )


def _encoders_at(tenant_id: UUID, paths: Collection[str]) -> Mapping[str, tuple[int, ...]]:
    with _database().transaction(tenant_id) as session:
        return {path: one.encoders for path, one in find_namespaces(session, tenant_id, paths).items()}


def _across_tenants(
    query: str, *, by: Database | None = None, leavers_too: bool = False, **params: Any
) -> Iterator[tuple[UUID, Any]]:
    """Yield (tenant, id) pairs that one of the sweep functions found; nothing is done for a tenant that is deleted.

    With `leavers_too` it is: where one tenant may have as many rows as are taken at once, its own would hide the others'.
    """
    with (by or _database()).untenanted() as connection:
        rows = _found(connection, query, params)
        leaving = (
            {row.tenant_id for row in connection.execute(text(_LEAVING), {"limit": SWEPT_AT_ONCE})}
            if rows and not leavers_too
            else ()
        )
    for row in rows:
        if row[0] not in leaving:
            yield row[0], row[1]


def _found(connection: Connection, query: str, params: Mapping[str, Any]) -> Sequence[Any]:
    return connection.execute(text(query), {"limit": SWEPT_AT_ONCE, **params}).all()


def _leaves(tenant_id: str) -> bool:
    """Say whether a tenant is being deleted: a message that was on its way brings no more work."""
    with _database().transaction(UUID(tenant_id)) as session:
        return is_leaving(session, UUID(tenant_id))


@app.task(name=ENRICH, autoretry_for=(Unavailable,), retry_backoff=True, max_retries=5)
def enrich(tenant_id: str) -> int:
    """Enrich what waits in one tenant."""
    return 0 if _leaves(tenant_id) else enriching.enrich_pending(_tenancy(UUID(tenant_id)))


@app.task(name=RUN_JOB, autoretry_for=(Unavailable,), retry_backoff=True, max_retries=5)
def run_job(tenant_id: str, job_id: str) -> bool:
    """Work on one job, unless it has ended or another worker holds its lease."""
    with structlog.contextvars.bound_contextvars(tenant_id=tenant_id, job_id=job_id):
        if _leaves(tenant_id):
            return False
        return consolidate.run_job(_tenancy(UUID(tenant_id), until=monotonic() + CONSOLIDATE_FOR_S), UUID(job_id))


# A run over much stops by itself in time; the next sweep goes on with what is left.
@app.task(name=CONSOLIDATE_NAMESPACE, autoretry_for=(Unavailable,), retry_backoff=True, max_retries=5)
def consolidate_namespace(tenant_id: str, namespace_id: str) -> int:
    """Consolidate what is due in one namespace, unless another worker is at it."""
    deadline = monotonic() + CONSOLIDATE_FOR_S
    with structlog.contextvars.bound_contextvars(tenant_id=tenant_id, namespace_id=namespace_id):
        if _leaves(tenant_id):
            return 0
        return consolidate.consolidate_due(
            _tenancy(UUID(tenant_id)), UUID(namespace_id), go_on=lambda: monotonic() < deadline
        )


# Acknowledged when it begins: a long move must not be handed out again meanwhile, and the next housekeeping goes on with one
# that was killed.
@app.task(name=SHELVE, acks_late=False, time_limit=MOVE_LIMIT_S)
def shelve(tenant_id: str, namespace_id: str) -> bool:
    """Begin or go on with the move of a large namespace, unless another worker does."""
    settings = get_settings()
    building = Building(memory_mb=settings.shelf_build_mb, workers=settings.shelf_build_workers)
    # Settling is in no hurry, and gives way to whatever else there is.
    tenancy, namespace = replace(_tenancy(UUID(tenant_id)), others_wait=_anything_waits), UUID(namespace_id)
    with (
        structlog.contextvars.bound_contextvars(tenant_id=tenant_id, namespace_id=namespace_id),
        only_mover(_database().engine, namespace) as mine,
    ):
        return (
            mine
            and not _leaves(tenant_id)
            and move_to_own_shelf(tenancy, namespace, building=building, settled_from=SETTLED_FROM)
        )


# The database answers and something is in the way of this piece of work only.
LOCAL_FAULTS = frozenset({"busy", "timeout"})


def _guarded(work: Callable[[], int], event: str, **ids: UUID) -> int:
    """Do one piece of a sweep; what goes wrong in it is logged and keeps nothing else from its turn.

    Raises:
        Unavailable: the database is down, and the rest of the sweep would only find the same.
    """
    with structlog.contextvars.bound_contextvars(**{name: str(value) for name, value in ids.items()}):
        try:
            return work()
        except Unavailable as error:
            if error.specific_code not in LOCAL_FAULTS:
                raise
            log.warning(event, reason=error.detail)
        except Exception:
            log.exception(event)
    return 0


@app.task(name=SWEEP)
def sweep() -> dict[str, int]:
    """Do whatever is due, whether or not a message said so."""
    done = {"jobs": 0, "enriched": 0, "expired": 0}
    now = _now()
    # First, as it takes next to nothing: what was done is to be in the chain soon, however much else is due.
    for tenant_id, _ in _across_tenants("SELECT * FROM unsealed_audit(:limit)"):
        _guarded(partial(consolidate.seal_audit, _tenancy(tenant_id)), "seal_failed", tenant_id=tenant_id)
    until = monotonic() + JOBS_FOR_S
    for tenant_id, job_id in _across_tenants("SELECT * FROM due_jobs(:now, :limit)", now=now):
        if monotonic() > until:
            break
        work: Callable[[], int] = partial(consolidate.run_job, _tenancy(tenant_id, until=until), job_id)
        done["jobs"] += _guarded(work, "job_failed", tenant_id=tenant_id, job_id=job_id)
    tenants = {tenant for tenant, _ in _across_tenants("SELECT * FROM pending_enrichment(:limit)")}
    for tenant_id in sorted(tenants):
        work = partial(enriching.enrich_pending, _tenancy(tenant_id))
        done["enriched"] += _guarded(work, "enrichment_failed", tenant_id=tenant_id)
    due: dict[UUID, list[UUID]] = {}
    for tenant_id, memory_id in _across_tenants(
        "SELECT * FROM expired_memories(:now, :limit)", now=now, leavers_too=True
    ):
        due.setdefault(tenant_id, []).append(memory_id)
    for tenant_id, ids in due.items():
        work = partial(consolidate.expire_due, _tenancy(tenant_id), ids)
        done["expired"] += _guarded(work, "expiry_failed", tenant_id=tenant_id)
    done["kv"] = _sweep_spent_kv(now)
    for tenant_id, namespace_id in _across_tenants("SELECT * FROM stale_corpora(:limit)", leavers_too=True):
        work = partial(consolidate.fold_corpus, _tenancy(tenant_id), namespace_id)
        _guarded(work, "fold_failed", tenant_id=tenant_id, namespace_id=namespace_id)
    done["recut"] = _recut()
    done["departed"] = _depart(now)
    settings = get_settings()
    due_now = "SELECT * FROM due_consolidations(:now, :quiet, :patience, :limit)"
    quiet, patience = (
        timedelta(seconds=settings.consolidate_after_s),
        timedelta(seconds=settings.consolidate_at_latest_s),
    )
    for tenant_id, namespace_id in _across_tenants(due_now, now=now, quiet=quiet, patience=patience):
        # Busy workers must not find one message of every sweep: what is still due then is told again.
        consolidate_namespace.apply_async((str(tenant_id), str(namespace_id)), expires=SWEEP_EVERY_S)
    if any(done.values()):
        log.info("swept", **done)
    return done


def _depart(now: datetime) -> int:
    """Go on with the deletion of tenants for a while; return how many are gone."""
    deadline = monotonic() + DEPART_FOR_S
    with _database().untenanted() as connection:
        leaving = connection.execute(text(_LEAVING), {"limit": SWEPT_AT_ONCE}).all()
    gone = 0
    for row in leaving:
        _kept().drop(row.tenant_id)
        work = partial(
            depart, _database().transaction, _blobs(), row.tenant_id, since=row.deleting_at, by=row.deleted_by, now=now,
            go_on=lambda: monotonic() < deadline,
        )  # fmt: skip
        gone += _guarded(work, "departure_failed", tenant_id=row.tenant_id)
    return gone


def _sweep_spent_kv(now: datetime) -> int:
    """Remove the blobs of KV memories that cannot be loaded any more; return how many."""
    spent: dict[UUID, list[UUID]] = {}
    query = "SELECT * FROM spent_kv(:now, :forget, :limit)"
    for tenant_id, kv_memory_id in _across_tenants(query, leavers_too=True, now=now, forget=now - REMEMBERED):
        spent.setdefault(tenant_id, []).append(kv_memory_id)

    def work(tenant_id: UUID, ids: list[UUID]) -> int:
        return sweep_spent(_database().transaction, _blobs(), tenant_id, ids, now=now).blobs

    return sum(
        _guarded(partial(work, tenant_id, ids), "kv_sweep_failed", tenant_id=tenant_id)
        for tenant_id, ids in spent.items()
    )


def _live_kv(before: datetime) -> Iterator[tuple[UUID, UUID]]:
    """Yield tenant and id of every KV memory that can be loaded and was there before a moment."""
    after = (UUID(int=0), UUID(int=0))
    query = "SELECT * FROM live_kv(:before, :tenant, :id, :limit)"
    while True:
        # Of tenants that are deleted, too: a page of theirs alone is not the last one.
        with _database().untenanted() as connection:
            page = _found(connection, query, {"before": before, "tenant": after[0], "id": after[1]})
        if not page:
            return
        for row in page:
            yield row[0], row[1]
        after = page[-1][0], page[-1][1]


@app.task(name=SWEEP_KV)
def sweep_kv() -> dict[str, int]:
    """Compare the store of KV memories with their records: no blob without a record, no record without its whole blob."""
    now = _now()
    done = sweep_store(_database().transaction, _blobs(), lambda: _live_kv(now), now=now)
    found = {"orphans": done.orphans, "dangling": done.dangling, "damaged": done.damaged}
    if any(found.values()):
        log.warning("kv_swept", **found)
    return found


def _recut() -> int:
    """Cut outdated terms anew for a while; the next sweep goes on. Return how many namespaces got done."""
    deadline = monotonic() + RECUT_FOR_S
    outdated = "SELECT * FROM outdated_terms(CAST(:version AS integer), :limit)"
    done = 0
    for tenant_id, namespace_id in _across_tenants(outdated, version=TERMS_VERSION):
        if monotonic() > deadline:
            break
        work = partial(recut_namespace, _tenancy(tenant_id), namespace_id, go_on=lambda: monotonic() < deadline)
        done += _guarded(work, "recut_failed", tenant_id=tenant_id, namespace_id=namespace_id)
    return done


@app.task(name=HOUSEKEEP)
def housekeep() -> dict[str, int]:
    """Remove what has expired and holds user text: traces, stored answers, finished jobs. Have large namespaces moved."""
    with _database().untenanted() as connection:
        rows = connection.execute(text("SELECT * FROM purge_expired(:now)"), {"now": _now()}).all()
        plans = int(connection.scalar(text("SELECT purge_kv_plans(:now)"), {"now": _now()}) or 0)
    removed = {row.kind: row.removed for row in rows} | {"kv_plan": plans, "webhook_delivery": _purge_deliveries()}
    if any(removed.values()):
        log.info("purged", **removed)
    crowded = "SELECT * FROM crowded_namespaces(:size, :limit)"
    for tenant_id, namespace_id in _across_tenants(crowded, size=get_settings().own_shelf_from):
        shelve.delay(str(tenant_id), str(namespace_id))
    removed["raised"] = _raise_waiting()
    return removed


def _purge_deliveries() -> int:
    """Remove deliveries of webhooks that are old, piece by piece, for a while; the next housekeeping goes on.

    There may be millions: in one transaction they would run into its time limit, again and again, and take what else is
    purged with them.
    """
    before, deadline = _now() - timedelta(days=get_settings().webhook_ttl_days), monotonic() + PURGE_FOR_S
    removed = 0
    while monotonic() < deadline:
        with _database().untenanted() as connection:
            purge = text("SELECT purge_webhook_deliveries(:before, :limit)")
            gone = int(connection.scalar(purge, {"before": before, "limit": PURGED_AT_ONCE}) or 0)
        removed += gone
        if gone < PURGED_AT_ONCE:
            break
    return removed


def _raise_waiting() -> int:
    """Encode anew what should have more precision than it has, for a while; the next housekeeping goes on."""
    due = list(_across_tenants("SELECT * FROM rising_memories(:limit)"))
    if not due:
        return 0
    deadline = monotonic() + RAISE_FOR_S
    raised = 0
    with _open_encoding() as encoding:
        for tenant_id, namespace_id in due:
            work = partial(
                raise_waiting, _tenancy(tenant_id), namespace_id, encoding=encoding,
                go_on=lambda: monotonic() < deadline,
            )  # fmt: skip
            raised += _guarded(work, "raise_failed", tenant_id=tenant_id, namespace_id=namespace_id)
            if monotonic() > deadline:
                break
    log.info("precision_raised", memories=raised)
    return raised
