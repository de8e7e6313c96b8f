"""Ends an attempt when its time is up, wherever it is then.

The timeouts of httpx are about single steps: each piece that arrives, even one byte, begins the time anew. Who awaits can be
cancelled; who blocks has to be woken by the socket, so every wait of a connection is cut to what is left.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from memory_client.errors import TimedOut
from memory_client.timeouts import shorter

# What httpcore calls the moments at which it has a new connection in hand.
CONNECTED = (".connect_tcp.complete", ".connect_unix_socket.complete", ".start_tls.complete")
PIECE = 1 << 16  # bytes written between two looks at the clock
AT_ONCE_S = 0.001  # The shortest wait: a socket takes 0 for "do not wait", and fails in other ways.


class Patience:
    """How long one attempt may still take."""

    __slots__ = ("clock", "deadline", "total")

    def __init__(self, total: float | None, clock: Callable[[], float]) -> None:
        self.total, self.clock = total, clock
        self.deadline = None if total is None else clock() + total

    def left(self) -> float | None:
        """Return the seconds that are left, never less than the shortest wait."""
        return None if self.deadline is None else max(self.deadline - self.clock(), AT_ONCE_S)

    def check(self) -> None:
        """Raise TimedOut when the time is up."""
        if self.deadline is not None and self.clock() >= self.deadline:
            raise self.spent()

    def spent(self) -> TimedOut:
        """Return what is raised when the time is up."""
        return TimedOut(f"The answer had not arrived in full after {self.total:.3g} s.", sent=True)


class _UnderWay(threading.local):
    """The patience of the attempt that this thread carries out."""

    patience: Patience | None = None


_under_way = _UnderWay()


@contextmanager
def holding(patience: Patience) -> Iterator[None]:
    """Cut every wait of this thread's connections to what is left."""
    before, _under_way.patience = _under_way.patience, patience
    try:
        yield
    finally:
        _under_way.patience = before


def watch(moment: str, info: Mapping[str, Any]) -> None:
    """Teach a new connection to wait no longer than the attempt that uses it; the ``trace`` of a request.

    A connection outlives the attempt it was made for, so what it asks is who uses it at the time.
    """
    if moment.endswith(CONNECTED):
        _teach(info["return_value"])


def _teach(stream: Any) -> None:
    read, write, start_tls = stream.read, stream.write, stream.start_tls

    def patient_read(max_bytes: int, timeout: float | None = None) -> Any:
        return read(max_bytes, timeout=_cut(timeout))

    def patient_write(buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), PIECE):
            write(buffer[start : start + PIECE], timeout=_cut(timeout))

    def patient_start_tls(ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> Any:
        # Too late is said by httpcore here: it knows that nothing was sent yet.
        left = None if _under_way.patience is None else _under_way.patience.left()
        return start_tls(ssl_context, server_hostname=server_hostname, timeout=shorter(timeout, left))

    stream.read, stream.write, stream.start_tls = patient_read, patient_write, patient_start_tls


def _cut(timeout: float | None) -> float | None:
    patience = _under_way.patience
    if patience is None:
        return timeout
    patience.check()
    return shorter(timeout, patience.left())
