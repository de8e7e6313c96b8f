"""The life of memories, seen through HTTP, through a worker in this process, and in the rows."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from consolidation.tenancy import Tenancy
from memory_service.storage import jobs
from memory_service.storage.database import Database


class Rows:
    """What the tables hold, whoever owns it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def all(self, statement: str, **parameters: Any) -> list[Any]:
        with self._engine.begin() as connection:
            return list(connection.execute(text(statement), parameters).all())

    def run(self, statement: str, **parameters: Any) -> None:
        with self._engine.begin() as connection:
            connection.execute(text(statement), parameters)

    def one(self, statement: str, **parameters: Any) -> Any:
        (row,) = self.all(statement, **parameters)
        return row


@pytest.fixture
def rows(maintenance: Engine) -> Rows:
    """Return the tables as they are."""
    return Rows(maintenance)


@pytest.fixture
def tenancy(database: Database, me: Any) -> Tenancy:
    """Return the tenant of the test as a worker sees it."""
    return Tenancy(
        tenant_id=me.tenant_id, open=lambda: database.transaction(me.tenant_id), clock=lambda: datetime.now(UTC)
    )


@pytest.fixture
def remember(me: Any) -> Callable[..., dict[str, Any]]:
    """Return a function that stores a memory over HTTP."""

    def store(content: str, **fields: Any) -> dict[str, Any]:
        answer = me.post("/v1/memories", json={"content": content, **fields})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    return store


@pytest.fixture
def make_job(database: Database, me: Any) -> Callable[..., UUID]:
    """Return a function that queues a job over memories."""

    def make(kind: str, ids: list[str]) -> UUID:
        with database.transaction(me.tenant_id) as session:
            return jobs.create_job(
                session,
                me.tenant_id,
                kind=kind,
                payload={"memory_ids": ids},
                total=len(ids),
                now=datetime.now(UTC),
                ttl=timedelta(days=1),
            )

    return make
