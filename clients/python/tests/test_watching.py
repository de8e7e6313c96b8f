"""Whoever follows a job is let go when the time is up, whatever comes meanwhile, or does not."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from either_way import every, got

from memory_client import Retries, ServiceUnavailable, TimedOut, Timeout

pytestmark = pytest.mark.anyio

TIMEOUT_S = 0.8
MOST_S = TIMEOUT_S + 0.4  # 0.05 s are meant; the rest is for busy machines
LONG_S = 20.0
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


def job(status: str) -> dict[str, Any]:
    return {
        "id": "0", "kind": "messages", "status": status, "progress": {"done": 0, "total": 1}, "items": [], "error": None,
        "created_at": "2026-01-01T00:00:00Z", "finished_at": None,
    }  # fmt: skip


def event(status: str) -> bytes:
    return f"event: progress\ndata: {json.dumps(job(status))}\n\n".encode()


class Stream(BaseHTTPRequestHandler):
    """Answers as the id of the job says."""

    asked: list[str]
    stopping: threading.Event

    def do_GET(self) -> None:
        what = self.path.split("/")[3]
        self.asked.append(what)
        if what == "unavailable":
            self.wfile.write(b"HTTP/1.1 503 Busy\r\nRetry-After: 20\r\nContent-Length: 2\r\n\r\n{}")
            return
        if what != "headless":
            self.wfile.write(HEAD)
        first = {"running": [event("running")], "ended": [event("succeeded")], "drops": [event("running")]}
        for piece in first.get(what, []):
            self.wfile.write(piece)
        if what in {"breaking", "drops"}:
            self.stopping.wait(0.3)  # Less than the time there is, again and again.
            return
        while not self.stopping.wait(0.1):
            if what in {"pings", "again"}:
                self.wfile.write(b": nothing yet\n\n" if what == "pings" else event("running"))

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def asked() -> list[str]:
    return []


@pytest.fixture
def client(connect: Callable[..., Any], asked: list[str]) -> Iterator[Any]:
    stopping = threading.Event()
    handler = type("Handler", (Stream,), {"asked": asked, "stopping": stopping, "handle_one_request": _quietly})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield connect(f"http://127.0.0.1:{server.server_port}", "key", timeout=Timeout(2, LONG_S, 60))
    stopping.set()
    server.shutdown()
    thread.join()
    server.server_close()


def _quietly(self: Any) -> None:
    try:
        BaseHTTPRequestHandler.handle_one_request(self)
    except OSError:
        self.close_connection = True  # Whoever asked has gone, which is what is tested.


@pytest.mark.parametrize("what", ["headless", "silent", "pings", "again", "running", "breaking", "drops"])
async def test_watching_ends_when_the_time_is_up(client: Any, what: str) -> None:
    began = time.monotonic()
    with pytest.raises(TimedOut, match=r"had not ended after 0\.8 s; it goes on"):
        await every(client.jobs.watch(what, timeout=TIMEOUT_S))
    assert TIMEOUT_S - 0.05 <= time.monotonic() - began < MOST_S
    await got(client.close())


async def test_a_pause_does_not_outlast_the_time(connect: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    client = connect(f"http://127.0.0.1:{port}", "key", retries=Retries(attempts=50, base_s=LONG_S, cap_s=LONG_S))
    began = time.monotonic()
    with pytest.raises(TimedOut, match="it goes on"):
        await every(client.jobs.watch("0", timeout=TIMEOUT_S))
    assert time.monotonic() - began < MOST_S
    await got(client.close())


async def test_a_service_that_wants_to_be_left_alone_for_longer_is_not_waited_for(
    client: Any, asked: list[str]
) -> None:
    began = time.monotonic()
    with pytest.raises(ServiceUnavailable) as caught:
        await every(client.jobs.watch("unavailable", timeout=TIMEOUT_S))
    assert time.monotonic() - began < MOST_S
    assert (caught.value.retry_after_s, asked) == (20.0, ["unavailable"])
    await got(client.close())


async def test_a_stream_that_stays_open_after_its_end_is_left(client: Any) -> None:
    began = time.monotonic()
    for timeout in (TIMEOUT_S, None):
        assert [one.status for one in await every(client.jobs.watch("ended", timeout=timeout))] == ["succeeded"]
    assert time.monotonic() - began < 5
    await got(client.close())


async def test_waiting_for_a_job_of_which_nothing_is_heard_ends(client: Any) -> None:
    began = time.monotonic()
    with pytest.raises(TimedOut):
        await got(client.jobs.wait("headless", timeout=1.2))
    assert time.monotonic() - began < 1.2 + 0.4
    await got(client.close())
