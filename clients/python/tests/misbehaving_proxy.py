"""A real proxy in front of a real service that fails in the ways networks and gateways do."""

import json
import socket
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from types import TracebackType
from urllib.parse import urlsplit


class Fault(Enum):
    """What happens to one request."""

    NONE = auto()
    DROP_BEFORE = auto()  # The service never sees it.
    DROP_AFTER = auto()  # The service carries it out, and the answer is lost.
    CUT_ANSWER = auto()  # Half of the answer arrives.
    SILENCE = auto()  # The service carries it out, and nothing comes back for longer than anybody waits.
    LIMITED = auto()  # 429 with Retry-After, from the service's hand: it has done nothing.
    UNAVAILABLE = auto()  # 503 as the service says it: it has done nothing.
    OUTCOME_UNKNOWN = auto()  # The service has done it, and says that it does not know.
    BAD_GATEWAY = auto()  # 502 in HTML; the service has done it.
    GATEWAY_TIMEOUT = auto()  # 504 in HTML; the service has not seen it.
    STILL_RUNNING = auto()  # 409: another request with this key runs.
    HTML = auto()  # 200, and not the service at all.
    CUT_STREAM = auto()  # A stream ends after its first event.


SILENCE_S = 30.0  # Longer than anybody waits; ends with the proxy.


@dataclass
class Seen:
    """One request that came by."""

    method: str
    path: str
    headers: dict[str, str]
    fault: Fault
    at: float = field(default_factory=time.monotonic)


class MisbehavingProxy:
    """Forwards requests one by one, each with the next fault that was ordered; without orders it behaves."""

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self._upstream = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._faults: deque[Fault] = deque()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self.seen: list[Seen] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def order(self, *faults: Fault) -> None:
        """Let the next requests fail like this, in order."""
        with self._lock:
            self._faults.extend(faults)

    def keys(self) -> set[str]:
        """Return the idempotency keys that came by."""
        return {one.headers["idempotency-key"] for one in self.seen if "idempotency-key" in one.headers}

    def __enter__(self) -> "MisbehavingProxy":
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            open_now = list(self._connections)
        for connection in open_now:
            _hang_up(connection)
        for thread in self._threads:
            thread.join(10)

    def _start(self, run: object, *args: object) -> None:
        thread = threading.Thread(target=run, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, connection)

    def _serve(self, client: socket.socket) -> None:
        with self._lock:
            self._connections.add(client)
        try:
            while (head := _head(client)) is not None:
                lines, rest = head
                if not self._answer(client, lines, rest):
                    return
        except OSError:
            pass  # Whoever hung up first has what it wanted.
        finally:
            _hang_up(client)
            client.close()
            with self._lock:
                self._connections.discard(client)

    def _answer(self, client: socket.socket, lines: list[str], rest: bytes) -> bool:
        """Serve one request; say whether the connection goes on."""
        method, path, _ = lines[0].split(" ", 2)
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
        }
        body = rest + _exactly(client, int(headers.get("content-length", 0)) - len(rest))
        with self._lock:
            fault = self._faults.popleft() if self._faults else Fault.NONE
            self.seen.append(Seen(method, path, headers, fault))
        if fault is Fault.DROP_BEFORE:
            return False
        if fault is Fault.LIMITED:
            client.sendall(_problem(429, "rate_limited", "Retry-After: 1"))
            return True
        if fault is Fault.STILL_RUNNING:
            client.sendall(_problem(409, "idempotency_in_progress", "Retry-After: 1"))
            return True
        if fault is Fault.UNAVAILABLE:
            client.sendall(_problem(503, "unavailable"))
            return True
        if fault in {Fault.GATEWAY_TIMEOUT, Fault.HTML}:
            status = "200 OK" if fault is Fault.HTML else "504 Gateway Timeout"
            client.sendall(_html(status))
            return True
        return self._forward(client, lines, body, fault)

    def _forward(self, client: socket.socket, lines: list[str], body: bytes, fault: Fault) -> bool:
        kept = [line for line in lines if not line.lower().startswith("connection:")]
        with socket.create_connection(self._upstream) as upstream:
            upstream.sendall("\r\n".join([*kept, "Connection: close", "", ""]).encode("latin-1") + body)
            if lines[0].split(" ")[1].endswith("/events"):
                _pump(upstream, client, events=1 if fault is Fault.CUT_STREAM else None)
                return False
            answer = b""
            while chunk := upstream.recv(65536):
                answer += chunk
        if fault is Fault.NONE:
            client.sendall(answer)
        elif fault is Fault.CUT_ANSWER:
            client.sendall(answer[: len(answer) - len(answer) // 4])
        elif fault is Fault.SILENCE:
            self._stopping.wait(SILENCE_S)
        elif fault is Fault.OUTCOME_UNKNOWN:
            client.sendall(_problem(503, "outcome_unknown"))
            return True
        elif fault is Fault.BAD_GATEWAY:
            client.sendall(_html("502 Bad Gateway"))
            return True
        return False


def _head(connection: socket.socket) -> tuple[list[str], bytes] | None:
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = connection.recv(65536)
        if not chunk:
            return None
        received += chunk
    head, _, rest = received.partition(b"\r\n\r\n")
    return head.decode("latin-1").split("\r\n"), rest


def _exactly(connection: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        chunk = connection.recv(count - len(received))
        if not chunk:
            raise ConnectionResetError("hung up in the middle of a body")
        received += chunk
    return received


def _pump(upstream: socket.socket, client: socket.socket, *, events: int | None) -> None:
    received = b""
    while chunk := upstream.recv(65536):
        client.sendall(chunk)
        received += chunk
        if events is not None and received.count(b"data: ") >= events:
            return


def _problem(status: int, code: str, *headers: str) -> bytes:
    document = {"status": status, "code": code, "detail": f"This is {code}.", "retryable": True, "errors": []}
    return _response(f"{status} Trouble", "application/problem+json", json.dumps(document).encode(), *headers)


def _html(status: str) -> bytes:
    return _response(status, "text/html", b"<h1>A gateway</h1>")


def _response(status: str, kind: str, body: bytes, *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(head).encode() + body


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):  # It may be closed already.
        connection.shutdown(socket.SHUT_RDWR)
