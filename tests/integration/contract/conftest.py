"""What every contract test speaks through: HTTP with the key of a fresh tenant, and a worker in this process."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from consolidation import consolidate, enriching
from consolidation.tenancy import Tenancy
from memory_service.api.writing import encoding_of
from memory_service.storage.database import Database

PROBLEM_FIELDS = {"type", "title", "status", "detail", "instance", "code", "errors", "request_id", "retryable"}

MEM0 = "/compat/mem0"

Problem = Callable[..., dict[str, Any]]


@pytest.fixture
def problem() -> Problem:
    """Return a check: the answer is a whole problem document with this status (and code, and pointer)."""

    def check(answer: Any, status: int, code: str | None = None, *, pointer: str | None = None) -> dict[str, Any]:
        assert answer.status_code == status, f"{answer.status_code} instead of {status}: {answer.text[:500]}"
        assert answer.headers["content-type"] == "application/problem+json"
        found: dict[str, Any] = answer.json()
        assert set(found) >= PROBLEM_FIELDS
        assert found["status"] == status
        assert found["request_id"] == answer.headers["x-request-id"]
        assert "Traceback" not in answer.text
        if code is not None:
            assert found["code"] == code, found
        if pointer is not None:
            assert pointer in [error["pointer"] for error in found["errors"]], found["errors"]
        return found

    return check


class Api:
    """The contract as a person would call it; every answer is checked for the status it should have."""

    def __init__(self, me: Any) -> None:
        self.me = me
        self.tenant_id: UUID = me.tenant_id

    def remember(self, content: str, **fields: Any) -> dict[str, Any]:
        answer = self.me.post("/v1/memories", json={"content": content, **fields})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def read(self, memory_id: str, **parameters: Any) -> dict[str, Any]:
        answer = self.me.get(f"/v1/memories/{memory_id}", params=parameters)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def search(self, query: str, **fields: Any) -> dict[str, Any]:
        answer = self.me.post("/v1/search", json={"query": query, **fields})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def found(self, query: str, **fields: Any) -> list[str]:
        """Return the ids that a search finds, best first."""
        return [result["memory"]["id"] for result in self.search(query, **fields)["results"]]

    def query(self, filter: Any, **fields: Any) -> list[str]:
        """Return the ids that a filter selects, newest first."""
        answer = self.me.post("/v1/memories/query", json={"filter": filter, **fields})
        assert answer.status_code == 200, answer.text
        return [memory["id"] for memory in answer.json()["data"]]

    def context(self, query: str, **fields: Any) -> dict[str, Any]:
        answer = self.me.post("/v1/context", json={"query": query, **fields})
        assert answer.status_code == 200, answer.text
        made: dict[str, Any] = answer.json()
        return made


@pytest.fixture
def api(me: Any) -> Api:
    """Return the contract for a fresh tenant."""
    return Api(me)


@pytest.fixture
def work(database: Database, app: Any) -> Callable[[UUID], None]:
    """Return a function that does what a worker would: run the queued jobs of a tenant, enrich and consolidate what waits."""

    def run(tenant_id: UUID) -> None:
        from sqlalchemy import text

        tenancy = Tenancy(
            tenant_id=tenant_id,
            open=lambda: database.transaction(tenant_id),
            clock=lambda: datetime.now(UTC),
            open_encoding=lambda: nullcontext(encoding_of(app.state.services)),
        )
        with database.transaction(tenant_id) as session:
            queued = session.scalars(
                text("SELECT id FROM job WHERE tenant_id = :t AND status = 'queued' ORDER BY id"), {"t": tenant_id}
            ).all()
            spaces = session.scalars(text("SELECT id FROM namespace WHERE tenant_id = :t"), {"t": tenant_id}).all()
        for job_id in queued:
            consolidate.run_job(tenancy, job_id)
        enriching.enrich_pending(tenancy)
        for namespace_id in spaces:
            consolidate.consolidate_due(tenancy, namespace_id, go_on=lambda: True)

    return run


class Mem0:
    """The calls of mem0's clients, every answer checked for the status it should have."""

    def __init__(self, me: Any, prefix: str = MEM0) -> None:
        self.me, self.prefix = me, prefix

    def call(self, method: str, path: str, *, status: int = 200, **options: Any) -> Any:
        answer = self.me.request(method, self.prefix + path, **options)
        assert answer.status_code == status, f"{answer.status_code}: {answer.text[:500]}"
        assert answer.headers["content-type"] == "application/json"
        return answer.json()

    def add(self, messages: Any, *, status: int = 200, **fields: Any) -> Any:
        return self.call("POST", "/v3/memories/add/", json={"messages": messages, **fields}, status=status)

    def one(self, text: str, **fields: Any) -> str:
        (result,) = self.add(text, **({"user_id": "alex"} | fields))["results"]
        return str(result["id"])

    def search(self, query: str, *, status: int = 200, **fields: Any) -> Any:
        return self.call("POST", "/v3/memories/search/", json={"query": query, **fields}, status=status)

    def all(self, filters: Any, *, status: int = 200, params: Any = None, **fields: Any) -> Any:
        body = {"filters": filters, **fields}
        return self.call("POST", "/v3/memories/", json=body, params=params or {}, status=status)

    def texts(self, filters: Any, **fields: Any) -> list[str]:
        return [item["memory"] for item in self.all(filters, **fields)["results"]]


@pytest.fixture
def mem0(me: Any) -> Mem0:
    """Return the calls of mem0's clients for a fresh tenant."""
    return Mem0(me)


@pytest.fixture(scope="session")
def mem0_of() -> type[Mem0]:
    """Return the class of these calls, for other tenants and namespaces."""
    return Mem0
