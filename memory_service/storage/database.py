"""One engine, one way to open a transaction: as the service role, with the tenant set, committed at the edge."""

import select
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from types import MappingProxyType
from typing import Any
from uuid import UUID

import psycopg
import structlog
from pgvector.psycopg import register_vector
from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, SessionTransaction

from memory_service.errors import MemoryServiceError, Misconfigured, Unavailable
from memory_service.storage.redactions import Redactions, no_secret

log = structlog.get_logger(__name__)

RETRY_AFTER_S = 2
# A server that is gone without a word, with its machine or behind a firewall, is noticed within half a minute or so: seconds
# until the system asks, between questions, questions; milliseconds that what was sent may stay unconfirmed.
NOTICE_SILENCE: Mapping[str, int] = MappingProxyType(
    {"keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 30_000}
)
_NEW = "new"  # stands on a connection that nobody has used yet

# SQLSTATE classes and codes that say "the server, not the request": shutting down, crashed, out of space or memory.
UNAVAILABLE_CODES = frozenset(
    {"57P01", "57P02", "57P03", "57P05", "53000", "53100", "53200", "53300", "25006", "58030"}
)
# What a server process says before it ends: whoever hears it has no connection any more, even while it still stands.
LAST_WORDS = frozenset({"57P01", "57P02", "57P03", "57P05"})
TIMEOUT_CODES = frozenset({"57014", "55P03"})
# Two changes at once; a unique violation too, because what could be foreseen was checked before the statement.
SERIALIZATION_CODES = frozenset({"40001", "40P01", "23505"})


class Database:
    """The engine of the service role; hands out sessions that see one tenant."""

    def __init__(
        self,
        service_url: str,
        *,
        pool_size: int = 20,
        application_name: str = "memory-service",
        secret: Callable[[], bytes] = no_secret,
    ) -> None:
        """Prepare the pool; connects on first use. From the secret come the pseudonyms of what is redacted."""
        self._disposed_at = 0.0  # by the clock of the pool
        self.redactions = Redactions(partial(self.transaction, durable=False), secret)
        self.engine: Engine = service_engine(
            service_url, pool_size=pool_size, max_overflow=pool_size, application_name=application_name
        )
        event.listen(self.engine, "checkin", self._on_checkin)

    def check_role(self) -> None:
        """Refuse to run as a role that row level security does not bind.

        Raises:
            Misconfigured: the role is a superuser, bypasses row level security or owns the tables.
        """
        with self.engine.connect() as connection:
            row = connection.execute(
                text(
                    "SELECT rolname, rolsuper OR rolbypassrls, EXISTS (SELECT FROM pg_class c WHERE c.relname = 'memory' "
                    "AND c.relkind = 'r' AND pg_has_role(r.oid, c.relowner, 'MEMBER')) FROM pg_roles r "
                    "WHERE rolname = current_user"
                )
            ).one()
        if row[1] or row[2]:
            raise Misconfigured(
                f"The service connects as {row[0]!r}, which row level security does not bind. Use a role that is neither "
                "superuser, owner of the tables, nor BYPASSRLS."
            )

    def session(self, tenant_id: UUID, *, durable: bool = True, snapshot: bool = False) -> Session:
        """Return a session for one tenant; it takes a connection at its first statement, not before.

        A commit waits for the disk unless `durable` is false: then a crash may lose the last commits, never halves of them.
        With `snapshot` all of its statements see one moment, and none may write.
        """
        session = Session(self.engine, autoflush=False, expire_on_commit=False)
        session.info |= {
            "tenant_id": tenant_id, "durable": durable, "snapshot": snapshot, "redactions": self.redactions,
        }  # fmt: skip
        return session

    @contextmanager
    def transaction(self, tenant_id: UUID, *, durable: bool = True) -> Iterator[Session]:
        """Open one transaction for one tenant; commit at the end, roll back on any error. For `durable` see `session`.

        Raises:
            Unavailable: the database is down or out of room; the detail says whether anything was changed.
        """
        session = self.session(tenant_id, durable=durable)
        try:
            with translate_errors():
                yield session
                commit(session)
        finally:
            end(session)
        run_after_commit(session)

    @contextmanager
    def untenanted(self) -> Iterator[Connection]:
        """Open a transaction without a tenant: only SECURITY DEFINER functions and global tables answer."""
        with translate_errors(), self.engine.begin() as connection:
            # A setting that somebody made for the whole connection by mistake must not lend its tenant to us.
            connection.exec_driver_sql("BEGIN; SELECT set_config('app.tenant', '', true)")
            yield connection

    def dispose(self) -> None:
        """Close every pooled connection, and those in use when they come back: their pool is no more."""
        self._disposed_at = time.time()
        self.engine.dispose()

    def _on_checkin(self, connection: Any, record: Any) -> None:
        if connection is not None and record.starttime <= self._disposed_at:  # None: given up before
            connection.close()


def service_engine(service_url: str, *, pool_size: int, max_overflow: int, application_name: str) -> Engine:
    """Return an engine whose transactions begin by hand and whose lost connections are noticed."""
    engine = create_engine(
        service_url,
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_timeout=10,
        # Errors reach the log; the texts that were being stored must not.
        hide_parameters=True,
        # Transactions begin in `_set_tenant` and `untenanted`, together with their settings: one round trip, not two.
        # psycopg still ends them: commit and rollback act on whatever is open.
        isolation_level="AUTOCOMMIT",
        connect_args={"application_name": application_name, "connect_timeout": 5, **NOTICE_SILENCE},
    )
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "checkout", _on_checkout)
    event.listen(engine, "handle_error", _on_error)
    return engine


@contextmanager
def only_one(engine: Engine, key: str) -> Iterator[bool]:
    """Say whether nobody else holds a key; it is held for as long as the context lasts or this process lives.

    The lock belongs to a connection outside of any transaction: a killed worker gives it back.

    Raises:
        Unavailable: the database is down, or every connection busy.
    """
    with ExitStack() as opened:
        with translate_errors():
            connection = opened.enter_context(engine.connect())
            mine = bool(connection.scalar(text("SELECT pg_try_advisory_lock(hashtextextended(:key, 0))"), {"key": key}))
        try:
            yield mine
        finally:
            if mine and not connection.invalidated:
                try:
                    connection.execute(text("SELECT pg_advisory_unlock(hashtextextended(:key, 0))"), {"key": key})
                except DBAPIError:
                    # The connection went while it had nothing to say, and the lock with it; what was done is done.
                    log.warning("lock_lost", key=key)
                    connection.invalidate()


def _on_connect(connection: Any, record: Any) -> None:
    try:
        register_vector(connection)
        # register_vector looks types up in a transaction of its own; leave none behind.
        connection.rollback()
    except BaseException:
        connection.close()  # the pool does not know of it yet
        raise
    record.info[_NEW] = True


def _on_checkout(connection: Any, record: Any, _proxy: object) -> None:
    """Replace a pooled connection whose server has gone, without a round trip.

    An idle connection has nothing to say. One that can be read was closed by the other side, or is about to be: the pool
    then drops it and takes another, so that a restarted server costs no request. One just made is not asked: where the
    second goes, too, its first statement says so better than a pool that gives up.
    """
    if record.info.pop(_NEW, False):
        return
    if connection.closed:
        raise DisconnectionError("the connection is closed")
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
    if waiting.poll(0):
        raise DisconnectionError("the server closed the connection")


def _on_error(context: ExceptionContext) -> None:
    error = context.original_exception
    if isinstance(error, psycopg.Error) and says_lost(error):
        log.warning("connection_lost", error=type(error).__name__, sqlstate=error.sqlstate)
        context.is_disconnect = True
        # Others are asked when their turn comes, unless the server said that it ends.
        context.invalidate_pool_on_disconnect = error.sqlstate in LAST_WORDS


def says_lost(error: psycopg.Error) -> bool:
    """Say whether an error of the driver means that its connection is of no more use, whatever state it seems to be in.

    The last words of a server may arrive before its end does, and in the middle of an answer, where the driver is
    confused: its own errors have no SQLSTATE.
    """
    if error.sqlstate is not None:
        return error.sqlstate in LAST_WORDS or error.sqlstate.startswith("08")
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | psycopg.InternalError)


@event.listens_for(Session, "after_begin")
def _set_tenant(session: Session, _transaction: SessionTransaction, connection: Connection) -> None:
    """Bind the transaction to its tenant; the settings end with the transaction."""
    hurried = ", set_config('synchronous_commit', 'off', true)" if is_hurried(session) else ""
    if not session.info.pop("by_hand", False):
        # Two statements in one message take no parameters; a UUID needs no quoting.
        connection.exec_driver_sql(
            f"{begin_of(session)}; SELECT set_config('app.tenant', '{tenant_of(session)}', true){hurried}"
        )


def tenant_of(session: Session) -> UUID:
    """Return whom a session works for; a session without a tenant must not reach the database."""
    tenant_id = session.info.get("tenant_id")
    if tenant_id is None:
        raise RuntimeError("a session without a tenant must not reach the database")
    return UUID(str(tenant_id))


def begin_of(session: Session) -> str:
    """Return the statement that begins a transaction of a session."""
    return "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" if session.info.get("snapshot") else "BEGIN"


def is_hurried(session: Session) -> bool:
    """Say whether commits of a session need not wait for the disk."""
    return not session.info.get("durable", True)


@contextmanager
def begins_by_hand(session: Session) -> Iterator[bool]:
    """Say whether the transaction has begun; where it has not, the caller begins it and sets the tenant before all else.

    Should it forget, statements see no row: row level security lets nobody in who has no tenant.
    """
    begun = session.in_transaction()
    if not begun:
        session.info["by_hand"] = True
    try:
        yield begun
    finally:
        session.info.pop("by_hand", None)


def after_commit(session: Session, action: Callable[[], None]) -> None:
    """Remember an action for after the commit; a rollback drops it."""
    session.info.setdefault("after_commit", []).append(action)


def run_after_commit(session: Session) -> None:
    """Run what was remembered; the data are safe by now, so a failing nudge is logged and never raised."""
    actions: list[Callable[[], None]] = session.info.pop("after_commit", [])
    for action in actions:
        try:
            action()
        except Exception:
            log.exception("after_commit_failed")


def end(session: Session) -> None:
    """Close a session, and roll back what is not committed; a server that cannot be told does so by itself."""
    try:
        session.close()
    except DBAPIError as error:
        # Its connection is given up by then, as any that is lost.
        log.warning("rollback_failed", error=type(error.orig).__name__, sqlstate=sqlstate(error))


def sqlstate(error: DBAPIError) -> str | None:
    """Return the SQLSTATE of a database error."""
    code: Any = getattr(error.orig, "sqlstate", None)
    return code if isinstance(code, str) else None


def commit(session: Session) -> None:
    """Commit; when the connection is lost on the way, nobody knows whether it was.

    Raises:
        Unavailable: code ``outcome_unknown`` when the change may have been stored, another one when it was not.
    """
    with translate_errors(committing=True):
        session.commit()


@contextmanager
def translate_errors(*, committing: bool = False) -> Iterator[None]:
    """Turn errors of the server (not of the request) into Unavailable."""
    try:
        yield
    except MemoryServiceError:
        raise
    except PoolTimeout as error:
        raise Unavailable("Every database connection is busy; try again.", retry_after_s=RETRY_AFTER_S) from error
    except DBAPIError as error:
        code = sqlstate(error)
        if code == "53100":
            raise Unavailable(
                "The disk of the database is full; nothing was changed. Free space and try again.", retry_after_s=30
            ) from error
        if code in TIMEOUT_CODES:
            raise Unavailable(
                "The database took too long; nothing was changed. Try again.",
                code="timeout",
                retry_after_s=RETRY_AFTER_S,
            ) from error
        if code in SERIALIZATION_CODES:
            raise Unavailable("Another change came first; try again.", code="busy", retry_after_s=1) from error
        lost = error.connection_invalidated or (isinstance(error.orig, psycopg.Error) and says_lost(error.orig))
        if committing and (lost or code in UNAVAILABLE_CODES):
            raise Unavailable(
                "The database was lost while the change was being stored; whether it was is unknown. Repeat the request "
                "with the same Idempotency-Key.",
                code="outcome_unknown",
                retry_after_s=RETRY_AFTER_S,
            ) from error
        if lost or code in UNAVAILABLE_CODES:
            raise Unavailable(
                "The database does not answer; nothing was changed.", retry_after_s=RETRY_AFTER_S
            ) from error
        raise
