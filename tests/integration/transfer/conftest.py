"""Bundles out of one tenant and into another, with a worker in this process."""

import json
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from consolidation import consolidate
from consolidation.tenancy import Tenancy
from memory_service.api.writing import encoding_of
from memory_service.bundle.framing import Frame
from memory_service.storage.database import Database

NDJSON = {"Content-Type": "application/x-ndjson"}
Record = dict[str, Any]


def read_bundle(raw: bytes) -> list[Record]:
    return [json.loads(line) for line in raw.splitlines()]


def bundle_of(records: Iterable[Record], **header: Any) -> bytes:
    """Return a whole bundle of records."""
    frame = Frame()
    lines = [frame.header(header), *(frame.record(record) for record in records)]
    return b"".join([*lines, frame.end()])


@pytest.fixture
def open_tenancy(client: TestClient, app: FastAPI, database: Database) -> Callable[..., Tenancy]:
    """Return a function that opens a tenant as a worker sees it, with the encoder of the application."""

    def open_(tenant_id: UUID, **changes: Any) -> Tenancy:
        encoding = encoding_of(app.state.services)
        values: dict[str, Any] = {
            "tenant_id": tenant_id,
            "open": lambda: database.transaction(tenant_id),
            "clock": lambda: datetime.now(UTC),
            "open_encoding": lambda: nullcontext(encoding),
        }
        return Tenancy(**(values | changes))

    return open_


@pytest.fixture
def export() -> Callable[..., bytes]:
    """Return a function that exports: the bytes of the bundle."""

    def send(who: Any, **body: Any) -> bytes:
        answer = who.post("/v1/exports", json=body)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("application/x-ndjson")
        return bytes(answer.content)

    return send


@pytest.fixture
def take_in(open_tenancy: Callable[..., Tenancy]) -> Callable[..., Record]:
    """Return a function that imports a bundle and works on the job: the job as it ended."""

    def send(who: Any, raw: bytes, *, on_conflict: str = "skip", **tenancy: Any) -> Record:
        answer = who.post(f"/v1/imports?on_conflict={on_conflict}", content=raw, headers=NDJSON)
        assert answer.status_code == 202, answer.text
        job_id = answer.json()["job_id"]
        assert answer.headers["location"] == f"/v1/jobs/{job_id}"
        assert consolidate.run_job(open_tenancy(who.tenant_id, **tenancy), UUID(job_id))
        job: Record = who.get(f"/v1/jobs/{job_id}").json()
        return job

    return send


@pytest.fixture
def other(as_tenant: Callable[..., Any], make_tenant: Callable[..., Any]) -> Any:
    """Return the client of a second tenant."""
    return as_tenant(make_tenant())


@pytest.fixture
def outcomes() -> Callable[..., list[Record]]:
    """Return a function that lists what became of the lines of an import."""

    def read(who: Any, job: Record, **query: Any) -> list[Record]:
        answer = who.get(f"/v1/imports/{job['id']}/outcomes", params={"limit": 1000, **query})
        assert answer.status_code == 200, answer.text
        found: list[Record] = answer.json()["data"]
        return found

    return read
