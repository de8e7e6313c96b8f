"""A pooled connection serves one tenant after another: nothing of the first may be left for the second."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from memory_service.storage.bootstrap import RoleUrls
from memory_service.storage.database import Database

TURNS = 200
SEEN = text("SELECT DISTINCT tenant_id FROM memory")


class MishapError(Exception):
    """What goes wrong in the middle of a request."""


@pytest.fixture
def narrow(role_urls: RoleUrls) -> Iterator[Database]:
    """Return a database with one pooled connection."""
    opened = Database(role_urls.service, pool_size=1, application_name="tests of the pool")
    yield opened
    opened.dispose()


def turn(database: Database, tenant_id: UUID, kind: int) -> int:
    """Use a connection as one kind of request does, checking all the while whom it shows; return the server process."""
    server = 0
    try:
        with database.transaction(tenant_id) as session:
            server = session.scalar(text("SELECT pg_backend_pid()")) or 0
            assert session.scalars(SEEN).all() == [tenant_id]
            match kind:
                case 1:
                    raise MishapError
                case 2:
                    session.execute(text("SELECT 1 / 0"))
                case 3:
                    with pytest.raises(DBAPIError), session.begin_nested():
                        session.execute(text("SELECT 1 / 0"))
                    with session.begin_nested():
                        assert session.scalars(SEEN).all() == [tenant_id]
                case 4:
                    session.rollback()  # A session that goes on after a rollback begins anew, with its tenant.
                case 5:
                    session.commit()
                case 6:
                    savepoint = session.begin_nested()
                    session.execute(text("DELETE FROM recall"))
                    savepoint.rollback()
                case 7:
                    session.close()
            assert session.scalars(SEEN).all() == [tenant_id]
    except (MishapError, DBAPIError):
        pass
    return server


def test_one_connection_serves_two_tenants_in_turn(narrow: Database, ours: Any, untouched: Any) -> None:
    rng = Random(7)
    servers = set()
    for number in range(TURNS):
        servers.add(turn(narrow, (ours, untouched)[number % 2].tenant_id, rng.randrange(8)))
        if number % 5 == 0:
            with narrow.untenanted() as connection:
                assert connection.scalars(SEEN).all() == []
    assert len(servers) == 1, "the point of this test is that the connection is the same"


def test_threads_that_share_connections_see_their_own_tenant(narrow: Database, ours: Any, untouched: Any) -> None:
    def work(seed: int) -> None:
        rng = Random(seed)
        for _ in range(TURNS // 4):
            turn(narrow, rng.choice((ours, untouched)).tenant_id, rng.randrange(8))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))


def test_a_tenant_set_for_good_by_mistake_is_not_inherited(narrow: Database, ours: Any, theirs: Any) -> None:
    """A forgotten `is_local` leaves a setting behind that no rollback clears."""
    with narrow.transaction(theirs.tenant_id) as session:
        session.execute(text("SELECT set_config('app.tenant', :t, false)"), {"t": str(theirs.tenant_id)})
    with narrow.transaction(ours.tenant_id) as session:
        assert session.scalars(SEEN).all() == [ours.tenant_id]
    with narrow.untenanted() as connection:
        assert connection.scalars(SEEN).all() == []


def test_a_session_without_a_tenant_does_not_begin(narrow: Database, ours: Any) -> None:
    session = narrow.session(ours.tenant_id)
    session.info.clear()
    with pytest.raises(RuntimeError, match="without a tenant"):
        session.execute(SEEN)
    session.close()
