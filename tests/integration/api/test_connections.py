"""Who sends half a request, nothing, or a head without end: over real sockets, with a server that waits less long."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from starlette.types import Message, Receive, Scope, Send

from memory_service.api.connections import MAX_HEAD, BoundedHttp

pytestmark = pytest.mark.timeout(60)

PATIENCE_S = 0.5
ANSWER = b"HTTP/1.1 200"


class Impatient(BoundedHttp):
    head_s = PATIENCE_S
    body_s = PATIENCE_S
    read_s = PATIENCE_S


class Application:
    """Reads a body, on /slow only after a while, and answers how long it was."""

    def __init__(self) -> None:
        self.seen: list[Message] = []
        self.left = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/slow":
            await asyncio.sleep(3 * PATIENCE_S)
        length, more = 0, scope["path"] != "/unread"
        while more:
            message = await receive()
            self.seen.append(message)
            if message["type"] == "http.disconnect":
                return
            length += len(message["body"])
            more = message.get("more_body", False)
        if scope["path"] == "/long":
            await self.answer_without_end(receive, send)
            return
        said = str(length).encode()
        headers = [(b"content-length", str(len(said)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": said})

    async def answer_without_end(self, receive: Receive, send: Send) -> None:
        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            self.left.set()

        watching = asyncio.create_task(watch())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not self.left.is_set():
            await send({"type": "http.response.body", "body": bytes(1 << 16), "more_body": True})
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b""})
        watching.cancel()


class Served:
    def __init__(self, address: tuple[str, int], application: Application) -> None:
        self.address = address
        self.application = application

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=10)


@pytest.fixture
def served() -> Iterator[Served]:
    application = Application()
    config = uvicorn.Config(application, http=Impatient, lifespan="off", log_config=None, timeout_keep_alive=30)
    server = uvicorn.Server(config)
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield Served(listening.getsockname(), application)
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()


def rest(connection: socket.socket) -> bytes:
    """Return all that comes until the server ends the connection."""
    got = b""
    try:
        while part := connection.recv(65536):
            got += part
    except ConnectionResetError:  # It did not read all that we sent.
        pass
    return got


def post(path: str, length: int) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: here\r\nContent-Length: {length}\r\n\r\n".encode()


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: he", post("/", 10), post("/", 10) + b"half", post("/unread", 10)],
    ids=["nothing", "half a line", "half a head", "no body", "half a body", "an answer before the body"],
)
def test_a_client_that_falls_silent_is_not_waited_for(served: Served, sent: bytes) -> None:
    with served.connect() as connection:
        connection.sendall(sent)
        started = time.monotonic()
        got = rest(connection)
        assert time.monotonic() - started < 8 * PATIENCE_S
    assert got.startswith(ANSWER) if b"unread" in sent else not got
    if b"half" in sent and b"POST" in sent:
        # The connection has ended before the application is told so.
        until = time.monotonic() + 10
        while served.application.seen[-1]["type"] != "http.disconnect" and time.monotonic() < until:
            time.sleep(0.01)
        assert served.application.seen[-1] == {"type": "http.disconnect"}


def test_a_head_has_its_time_however_busily_it_drips(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX: ")
        connection.setblocking(False)
        for _ in range(80):
            time.sleep(PATIENCE_S / 10)
            try:
                connection.send(b"a")
                if not connection.recv(1000):
                    break
            except BlockingIOError:
                continue
            except ConnectionError:
                break
        else:
            raise AssertionError("the head was waited for")


def test_a_body_has_all_the_time_while_it_comes(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(post("/", 8))
        for _ in range(8):
            time.sleep(PATIENCE_S / 2)
            connection.sendall(b"a")
        assert connection.recv(1000).startswith(ANSWER)


def test_an_application_that_does_not_read_is_waited_for(served: Served) -> None:
    length = 30 << 20
    with served.connect() as connection:
        connection.sendall(post("/slow", length))
        connection.sendall(bytes(length))
        assert connection.recv(1000).endswith(str(length).encode())
        # The next request on the connection, which has been idle for longer than a head may take.
        time.sleep(2 * PATIENCE_S)
        connection.sendall(post("/slow", 1) + b"a")
        assert connection.recv(1000).endswith(b"1")


def test_a_client_that_does_not_read_its_answer_is_not_waited_for(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(post("/long", 0))
        assert served.application.left.wait(8 * PATIENCE_S)


def test_a_client_that_reads_slowly_gets_its_answer(served: Served) -> None:
    with served.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
        connection.sendall(post("/long", 0))
        for _ in range(12):
            time.sleep(PATIENCE_S / 4)
            assert connection.recv(1 << 20)
        assert not served.application.left.is_set()
        served.application.left.set()
        while not (part := connection.recv(1 << 20)).endswith(b"0\r\n\r\n"):
            assert part, "it was ended before its end"


def test_blank_lines_between_requests_keep_no_connection(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(post("/", 0))
        assert connection.recv(1000).startswith(ANSWER)
        connection.sendall(b"\r\n")
        assert not rest(connection)


def problem(answer: bytes) -> dict[str, Any]:
    head, body = answer.split(b"\r\n\r\n", 1)
    assert b"\r\ncontent-type: application/problem+json\r\n" in head.lower()
    assert f"content-length: {len(body)}\r\n".encode() in head.lower() + b"\r\n"
    document: dict[str, Any] = json.loads(body)
    assert head.startswith(b"HTTP/1.1 %d " % document["status"])
    return document


@pytest.mark.parametrize("ends", [True, False], ids=["whole", "without end"])
@pytest.mark.parametrize("headers", [1, 2000])
def test_a_head_that_is_too_large_is_refused(served: Served, headers: int, ends: bool) -> None:
    size = 2 * MAX_HEAD // headers
    lines = b"".join(b"X-%d: %s\r\n" % (number, b"a" * size) for number in range(headers))
    with served.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n" + (lines + b"\r\n" if ends else lines[:-2]))
        document = problem(rest(connection))
    assert (document["status"], document["code"]) == (431, "head_too_large")
    assert not served.application.seen


def test_a_head_within_the_limit_is_read(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nX: " + b"a" * (MAX_HEAD - 100) + b"\r\n\r\n")
        assert connection.recv(1000).startswith(ANSWER)


def test_what_is_no_request_is_answered_as_every_error(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01")
        document = problem(rest(connection))
    assert (document["status"], document["code"]) == (400, "bad_request")
