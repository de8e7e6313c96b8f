"""Idempotency keys of requests under way, held beside their transactions by one connection of the process."""

import threading
import time
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
# The server goes through the parts one after the other: what is given back is free for who takes it in the same round trip.
_EXCHANGE: Final = text(
    "SELECT pg_advisory_unlock(n) FROM unnest(CAST(:due AS bigint[])) AS n "
    "UNION ALL SELECT pg_try_advisory_lock(n) FROM unnest(CAST(:wanted AS bigint[])) AS n"
)


class _Wish:
    """A key that somebody takes or gives back, and what came of it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.taken = False
        self.error: BaseException | None = None
        self.done = False
        self.abandoned = False  # Nobody waits for it any more.


class Reservations:
    """Which keys requests of this process work on, as every other process of the database sees it.

    A reservation says that work is under way; what is stored once is decided by the lock in the transaction that stores
    (`idempotency.try_lock`). It is an advisory lock of a connection that all requests share and that is in no transaction, so that
    none of the pool waits beside the encoder. A killed process gives back all of its own with that connection. When the server
    restarts under it, reservations hold in this process only: at worst something is encoded twice.

    While one thread waits for the server, what others want and give back gathers, and goes in the next round trip together.
    """

    def __init__(self, service_url: str, *, application_name: str) -> None:
        """Prepare the connection; it is opened by the first key."""
        self._engine: Engine = service_engine(
            service_url, pool_size=1, max_overflow=0, application_name=application_name
        )
        event.listen(self._engine, "connect", _miss_dead_hosts)
        self._lock = threading.Lock()  # of the connection
        self._connection: Connection | None = None
        # Of all that follows; nobody waits for the server in it. Told whenever a round trip is over.
        self._noting = threading.Condition()
        self._held: set[int] = set()  # also what is being asked for
        self._wanted: list[_Wish] = []
        self._due: list[_Wish] = []  # to be given back

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
        wish = _Wish(number)
        with self._noting:
            # The server would let one connection have it twice.
            if number in self._held:
                return False
            self._held.add(number)
            self._wanted.append(wish)
        if not self._fulfil(wish, patience_s=_PATIENCE_S):
            raise Unavailable("The database does not answer; nothing was changed.", retry_after_s=RETRY_AFTER_S)
        if wish.error is not None:
            raise wish.error
        return wish.taken

    def _give_back(self, number: int) -> None:
        wish = _Wish(number)
        with self._noting:
            self._held.discard(number)
            self._due.append(wish)
        # Else whoever comes next does it.
        self._fulfil(wish, patience_s=_GIVE_BACK_S)

    def _fulfil(self, wish: _Wish, *, patience_s: float) -> bool:
        """Wait until somebody's round trip has done it, or make one; say whether it was done in time."""
        deadline = time.monotonic() + patience_s
        with self._noting:
            while not wish.done and not self._lock.acquire(blocking=False):
                if not self._noting.wait(deadline - time.monotonic()) and not wish.done:
                    self._abandon(wish)
                    return False
            if wish.done:
                return True
        try:
            self._exchange()
        finally:
            self._lock.release()
            with self._noting:
                self._noting.notify_all()
        return True

    def _abandon(self, wish: _Wish) -> None:
        wish.abandoned = True
        if wish in self._wanted:  # Else it is on its way.
            self._wanted.remove(wish)
            self._held.discard(wish.number)

    def _exchange(self) -> None:
        """Give back all that is due, and take all that is wanted, for everybody who waits."""
        with self._noting:
            due, self._due = self._due, []
            wanted, self._wanted = self._wanted, []
        error: BaseException | None = None
        taken = [False] * len(wanted)
        try:
            with translate_errors():
                taken = self._ask([wish.number for wish in due], [wish.number for wish in wanted])
        except BaseException as raised:
            error = raised
            if not isinstance(raised, Exception):
                raise
        finally:
            with self._noting:
                for wish in due:
                    wish.done = True  # Where it was not, it went with the connection.
                for wish, mine in zip(wanted, taken, strict=True):
                    wish.taken, wish.error, wish.done = mine, error, True
                    if not mine or wish.abandoned:
                        self._held.discard(wish.number)
                    if mine and wish.abandoned:
                        self._due.append(wish)

    def _ask(self, due: list[int], wanted: list[int]) -> list[bool]:
        if self._connection is not None:
            try:
                return self._answers(self._connection, due, wanted)
            except DBAPIError as error:
                # A restarted server costs no request.
                log.warning("reservations_lost", error=type(error.orig).__name__, others=len(self._held))
                self._give_up()
                if not error.connection_invalidated:
                    raise
        if not wanted:
            return []  # What was due went with the connection.
        self._connection = self._engine.connect()
        try:
            return self._answers(self._connection, [], wanted)
        except BaseException:
            self._give_up()
            raise

    @staticmethod
    def _answers(connection: Connection, due: list[int], wanted: list[int]) -> list[bool]:
        answers = connection.scalars(_EXCHANGE, {"due": due, "wanted": wanted}).all()
        return [bool(answer) for answer in answers[len(due) :]]

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
