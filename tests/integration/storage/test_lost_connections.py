"""A connection that is lost takes its transaction along, and nothing else: neither an error nor a place in the pool."""

from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from memory_service.errors import Unavailable
from memory_service.storage.bootstrap import RoleUrls
from memory_service.storage.database import Database, end
from memory_service.storage.driver import fetch, later
from tests.integration.api.cutting import End, breaking

PID = "SELECT pg_backend_pid()"


def terminate(admin_url: str, pid: int) -> None:
    with psycopg.connect(admin_url.replace("+psycopg", ""), autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))


def lose(database: Database, tenant_id: UUID, admin_url: str, *, and_raise: Exception | None = None) -> None:
    with database.transaction(tenant_id) as session:
        [(pid,)] = fetch(session, PID, {})
        terminate(admin_url, pid)
        if and_raise is not None:
            raise and_raise


def test_an_error_is_not_replaced_by_that_of_rolling_back(database: Database, make_tenant: Any, admin_url: str) -> None:
    tenant_id, _ = make_tenant()
    with pytest.raises(ValueError, match="the caller's"):
        lose(database, tenant_id, admin_url, and_raise=ValueError("the caller's"))
    with database.transaction(tenant_id) as session:
        assert fetch(session, "SELECT 1", {}) == [(1,)]


def test_what_was_lost_before_the_commit_was_not_stored(database: Database, make_tenant: Any, admin_url: str) -> None:
    tenant_id, _ = make_tenant()
    with pytest.raises(Unavailable):
        lose(database, tenant_id, admin_url)


def test_a_server_that_says_that_it_ends_has_ended(role_urls: RoleUrls, make_tenant: Any) -> None:
    """Its last words may come before its end does; the connection is of no more use by then."""
    tenant_id, _ = make_tenant()
    with breaking(role_urls.service) as way:
        database = Database(way.url, pool_size=1)
        session = database.session(tenant_id)
        fetch(session, PID, {})
        later(session, PID, {})
        way.arm(1, End.CRASHED)
        with pytest.raises(DBAPIError) as caught:
            fetch(session, PID, {})
        assert caught.value.connection_invalidated
        end(session)
        way.await_end()
        way.arm()
        with database.transaction(tenant_id) as again:
            assert fetch(again, "SELECT 1", {}) == [(1,)]
        database.dispose()


def test_a_connection_that_is_in_use_when_the_pool_ends_is_closed_when_it_comes_back(
    role_urls: RoleUrls, make_tenant: Any
) -> None:
    tenant_id, _ = make_tenant()
    database = Database(role_urls.service, pool_size=1)
    with database.transaction(tenant_id) as session:
        fetch(session, PID, {})
        driver: Any = session.connection().connection.driver_connection
        database.dispose()
        assert fetch(session, "SELECT 1", {}) == [(1,)], "who is at it finishes"
    assert driver.closed
    with database.transaction(tenant_id) as session:
        assert fetch(session, "SELECT 2", {}) == [(2,)]
        driver = session.connection().connection.driver_connection
    assert not driver.closed, "that of the new pool stays"
    database.dispose()
    assert driver.closed
