"""What a connection may cost before there is a request: `uvicorn --http memory_service.api.connections:BoundedHttp`.

uvicorn waits forever for who says nothing or does not read its answer, and keeps however long a head it is sent. It ends a
connection after 5 s without a request, as many clients do: who sends the next in that moment is answered by a reset.
"""

import asyncio
import sys
from enum import Enum
from fcntl import ioctl
from http import HTTPStatus
from termios import TIOCOUTQ
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from memory_service.api.problems import problem, problem_of
from memory_service.errors import HeadTooLarge

MAX_HEAD: Final = 128 * 1024  # bytes of the request line and all headers; a request line alone may have 64 KiB
HEAD_TOO_LARGE: Final = f"The request line and the headers are larger than {MAX_HEAD // 1024} KiB together."
HEAD_S: Final = 30.0  # for a whole head, from its first byte or, for the first one, from the connection
BODY_S: Final = 60.0  # of silence within a body
READ_S: Final = 120.0  # without a byte of an answer taken; an export keeps a snapshot of the database meanwhile
KEEP_ALIVE_S: Final = 75  # at least, between two requests: clients keep connections for 5 s, load balancers for 60
LINGER_S: Final = 2.0  # after a refusal: who is still sending when the connection ends may lose the answer
# What is said of a request before its path is known; its answer has no request id, for the application never sees it.
_NO_SCOPE: Final[dict[str, Any]] = {"type": "http", "path": "", "query_string": b"", "headers": [], "server": None}


class Owed(Enum):
    """What the client has yet to send."""

    HEAD = "head"
    BODY = "body"
    NOTHING = "nothing"


class BoundedHttp(HttpToolsProtocol):
    """HTTP that ends a connection whose client falls silent within a request, does not read, or sends a head without end."""

    head_s = HEAD_S
    body_s = BODY_S
    read_s = READ_S
    keep_alive_s = KEEP_ALIVE_S

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        super().connection_made(transport)
        self.timeout_keep_alive = max(self.timeout_keep_alive, self.keep_alive_s)
        self._patience: asyncio.TimerHandle | None = None
        self._reader: asyncio.TimerHandle | None = None
        self._too_large = self._refused = False
        self._expect(Owed.HEAD)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._expect(Owed.NOTHING)
        self._forget_reader()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, and decide what is still owed."""
        if self._refused:
            return
        super().data_received(data)
        if self._refused or self.transport.is_closing():
            return
        if self._owed is Owed.HEAD:
            self._head += len(data)
            if self._head > MAX_HEAD:
                self._too_large = True
                self.send_400_response(HEAD_TOO_LARGE)
        elif self._owed is Owed.BODY and not self._answered():
            self._expect(Owed.BODY)
        elif self._owed is Owed.NOTHING and self._answered():
            # Blank lines between two requests: uvicorn took them for the beginning of the next.
            self._expect(Owed.HEAD)

    def handle_websocket_upgrade(self) -> None:
        """Leave the connection to somebody else."""
        self._expect(Owed.NOTHING)
        super().handle_websocket_upgrade()

    def pause_writing(self) -> None:
        """Begin to wait for a client that does not keep up with its answer."""
        super().pause_writing()
        self._await_reader(self._untaken())

    def resume_writing(self) -> None:
        """Go on answering."""
        self._forget_reader()
        super().resume_writing()

    def _await_reader(self, left: int) -> None:
        self._forget_reader()
        self._reader = self.loop.call_later(self.read_s, self._look_at_reader, left)

    def _untaken(self) -> int:
        """Return how many bytes wait for the client, here and in the system, whose megabytes a slow reader takes minutes for."""
        here = self.transport.get_write_buffer_size()
        if (connection := self.transport.get_extra_info("socket")) is None:
            return here
        return here + int.from_bytes(ioctl(connection.fileno(), TIOCOUTQ, bytes(4)), sys.byteorder)

    def _forget_reader(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None

    def _look_at_reader(self, before: int) -> None:
        left = self._untaken()
        if left < before:
            self._await_reader(left)
        else:
            self.transport.abort()  # To close it would wait for the very bytes that nobody takes.

    def on_message_begin(self) -> None:
        """Wait for a head, as the parser says."""
        super().on_message_begin()
        self._expect(Owed.HEAD)

    def on_headers_complete(self) -> None:
        """Wait for a body, as the parser says.

        Raises:
            HeadTooLarge: to the parser, which has uvicorn send the answer to what it cannot read.
        """
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD:
            self._too_large = True
            raise HeadTooLarge(HEAD_TOO_LARGE)
        super().on_headers_complete()
        self._expect(Owed.BODY)

    def on_message_complete(self) -> None:
        """Wait for nothing, as the parser says."""
        super().on_message_complete()
        self._expect(Owed.NOTHING)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request that we read, as every error is answered, and end the connection."""
        self._refused = True
        if self._too_large:
            answer = problem_of(_NO_SCOPE, HeadTooLarge(HEAD_TOO_LARGE))
        else:
            answer = problem(_NO_SCOPE, status=400, code="bad_request", title="Bad Request", detail=msg)
        lines = [b"HTTP/1.1 %d %s" % (answer.status_code, HTTPStatus(answer.status_code).phrase.encode())]
        lines += [name + b": " + value for name, value in answer.raw_headers]
        self.transport.write(b"\r\n".join((*lines, b"connection: close", b"", bytes(answer.body))))
        if self.transport.can_write_eof():  # It cannot under TLS.
            self.transport.write_eof()
        self._expect(Owed.NOTHING)
        self._patience = self.loop.call_later(LINGER_S, self.transport.close)

    def _expect(self, owed: Owed) -> None:
        self._owed = owed
        self._head = 0
        if self._patience is not None:
            self._patience.cancel()
        seconds = {Owed.HEAD: self.head_s, Owed.BODY: self.body_s}.get(owed)
        self._patience = None if seconds is None else self.loop.call_later(seconds, self._end)

    def _answered(self) -> bool:
        return self.cycle is None or bool(self.cycle.response_complete)

    def _end(self) -> None:
        if self.flow.read_paused:  # It is we who do not read.
            self._expect(self._owed)
        else:
            self.transport.close()
