"""A receiver that listens, and a worker's deliveries over the database of the tests."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from consolidation.delivering import deliver_due
from consolidation.delivery_turn import Delivering
from memory_service.storage.database import Database
from memory_service.webhooks.addresses import Reach, read_networks
from memory_service.webhooks.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def said(self) -> Any:
        return json.loads(self.body)


def verified(secret: str, received: Received, *, most_s: float = 300) -> bool:
    """Check a message as the specification tells receivers to, with nothing of the service."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    message_id, timestamp = received.headers["webhook-id"], received.headers["webhook-timestamp"]
    if abs(time.time() - int(timestamp)) > most_s:
        return False
    signed = f"{message_id}.{timestamp}.".encode() + received.body
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    given = [part.split(",", 1) for part in received.headers["webhook-signature"].split(" ")]
    return any(version == "v1" and hmac.compare_digest(signature, wanted) for version, signature in given)


@dataclass
class Receiver:
    """A server on this machine; `answers` says what it answers next, then 200."""

    url: str
    received: list[Received] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    always: int | None = None
    delay_s: float = 0.0
    meanwhile: Callable[[], Any] | None = None  # done once, while the next request waits for its answer
    now: int = 0  # requests that wait for their answers
    most: int = 0  # of them at once, so far
    counting: Any = field(default_factory=threading.Lock)

    @property
    def types(self) -> list[str]:
        return [one.said["type"] for one in self.received]

    def about(self, subject_id: str) -> list[str]:
        """Return the events that came about something."""
        return [one.said["type"] for one in self.received if subject_id in one.said["data"].values()]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            here.received.append(Received(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            with here.counting:
                here.now += 1
                here.most = max(here.most, here.now)
                meanwhile, here.meanwhile = here.meanwhile, None
            if meanwhile is not None:
                meanwhile()
            time.sleep(here.delay_s)
            with here.counting:
                here.now -= 1
            status, headers = here.answers.pop(0) if here.answers else (here.always or 200, {})
            self.send_response(status)
            for name, value in {"content-length": "2", **headers}.items():
                self.send_header(name, value)
            with suppress(ConnectionError):  # The sender has hung up.
                self.end_headers()
                self.wfile.write(b"ok")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    here = Receiver(f"http://127.0.0.1:{server.server_address[1]}/hook?a=b")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield here
    server.shutdown()
    server.server_close()
    thread.join()


class Worker:
    """The deliveries of one tenant, at a time of the test's own."""

    def __init__(self, database: Database, tenant_id: UUID) -> None:
        self.ahead = timedelta()
        self.tenant_id = tenant_id
        self.work = Delivering(
            due=self._due(database),
            open=database.transaction,
            reach=Reach(read_networks("127.0.0.0/8")),
            schedule=Schedule(attempts=3, first_wait=timedelta(seconds=5), disable_after=timedelta(days=2)),
            timeout_s=20.0,  # A busy machine is no failure.
            clock=self.now,
            chance=lambda: 1.0,
        )

    def _due(self, database: Database) -> Callable[[datetime], Any]:
        def due(now: datetime) -> Any:
            with database.untenanted() as connection:
                rows = connection.execute(text("SELECT * FROM due_webhooks(:now, 1000)"), {"now": now}).all()
            return [tuple(row) for row in rows if row[0] == self.tenant_id]

        return due

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def deliver(self, **changed: Any) -> int:
        return deliver_due(replace(self.work, **changed))

    def later(self, **by: float) -> int:
        """Let time pass, then deliver."""
        self.ahead += timedelta(**by)
        return self.deliver()


@pytest.fixture
def worker(database: Database, me: Any) -> Worker:
    return Worker(database, me.tenant_id)


@pytest.fixture
def listen(me: Any, receiver: Receiver) -> Callable[..., Any]:
    """Return a function that makes a webhook to the receiver."""

    def make(**body: Any) -> Any:
        answer = me.post("/v1/webhooks", json={"url": receiver.url, **body})
        assert answer.status_code == 201, answer.text
        return answer.json()

    return make
