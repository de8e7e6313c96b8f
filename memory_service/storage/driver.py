"""Statements that go to the driver itself, several in one message where they can: a round trip is dear beside its work.

Waking a sleeping server process costs more than most statements of a search. What is asked `later` travels with the next
`fetch`, and so does the beginning of a transaction that has not begun; what ends one may travel with its commit. Where the
caller has work of its own meanwhile, the server does its share beside it (`meanwhile`, `committing_with`). Listeners of the
engine hear of every statement, as they do of SQLAlchemy's own: tests explain and examine them all.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from memory_service.storage.database import begin_of, begins_by_hand, is_hurried, says_lost, tenant_of

T = TypeVar("T")
U = TypeVar("U")

_TENANT: Final = "SELECT set_config('app.tenant', %s, true)"
_HURRIED_TENANT: Final = f"{_TENANT}, set_config('synchronous_commit', 'off', true)"
_ONE_PLAN: Final = "SET LOCAL plan_cache_mode = force_generic_plan"
_ANY_PLAN: Final = "SET LOCAL plan_cache_mode TO DEFAULT"


def in_driver_words(statement: str) -> str:
    """Write a statement's parameters as the driver does.

    >>> in_driver_words("SELECT CAST(:ids AS uuid[]), a::text FROM memory WHERE tenant_id = :tenant")
    'SELECT CAST(%(ids)s AS uuid[]), a::text FROM memory WHERE tenant_id = %(tenant)s'
    >>> in_driver_words("SELECT 7 % :p_0")
    'SELECT 7 %% %(p_0)s'
    """
    return re.sub(r"(?<![:\w]):([a-z_][a-z_0-9]*)", r"%(\1)s", statement.replace("%", "%%"))


@dataclass(slots=True, eq=False)
class Question:
    """A statement whose answer is wanted later."""

    _session: Session
    _statement: str
    _params: Mapping[str, Any]
    one_plan: bool = False  # a connection plans it once
    _rows: list[Any] | None = field(default=None)
    _described: Any = None  # the answer as the driver has it, which tells the names

    def rows(self) -> list[Any]:
        """Return the answer; sent by itself where nothing else was fetched since."""
        if self._rows is None:
            _send(self._session)
        assert self._rows is not None  # just sent
        return self._rows

    def mappings(self) -> list[dict[str, Any]]:
        """Return the answer with every row by the names of its columns."""
        rows = self.rows()
        names = _names(self._described)
        return [dict(zip(names, row, strict=True)) for row in rows]


@dataclass(frozen=True, slots=True)
class Pending(Generic[T]):
    """What will be read from the answer to a question."""

    question: Question
    read: Callable[[list[Any]], T]

    def result(self) -> T:
        """Return it; for when it is sent see `Question.rows`."""
        return self.read(self.question.rows())

    def then(self, work: Callable[[T], U]) -> "Pending[U]":
        """Return what will be made of it."""
        return Pending(self.question, lambda rows: work(self.read(rows)))


def later(session: Session, statement: str, params: Mapping[str, Any], *, one_plan: bool = False) -> Question:
    """Ask with the next `fetch` of the session.

    With `one_plan` a connection plans it once, whatever it is asked with: for a statement whose planning is dearer than its
    work and whose best plan is always the same. The planner, left alone, plans one anew for ever that it believes to be
    cheaper that way. What else is sent is planned as usual.
    """
    question = Question(session, statement, params, one_plan)
    _waiting(session).append(question)
    return question


def fetch(session: Session, statement: str, params: Mapping[str, Any]) -> list[Any]:
    """Run a statement with its answer in binary form: thousands of UUIDs and vectors are read at once here."""
    return later(session, statement, params).rows()


@contextmanager
def meanwhile(session: Session) -> Iterator[None]:
    """Send everything that waits, and take the answers at the end: the server works while the caller does something else.

    Nothing may be asked of the session meanwhile.
    """
    questions = list(_waiting(session))
    _waiting(session).clear()
    if not questions:
        yield
        return
    with _translated(session, questions[-1]._statement), _sent(session, questions, pipelined=True):
        yield


@contextmanager
def committing_with(session: Session, statement: str, params: Mapping[str, Any]) -> Iterator[None]:
    """Send the last statement of a transaction and its commit in one message, and hear at the end whether they succeeded.

    The server stores while the caller does something else; nothing may follow in the session.
    """
    with _translated(session, statement):
        driver = session.connection().connection.driver_connection
        assert driver is not None
        with driver.pipeline(), driver.cursor() as cursor:
            _announce(session, cursor, Question(session, statement, params))
            cursor.execute(statement, params)
            cursor.execute("COMMIT")
            yield


def _waiting(session: Session) -> list[Question]:
    waiting: list[Question] = session.info.setdefault("waiting", [])
    return waiting


def _send(session: Session) -> None:
    """Send everything that waits, after the beginning of the transaction where there is none yet, and take the answers."""
    questions = list(_waiting(session))
    _waiting(session).clear()
    with _translated(session, questions[-1]._statement), _sent(session, questions, pipelined=len(questions) > 1):
        pass


@contextmanager
def _sent(session: Session, questions: Sequence[Question], *, pipelined: bool) -> Iterator[None]:
    """Send questions, after the beginning of the transaction where there is none yet; answer them at the end."""
    with begins_by_hand(session) as begun:
        driver: Any = session.connection().connection.driver_connection
    cursors = [driver.cursor(binary=True) for _ in questions]
    several = pipelined or not begun or any(question.one_plan for question in questions)
    with driver.pipeline() if several else nullcontext():
        if not begun:
            driver.execute(begin_of(session), prepare=False)
            driver.execute(_HURRIED_TENANT if is_hurried(session) else _TENANT, (str(tenant_of(session)),))
        for cursor, question in zip(cursors, questions, strict=True):
            if question.one_plan:
                driver.execute(_ONE_PLAN)
            _announce(session, cursor, question)
            cursor.execute(question._statement, question._params)
            if question.one_plan:
                driver.execute(_ANY_PLAN)
        yield
    # At the end of a pipeline everything has arrived.
    for cursor, question in zip(cursors, questions, strict=True):
        question._rows = cursor.fetchall()
        question._described = cursor.pgresult
        cursor.close()


def _announce(session: Session, cursor: Any, question: Question) -> None:
    connection = session.connection()
    for listener in connection.dispatch.before_cursor_execute:
        listener(connection, cursor, question._statement, question._params, question, False)


def _names(answer: Any) -> tuple[str, ...]:
    """Return the names of the columns; the driver's own description of each costs as much as reading a row."""
    return tuple(answer.fname(at).decode() for at in range(answer.nfields))


@contextmanager
def _translated(session: Session, statement: str) -> Iterator[None]:
    """Raise what the driver raises as SQLAlchemy would, and give up a connection that is lost."""
    try:
        yield
    except psycopg.Error as error:
        connection = session.connection() if session.in_transaction() else None
        driver = None if connection is None or connection.invalidated else connection.connection.driver_connection
        lost = driver is not None and (driver.closed or says_lost(error))
        if connection is not None and lost:
            connection.invalidate(error)
        raise DBAPIError.instance(
            statement, None, error, psycopg.Error, hide_parameters=True, connection_invalidated=bool(lost)
        ) from error
