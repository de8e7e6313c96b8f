"""What workers do about KV memories by the clock: all of it, page by page, and for every tenant whatever becomes of another."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from memory_service.api.services import utc_now
from memory_service.blobs.folder import FolderStore
from memory_service.blobs.protocol import blob_name
from memory_service.errors import Unavailable
from memory_service.settings import get_settings
from memory_service.storage import kv_memories
from memory_service.storage.bootstrap import RoleUrls
from memory_service.storage.database import Database
from tests.integration.kv.engine_files import safetensors


@pytest.fixture
def store(app: Any) -> FolderStore:
    """Return the store of the service."""
    blobs = app.state.services.kv.blobs
    assert isinstance(blobs, FolderStore)
    return blobs


@pytest.fixture
def worker(role_urls: RoleUrls, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Return the module of the Celery tasks, over the database and the store of this run."""
    monkeypatch.setenv("MEMORY_SERVICE_DATA_DIR", str(data_dir))
    for name, url in (
        ("OWNER", role_urls.owner),
        ("MAINTENANCE", role_urls.maintenance),
        ("SERVICE", role_urls.service),
    ):
        monkeypatch.setenv(f"MEMORY_SERVICE_{name}_DATABASE_URL", url)
    get_settings.cache_clear()
    from consolidation import worker as module

    module._database.cache_clear()
    module._blobs.cache_clear()
    yield module
    module._close()
    module._database.cache_clear()
    module._blobs.cache_clear()
    get_settings.cache_clear()


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
    monkeypatch.setattr(worker, "SWEPT_AT_ONCE", 1)
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


def test_blobs_of_what_went_stale_follow_for_each_tenant(
    worker: ModuleType,
    tenants: list[Any],
    save: Callable[..., str],
    store: FolderStore,
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    database: Database,
    maintenance: Engine,
) -> None:
    first, second = tenants
    stale = [(first, save(first, number=1)), (second, save(second, number=1))]
    expired, kept = save(second, number=2), save(second, number=3)
    for one, record in stale:
        with database.transaction(one.tenant_id) as session:
            kv_memories.mark_stale(session, one.tenant_id, [UUID(record)], reason=kv_memories.ERASED, now=utc_now())
    with maintenance.begin() as connection:
        connection.execute(text("UPDATE kv_memory SET expires_at = now() WHERE id = :id"), {"id": expired})
    assert all(file_of(data_dir, *one).exists() for one in stale)

    def breaks(names: Iterable[str]) -> None:
        listed = list(names)
        if any(name.startswith(str(first.tenant_id)) for name in listed):
            raise Unavailable("a disk that is away")
        store.remove(listed)

    # What fails for one tenant is done for the next.
    with monkeypatch.context() as broken:
        broken.setattr(worker._blobs(), "remove", breaks)
        assert worker.sweep()["kv"] >= 2
    assert file_of(data_dir, *stale[0]).exists()
    assert not file_of(data_dir, *stale[1]).exists()
    assert not file_of(data_dir, second, expired).exists()
    assert (status(second, expired), status(second, kept)) == (410, 200)
    # And for the first one as soon as it can be.
    assert worker.sweep()["kv"] >= 1
    assert not file_of(data_dir, *stale[0]).exists()
    assert file_of(data_dir, second, kept).exists()


def test_plans_that_have_expired_go_with_the_housekeeping(
    worker: ModuleType, me: Any, plan: Any, maintenance: Engine
) -> None:
    going, staying = (plan(me, tokens=[at * 1_000 + n for n in range(24)]).plan_id for at in range(2))
    count = text("SELECT id FROM kv_plan WHERE tenant_id = :t")
    with maintenance.begin() as connection:
        connection.execute(text("UPDATE kv_plan SET expires_at = now() - interval '1 s' WHERE id = :id"), {"id": going})
    assert worker.housekeep()["kv_plan"] >= 1
    with maintenance.connect() as connection:
        assert connection.scalars(count, {"t": me.tenant_id}).all() == [staying]
    assert worker.housekeep()["kv_plan"] == 0
