"""Who is asking: API keys and sessions of the web view, looked up once and remembered for seconds."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from anyio import to_thread
from sqlalchemy import Connection
from starlette.datastructures import Headers

from memory_service.api.sharing import Mark
from memory_service.errors import MemoryServiceError, Unauthenticated
from memory_service.storage.database import Database
from memory_service.storage.keys import KeyRow, change_key, find_key, get_key_row, hash_secret
from memory_service.storage.web_sessions import find_session
from memory_service.types import Caller

log = structlog.get_logger(__name__)

KNOWN_TTL_S = 10.0  # How long a revocation by a process that shares no mark with this one may go unnoticed.
UNKNOWN_TTL_S = 2.0  # A key made a moment ago must not be refused for long.
MAX_REMEMBERED = 10_000
MAX_SECRET = 512
LAST_USED_EVERY_S = 60.0

MISSING = "Send your API key as `Authorization: Bearer <key>` or `X-API-Key: <key>`."
# One sentence for unknown, revoked and expired: a guesser learns nothing, the owner knows where to look.
REFUSED = "The API key is not valid: unknown, revoked or expired."
ENDED = "The session has ended; log in again."

Find = Callable[[Connection, str], KeyRow | None]
Place = tuple[Find, bytes] | tuple[UUID, UUID]
"""Where what is known of a key is remembered: under a secret, or under its tenant and id."""


def presented_key(headers: Headers) -> str:
    """Return the key that the headers of a request carry, nothing when they carry none."""
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    return secret.strip() if scheme.lower() in {"bearer", "token"} else headers.get("x-api-key", "").strip()


@dataclass(frozen=True, slots=True)
class _Remembered:
    row: KeyRow | None
    caller: Caller | None
    until: float


class Authenticator:
    """Turns keys into callers; used from the event loop, looks unknown keys up in a thread."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime], revoked: Mark | None = None) -> None:
        """Start with nothing remembered; `revoked` changes with every revocation by any process that shares it."""
        self._database = database
        self._clock = clock
        self._remembered: dict[Place, _Remembered] = {}
        self._revoked = revoked or Mark()
        self._seen = self._revoked.read()
        self.last_used = LastUsed(database, clock=clock)

    async def authenticate(self, headers: Headers) -> Caller:
        """Return who is asking, by the key in the headers.

        Raises:
            Unauthenticated: no key, or one that is unknown, revoked or expired.
            Unavailable: the key is not remembered and the database does not answer.
        """
        secret = presented_key(headers)
        if not secret:
            raise Unauthenticated(MISSING)
        return await self._caller(find_key, secret, REFUSED)

    async def authenticate_session(self, secret: str) -> Caller:
        """Return who is asking, by a session of the web view.

        Raises:
            Unauthenticated: the session is unknown or has ended, or its key has been revoked or has expired.
            Unavailable: the session is not remembered and the database does not answer.
        """
        return await self._caller(find_session, secret, ENDED)

    async def authenticate_id(self, tenant_id: UUID, key_id: UUID) -> Caller:
        """Return for whom a key stands that is named, not shown: by what this service signed when the key was shown.

        Raises:
            Unauthenticated: there is no such key, or it has been revoked or has expired.
            Unavailable: the key is not remembered and the database does not answer.
        """
        return await self._known((tenant_id, key_id), lambda: self._get(tenant_id, key_id), REFUSED)

    async def _caller(self, find: Find, secret: str, refusal: str) -> Caller:
        if len(secret) > MAX_SECRET:
            raise Unauthenticated(refusal)
        return await self._known((find, hash_secret(secret)), lambda: self._find(find, secret), refusal)

    async def _known(self, place: Place, look: Callable[[], KeyRow | None], refusal: str) -> Caller:
        mark = self._revoked.read()
        if mark != self._seen:
            self._remembered.clear()
            self._seen = mark
        found = self._remembered.get(place)
        if found is None or found.until < time.monotonic():
            found = await self._look_up(place, look)
        row, caller = found.row, found.caller
        # Expiry is checked at every use: a remembered key must not outlive it.
        if (
            row is None
            or caller is None
            or row.revoked_at is not None
            or (row.expires_at is not None and row.expires_at <= self._clock())
        ):
            raise Unauthenticated(refusal)
        self.last_used.note(row)
        return caller

    async def _look_up(self, place: Place, look: Callable[[], KeyRow | None]) -> _Remembered:
        mark = self._revoked.read()
        row = await to_thread.run_sync(look)
        caller = Caller(row.tenant_id, row.key_id, row.scopes) if row else None
        ttl = KNOWN_TTL_S if row else UNKNOWN_TTL_S
        found = _Remembered(row, caller, time.monotonic() + ttl)
        # What was read before a revocation must not be remembered after it.
        if mark == self._revoked.read():
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[place] = found
        return found

    def _find(self, find: Find, secret: str) -> KeyRow | None:
        with self._database.untenanted() as connection:
            return find(connection, secret)

    def _get(self, tenant_id: UUID, key_id: UUID) -> KeyRow | None:
        with self._database.transaction(tenant_id, durable=False) as session:
            return get_key_row(session, tenant_id, key_id)

    def forget(self) -> None:
        """Look everything up again; called from any thread once a revocation, or the end of a session, is committed."""
        self._revoked.change()


class LastUsed:
    """Writes down when keys were used: at most once a minute per key, in a thread of its own."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        """Prepare; ``start`` starts the thread."""
        self._database = database
        self._clock = clock
        self._written: dict[UUID, float] = {}
        self._due: dict[UUID, tuple[UUID, datetime]] = {}
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="last-used", daemon=True)

    def note(self, key: KeyRow) -> None:
        """Remember that a key was used; costs a dictionary look-up."""
        now = time.monotonic()
        if now - self._written.get(key.key_id, -LAST_USED_EVERY_S) < LAST_USED_EVERY_S:
            return
        with self._lock:
            if len(self._written) >= MAX_REMEMBERED:
                self._written.clear()
            self._written[key.key_id] = now
            self._due[key.key_id] = (key.tenant_id, self._clock())

    def start(self) -> None:
        """Start writing."""
        self._thread.start()

    def close(self) -> None:
        """Write what is left and end the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stop.wait(1.0):
            self.flush()
        self.flush()

    def flush(self) -> None:
        """Write what is due; a database that is down costs only the time stamps.

        What was noted before the call is written when it returns, also when the thread is just writing it.
        """
        with self._writing:
            self._write()

    def _write(self) -> None:
        with self._lock:
            due, self._due = self._due, {}
        for key_id, (tenant_id, at) in due.items():
            try:
                with self._database.transaction(tenant_id) as session:
                    change_key(session, tenant_id, key_id, last_used_at=at)
            except MemoryServiceError as error:
                log.warning("last_used_not_written", reason=error.detail)
                return
