"""A blob that is not any more what was saved: noticed by whoever saves, loads or checks it, marked, and computed anew."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from memory_service.api.services import utc_now
from memory_service.blobs.folder import FolderStore
from memory_service.blobs.protocol import BlobStore, blob_name
from memory_service.blobs.s3 import S3Blobs
from memory_service.lifecycle.kv_sweeping import sweep_spent, sweep_store
from memory_service.storage.database import Database
from tests.integration.kv.engine_files import safetensors


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, app: Any, tmp_path: Path) -> Iterator[BlobStore]:
    """Return the store that the service uses for the length of a test."""
    services = app.state.services
    blobs: BlobStore = (
        FolderStore(tmp_path / "kv") if request.param == "folder" else S3Blobs(request.getfixturevalue("s3_url"))
    )
    parts = {name: getattr(services, name) for name in services.__slots__}
    app.state.services = type(services)(**parts | {"kv": replace(services.kv, blobs=blobs)})
    yield blobs
    app.state.services = services


def harm(store: BlobStore, tenant_id: UUID, kv_memory_id: str, how: str) -> None:
    """Do to a blob what disks and people do."""
    name = blob_name(tenant_id, UUID(kv_memory_id))
    with store.open(name) as opened:
        data = bytearray(b"".join(opened.parts))
    store.remove([name])
    if how == "cut off":
        store.put(name, BytesIO(data[:-1]))
    elif how == "a bit flipped":
        data[-3] ^= 0x10
        store.put(name, BytesIO(data))
    elif how == "emptied":
        store.put(name, BytesIO(b""))


HARM = ("cut off", "a bit flipped", "emptied", "deleted")


def reason(how: str) -> str:
    return "lost" if how == "deleted" else "damaged"


@pytest.mark.parametrize("how", HARM)
def test_who_saves_again_replaces_what_is_damaged(
    me: Any, store: BlobStore, plan: Any, engine_client: Any, how: str, database: Database
) -> None:
    planned = plan(me)
    engine, data = engine_client(planned.grant), safetensors(4)
    first = engine.save(data, first=0, count=4).json()["id"]
    harm(store, me.tenant_id, first, how)
    # An engine that could not load the first of its blocks saves from there on.
    again = engine.save(data, first=0, count=4)
    assert again.status_code == 201, again.text
    assert again.json()["id"] != first
    assert engine.load(again.json()["id"]).content == data
    gone = engine.load(first)
    assert (gone.status_code, gone.json()["code"]) == (410, "kv_stale")
    assert [run["kv_memory_id"] for run in engine.look_up(planned.hashes).json()["runs"]] == [again.json()["id"]]
    stats = me.get("/v1/kv/stats").json()
    assert stats["count"] == 1
    assert stats["upkeep"] == {"orphans": 0, "removed": 0, "lost": 0, "damaged": 0} | {reason(how): 1}
    # What is left of the blob follows.
    assert sweep_spent(database.transaction, store, me.tenant_id, [UUID(first)], now=utc_now()).blobs == 1
    assert [one.name for one in store.listing()] == [blob_name(me.tenant_id, UUID(again.json()["id"]))]


def test_what_is_sound_is_left_as_it_is(me: Any, store: BlobStore, plan: Any, engine_client: Any) -> None:
    planned = plan(me)
    engine = engine_client(planned.grant)
    first = engine.save(safetensors(4), first=0, count=4).json()["id"]
    for count in (4, 2):
        again = engine.save(safetensors(count), first=0, count=count)
        assert (again.status_code, again.json()["id"]) == (200, first)
    checked = engine.check(first)
    assert (checked.status_code, checked.json()) == (200, {"kv_memory_id": first, "sound": True, "reason": None})
    assert engine.load(first).status_code == 200


def test_several_records_of_the_same_blocks_are_looked_at_until_one_is_sound(
    me: Any, store: BlobStore, plan: Any, engine_client: Any
) -> None:
    planned = plan(me)
    engine = engine_client(planned.grant)
    longer = engine.save(safetensors(3), first=0, count=3).json()["id"]
    other = engine.save(safetensors(5), first=1, count=5).json()["id"]
    harm(store, me.tenant_id, longer, "a bit flipped")
    harm(store, me.tenant_id, other, "cut off")
    again = engine.save(safetensors(2), first=1, count=2)
    assert again.status_code == 201
    assert [run["first"] for run in engine.look_up(planned.hashes[:2]).json()["runs"]] == []
    assert me.get("/v1/kv/stats").json()["upkeep"]["damaged"] == 2


@pytest.mark.parametrize("how", HARM)
def test_an_engine_that_could_not_use_a_blob_says_so(
    me: Any, store: BlobStore, plan: Any, engine_client: Any, how: str
) -> None:
    planned = plan(me)
    engine = engine_client(planned.grant)
    record = engine.save(safetensors(4), first=0, count=4).json()["id"]
    harm(store, me.tenant_id, record, how)
    checked = engine.check(record)
    assert (checked.status_code, checked.json()["sound"], checked.json()["reason"]) == (200, False, reason(how))
    assert engine.look_up(planned.hashes).json() == {"stored": 0, "runs": []}
    assert engine.load(record).status_code == engine.check(record).status_code == 410
    assert me.get("/v1/kv/stats").json()["upkeep"][reason(how)] == 1, "counted once"
    assert engine.save(safetensors(4), first=0, count=4).status_code == 201


@pytest.mark.parametrize("how", ["cut off", "emptied", "deleted"])
def test_what_has_another_size_is_never_sent(
    me: Any, store: BlobStore, plan: Any, engine_client: Any, app: Any, how: str
) -> None:
    planned = plan(me)
    engine = engine_client(planned.grant)
    record = engine.save(safetensors(4), first=0, count=4).json()["id"]
    harm(store, me.tenant_id, record, how)
    before = app.state.services.metrics.registry.get_sample_value(
        "memory_service_kv_loads_total", {"outcome": reason(how)}
    )
    refused = engine.load(record)
    assert (refused.status_code, refused.json()["code"]) == (410, "kv_stale")
    assert reason(how) in refused.json()["detail"]
    assert engine.look_up(planned.hashes).json()["stored"] == 0
    now = app.state.services.metrics.registry.get_sample_value(
        "memory_service_kv_loads_total", {"outcome": reason(how)}
    )
    assert now - (before or 0) == 1


def test_a_check_reaches_no_further_than_a_load(
    me: Any, client: Any, make_tenant: Any, tenant_client: Any, store: BlobStore, plan: Any, engine_client: Any
) -> None:
    stranger = tenant_client(client, *make_tenant())
    planned, foreign = plan(me), plan(stranger)
    record = engine_client(planned.grant).save(safetensors(2), first=0, count=2).json()["id"]
    assert engine_client(foreign.grant).check(record).status_code == 404
    assert engine_client("kvg1.nothing").check(record).status_code == 401
    assert stranger.post(f"/v1/kv/memories/{record}/check").status_code == 404
    assert me.post("/v1/kv/memories/nothing/check").status_code == 422
    assert me.post(f"/v1/kv/memories/{record}/check", json={"x": 1}).status_code == 422


def test_a_store_that_is_away_marks_nothing(me: Any, app: Any, s3_keys: None, plan: Any, engine_client: Any) -> None:
    planned = plan(me)
    engine = engine_client(planned.grant)
    record = engine.save(safetensors(2), first=0, count=2).json()["id"]
    services = app.state.services
    parts = {name: getattr(services, name) for name in services.__slots__}
    away = replace(services.kv, blobs=S3Blobs("s3://bucket/x?endpoint=http://127.0.0.1:9"))
    app.state.services = type(services)(**parts | {"kv": away})
    try:
        assert engine.check(record).status_code == 503
        assert engine.save(safetensors(2), first=0, count=2).status_code == 503
    finally:
        app.state.services = services
    assert engine.load(record).status_code == 200


def test_what_upkeep_found_is_counted(
    me: Any, store: BlobStore, plan: Any, engine_client: Any, app: Any, database: Database
) -> None:
    planned = plan(me)
    engine = engine_client(planned.grant)
    kept = engine.save(safetensors(2), first=0, count=2).json()["id"]
    lost = engine.save(safetensors(2), first=2, count=2).json()["id"]
    short = engine.save(safetensors(2), first=4, count=2).json()["id"]
    harm(store, me.tenant_id, lost, "deleted")
    harm(store, me.tenant_id, short, "cut off")
    store.put(blob_name(me.tenant_id, UUID(int=7)), BytesIO(b"orphan"))
    store.put(f"{me.tenant_id}/{UUID(int=8)}.abcdef01.part", BytesIO(b"broken off"))
    # Names that somebody else made are of nobody.
    store.put(blob_name(UUID(int=1), UUID(int=9)), BytesIO(b"orphan"))
    store.put("nobody/x.part", BytesIO(b"broken off"))
    later = utc_now() + timedelta(hours=2)
    live = [(me.tenant_id, UUID(one)) for one in (kept, lost, short)]
    done = sweep_store(database.transaction, store, lambda: live, now=later)
    assert (done.orphans, done.dangling, done.damaged) == (4, 1, 1)
    assert engine.load(kept).status_code == 200
    assert engine.load(short).status_code == 410
    assert me.delete(f"/v1/kv/memories/{kept}").status_code == 204
    stats = me.get("/v1/kv/stats").json()
    assert stats["upkeep"] == {"orphans": 2, "removed": 1, "lost": 1, "damaged": 1}
    app.state.services.kv.uses.read_upkeep()
    found = re.findall(r'memory_service_kv_upkeep_total\{what="(\w+)"\} (\S+)', me.get("/metrics").text)
    sums = {what: float(value) for what, value in found}
    assert sums.keys() == {"orphans", "removed", "lost", "damaged"}
    assert sums["orphans"] >= 2
    assert sums["lost"] >= 1


def test_hits_misses_and_bytes_are_counted(me: Any, plan: Any, engine_client: Any, app: Any) -> None:
    planned = plan(me)
    engine, data = engine_client(planned.grant), safetensors(4)
    record = engine.save(data, first=0, count=4).json()["id"]
    engine.look_up(planned.hashes)
    engine.load(record)
    engine.load(record)
    app.state.services.kv.uses.flush()
    stats = me.get("/v1/kv/stats").json()
    assert (stats["asked_blocks"], stats["found_blocks"], stats["missed_blocks"]) == (6, 4, 2)
    assert (stats["hits"], stats["loaded_bytes"]) == (2, 2 * len(data))
    (one,) = stats["engines"]
    assert (one["missed_blocks"], one["loaded_bytes"]) == (2, 2 * len(data))
