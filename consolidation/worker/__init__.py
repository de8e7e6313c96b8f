"""What workers do, and the beat that finds what a lost message left; Celery's way in: `--app=consolidation.worker:app`.

Tasks take ids, are idempotent and acknowledge late. A message is only a nudge: what is to be done stands in Postgres,
and every sweep picks it up from there. Across tenants a worker sees nothing but ids, through SECURITY DEFINER functions;
each piece of work then runs in transactions of its tenant, under row level security.
"""

from consolidation.worker import signals  # noqa: F401 (Celery calls what it connects)
from consolidation.worker.application import app
from consolidation.worker.housekeeping import housekeep
from consolidation.worker.kv_sweeping import sweep_kv
from consolidation.worker.sweeping import sweep
from consolidation.worker.tasks import consolidate_namespace, enrich, run_job, shelve

__all__ = ["app", "consolidate_namespace", "enrich", "housekeep", "run_job", "shelve", "sweep", "sweep_kv"]
