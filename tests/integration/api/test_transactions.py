"""A request is one transaction, and it is over before the answer is sent."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

import pytest
from anyio import CapacityLimiter
from fastapi import FastAPI, Request, Response
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool
from starlette.testclient import TestClient

from memory_service.api import problems
from memory_service.api.answers import answer
from memory_service.api.auth import Authenticator
from memory_service.api.dependencies import SessionDep, require
from memory_service.api.middleware import Observe
from memory_service.api.services import Services
from memory_service.api.strict_json import StrictRoute
from memory_service.storage.bootstrap import driver_url
from memory_service.storage.database import Database, after_commit
from memory_service.storage.tenants import as_tenant
from memory_service.types import Caller, KeyScope

Reader = Annotated[Caller, require(KeyScope.READ)]
Probe = Callable[[Callable[..., Response]], TestClient]


@pytest.fixture
def probe(app: FastAPI, client: TestClient, database: Database) -> Iterator[Probe]:
    """Serve one route with the real dependencies over a pool of one connection."""
    running: Services = app.state.services
    small = Database(database.engine.url.render_as_string(hide_password=False), pool_size=1)
    opened: list[TestClient] = []

    def serve(endpoint: Callable[..., Response]) -> TestClient:
        served = FastAPI(routes=[StrictRoute("/probe", endpoint)])
        served.add_middleware(Observe, metrics=running.metrics)
        problems.install(served)
        served.state.services = replace(
            running,
            database=small,
            authenticator=Authenticator(small, clock=running.clock),
            commit_threads=CapacityLimiter(2),
        )
        opened.append(TestClient(served, base_url="http://127.0.0.1", raise_server_exceptions=False))
        return opened[-1]

    yield serve
    for each in opened:
        each.close()
    small.dispose()


@pytest.fixture
def administrator(admin_url: str) -> Iterator[Engine]:
    engine = create_engine(driver_url(admin_url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    yield engine
    engine.dispose()


def rename(session: Any, caller: Caller, name: str) -> None:
    session.execute(text("UPDATE api_key SET name = :name WHERE tenant_id = :t"), {"name": name, "t": caller.tenant_id})


def name_of(maintenance: Engine, tenant_id: UUID) -> str:
    with maintenance.connect() as connection:
        return str(connection.scalar(text("SELECT name FROM api_key WHERE tenant_id = :t"), {"t": tenant_id}))


def test_a_commit_that_fails_is_an_error_answer(
    probe: Probe, make_tenant: Any, administrator: Engine, maintenance: Engine
) -> None:
    ran = []

    def endpoint(caller: Reader, session: SessionDep) -> Response:
        rename(session, caller, "changed")
        after_commit(session, lambda: ran.append("after commit"))
        backend = session.scalar(text("SELECT pg_backend_pid()"))
        with administrator.connect() as connection:
            connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": backend})
        return answer({"done": True})

    tenant_id, key = make_tenant()
    failed = probe(endpoint).get("/probe", headers={"X-API-Key": key})
    assert failed.status_code == 503
    assert failed.headers["retry-after"] == "2"
    assert failed.json()["retryable"] is True
    # The connection was lost at the commit: from here nobody can tell whether it came first.
    assert failed.json()["code"] == "outcome_unknown"
    assert "Idempotency-Key" in failed.json()["detail"]
    assert name_of(maintenance, tenant_id) == "test"
    assert ran == []


def test_a_connection_lost_before_the_commit_changed_nothing(
    probe: Probe, make_tenant: Any, administrator: Engine, maintenance: Engine
) -> None:
    def endpoint(caller: Reader, session: SessionDep) -> Response:
        rename(session, caller, "changed")
        backend = session.scalar(text("SELECT pg_backend_pid()"))
        with administrator.connect() as connection:
            connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": backend})
        rename(session, caller, "changed again")
        return answer({"done": True})

    tenant_id, key = make_tenant()
    failed = probe(endpoint).get("/probe", headers={"X-API-Key": key})
    assert (failed.status_code, failed.json()["code"]) == (503, "unavailable")
    assert "nothing was changed" in failed.json()["detail"]
    assert name_of(maintenance, tenant_id) == "test"


def test_what_a_route_did_is_there_when_the_answer_arrives(probe: Probe, make_tenant: Any, maintenance: Engine) -> None:
    ran = []

    def endpoint(caller: Reader, session: SessionDep) -> Response:
        rename(session, caller, "changed")
        after_commit(session, lambda: ran.append("after commit"))
        return answer({"done": True})

    tenant_id, key = make_tenant()
    client = probe(endpoint)
    for _ in range(3):  # More requests than connections: each one is given back.
        assert client.get("/probe", headers={"X-API-Key": key}).status_code == 200
    assert name_of(maintenance, tenant_id) == "changed"
    assert ran == ["after commit"] * 3


@pytest.mark.parametrize("error", [ZeroDivisionError("secret"), KeyError("secret")])
def test_a_route_that_crashes_leaves_nothing_behind(
    probe: Probe, make_tenant: Any, maintenance: Engine, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def endpoint(caller: Reader, session: SessionDep) -> Response:
        rename(session, caller, "changed")
        raise error

    tenant_id, key = make_tenant()
    client = probe(endpoint)
    for _ in range(3):
        crashed = client.get("/probe", headers={"X-API-Key": key})
        assert crashed.status_code == 500
        assert crashed.headers["content-type"] == "application/problem+json"
        assert crashed.json()["request_id"] in crashed.json()["detail"]
        assert "secret" not in crashed.text
    assert name_of(maintenance, tenant_id) == "test"


def test_a_connection_does_not_remember_the_tenant_it_served(probe: Probe, make_tenant: Any) -> None:
    def endpoint(request: Request, caller: Reader, session: SessionDep) -> Response:
        rows = session.execute(text("SELECT tenant_id FROM api_key")).scalars().all()
        if request.headers.get("x-break"):
            with as_tenant(session, UUID(request.headers["x-break"])):
                raise ZeroDivisionError
        return answer([str(row) for row in rows])

    client = probe(endpoint)
    tenants = [make_tenant() for _ in range(3)]
    for position, (tenant_id, key) in enumerate(tenants * 3):
        other = tenants[(position + 1) % 3][0]
        client.get("/probe", headers={"X-API-Key": key, "X-Break": str(other)})
        assert client.get("/probe", headers={"X-API-Key": key}).json() == [str(tenant_id)]


def test_many_requests_at_once_wait_for_the_connection_and_do_not_starve_commits(
    probe: Probe, make_tenant: Any
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def endpoint(caller: Reader, session: SessionDep) -> Response:
        session.execute(text("SELECT pg_sleep(0.01)"))
        return answer({"done": True})

    _, key = make_tenant()
    client = probe(endpoint)
    with client, ThreadPoolExecutor(60) as pool:
        asked = [pool.submit(client.get, "/probe", headers={"X-API-Key": key}) for _ in range(120)]
        assert {each.result(timeout=60).status_code for each in asked} == {200}
