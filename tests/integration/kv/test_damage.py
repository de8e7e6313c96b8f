"""A blob that is not any more what was saved: noticed by whoever saves, loads or checks it, marked, and computed anew."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from memory_service.api.services import utc_now
from memory_service.blobs.folder import FolderStore
from memory_service.blobs.protocol import BlobStore, Opened, blob_name
from memory_service.blobs.s3 import S3Blobs
from memory_service.lifecycle.kv_looks import SOON_S, SOUND_S, Looks
from memory_service.lifecycle.kv_sweeping import remove_blobs, sweep_spent, sweep_store
from memory_service.storage import kv_memories
from memory_service.storage.database import Database
from tests.integration.kv.engine_files import safetensors


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, app: Any, tmp_path: Path) -> Iterator[BlobStore]:
    """Return the store that the service uses for the length of a test."""
    blobs: BlobStore = (
        FolderStore(tmp_path / "kv") if request.param == "folder" else S3Blobs(request.getfixturevalue("s3_url"))
    )
    with served_with(app, blobs=blobs):
        yield blobs


@contextmanager
def served_with(app: Any, **kv: Any) -> Iterator[None]:
    """Give the service other parts of KV for a while."""
    services = app.state.services
    parts = {name: getattr(services, name) for name in services.__slots__}
    app.state.services = type(services)(**parts | {"kv": replace(services.kv, **kv)})
    try:
        yield
    finally:
        app.state.services = services


class Watched:
    """A store that counts the bytes that are read of it, and does something before a blob is opened."""

    def __init__(self, store: BlobStore, before: Callable[[], None] = lambda: None) -> None:
        self.put, self.remove, self.listing = store.put, store.remove, store.listing
        self._store, self._before = store, before
        self.read = 0

    def open(self, name: str) -> AbstractContextManager[Opened]:
        self._before()
        return self._opened(name)

    @contextmanager
    def _opened(self, name: str) -> Iterator[Opened]:
        with self._store.open(name) as opened:
            yield Opened(opened.size, self._counted(opened.parts))

    def _counted(self, parts: Iterator[bytes]) -> Iterator[bytes]:
        for part in parts:
            self.read += len(part)
            yield part


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


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
    assert me.post("/v1/kv/memories/nothing/check").status_code == 404
    assert me.post(f"/v1/kv/memories/{record}/check", json={"x": 1}).status_code == 422


def test_a_store_that_is_away_marks_nothing(me: Any, app: Any, s3_keys: None, plan: Any, engine_client: Any) -> None:
    planned = plan(me)
    engine = engine_client(planned.grant)
    record = engine.save(safetensors(2), first=0, count=2).json()["id"]
    with served_with(app, blobs=S3Blobs("s3://bucket/x?endpoint=http://127.0.0.1:9")):
        assert engine.check(record).status_code == 503
        assert engine.save(safetensors(2), first=0, count=2).status_code == 503
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


def test_asking_again_and_again_reads_the_blob_once(
    me: Any, app: Any, store: BlobStore, plan: Any, engine_client: Any
) -> None:
    planned = plan(me)
    engine, data = engine_client(planned.grant), safetensors(4)
    record = engine.save(data, first=0, count=4).json()["id"]
    watched = Watched(store)
    with served_with(app, blobs=watched, looks=Looks(clock=Clock())):
        for _ in range(5):
            assert engine.check(record).json()["sound"] is True
            assert engine.save(data, first=0, count=4).status_code == 200
    assert watched.read == len(data)


def test_what_is_remembered_as_sound_hides_a_flipped_bit_no_longer_than_said(
    me: Any, app: Any, store: BlobStore, plan: Any, engine_client: Any
) -> None:
    planned, clock = plan(me), Clock()
    engine, data = engine_client(planned.grant), safetensors(4)

    def saved() -> str:
        record = engine.save(data, first=0, count=4).json()["id"]
        assert engine.check(record).json()["sound"] is True
        harm(store, me.tenant_id, record, "a bit flipped")
        return str(record)

    with served_with(app, looks=Looks(clock=clock)):
        # A check goes by a look of the last seconds.
        record = saved()
        clock.now += SOON_S - 0.1
        assert engine.check(record).json()["sound"] is True
        clock.now += 0.2
        assert engine.check(record).json()["reason"] == "damaged"
        # A save that comes without a load goes by one of the last minute.
        record = saved()
        clock.now += SOUND_S - 0.1
        assert engine.save(data, first=0, count=4).status_code == 200
        clock.now += 0.2
        assert engine.save(data, first=0, count=4).status_code == 201
        # A save after a load looks.
        record = saved()
        assert engine.load(record).content != data
        clock.now += SOON_S + 0.1
        assert engine.save(data, first=0, count=4).status_code == 201


@pytest.mark.parametrize("how", ["cut off", "emptied", "deleted"])
def test_what_is_not_there_or_of_another_size_is_seen_each_time(
    me: Any, app: Any, store: BlobStore, plan: Any, engine_client: Any, how: str
) -> None:
    planned = plan(me)
    engine, data = engine_client(planned.grant), safetensors(4)
    record = engine.save(data, first=0, count=4).json()["id"]
    with served_with(app, looks=Looks(clock=Clock())):
        assert engine.check(record).json()["sound"] is True
        harm(store, me.tenant_id, record, how)
        assert engine.check(record).json()["reason"] == reason(how)
        assert engine.save(data, first=0, count=4).status_code == 201


def test_who_asks_for_more_than_can_be_read_is_told_to_come_back(
    me: Any, app: Any, store: BlobStore, plan: Any, engine_client: Any
) -> None:
    planned, looks = plan(me), Looks(patience_s=0.05)
    engine, data = engine_client(planned.grant), safetensors(4)
    record = engine.save(data, first=0, count=4).json()["id"]
    with served_with(app, looks=looks):
        with looks.turn(me.tenant_id, UUID(int=5), anew=False):
            for refused in (engine.check(record), engine.save(data, first=0, count=4)):
                assert (refused.status_code, refused.json()["code"]) == (503, "busy")
                assert refused.headers["Retry-After"] == "1"
        assert engine.check(record).json()["sound"] is True


@pytest.mark.parametrize("asked", ["check", "load"])
@pytest.mark.parametrize("because", [kv_memories.EVICTED, kv_memories.ERASED])
def test_what_is_evicted_or_erased_meanwhile_is_not_lost(
    me: Any, app: Any, store: BlobStore, plan: Any, engine_client: Any, database: Database, asked: str, because: str
) -> None:
    planned = plan(me)
    engine = engine_client(planned.grant)
    record = engine.save(safetensors(4), first=0, count=4).json()["id"]

    def taken() -> None:
        """Do what an eviction or an erasure does between the look at the record and the one at its blob."""
        with database.transaction(me.tenant_id) as session:
            kv_memories.mark_stale(session, me.tenant_id, [UUID(record)], reason=because, now=utc_now())
        remove_blobs(database.transaction, store, me.tenant_id, [UUID(record)], now=utc_now())

    def counted(outcome: str) -> float:
        found = app.state.services.metrics.registry.get_sample_value(
            "memory_service_kv_loads_total", {"outcome": outcome}
        )
        return float(found or 0)

    before = {outcome: counted(outcome) for outcome in ("stale", "lost")}
    with served_with(app, blobs=Watched(store, taken)):
        gone = getattr(engine, asked)(record)
    assert (gone.status_code, gone.json()["code"]) == (410, "kv_stale")
    why = "made room" if because == kv_memories.EVICTED else "was erased"
    assert why in gone.json()["detail"]
    assert {outcome: counted(outcome) - before[outcome] for outcome in before} == {"stale": 1, "lost": 0}
    assert me.get("/v1/kv/stats").json()["upkeep"]["lost"] == 0


def test_a_save_beside_an_eviction_takes_the_place(
    me: Any, app: Any, store: BlobStore, plan: Any, engine_client: Any, database: Database
) -> None:
    planned = plan(me)
    engine, data = engine_client(planned.grant), safetensors(4)
    first = engine.save(data, first=0, count=4).json()["id"]

    def taken() -> None:
        with database.transaction(me.tenant_id) as session:
            kv_memories.mark_stale(session, me.tenant_id, [UUID(first)], reason=kv_memories.EVICTED, now=utc_now())
        remove_blobs(database.transaction, store, me.tenant_id, [UUID(first)], now=utc_now())

    with served_with(app, blobs=Watched(store, taken)):
        again = engine.save(data, first=0, count=4)
    assert again.status_code == 201
    assert engine.load(again.json()["id"]).content == data
    assert me.get("/v1/kv/stats").json()["upkeep"]["lost"] == 0
