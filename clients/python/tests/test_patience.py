"""A call ends when its time is up, also where something arrives all the while."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from either_way import every, got

from memory_client import NO_RETRIES, NotFound, ServiceError, TimedOut, Timeout

pytestmark = pytest.mark.anyio

TOTAL_S = 0.8
DROP_S = 0.7  # Less than the time there is, so that no single silence is too long.
MOST_S = TOTAL_S + 0.4  # 0.05 s are meant; the rest is for busy machines. A drop more would be past it.
DROPS = 4
DOWN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\n"
MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Type: application/problem+json\r\nContent-Length: 2\r\n\r\n{}"


class Dropper:
    """A server that answers drop by drop; the last part of a path says what falls in drops."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.1)
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        self.connections = 0
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                connection, _ = self._listener.accept()
                self.connections += 1
                self._threads.append(threading.Thread(target=self._serve, args=(connection,), daemon=True))
                self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        with connection, suppress(OSError):
            while (what := _asked(connection)) is not None:
                if what == "missing":
                    connection.sendall(MISSING)
                elif what == "head":
                    self._drops(connection, DOWN[:DROPS])
                elif what == "refusal":
                    connection.sendall(DOWN.replace(b"200 OK", b"400 Bad Request"))
                    self._drops(connection, b" " * DROPS)
                elif what == "imports":  # Drinks in sips.
                    for _ in range(DROPS):
                        self._stopping.wait(DROP_S / 2)
                        connection.recv(1 << 18)
                else:
                    self._stopping.wait(DROP_S)
                    connection.sendall(DOWN)
                    self._drops(connection, b" " * DROPS)

    def _drops(self, connection: socket.socket, what: bytes) -> None:
        for at in range(len(what)):
            self._stopping.wait(DROP_S)
            connection.sendall(what[at : at + 1])


def _asked(connection: socket.socket) -> str | None:
    received = b""
    while b"\r\n\r\n" not in received:
        received += (chunk := connection.recv(4096))
        if not chunk:
            return None
    return received.split(b" ")[1].decode().partition("?")[0].rpartition("/")[2]


@pytest.fixture
def dropper() -> Iterator[Dropper]:
    made = Dropper()
    yield made
    made.close()


@pytest.fixture
def client(connect: Callable[..., Any], dropper: Dropper) -> Any:
    return connect(dropper.url, "key", retries=NO_RETRIES, timeout=Timeout(2, 20, 60))


async def time_out(call: Callable[[], Any]) -> TimedOut:
    began = time.monotonic()
    with pytest.raises(TimedOut) as caught:
        await got(call())
    assert TOTAL_S - 0.05 <= time.monotonic() - began < MOST_S
    return caught.value


@pytest.mark.parametrize("what", ["body", "head", "refusal"])
async def test_an_answer_in_drops_is_not_waited_for(client: Any, what: str) -> None:
    assert (await time_out(lambda: client.get(what, timeout=TOTAL_S))).sent
    await got(client.close())


async def test_a_connection_goes_by_the_call_that_uses_it(client: Any, dropper: Dropper) -> None:
    for _ in range(2):
        with pytest.raises(NotFound):
            await got(client.get("missing", timeout=20))
    await time_out(lambda: client.get("body", timeout=TOTAL_S))
    assert dropper.connections == 1
    await got(client.close())


async def test_what_is_drunk_in_sips_is_not_poured_on(client: Any) -> None:
    await time_out(lambda: client.imports.create(b"\n" * 32_000_000, timeout=TOTAL_S))
    await got(client.close())


async def test_a_stream_may_take_longer_than_it_takes_to_open(client: Any) -> None:
    assert b"".join(await every(client.exports.create(namespace="n", timeout=TOTAL_S))) == b" " * DROPS
    await got(client.close())


async def test_a_call_without_end_has_none(client: Any) -> None:
    with pytest.raises(ServiceError):
        await got(client.get("refusal", timeout=Timeout(total=None)))
    await got(client.close())
