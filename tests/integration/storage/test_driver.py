"""Questions that travel together."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from memory_service.storage.database import Database
from memory_service.storage.driver import Pending, fetch, later


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """Hear of every statement while it is sent."""
    statements: list[str] = []

    def hear(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(database.engine, "before_cursor_execute", hear)
    try:
        yield statements
    finally:
        event.remove(database.engine, "before_cursor_execute", hear)


def test_questions_travel_together_with_the_first_answer_that_is_wanted(database: Database, make_tenant: Any) -> None:
    tenant_id, _ = make_tenant()
    with database.transaction(tenant_id) as session:
        asked = [later(session, "SELECT %(n)s", {"n": n}) for n in range(3)]
        with counted(database) as statements:
            assert asked[2].rows() == [(2,)]
            assert len(statements) == 3
            assert [one.rows() for one in asked] == [[(0,)], [(1,)], [(2,)]]
            assert len(statements) == 3


def test_what_is_made_of_an_answer_waits_for_it(database: Database, make_tenant: Any) -> None:
    tenant_id, _ = make_tenant()
    with database.transaction(tenant_id) as session:
        asked = Pending(later(session, "SELECT 20 UNION ALL SELECT 22", {}), lambda rows: [row[0] for row in rows])
        total = asked.then(sum)
        assert fetch(session, "SELECT 1", {}) == [(1,)]
        assert total.result() == 42
        assert asked.result() == [20, 22]


def test_a_fault_of_one_is_raised_and_leaves_a_usable_connection(database: Database, make_tenant: Any) -> None:
    tenant_id, _ = make_tenant()

    def ask() -> None:
        with database.transaction(tenant_id) as session:
            sound = later(session, "SELECT 1", {})
            later(session, "SELECT 1 / %(zero)s", {"zero": 0})
            sound.rows()

    with pytest.raises(DBAPIError, match="division by zero"):
        ask()
    with database.transaction(tenant_id) as session:
        assert fetch(session, "SELECT 3", {}) == [(3,)]
