"""What many tests stand on: a server that speaks S3, the work of workers over the database of this run, and its rows."""

import os
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine

from consolidation.tenancy import Tenancy
from memory_service.storage import jobs
from memory_service.storage.bootstrap import RoleUrls
from memory_service.storage.database import Database
from memory_service.storage.keys import find_key
from memory_service.types import Caller
from tests.integration.rows import Rows
from tests.integration.worker_here import worker_over

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """Return the address of a server that speaks S3, started for this run on a free port."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env={**os.environ, **KEYS})
    assert server.stderr is not None
    # What it says is read to its end, or it would wait for room in the pipe.
    reader = threading.Thread(target=server.stderr.read, daemon=True)
    try:
        for raw in server.stderr:
            if found := re.search(rb"Running on (http://127\.0\.0\.1:\d+)", raw):
                break
        else:
            raise AssertionError("the server has not started")
        reader.start()
        yield found[1].decode()
    finally:
        server.terminate()
        server.wait(timeout=60)
        if reader.ident is not None:
            reader.join(timeout=10)
        server.stderr.close()


@pytest.fixture
def s3_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def s3_url(s3_endpoint: str, s3_keys: None) -> str:
    bucket = f"kv-{uuid4().hex[:12]}"
    made = urllib.request.Request(f"{s3_endpoint}/{bucket}", method="PUT", headers={"Authorization": "AWS test:x"})
    urllib.request.urlopen(made, timeout=60).close()
    return f"s3://{bucket}/some/prefix?endpoint={s3_endpoint}"


@pytest.fixture
def worker(role_urls: RoleUrls, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Return the package of the Celery tasks, over the database and the store of this run."""
    with worker_over(role_urls, data_dir, monkeypatch) as module:
        yield module


@pytest.fixture
def rows(maintenance: Engine) -> Rows:
    """Return the tables as they are."""
    return Rows(maintenance)


@pytest.fixture
def tenancy(database: Database, me: Any, rows: Rows) -> Tenancy:
    """Return the tenant of the test as a worker sees it; whenever it gives way, nothing is open."""

    def give_way() -> None:
        assert rows.nothing_is_open("tests")

    return Tenancy(
        tenant_id=me.tenant_id,
        open=lambda: database.transaction(me.tenant_id),
        clock=lambda: datetime.now(UTC),
        give_way=give_way,
    )


@pytest.fixture
def caller(me: Any, database: Database) -> Caller:
    """Return the key of the test as requests are answered for it."""
    with database.untenanted() as connection:
        row = find_key(connection, me.key)
    assert row is not None
    return Caller(row.tenant_id, row.key_id, row.scopes)


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
