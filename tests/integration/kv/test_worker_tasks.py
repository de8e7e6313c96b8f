"""What workers do about KV memories by the clock: all of it, page by page, for every tenant."""

import os
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from memory_service.blobs.folder import FolderStore
from memory_service.blobs.protocol import blob_name
from tests.integration.kv.engine_files import safetensors


@pytest.fixture
def store(app: Any) -> FolderStore:
    """Return the store of the service."""
    blobs = app.state.services.kv.blobs
    assert isinstance(blobs, FolderStore)
    return blobs


@pytest.fixture
def save(plan: Any, engine_client: Any) -> Callable[..., str]:
    """Return a function that saves blocks of a prompt for a tenant and returns the id of the KV memory."""

    def make(tenant: Any, *, number: int = 0) -> str:
        planned = plan(tenant, tokens=[number * 1_000 + at for at in range(24)])
        answer = engine_client(planned.grant).save(safetensors(6), first=0, count=6)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    return make


@pytest.fixture
def tenants(client: Any, make_tenant: Any, tenant_client: Any) -> list[Any]:
    """Return two tenants, in the order in which sweeps come to them."""
    return sorted((tenant_client(client, *make_tenant()) for _ in range(2)), key=lambda one: one.tenant_id)


def file_of(data_dir: Path, tenant: Any, kv_memory_id: str) -> Path:
    return data_dir / "kv" / blob_name(tenant.tenant_id, UUID(kv_memory_id))


def status(tenant: Any, kv_memory_id: str) -> int:
    return int(tenant.get(f"/v1/kv/memories/{kv_memory_id}").status_code)


def test_every_record_is_compared_with_the_store_however_few_come_at_a_time(
    worker: ModuleType,
    tenants: list[Any],
    save: Callable[..., str],
    store: FolderStore,
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("consolidation.worker.across_tenants.FOUND_AT_ONCE", 1)
    kept = [(one, save(one, number=number)) for one in tenants for number in range(2)]
    lost = [(one, save(one, number=number)) for one in tenants for number in range(2, 4)]
    for one, record in lost:
        file_of(data_dir, one, record).unlink()
    old, fresh = (blob_name(tenants[0].tenant_id, UUID(int=at)) for at in (7, 8))
    for name in (old, fresh):
        store.put(name, BytesIO(b"nobody's"))
    os.utime(data_dir / "kv" / old, times=(time.time() - 7200, time.time() - 7200))
    done = worker.sweep_kv()
    assert done["dangling"] >= len(lost)
    assert done["orphans"] >= 1
    assert [status(*one) for one in lost] == [410] * len(lost)
    assert [status(*one) for one in kept] == [200] * len(kept)
    left = {stored.name for stored in store.listing()}
    assert fresh in left, "its record may still come"
    assert old not in left
    assert {blob_name(one.tenant_id, UUID(record)) for one, record in kept} <= left
    # Done again it finds nothing more of theirs.
    assert worker.sweep_kv()["dangling"] == 0


def test_a_tenant_that_is_deleted_hides_nobody_elses_records_from_the_comparison(
    worker: ModuleType,
    tenants: list[Any],
    save: Callable[..., str],
    data_dir: Path,
    maintenance: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pages are of records, and one that is all of the leaver's is not the last."""
    monkeypatch.setattr("consolidation.worker.across_tenants.FOUND_AT_ONCE", 1)
    leaver, other = tenants
    save(leaver)
    lost = save(other)
    file_of(data_dir, other, lost).unlink()
    with maintenance.begin() as connection:
        connection.execute(text("UPDATE tenant SET deleting_at = now() WHERE id = :t"), {"t": leaver.tenant_id})
    worker.sweep_kv()
    assert status(other, lost) == 410
