"""An import goes on after a kill, takes turns with others, can be cancelled; an export sees one moment and needs little."""

import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from consolidation import consolidate
from memory_service.storage.bootstrap import RoleUrls

from .conftest import NDJSON, bundle_of, read_bundle

CHECKOUT = Path(__file__).parents[3]
MANY = 1_200

WORKER = """
import sys
from datetime import UTC, datetime
from uuid import UUID
from consolidation import consolidate
from consolidation.tenancy import Tenancy
from memory_service.storage.database import Database
url, tenant, job = sys.argv[1:]
database = Database(url, pool_size=2)
tenant_id = UUID(tenant)
# No encoder: the bundle brings its vectors along.
tenancy = Tenancy(tenant_id, lambda: database.transaction(tenant_id), lambda: datetime.now(UTC))
print("ready", flush=True)
consolidate.run_job(tenancy, UUID(job))
"""


@pytest.fixture
def many(me: Any, export: Any) -> bytes:
    """Return a bundle of many memories with vectors."""
    assert me.post("/v1/memories", json={"content": "Ana keeps bees behind the mill."}).is_success
    header, record, _ = read_bundle(export(me, include=["embeddings"]))
    copies = [{**record, "id": f"01a21111-0000-7000-8000-{i:012d}", "deduplicated": False} for i in range(MANY)]
    return bundle_of(copies, encoder=header["encoder"])


def post(who: Any, raw: bytes) -> str:
    job_id: str = who.post("/v1/imports", content=raw, headers=NDJSON).json()["job_id"]
    return job_id


def stored(engine: Engine, tenant_id: UUID) -> tuple[int, int, int]:
    """Return how many memories, vectors and outcomes a tenant has."""
    with engine.connect() as connection:
        row = connection.execute(
            text(
                "SELECT (SELECT count(*) FROM memory WHERE tenant_id = :t), (SELECT count(*) FROM embedding WHERE tenant_id = :t), "
                "(SELECT count(*) FROM import_record WHERE tenant_id = :t AND status = 'created')"
            ),
            {"t": tenant_id},
        ).one()
    return row[0], row[1], row[2]


def test_a_killed_worker_loses_nothing_and_another_goes_on(
    other: Any, many: bytes, role_urls: RoleUrls, maintenance: Engine, open_tenancy: Callable[..., Any]
) -> None:
    job_id = post(other, many)
    command = [sys.executable, "-c", WORKER, role_urls.service, str(other.tenant_id), job_id]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE) as worker:
        deadline = time.monotonic() + 120
        while not 100 <= stored(maintenance, other.tenant_id)[0] < MANY:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        worker.send_signal(signal.SIGKILL)
        worker.wait(timeout=10)
    memories, vectors, outcomes = stored(maintenance, other.tenant_id)
    assert memories == vectors == outcomes, "a batch and its outcomes are stored together"
    assert 0 < memories < MANY
    assert other.get(f"/v1/jobs/{job_id}").json()["status"] == "running"
    assert not consolidate.run_job(open_tenancy(other.tenant_id), UUID(job_id)), "the dead worker's lease holds"
    later = open_tenancy(other.tenant_id, clock=lambda: datetime.now(UTC) + timedelta(minutes=2))
    assert consolidate.run_job(later, UUID(job_id))
    job = other.get(f"/v1/jobs/{job_id}").json()
    assert (job["status"], job["result"]["counts"]) == ("succeeded", {"memory": {"created": MANY}})
    assert stored(maintenance, other.tenant_id) == (MANY, MANY, MANY)


def test_a_long_import_takes_turns_and_can_be_cancelled_and_retried(
    other: Any, many: bytes, open_tenancy: Callable[..., Any]
) -> None:
    job_id = post(other, many)
    nudged: list[UUID] = []
    short = open_tenancy(other.tenant_id, go_on=lambda: False, nudge=nudged.append)
    assert consolidate.run_job(short, UUID(job_id))
    assert nudged == [UUID(job_id)]
    job = other.get(f"/v1/jobs/{job_id}").json()
    assert (job["status"], job["progress"], job["attempts"]) == ("running", {"done": 100, "total": MANY}, 0)
    assert consolidate.run_job(short, UUID(job_id))
    assert other.post(f"/v1/jobs/{job_id}/cancel").json()["progress"]["done"] == 200
    assert not consolidate.run_job(open_tenancy(other.tenant_id), UUID(job_id))
    assert len(other.get("/v1/memories?limit=1000").json()["data"]) == 200
    assert other.post(f"/v1/jobs/{job_id}/retry").is_success
    assert consolidate.run_job(open_tenancy(other.tenant_id), UUID(job_id))
    job = other.get(f"/v1/jobs/{job_id}").json()
    assert (job["status"], job["progress"]) == ("succeeded", {"done": MANY, "total": MANY})
    pages, cursor = 0, None
    while True:
        page = other.get(
            f"/v1/imports/{job_id}/outcomes", params={"limit": 500, **({"cursor": cursor} if cursor else {})}
        ).json()
        pages += len(page["data"])
        cursor = page["next_cursor"]
        if not page["has_more"]:
            break
    assert pages == MANY


def test_no_text_of_a_bundle_stays_behind(other: Any, many: bytes, take_in: Any, maintenance: Engine) -> None:
    job = take_in(other, many)
    with maintenance.connect() as connection:
        left = connection.scalar(
            text("SELECT count(*) FROM import_record WHERE job_id = :job AND record IS NOT NULL"), {"job": job["id"]}
        )
    assert left == 0


def test_an_export_sees_one_moment(me: Any, other: Any, many: bytes, take_in: Any, app: Any) -> None:
    """What is written while an export is on its way belongs to the next one."""
    from memory_service.api.routes.exports import _export
    from memory_service.api.transfer_models import ExportIn
    from memory_service.types import Caller

    take_in(other, many)
    services = app.state.services
    caller = Caller(other.tenant_id, other.tenant_id, frozenset())
    session = services.database.session(other.tenant_id, snapshot=True)
    try:
        pages = _export(session, services, caller, ExportIn()).pages()
        first = [next(pages) for _ in range(4)]
        assert other.post("/v1/memories", json={"content": "Something new."}).is_success
        gone = "01a21111-0000-7000-8000-000000001199"
        assert other.delete(f"/v1/memories/{gone}").status_code == 204
        records = read_bundle(b"".join([*first, *pages]))
    finally:
        session.close()
    found = {record["id"]: record for record in records if record["type"] == "memory"}
    assert len(found) == MANY
    assert found[gone]["state"] == "activated"


def test_an_export_needs_the_memory_of_a_page(other: Any, many: bytes, take_in: Any, app: Any) -> None:
    from memory_service.api.routes.exports import _export
    from memory_service.api.transfer_models import ExportIn
    from memory_service.types import Caller

    take_in(other, many)
    session = app.state.services.database.session(other.tenant_id, snapshot=True)
    try:
        pages = _export(
            session, app.state.services, Caller(other.tenant_id, other.tenant_id, frozenset()), ExportIn()
        ).pages()
        size = sum(len(next(pages)) for _ in range(4))
        tracemalloc.start()
        for page in pages:
            size += len(page)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    finally:
        session.close()
    assert size > 1_000_000
    assert peak < 8 * 2**20
