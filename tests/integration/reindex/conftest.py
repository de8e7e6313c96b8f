"""A service whose own encoder is a tiny model, with a second one of another dimension beside it, and a worker in this process."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool
from starlette.testclient import TestClient

from consolidation import consolidate, reindexing
from consolidation.tenancy import Tenancy
from memory_service.api.app import create_app
from memory_service.api.writing import encoding_of
from memory_service.settings import Settings
from memory_service.storage import keys
from memory_service.storage.bootstrap import bootstrap
from memory_service.storage.database import Database
from memory_service.storage.ids import new_id
from memory_service.storage.migrate import migrate
from memory_service.types import KeyScope

TEXTS = [" ".join(words) for words in permutations(("cat", "dog", "house", "mat", "ran", "sat"), 4)]


@dataclass
class Place:
    """One tenant of the service, spoken to as an operator, and its worker."""

    me: Any
    app: FastAPI
    database: Database
    maintenance: Engine
    second: Path

    @property
    def tenant_id(self) -> UUID:
        return self.me.tenant_id  # type: ignore[no-any-return]

    def tenancy(self, **changes: Any) -> Tenancy:
        encoding = encoding_of(self.app.state.services)
        values: dict[str, Any] = {
            "tenant_id": self.tenant_id,
            "open": lambda: self.database.transaction(self.tenant_id),
            "clock": lambda: datetime.now(UTC),
            "open_encoding": lambda: nullcontext(encoding),
        }
        return Tenancy(**(values | changes))

    def remember(self, contents: list[str], *, namespace: str, **fields: Any) -> list[str]:
        items = [{"content": one, "namespace": namespace, "extract": "none", **fields} for one in contents]
        answer = self.me.post("/v1/memories/batch", json={"items": items})
        assert answer.status_code == 200, answer.text
        results = answer.json()["results"]
        assert {one["status"] for one in results} == {"created"}, results
        return [one["id"] for one in results]

    def nearest(self, query: str, *, namespace: str | None = None, **fields: Any) -> str | None:
        """Return the content of what the vectors alone put first."""
        where = {"namespace": namespace} if namespace else {}
        body = {"query": query, "channels": {"vector": 1}, "top_k": 3, **where, **fields}
        answer = self.me.post("/v1/search", json=body)
        assert answer.status_code == 200, answer.text
        results = answer.json()["results"]
        return results[0]["memory"]["content"] if results else None

    def all_found(self, contents: list[str], *, namespace: str, **fields: Any) -> bool:
        return all(self.nearest(one, namespace=namespace, **fields) == one for one in contents)

    def register(self) -> int:
        answer = self.me.post("/v1/encoders", json={"name": str(self.second)})
        assert answer.status_code in {200, 201}, answer.text
        return int(answer.json()["id"])

    def begin(self, namespace: str, to: int) -> UUID:
        answer = self.me.post(f"/v1/encoders/{to}/reindex", json={"namespace": namespace})
        assert answer.status_code == 202, answer.text
        return UUID(answer.json()["job_id"])

    def run(self, job_id: UUID, **changes: Any) -> dict[str, Any]:
        assert consolidate.run_job(self.tenancy(**changes), job_id)
        return self.me.get(f"/v1/jobs/{job_id}").json()  # type: ignore[no-any-return]

    def turn(self, step: str, namespace: str, to: int, *, status: int = 200, **fields: Any) -> dict[str, Any]:
        answer = self.me.post(f"/v1/encoders/{to}/reindex/{step}", json={"namespace": namespace, **fields})
        assert answer.status_code == status, answer.text
        return answer.json()  # type: ignore[no-any-return]

    def state(self, namespace: str, to: int) -> dict[str, Any]:
        (row,) = self.me.get(f"/v1/encoders/{to}/reindex", params={"namespace": namespace}).json()["data"]
        return row  # type: ignore[no-any-return]

    def drop(self, namespace: str, to: int, monkeypatch: pytest.MonkeyPatch) -> str:
        """Finish, do the job without waiting for searches under way, and return the last state."""
        monkeypatch.setattr(reindexing, "GRACE", timedelta())
        made = self.turn("finish", namespace, to, status=202)["data"][0]
        job = self.run(UUID(made["job_id"]))
        assert job["status"] == "succeeded", job
        return str(self.state(namespace, to)["state"])

    def vectors(self, namespace: str) -> dict[int, int]:
        """Return how many vectors of a namespace there are of each encoder, in either table."""
        counted = (
            "SELECT e.encoder_id, count(*) FROM (SELECT tenant_id, namespace_id, encoder_id FROM embedding UNION ALL "
            "SELECT tenant_id, namespace_id, encoder_id FROM embedding_coarse) e "
            "JOIN namespace n ON n.tenant_id = e.tenant_id AND n.id = e.namespace_id "
            "WHERE n.tenant_id = :t AND n.path = :p GROUP BY 1"
        )
        with self.maintenance.begin() as connection:
            return {r[0]: r[1] for r in connection.execute(text(counted), {"t": self.tenant_id, "p": namespace})}


@pytest.fixture(scope="session")
def tiny_models(save_tiny_model: Callable[..., Path]) -> tuple[Path, Path]:
    """Return two models of 32 and 48 dimensions."""
    return save_tiny_model("first"), save_tiny_model("second", width=48, seed=11)


@pytest.fixture(scope="session")
def tiny(
    make_database: Any, data_dir: Path, tiny_models: tuple[Path, Path]
) -> Iterator[tuple[FastAPI, TestClient, Database, Engine, Settings]]:
    """Return a running service over a database of its own."""
    with make_database() as url:
        roles = bootstrap(url, data_dir=data_dir)
        migrate(roles.owner)
        settings = Settings(
            data_dir=data_dir,
            encoder=str(tiny_models[0]),
            encoder_runtime="torch",  # an export takes a minute for each
            owner_database_url=roles.owner,
            maintenance_database_url=roles.maintenance,
            service_database_url=roles.service,
            log_level="error",
            **{"DATABASE_URL": "", "BROKER_URL": "", "LLM_BASE_URL": ""},
        )
        app = create_app(settings)
        database = Database(roles.service, pool_size=5, application_name="tests")
        maintenance = create_engine(roles.maintenance, poolclass=NullPool)
        with TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False) as client:
            yield app, client, database, maintenance, settings
        database.dispose()
        maintenance.dispose()


@pytest.fixture
def make_place(tiny: Any, tenant_client: Any, tiny_models: tuple[Path, Path]) -> Callable[..., Place]:
    """Return a function that makes a tenant, by default with every right."""

    def make(scopes: tuple[KeyScope, ...] = tuple(KeyScope)) -> Place:
        app, client, database, maintenance, _ = tiny
        tenant_id, now = new_id(), datetime.now(UTC)
        with maintenance.begin() as connection:
            connection.execute(
                text("INSERT INTO tenant (id, name, created_at) VALUES (:i, :n, :now)"),
                {"i": tenant_id, "n": str(tenant_id), "now": now},
            )
            _, secret = keys.create_key(
                connection, tenant_id, name="test", scopes=[s.value for s in scopes], expires_at=None, now=now
            )
        return Place(tenant_client(client, tenant_id, secret), app, database, maintenance, tiny_models[1])

    return make


@pytest.fixture
def place(make_place: Callable[..., Place]) -> Place:
    """Return a tenant with every right."""
    return make_place()


@pytest.fixture(scope="session")
def texts() -> list[str]:
    """Return texts of words that the tiny models know, each with another vector."""
    return TEXTS
