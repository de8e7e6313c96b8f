"""The Celery application, its settings, and what beat asks for by the clock."""

from typing import Final

from celery import Celery

from memory_service.jobs import QUEUE
from memory_service.settings import get_settings

SWEEP: Final = "consolidation.sweep"
HOUSEKEEP: Final = "consolidation.housekeep"
SWEEP_KV: Final = "consolidation.sweep_kv"
SWEEP_EVERY_S: Final = 10.0
HOUSEKEEP_EVERY_S: Final = 300.0
SWEEP_KV_EVERY_S: Final = 900.0  # It lists the whole store; what is known to be stale goes with every sweep.
TASK_LIMIT_S: Final = 600

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
    beat_scheduler="consolidation.worker.scheduler:Scheduler",
    beat_schedule={
        "sweep": {"task": SWEEP, "schedule": SWEEP_EVERY_S, "options": {"expires": SWEEP_EVERY_S}},
        "sweep-kv": {"task": SWEEP_KV, "schedule": SWEEP_KV_EVERY_S, "options": {"expires": SWEEP_KV_EVERY_S}},
        "housekeep": {"task": HOUSEKEEP, "schedule": HOUSEKEEP_EVERY_S, "options": {"expires": HOUSEKEEP_EVERY_S}},
    },
)
