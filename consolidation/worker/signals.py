"""What happens as a worker process comes, ends a task, and goes."""

from celery.signals import (
    setup_logging,
    task_postrun,
    task_prerun,
    worker_before_create_process,
    worker_process_init,
    worker_process_shutdown,
)

from consolidation.conflicts.screening import forget_texts
from consolidation.worker import delivery, opened, signs
from consolidation.zettelkasten.vocabulary import forget_phrases
from memory_service.garbage import spare_what_lives
from memory_service.logging import configure_logging
from memory_service.settings import get_settings


@setup_logging.connect(weak=False)
def log_our_way(**_: object) -> None:
    """Have Celery's logs look like ours."""
    settings = get_settings()
    configure_logging(level=settings.log_level, log_format=settings.log_format)


@worker_before_create_process.connect(weak=False)
def before_the_fork(**_: object) -> None:
    """Have neither process visit what both have from now on."""
    spare_what_lives()


@worker_process_init.connect(weak=False)
def begin(**_: object) -> None:
    """Forget what the parent has opened, and deliver webhooks from here."""
    opened.forget()
    signs.begin()
    delivery.start()


@task_prerun.connect(weak=False)
def take_up(**_: object) -> None:
    """Say that there is work."""
    signs.at_work()


@task_postrun.connect(weak=False)
def let_go(**_: object) -> None:
    """Keep no text between two tasks, and no vectors that nobody asked for in a while."""
    signs.free()
    forget_texts()
    forget_phrases()
    if opened.kept.cache_info().currsize:
        opened.kept().drop_idle()


@worker_process_shutdown.connect(weak=False)
def end(**_: object) -> None:
    """Let what is on its way arrive, and close what is open."""
    delivery.stop()
    opened.close()
