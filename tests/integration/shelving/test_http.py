"""The whole service over a namespace on a shelf of its own, when nothing is kept in memory."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, insert, text
from sqlalchemy.pool import NullPool
from starlette.testclient import TestClient

from consolidation.shelving import move_to_own_shelf
from consolidation.tenancy import Tenancy
from memory_service.api.app import create_app
from memory_service.settings import Settings
from memory_service.storage import keys
from memory_service.storage.bootstrap import bootstrap
from memory_service.storage.database import Database
from memory_service.storage.ids import new_id
from memory_service.storage.migrate import migrate
from memory_service.storage.tables import tenant
from memory_service.types import KeyScope

THINGS = ("lighthouse", "bicycle", "teapot", "violin", "greenhouse", "compass", "blanket", "ladder")


@pytest.fixture(scope="module")
def service(make_database: Any, data_dir: Path, tenant_client: Any) -> Iterator[Any]:
    """Return a client over a database of its own, with a large namespace that was moved and a small one that was not."""
    with make_database() as url:
        roles = bootstrap(url, data_dir=data_dir)
        migrate(roles.owner)
        settings = Settings(
            data_dir=data_dir,
            owner_database_url=roles.owner,
            maintenance_database_url=roles.maintenance,
            service_database_url=roles.service,
            log_level="error",
            resident_mb=0,
            resident_largest=0,
            **{"DATABASE_URL": "", "BROKER_URL": ""},
        )
        tenant_id = new_id()
        engine = create_engine(roles.maintenance, poolclass=NullPool)
        with TestClient(create_app(settings), base_url="http://127.0.0.1:8000") as running:
            with engine.begin() as connection:
                connection.execute(insert(tenant).values(id=tenant_id, name="t", created_at=datetime.now(UTC)))
                _, secret = keys.create_key(
                    connection, tenant_id, name="t", scopes=[s.value for s in KeyScope if s is not KeyScope.OPERATOR],
                    expires_at=None, now=datetime.now(UTC),
                )  # fmt: skip
            me = tenant_client(running, tenant_id, secret)
            me.large = fill(me, "large", 160)
            me.small = fill(me, "small", 25)
            me.before = datetime.now(UTC)
            database = Database(roles.service, pool_size=1)
            tenancy = Tenancy(tenant_id, lambda: database.transaction(tenant_id), lambda: datetime.now(UTC))
            with database.transaction(tenant_id) as session:
                space = session.scalar(
                    text("SELECT id FROM namespace WHERE tenant_id = :t AND path = 'large'"), {"t": tenant_id}
                )
            assert space is not None
            assert move_to_own_shelf(tenancy, space, grace=timedelta(0))
            database.dispose()
            yield me
        engine.dispose()


def fill(me: Any, namespace: str, count: int) -> list[str]:
    items = [
        {
            "content": f"In {namespace} number {n} there is a {THINGS[n % len(THINGS)]} of the year {1800 + n}.",
            "namespace": namespace,
            "session_id": f"{namespace} {n // 10}",
        }
        for n in range(count)
    ]
    answer = me.post("/v1/memories/batch", json={"items": items})
    assert answer.status_code in (200, 201), answer.text
    return [item["id"] for item in answer.json()["results"]]


def found(me: Any, query: str, **body: Any) -> list[str]:
    answer = me.post("/v1/search", json={"query": query, **body})
    assert answer.status_code == 200, answer.text
    return [result["memory"]["id"] for result in answer.json()["results"]]


def test_the_small_one_gets_all_its_rows_beside_the_large_one(service: Any) -> None:
    results = found(service, "a violin", namespace="small", top_k=25)
    assert set(results) == set(service.small)


def test_both_at_once(service: Any) -> None:
    for order in (["large", "small"], ["small", "large"]):
        assert found(service, "the compass of the year 1805", namespaces=order, top_k=5)[:2]
        assert set(found(service, "the teapot", namespaces=order, top_k=100)) & set(service.small)
        assert set(found(service, "the teapot", namespaces=order, top_k=100)) & set(service.large)


def test_an_index_is_asked_by_how_many_memories_there_are(service: Any) -> None:
    """A hundred and sixty: four times the rows, where a million would be asked for five hundred."""
    efforts: set[str] = set()

    def hear(_c: Any, _cursor: Any, statement: str, params: Any, *_: Any) -> None:
        if "hnsw.ef_search" in statement:
            efforts.add(params["effort"])

    event.listen(Engine, "before_cursor_execute", hear)
    try:
        assert found(service, "the compass of the year 1805", namespace="large")
    finally:
        event.remove(Engine, "before_cursor_execute", hear)
    assert efforts == {"180"}


def test_what_is_written_changed_and_forgotten_afterwards(service: Any) -> None:
    made = service.post("/v1/memories", json={"content": "The zeppelin landed in Porto.", "namespace": "large"}).json()[
        "id"
    ]
    assert found(service, "Where did the zeppelin land?", namespace="large")[0] == made
    assert service.patch(f"/v1/memories/{made}", json={"content": "The submarine dived at Oslo."}).status_code == 200
    assert found(service, "Where did the submarine dive?", namespace="large")[0] == made
    assert service.delete(f"/v1/memories/{made}").status_code == 204
    assert made not in found(service, "Where did the submarine dive?", namespace="large", top_k=50)
    assert service.post(f"/v1/memories/{made}/restore").status_code == 200
    assert found(service, "Where did the submarine dive?", namespace="large")[0] == made


def test_the_past(service: Any) -> None:
    gone = service.large[5]
    assert service.delete(f"/v1/memories/{gone}").status_code == 204
    question = {"namespace": "large", "top_k": 10}
    assert gone not in found(service, "the compass of the year 1805", **question)
    known = {"known": service.before.isoformat()}
    assert found(service, "the compass of the year 1805", as_of=known, **question)[0] == gone
