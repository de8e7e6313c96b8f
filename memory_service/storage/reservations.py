"""Idempotency keys of requests under way, held beside their transactions by one connection of the process."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import structlog
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import DBAPIError

from memory_service.errors import Unavailable
from memory_service.storage.database import NOTICE_SILENCE, RETRY_AFTER_S, service_engine, translate_errors
from memory_service.storage.idempotency import reservation_of
from memory_service.types import Caller

log = structlog.get_logger(__name__)

_PATIENCE_S: Final = 10  # as a request waits for a connection of the pool
_GIVE_BACK_S: Final = 0.5  # what was stored is to be answered, however the connection is
_TAKE: Final = text("SELECT pg_try_advisory_lock(:number)")
_GIVE_BACK: Final = text("SELECT pg_advisory_unlock(:number)")


class Reservations:
    """Which keys requests of this process work on, as every other process of the database sees it.

    A reservation says that work is under way; what is stored once is decided by the lock in the transaction that stores
    (`idempotency.try_lock`). It is an advisory lock of a connection that all requests share and that is in no transaction, so that
    none of the pool waits beside the encoder. A killed process gives back all of its own with that connection. When the server
    restarts under it, reservations hold in this process only: at worst something is encoded twice.
    """

    def __init__(self, service_url: str, *, application_name: str) -> None:
        """Prepare the connection; it is opened by the first key."""
        self._engine: Engine = service_engine(
            service_url, pool_size=1, max_overflow=0, application_name=application_name
        )
        event.listen(self._engine, "connect", _miss_dead_hosts)
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._held: set[int] = set()
        self._due: deque[int] = deque()  # to be given back

    @contextmanager
    def of(self, caller: Caller, key: str) -> Iterator[bool]:
        """Say whether nobody works on a key; it is reserved for as long as the context lasts or this process lives.

        Raises:
            Unavailable: the database is down.
        """
        number = reservation_of(caller, key)
        mine = self._take(number)
        try:
            yield mine
        finally:
            if mine:
                self._give_back(number)

    def close(self) -> None:
        """Give everything back."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            self._engine.dispose()

    def _take(self, number: int) -> bool:
        if not self._lock.acquire(timeout=_PATIENCE_S):
            raise Unavailable("The database does not answer; nothing was changed.", retry_after_s=RETRY_AFTER_S)
        try:
            self._settle()
            # The server would let one connection have it twice.
            if number in self._held:
                return False
            with translate_errors():
                taken = self._try(number)
            if taken:
                self._held.add(number)
            return taken
        finally:
            self._lock.release()

    def _try(self, number: int) -> bool:
        if self._connection is not None:
            try:
                return bool(self._connection.scalar(_TAKE, {"number": number}))
            except DBAPIError as error:
                # A restarted server costs no request.
                self._give_up()
                if not error.connection_invalidated:
                    raise
        self._connection = self._engine.connect()
        try:
            return bool(self._connection.scalar(_TAKE, {"number": number}))
        except BaseException:
            self._give_up()
            raise

    def _give_back(self, number: int) -> None:
        self._due.append(number)
        # Else whoever comes next does it, before it looks for a key.
        if self._lock.acquire(timeout=_GIVE_BACK_S):
            try:
                self._settle()
            finally:
                self._lock.release()

    def _settle(self) -> None:
        while self._due:
            number = self._due.popleft()
            self._held.discard(number)
            if self._connection is None:
                continue
            try:
                self._connection.execute(_GIVE_BACK, {"number": number})
            except DBAPIError as error:
                log.warning("reservations_lost", error=type(error.orig).__name__, others=len(self._held))
                self._give_up()

    def _give_up(self) -> None:
        """Drop the connection, and with it whatever it holds: a key that nobody works on must not stay locked."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()


def _miss_dead_hosts(connection: Any, _record: object) -> None:
    """Have the server notice within half a minute that this host is gone without a word; by default it takes two hours."""
    for name, value in NOTICE_SILENCE.items():
        setting = name if name == "tcp_user_timeout" else f"tcp_{name}"
        connection.execute(f"SET {setting} = {value}")
    connection.commit()
