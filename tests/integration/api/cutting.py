"""A way to the database that breaks where a test says: after a message of the server, told or untold."""

import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy import make_url

HEAD = struct.Struct("!cI")  # type of a message and its length, which counts itself but not the type
TOLD_S = 0.03  # between the last words of a server and its end


class End(StrEnum):
    """How a connection ends."""

    SILENT = "silent"  # as after kill -9 of the server's process
    TOLD = "told"  # the server says that it shuts down, and is gone
    CRASHED = "crashed"  # the server says that another of its processes crashed, and is gone a little later


CODES = {End.TOLD: "57P01", End.CRASHED: "57P02"}


def _last_words(code: str) -> bytes:
    fields = b"".join(
        k + v.encode() + b"\0" for k, v in ((b"S", "FATAL"), (b"V", "FATAL"), (b"C", code), (b"M", "gone"))
    )
    return HEAD.pack(b"E", 4 + len(fields) + 1) + fields + b"\0"


@dataclass
class Breaking:
    """A listener that passes everything on, and counts and cuts when it is told to."""

    url: str  # by which the application comes
    _server: tuple[str, int]
    messages: int = 0  # of the server, since `arm`
    _cut_after: int | None = None
    _end: End = End.SILENT
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ended: threading.Event = field(default_factory=threading.Event)

    def arm(self, cut_after: int | None = None, end: End = End.SILENT) -> None:
        """Count from here; let the connection that carries the given message end behind it."""
        with self._lock:
            self.messages, self._cut_after, self._end = 0, cut_after, end
            self._ended.clear()

    def await_end(self) -> None:
        """Wait until the connection that was to end has ended, if it came to that."""
        with self._lock:
            began = self._cut_after is not None and self.messages >= self._cut_after
        assert not began or self._ended.wait(10)

    def _is_last(self) -> bool:
        with self._lock:
            self.messages += 1
            return self.messages == self._cut_after

    def carry(self, client: socket.socket) -> None:
        """Carry one connection until either side, or the test, ends it."""
        host, port = self._server
        with client, _connected(host, port) as server:
            waiting = b""
            while True:
                readable, _, _ = select.select([client, server], [], [], 60)
                if client in readable:
                    data = _read(client)
                    if not data:
                        return
                    server.sendall(data)
                if server in readable:
                    data = _read(server)
                    if not data:
                        return
                    waiting += data
                    while len(waiting) >= HEAD.size:
                        _, length = HEAD.unpack_from(waiting)
                        if len(waiting) < 1 + length:
                            break
                        message, waiting = waiting[: 1 + length], waiting[1 + length :]
                        client.sendall(message)
                        if self._is_last():
                            self._say_goodbye(client)
                            client.close()
                            self._ended.set()
                            return

    def _say_goodbye(self, client: socket.socket) -> None:
        if self._end is not End.SILENT:
            client.sendall(_last_words(CODES[self._end]))
        if self._end is End.CRASHED:
            time.sleep(TOLD_S)


def _connected(host: str, port: int) -> socket.socket:
    if host.startswith("/"):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(f"{host}/.s.PGSQL.{port}")
        return connection
    return socket.create_connection((host, port))


def _read(source: socket.socket) -> bytes:
    try:
        return source.recv(65536)
    except ConnectionError:
        return b""


@contextmanager
def breaking(url: str) -> Iterator[Breaking]:
    """Open a way to the database of a URL that can be made to break."""
    parsed = make_url(url)
    host = str(parsed.host or parsed.query.get("host"))
    port = int(parsed.port or str(parsed.query.get("port", 5432)))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        way = parsed.set(
            host="127.0.0.1", port=listener.getsockname()[1], query={"sslmode": "disable", "gssencmode": "disable"}
        )
        made = Breaking(way.render_as_string(hide_password=False), (host, port))

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=_quietly, args=(made, client), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield made
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def _quietly(made: Breaking, client: socket.socket) -> None:
    try:
        made.carry(client)
    except ConnectionError:
        return  # the application left first
