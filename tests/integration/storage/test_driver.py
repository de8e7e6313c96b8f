"""Questions that travel together."""

from time import perf_counter
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from memory_service.storage.database import Database
from memory_service.storage.driver import Pending, fetch, later, meanwhile

SLOW_S = 0.5


def test_an_answer_may_be_taken_while_the_next_is_on_its_way(database: Database, make_tenant: Any) -> None:
    tenant_id, _ = make_tenant()
    with database.transaction(tenant_id) as session:
        first = later(session, "SELECT 1", {})
        last = later(session, "SELECT 2 FROM pg_sleep(%(seconds)s)", {"seconds": SLOW_S})
        started = perf_counter()
        with meanwhile(session):
            assert first.rows() == [(1,)]
            assert perf_counter() - started < SLOW_S
            assert last.rows() == [(2,)]
        assert perf_counter() - started >= SLOW_S
        assert (first.rows(), last.rows()) == ([(1,)], [(2,)])


def test_what_is_made_of_an_answer_waits_for_it(database: Database, make_tenant: Any) -> None:
    tenant_id, _ = make_tenant()
    with database.transaction(tenant_id) as session:
        asked = Pending(later(session, "SELECT 20 UNION ALL SELECT 22", {}), lambda rows: [row[0] for row in rows])
        total = asked.then(sum)
        assert fetch(session, "SELECT 1", {}) == [(1,)]
        assert total.result() == 42
        assert asked.result() == [20, 22]


def test_a_fault_of_one_is_raised_where_its_answer_is_taken(database: Database, make_tenant: Any) -> None:
    tenant_id, _ = make_tenant()
    taken: list[Any] = []

    def ask() -> None:
        with database.transaction(tenant_id) as session:
            asked = later(session, "SELECT 1", {}), later(session, "SELECT 1 / %(zero)s", {"zero": 0})
            with meanwhile(session):
                for one in asked:
                    taken.append(one.rows())

    with pytest.raises(DBAPIError, match="division by zero"):
        ask()
    assert taken == [[(1,)]]
    with database.transaction(tenant_id) as session:
        assert fetch(session, "SELECT 3", {}) == [(3,)]
