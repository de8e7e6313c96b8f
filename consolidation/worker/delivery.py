"""The thread of a worker process that delivers webhooks."""

from datetime import timedelta
from functools import lru_cache
from typing import Final

from consolidation.delivering import Deliverer
from consolidation.delivery_turn import Delivering
from consolidation.worker.across_tenants import across_tenants
from memory_service.settings import get_settings
from memory_service.storage.bootstrap import role_urls
from memory_service.storage.database import Database
from memory_service.webhooks.addresses import Reach, read_networks
from memory_service.webhooks.schedule import Schedule

WEBHOOKS_AT_ONCE: Final = 10_000  # Whose turn it is shows when all are known.
LAST_DELIVERIES_S: Final = 2.0  # for messages that are on their way when a worker ends


@lru_cache(maxsize=1)
def deliverer() -> Deliverer:
    """Return the thread that delivers webhooks, one per worker process; its connections are its own."""
    settings = get_settings()
    database = Database(role_urls(settings).service, pool_size=2, application_name="memory-service-webhooks")
    due = "SELECT * FROM due_webhooks(:now, :limit)"
    return Deliverer(
        Delivering(
            due=lambda now: across_tenants(due, by=database, now=now, limit=WEBHOOKS_AT_ONCE),
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


def start() -> None:
    """Start it in this process, after the fork: a thread does not come along."""
    deliverer.cache_clear()
    deliverer().start()


def stop() -> None:
    """Stop it where it has been made, as soon as what is on its way is sent."""
    if deliverer.cache_info().currsize:
        deliverer().stop(timeout_s=LAST_DELIVERIES_S)
