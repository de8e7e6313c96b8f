"""Nudges to the workers: the database says what is to be done, a message only says that now is a good time."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import structlog
from sqlalchemy.orm import Session

from memory_service.storage.database import after_commit

if TYPE_CHECKING:
    from celery import Celery

log = structlog.get_logger(__name__)

QUEUE = "default"
TIMEOUT_S = 1.0
PROBE_S = 0.8  # Connecting and answering, each: together less than the two seconds of /readyz.
MAX_PENDING = 10_000  # A worker that wakes up looks for everything that is due, so a lost nudge costs only time.
CLOSE_S = 3.0
GATHER_S = 0.1  # Between two rounds of publishing: a burst of writes makes ten tasks a second, not one per write.

RUN_JOB = "consolidation.run_job"  # Arguments: tenant id, job id.
ENRICH = "consolidation.enrich"  # Argument: tenant id.
CONSOLIDATE_NAMESPACE = "consolidation.consolidate_namespace"  # Arguments: tenant id, namespace id.
SHELVE = "consolidation.shelve"  # Arguments: tenant id, namespace id.

Nudge = tuple[str, tuple[str, ...]]


class Nudger:
    """Publishes task names from a thread of its own: a request neither waits for the broker nor fails with it.

    The first is published at once, those that follow within a tenth of a second together. Equal nudges that wait are one:
    a task costs a worker more than most writes cost us, and one finds the work of all. What cannot be published is
    dropped: the sweep of beat finds the work in the database.
    """

    def __init__(self, broker_url: str) -> None:
        """Prepare; an empty URL means that there is no broker and every nudge is dropped."""
        self._broker_url = broker_url
        self._pending: dict[Nudge, None] = {}
        self._wake = threading.Condition()
        self._closed = False
        self._failing = False
        self._celery: Celery | None = None
        self._thread = threading.Thread(target=self._run, name="nudger", daemon=True)

    def start(self) -> None:
        """Start publishing."""
        if self._broker_url:
            self._thread.start()

    def nudge(self, task_name: str, *arguments: str) -> None:
        """Ask for a task soon; returns at once."""
        if not self._broker_url:
            return
        with self._wake:
            if len(self._pending) < MAX_PENDING:
                self._pending[(task_name, arguments)] = None
            self._wake.notify()

    def check(self) -> None:
        """Ask the broker once whether it is there; a closed port is known at once, a deaf one within two seconds.

        Raises:
            ConnectionError: there is no broker, or it does not answer.
        """
        if not self._broker_url:
            raise ConnectionError("BROKER_URL is empty")
        # Not through kombu, which tries again and again before it gives up.
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.exceptions import RedisError
        from redis.retry import Retry

        try:
            url, options = probe_address(self._broker_url)
            with Redis.from_url(
                url, socket_timeout=PROBE_S, socket_connect_timeout=PROBE_S, retry=Retry(NoBackoff(), 0), **options
            ) as connection:
                connection.ping()
        except (RedisError, OSError, ValueError) as error:
            raise ConnectionError(f"the broker does not answer ({type(error).__name__})") from error

    def close(self) -> None:
        """Publish what waits, as far as that is quick, and end the thread."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join(timeout=CLOSE_S)
        if self._celery is not None:
            self._celery.close()

    def _app(self) -> "Celery":
        """Return a Celery application that knows the broker and no task."""
        if self._celery is None:
            from celery import Celery

            self._celery = Celery("memory-service-nudger", broker=self._broker_url, set_as_current=False)
            self._celery.conf.update(
                task_default_queue=QUEUE,
                task_ignore_result=True,
                task_publish_retry=False,
                broker_connection_timeout=TIMEOUT_S,
                broker_connection_retry=False,
                broker_transport_options={
                    "socket_timeout": TIMEOUT_S,
                    "socket_connect_timeout": TIMEOUT_S,
                    "max_retries": 0,
                    "retry_on_timeout": False,
                },
            )
        return self._celery

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._pending or self._closed)
                batch, self._pending = list(self._pending), {}
                if not batch and self._closed:
                    return
            self._publish(batch)
            with self._wake:
                self._wake.wait_for(lambda: self._closed, timeout=GATHER_S)

    def _publish(self, batch: list[Nudge]) -> None:
        for name, arguments in batch:
            try:
                self._app().send_task(name, args=arguments, queue=QUEUE, ignore_result=True, retry=False)
            except Exception as error:
                # Whatever the transport raises, the work is safe in the database; one line per outage is enough.
                if not self._failing:
                    log.warning("broker_unreachable", error=type(error).__name__, dropped=len(batch))
                self._failing = True
                return
            if self._failing:
                log.info("broker_reachable_again")
                self._failing = False


def probe_address(broker_url: str) -> tuple[str, dict[str, Any]]:
    """Return what redis calls the server that Celery calls ``broker_url``, and the options Celery spells otherwise.

    >>> probe_address("redis+socket:///run/valkey.sock?virtual_host=2")
    ('unix:///run/valkey.sock', {'db': 2})
    >>> probe_address("rediss://example:6379/0?ssl_cert_reqs=CERT_NONE")
    ('rediss://example:6379/0', {'ssl_cert_reqs': 'none'})
    """
    parts = urlsplit(broker_url)
    options: dict[str, Any] = {}
    for name, value in parse_qsl(parts.query):
        if name == "virtual_host":
            options["db"] = int(value)
        elif name.startswith("ssl_"):
            options[name] = value.removeprefix("CERT_").lower() if name == "ssl_cert_reqs" else value
    scheme = "unix" if parts.scheme == "redis+socket" else parts.scheme
    return f"{scheme}://{parts.netloc}{parts.path}", options


def enqueue_after_commit(session: Session, nudger: Nudger, task_name: str, *arguments: str) -> None:
    """Nudge the workers once the session has committed; a rollback drops it."""
    action: Callable[[], Any] = lambda: nudger.nudge(task_name, *arguments)  # noqa: E731 (bound late on purpose)
    after_commit(session, action)
