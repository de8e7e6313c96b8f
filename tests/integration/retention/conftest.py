"""Memories that have a past: the clock of the rows is set back, so that years pass in a test."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from memory_service.storage.database import Database
from memory_service.storage.namespaces import find_namespaces


@pytest.fixture
def remember(me: Any) -> Callable[..., str]:
    """Return a function that stores a memory over HTTP and returns its id."""

    def store(content: str, **fields: Any) -> str:
        answer = me.post("/v1/memories", json={"content": content, "extract": "none", **fields})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    return store


@pytest.fixture
def age(maintenance: Engine) -> Callable[..., None]:
    """Return a function that makes memories, and what happened to them, older by some days."""

    def older(*ids: str, days: float) -> None:
        with maintenance.begin() as connection:
            of = {"ids": list(ids), "days": timedelta(days=days)}
            among = "= ANY(CAST(:ids AS uuid[]))"
            connection.execute(text(f"UPDATE memory SET created_at = created_at - :days WHERE id {among}"), of)
            connection.execute(
                text(
                    "UPDATE retention SET last_recalled_at = last_recalled_at - :days, traced_at = traced_at - :days, "
                    f"refreshed_at = refreshed_at - :days, due_at = due_at - :days WHERE memory_id {among}"
                ),
                of,
            )
            connection.execute(text(f"UPDATE recall SET recalled_at = recalled_at - :days WHERE memory_id {among}"), of)

    return older


@pytest.fixture
def in_session(database: Database, me: Any) -> Callable[..., Any]:
    """Return a function that runs something in a transaction of the tenant, as a worker does."""

    def run(work: Callable[[Session, UUID], Any], *, namespace: str = "default") -> Any:
        with database.transaction(me.tenant_id) as session:
            return work(session, find_namespaces(session, me.tenant_id, [namespace])[namespace].id)

    return run


@pytest.fixture
def now() -> datetime:
    """Return this moment."""
    return datetime.now(UTC)
