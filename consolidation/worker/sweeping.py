"""The sweep: whatever is due, whether or not a message said so."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import Final
from uuid import UUID

import structlog

from consolidation import consolidate, enriching
from consolidation.departing import depart
from consolidation.recut import recut_namespace
from consolidation.training import rebuild
from consolidation.worker import opened
from consolidation.worker.across_tenants import across_tenants, leaving, utc_now
from consolidation.worker.application import SWEEP, SWEEP_EVERY_S, app
from consolidation.worker.guarded import guarded
from consolidation.worker.kv_sweeping import sweep_spent_kv
from consolidation.worker.others import tenants_to_enrich
from consolidation.worker.tasks import consolidate_namespace
from consolidation.worker.tenancies import enriched_tenancy, tenancy_of
from memory_service.analysis.tokens import TERMS_VERSION
from memory_service.settings import get_settings

log = structlog.get_logger(__name__)

JOBS_FOR_S: Final = 60.0  # of each sweep, for jobs of which no message told: the rest of the sweep is to have its turn
DEPART_FOR_S: Final = 20.0  # of each sweep, for tenants that are deleted
REBUILD_FOR_S: Final = 20.0  # of each sweep, for cubes: another encoder makes many stale at once
RECUT_FOR_S: Final = 5.0  # of each sweep, while there is something to cut anew


@app.task(name=SWEEP)
def sweep() -> dict[str, int]:
    """Do whatever is due, whether or not a message said so."""
    now = utc_now()
    # First, as it takes next to nothing: what was done is to be in the chain soon, however much else is due.
    _seal()
    done = {
        "jobs": _run_jobs(now),
        "enriched": _enrich(),
        "expired": _expire(now),
        "kv": sweep_spent_kv(now),
        "parametric": _rebuild(now),
    }
    _fold()
    done["recut"] = _recut()
    done["departed"] = _depart(now)
    _tell_of_consolidations(now)
    if any(done.values()):
        log.info("swept", **done)
    return done


def _seal() -> None:
    """Seal what stands in the audit since the last sweep."""
    for tenant_id, _ in across_tenants("SELECT * FROM unsealed_audit(:limit)"):
        guarded(partial(consolidate.seal_audit, tenancy_of(tenant_id)), "seal_failed", tenant_id=tenant_id)


def _run_jobs(now: datetime) -> int:
    """Work on jobs that are due, for a while; return how many."""
    ran, until = 0, monotonic() + JOBS_FOR_S
    for tenant_id, job_id in across_tenants("SELECT * FROM due_jobs(:now, :limit)", now=now):
        if monotonic() > until:
            break
        work: Callable[[], int] = partial(consolidate.run_job, tenancy_of(tenant_id, until=until), job_id)
        ran += guarded(work, "job_failed", tenant_id=tenant_id, job_id=job_id)
    return ran


def _enrich() -> int:
    """Enrich what waits in every tenant; return how many memories."""
    enriched = 0
    for tenant_id in tenants_to_enrich():
        work = partial(enriching.enrich_pending, enriched_tenancy(tenant_id))
        enriched += guarded(work, "enrichment_failed", tenant_id=tenant_id)
    return enriched


def _expire(now: datetime) -> int:
    """Have memories expire whose time has come; return how many."""
    due: dict[UUID, list[UUID]] = {}
    for tenant_id, memory_id in across_tenants(
        "SELECT * FROM expired_memories(:now, :limit)", now=now, leavers_too=True
    ):
        due.setdefault(tenant_id, []).append(memory_id)
    expired = 0
    for tenant_id, ids in due.items():
        work = partial(consolidate.expire_due, tenancy_of(tenant_id), ids)
        expired += guarded(work, "expiry_failed", tenant_id=tenant_id)
    return expired


def _rebuild(now: datetime) -> int:
    """Make cubes of parametric memory anew that are stale, for a while; the next sweep goes on. Return how many."""
    made, until = 0, monotonic() + REBUILD_FOR_S
    for tenant_id, cube_id in across_tenants("SELECT * FROM stale_parametric(:now, :limit)", now=now):
        if monotonic() > until:
            break
        work = partial(rebuild, tenancy_of(tenant_id), cube_id, go_on=lambda: monotonic() < until)
        made += guarded(work, "rebuild_failed", tenant_id=tenant_id, parametric_memory_id=cube_id)
    return made


def _fold() -> None:
    """Fold the counts of terms that writes have left beside those of their namespaces."""
    for tenant_id, namespace_id in across_tenants("SELECT * FROM stale_corpora(:limit)", leavers_too=True):
        work = partial(consolidate.fold_corpus, tenancy_of(tenant_id), namespace_id)
        guarded(work, "fold_failed", tenant_id=tenant_id, namespace_id=namespace_id)


def _recut() -> int:
    """Cut outdated terms anew for a while; the next sweep goes on. Return how many namespaces got done."""
    deadline = monotonic() + RECUT_FOR_S
    outdated = "SELECT * FROM outdated_terms(CAST(:version AS integer), :limit)"
    done = 0
    for tenant_id, namespace_id in across_tenants(outdated, version=TERMS_VERSION):
        if monotonic() > deadline:
            break
        work = partial(recut_namespace, tenancy_of(tenant_id), namespace_id, go_on=lambda: monotonic() < deadline)
        done += guarded(work, "recut_failed", tenant_id=tenant_id, namespace_id=namespace_id)
    return done


def _depart(now: datetime) -> int:
    """Go on with the deletion of tenants for a while; return how many are gone."""
    deadline = monotonic() + DEPART_FOR_S
    with opened.database().untenanted() as connection:
        leavers = leaving(connection)
    gone = 0
    for row in leavers:
        opened.kept().drop(row.tenant_id)
        work = partial(
            depart, opened.database().transaction, opened.blobs(), row.tenant_id, since=row.deleting_at,
            by=row.deleted_by, now=now, go_on=lambda: monotonic() < deadline,
        )  # fmt: skip
        gone += guarded(work, "departure_failed", tenant_id=row.tenant_id)
    return gone


def _tell_of_consolidations(now: datetime) -> None:
    """Send a message for every namespace that has been quiet, or has waited, long enough."""
    settings = get_settings()
    due_now = "SELECT * FROM due_consolidations(:now, :quiet, :patience, :limit)"
    quiet, patience = (
        timedelta(seconds=settings.consolidate_after_s),
        timedelta(seconds=settings.consolidate_at_latest_s),
    )
    for tenant_id, namespace_id in across_tenants(due_now, now=now, quiet=quiet, patience=patience):
        # Busy workers must not find one message of every sweep: what is still due then is told again.
        consolidate_namespace.apply_async((str(tenant_id), str(namespace_id)), expires=SWEEP_EVERY_S)
