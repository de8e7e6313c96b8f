"""Statements that travel together: one transaction, the tenant's rows only, errors as SQLAlchemy raises them."""

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from memory_service.errors import Unavailable
from memory_service.storage.database import Database
from memory_service.storage.driver import Pending, committing_with, fetch, later, meanwhile

PATHS = "SELECT path FROM namespace WHERE tenant_id = %(tenant)s ORDER BY path"
EVERY_PATH = "SELECT path FROM namespace"
PUT = "INSERT INTO speaker (tenant_id, namespace_id, name) VALUES (%(tenant)s, %(namespace)s, %(name)s)"
SPEAKERS = "SELECT name FROM speaker WHERE tenant_id = %(tenant)s ORDER BY name"


def commit_with(session: Session, statement: str, params: dict[str, Any]) -> None:
    with committing_with(session, statement, params):
        pass


@pytest.fixture
def namespaces(database: Database, make_tenant: Any, encoder_id: int) -> dict[UUID, UUID]:
    """Return a namespace for each of two tenants."""
    made = {}
    for _ in range(2):
        tenant_id, _ = make_tenant()
        with database.transaction(tenant_id) as session:
            made[tenant_id] = session.execute(
                text(
                    "INSERT INTO namespace (tenant_id, id, path, encoder_id, shelf, created_at) "
                    "VALUES (:tenant, gen_random_uuid(), 'here', :encoder, 0, now()) RETURNING id"
                ),
                {"tenant": tenant_id, "encoder": encoder_id},
            ).scalar_one()
    return made


def test_what_is_asked_later_travels_with_the_next_and_sees_its_tenant_only(
    database: Database, namespaces: dict[UUID, UUID]
) -> None:
    for tenant_id, namespace_id in namespaces.items():
        with database.transaction(tenant_id, durable=False) as session:
            first = later(session, "SELECT current_setting('app.tenant'), current_setting('synchronous_commit')", {})
            assert not session.in_transaction()
            assert fetch(session, EVERY_PATH, {}) == [("here",)]
            assert first.rows() == [(str(tenant_id), "off")]
            # It is the transaction of the session: what SQLAlchemy sends now is in it, too.
            assert session.scalar(text("SELECT id FROM namespace")) == namespace_id
            assert later(session, PATHS, {"tenant": tenant_id}).mappings() == [{"path": "here"}]
    with database.untenanted() as connection:
        assert connection.exec_driver_sql(EVERY_PATH).all() == []


def test_the_server_works_while_the_caller_does_something_else(
    database: Database, namespaces: dict[UUID, UUID], admin_url: str
) -> None:
    tenant_id, namespace_id = next(iter(namespaces.items()))
    params = {"tenant": tenant_id, "namespace": namespace_id, "name": "Ada"}
    locked = "SELECT count(*) FROM pg_locks WHERE objid = 771177 AND granted AND pid = %s"
    with (
        psycopg.connect(admin_url.replace("+psycopg", ""), autocommit=True) as admin,
        database.transaction(tenant_id) as session,
    ):
        [(pid,)] = fetch(session, "SELECT pg_backend_pid()", {})
        asked = later(session, "SELECT current_setting('app.tenant') FROM pg_advisory_xact_lock(771177)", {})
        with meanwhile(session):
            assert soon(lambda: admin.execute(locked, (pid,)).fetchone() == (1,))
        assert asked.rows() == [(str(tenant_id),)]
        with committing_with(session, PUT, params):
            assert soon(lambda: speakers(database, params) == [("Ada",)])


@pytest.mark.parametrize("begun", [False, True])
def test_a_statement_of_one_plan_is_planned_once_and_nothing_else(
    database: Database, namespaces: dict[UUID, UUID], begun: bool
) -> None:
    tenant_id = next(iter(namespaces))
    # Two rows, and a thousand where the planner is not told how many: it believes that a plan for two is cheaper, each time.
    statement = "SELECT n FROM generate_series(1, CAST(%(last)s AS integer)) AS s (n) ORDER BY n"
    planned = (
        "SELECT custom_plans, generic_plans FROM pg_prepared_statements WHERE statement LIKE '%%AS s (n) ORDER BY%%'"
    )

    def ask(session: Session, *, one_plan: bool) -> list[Any]:
        if begun:
            fetch(session, "SELECT 1", {})
        return later(session, statement, {"last": 2}, one_plan=one_plan).rows()

    counts = {}
    for one_plan in (False, True):
        database.dispose()  # a connection that has planned nothing
        for _ in range(12):
            with database.transaction(tenant_id) as session:
                assert ask(session, one_plan=one_plan) == [(1,), (2,)]
                assert fetch(session, "SELECT current_setting('plan_cache_mode')", {}) == [("auto",)]
        with database.transaction(tenant_id) as session:
            [counts[one_plan]] = fetch(session, planned, {})
    custom, generic = counts[False]
    assert custom > 5
    assert generic == 0
    custom, generic = counts[True]
    assert custom == 0
    assert generic > 5


def test_what_will_be_made_of_an_answer_waits_for_it(database: Database, namespaces: dict[UUID, UUID]) -> None:
    with database.transaction(next(iter(namespaces))) as session:
        numbers = Pending(later(session, "SELECT 20 UNION ALL SELECT 22", {}), lambda rows: [row[0] for row in rows])
        total = numbers.then(sum)
        assert fetch(session, "SELECT 1", {}) == [(1,)]
        assert total.result() == 42
        assert numbers.result() == [20, 22]


def soon(holds: Callable[[], bool]) -> bool:
    """Say whether something comes to hold within seconds."""
    until = time.monotonic() + 10
    while not (held := holds()) and time.monotonic() < until:
        time.sleep(0.01)
    return held


def speakers(database: Database, params: dict[str, Any]) -> list[Any]:
    with database.transaction(params["tenant"]) as session:
        return fetch(session, SPEAKERS, params)


def test_what_fails_meanwhile_is_raised_and_leaves_the_connection_in_order(
    database: Database, namespaces: dict[UUID, UUID]
) -> None:
    tenant_id = next(iter(namespaces))

    def work(session: Session, question: str, beside: Callable[[], object]) -> None:
        later(session, question, {"tenant": tenant_id})
        with meanwhile(session):
            beside()

    for error, question, beside in (
        (ValueError, PATHS, lambda: int("none")),
        (DataError, "SELECT 1 / 0 WHERE %(tenant)s IS NOT NULL", lambda: None),
    ):
        session = database.session(tenant_id)
        with pytest.raises(error):
            work(session, question, beside)
        session.rollback()
        with meanwhile(session):  # nothing waits
            assert not session.in_transaction()
        assert fetch(session, PATHS, {"tenant": tenant_id}) == [("here",)]
        session.close()


def test_the_last_statement_and_the_commit_travel_together(database: Database, namespaces: dict[UUID, UUID]) -> None:
    tenant_id, namespace_id = next(iter(namespaces.items()))
    params = {"tenant": tenant_id, "namespace": namespace_id}
    with database.transaction(tenant_id) as session:
        fetch(session, SPEAKERS, params)
        commit_with(session, PUT, {**params, "name": "Ada"})
        with database.transaction(tenant_id) as other:
            assert fetch(other, SPEAKERS, params) == [("Ada",)]
    with database.transaction(tenant_id) as session:
        fetch(session, f"{PUT} RETURNING name", {**params, "name": "Bob"})
        session.rollback()
    with database.transaction(tenant_id) as session:
        assert fetch(session, SPEAKERS, params) == [("Ada",)]


def test_an_error_is_raised_as_sqlalchemy_would_and_leaves_the_connection_in_order(
    database: Database, namespaces: dict[UUID, UUID]
) -> None:
    tenant_id, namespace_id = next(iter(namespaces.items()))
    params = {"tenant": tenant_id, "namespace": namespace_id, "name": "Ada"}
    with database.transaction(tenant_id) as session:
        commit_with(session, PUT, params)
    for send in (commit_with, fetch):
        session = database.session(tenant_id)
        with pytest.raises(IntegrityError) as raised:
            send(session, PUT, params)
        assert isinstance(raised.value.orig, psycopg.errors.UniqueViolation)
        assert "Ada" not in str(raised.value).partition("DETAIL")[0]
        session.rollback()
        assert fetch(session, SPEAKERS, params) == [("Ada",)]
        session.close()


def test_a_lost_server_is_unavailable_and_the_next_transaction_takes_another_connection(
    database: Database, namespaces: dict[UUID, UUID], admin_url: str
) -> None:
    tenant_id = next(iter(namespaces))

    def work() -> None:
        with database.transaction(tenant_id) as session:
            [(pid,)] = fetch(session, "SELECT pg_backend_pid()", {})
            with psycopg.connect(admin_url.replace("+psycopg", ""), autocommit=True) as admin:
                admin.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
            fetch(session, EVERY_PATH, {})

    with pytest.raises(Unavailable):
        work()
    with database.transaction(tenant_id) as session:
        assert fetch(session, EVERY_PATH, {}) == [("here",)]
