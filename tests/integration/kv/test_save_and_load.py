"""What an engine saves it finds and loads again, byte by byte; what is damaged or foreign is refused."""

import hashlib
import json
import struct
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from memory_service.api.kv.uses import KvUses
from memory_service.api.services import utc_now
from memory_service.storage.database import Database
from tests.integration.kv.engine_files import BLOCK, ENGINE, FINGERPRINT, safetensors


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_saved_blocks_are_found_and_loaded(me: Any, plan: Any, engine_client: Any, remember: Any) -> None:
    one = remember("The lighthouse keeper drinks cold tea.")
    planned = plan(me, [one])
    engine = engine_client(planned.grant)
    data = safetensors(4)
    answer = engine.save(data, first=0, count=4)
    assert answer.status_code == 201, answer.text
    record = answer.json()
    found = engine.look_up(planned.hashes).json()
    assert found["stored"] == 4
    assert [(run["kv_memory_id"], run["first"], run["count"], run["offset_blocks"]) for run in found["runs"]] == [
        (record["id"], 0, 4, 0)
    ]
    blob = engine.load(record["id"])
    assert blob.status_code == 200
    assert blob.content == data
    assert blob.headers["etag"] == f'"{hashlib.sha256(data).hexdigest()}"'


def test_the_header_says_all_of_a_memcube(me: Any, plan: Any, engine_client: Any, remember: Any) -> None:
    one = remember("Ana sings in a choir.")
    planned = plan(me, [one])
    data = safetensors(2)
    saved = engine_client(planned.grant).save(data, first=1, count=2).json()
    record = me.get(f"/v1/kv/memories/{saved['id']}").json()
    assert record["payload_type"] == "activation"
    assert record["namespace"] == "default"
    assert (record["model"], record["engine"]) == ("tiny", ENGINE)
    assert set(record["fingerprint"]) == set(FINGERPRINT.__dataclass_fields__)
    assert (record["first_block"], record["blocks"], record["n_tokens"]) == (1, 2, 2 * BLOCK)
    assert (record["parent_hash"], record["last_hash"]) == (planned.hashes[0], planned.hashes[2])
    assert record["block_hashes"] == list(planned.hashes[1:3])
    assert (record["codec"], record["exactness"], record["state"]) == ("raw", "exact", "live")
    assert (record["bytes"], record["checksum"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert (record["heat"], record["hits"], record["last_hit_at"]) == (pytest.approx(1, abs=1e-3), 0, None)
    assert record["prefill_s"] == pytest.approx(2 * BLOCK / 100)
    assert record["sources"] == [{"memory_id": one, "version": 1, "token_start": 0, "token_end": 8}]
    assert record["token_ids_hash"]
    assert record["text_hash"]
    listed = me.get("/v1/kv/memories", params={"memory_id": one, "namespace": "default", "engine": ENGINE}).json()
    assert [item["id"] for item in listed["data"]] == [saved["id"]]


def test_the_same_blocks_again_are_one_record(me: Any, plan: Any, engine_client: Any) -> None:
    planned = plan(me)
    engine = engine_client(planned.grant)
    first, again = (engine.save(safetensors(3), first=0, count=3) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    part = engine.save(safetensors(1), first=1, count=1)
    assert (part.status_code, part.json()["id"]) == (200, first.json()["id"])


def test_two_engines_that_save_the_same_at_once_make_one_record(
    me: Any, plan: Any, engine_client: Any, app: Any
) -> None:
    planned = plan(me)
    answers: list[Any] = []
    ready = threading.Barrier(4)

    def save() -> None:
        ready.wait()
        answers.append(engine_client(planned.grant).save(safetensors(6), first=0, count=6))

    threads = [threading.Thread(target=save) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    stored = [one for one in app.state.services.kv.blobs.listing() if one.name.startswith(str(me.tenant_id))]
    assert len(stored) == 1


def test_runs_of_several_records_cover_a_prompt(me: Any, plan: Any, engine_client: Any) -> None:
    planned = plan(me)
    engine = engine_client(planned.grant)
    left = engine.save(safetensors(2), first=0, count=2).json()["id"]
    right = engine.save(safetensors(3), first=2, count=3).json()["id"]
    found = engine.look_up(planned.hashes).json()
    assert found["stored"] == 5
    assert [run["kv_memory_id"] for run in found["runs"]] == [left, right]
    # Without what comes before them blocks cannot be loaded.
    me.delete(f"/v1/kv/memories/{left}")
    assert engine.look_up(planned.hashes).json() == {"stored": 0, "runs": []}


def test_lossy_blocks_are_taken_by_those_alone_who_ask(me: Any, plan: Any, engine_client: Any) -> None:
    planned = plan(me)
    engine = engine_client(planned.grant)
    assert engine.save(safetensors(2), first=0, count=2, codec="int8", exactness="compressed").status_code == 201
    assert engine.look_up(planned.hashes).json()["stored"] == 0
    assert engine.look_up(planned.hashes, codecs=["raw", "int8"]).json()["stored"] == 0
    asked = {"codecs": ["int8"], "exactness": ["exact", "compressed"]}
    assert engine.look_up(planned.hashes, **asked).json()["stored"] == 2


def hostile(kind: str) -> bytes:
    good = safetensors(2)
    (length,) = struct.unpack_from("<Q", good)
    table = json.loads(good[8 : 8 + length])
    body = good[8 + length :]

    def file(table: Any, body: bytes = body) -> bytes:
        head = table if isinstance(table, bytes) else json.dumps(table).encode()
        return struct.pack("<Q", len(head)) + head + body

    match kind:
        case "cut off":
            return good[:-1]
        case "too short":
            return b"\0" * 5
        case "a header as long as memory":
            return struct.pack("<Q", 1 << 62) + good[8:]
        case "longer than itself":
            return struct.pack("<Q", len(good)) + good[8:]
        case "overlapping":
            table["layer.1"]["data_offsets"] = [32, 96]
        case "a gap":
            return file(table | {"layer.1": {**table["layer.1"], "data_offsets": [65, 129]}}, body + b"\0")
        case "a shape past memory":
            table["layer.0"]["shape"] = [2, 1 << 61]
        case "negative":
            table["layer.0"]["shape"] = [-2, -16]
        case "another type":
            table["layer.0"]["dtype"] = "STRING"
        case "names twice":
            return file(json.dumps(table).replace('"layer.1"', '"layer.0"').encode())
        case "not JSON":
            return file(b"{")
        case "nested without end":
            return file(b"[" * 100_000)
        case "NaN in the header":
            return file(json.dumps({**table, "__metadata__": {"a": float("nan")}}).encode())
        case "a number of 5,000 digits":
            return file(json.dumps(table).replace("[2, 16]", f"[2, {'9' * 5000}]", 1).encode())
        case "a number past 64 bits":
            return file(json.dumps(table).replace("[2, 16]", "[2, 1e999]", 1).encode())
        case "tables of another type":
            return file({name: 5 for name in table})
        case "metadata of another type":
            return file({**table, "__metadata__": {"a": {"b": 5}}})
        case "nothing in a shape past memory":
            return file({"layer.0": {"dtype": "BF16", "shape": [2, 1 << 61, 0], "data_offsets": [0, 0]}}, b"")
        case "pickle":
            return b"\x80\x04\x95" + bytes(40)
        case "fewer blocks":
            return safetensors(1)
        case "no layers":
            return file({"x": table["layer.0"] | {"data_offsets": [0, 128], "shape": [2, 32]}})
        case "nothing after it":
            return file({"layer.0": {"dtype": "BF16", "shape": [2, 0], "data_offsets": [0, 0]}}, b"")
    return file(table)


@pytest.mark.parametrize(
    "kind",
    [
        "cut off", "too short", "a header as long as memory", "longer than itself", "overlapping", "a gap",
        "a shape past memory", "negative", "another type", "names twice", "not JSON", "nested without end",
        "NaN in the header", "pickle", "fewer blocks", "no layers", "nothing after it", "a number of 5,000 digits",
        "a number past 64 bits", "tables of another type", "metadata of another type", "nothing in a shape past memory",
    ],
)  # fmt: skip
def test_files_that_are_none_are_refused_and_leave_nothing(
    me: Any, plan: Any, engine_client: Any, app: Any, kind: str
) -> None:
    planned = plan(me)
    assert code(engine_client(planned.grant).save(hostile(kind), first=0, count=2)) == (422, "kv_blob_refused")
    assert me.get("/v1/kv/stats").json()["count"] == 0
    assert not [one for one in app.state.services.kv.blobs.listing() if one.name.startswith(str(me.tenant_id))]


def test_numbers_are_kept_as_they_are_nan_included(me: Any, plan: Any, engine_client: Any) -> None:
    planned = plan(me)
    engine, data = engine_client(planned.grant), safetensors(2, fill=0xFF)  # each of them NaN
    saved = engine.save(data, first=0, count=2)
    assert saved.status_code == 201
    assert engine.load(saved.json()["id"]).content == data


def test_a_wrong_checksum_an_empty_body_and_another_media_type(me: Any, plan: Any, engine_client: Any) -> None:
    planned = plan(me)
    engine = engine_client(planned.grant)
    assert code(engine.save(safetensors(2), first=0, count=2, checksum="0" * 64)) == (422, "kv_checksum_mismatch")
    assert code(engine.save(b"", first=0, count=2)) == (422, "kv_blob_refused")
    params = {"first_block": 0, "count": 1, "checksum": "0" * 64}
    json_instead = me.post("/v1/kv/memories", params=params, json={"text": "x"})
    assert code(json_instead) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "wrong", [{"first": 5, "count": 2}, {"first": 6, "count": 1}, {"first": 0, "count": 1, "x": 1}]
)
def test_blocks_that_the_plan_does_not_admit(me: Any, plan: Any, engine_client: Any, wrong: dict[str, int]) -> None:
    admitted = 0 if wrong.pop("x", 0) else None
    planned = plan(me, admitted=admitted)
    refused = engine_client(planned.grant).save(safetensors(wrong["count"]), **wrong)
    assert code(refused) == (422, "kv_plan_mismatch")


def test_with_a_key_plan_and_engine_are_named(me: Any, plan: Any, engine_client: Any) -> None:
    planned = plan(me)
    engine = engine_client(me.key)
    assert code(engine.save(safetensors(2), first=0, count=2)) == (422, "invalid_request")
    named = {"plan_id": str(planned.plan_id), "engine": ENGINE}
    assert engine.save(safetensors(2), first=0, count=2, **named).status_code == 201
    other = {**named, "engine": "f" * 64}
    assert code(engine.save(safetensors(2), first=2, count=2, **other)) == (422, "kv_plan_mismatch")
    missing = {**named, "plan_id": "00000000-0000-7000-8000-000000000000"}
    assert engine.save(safetensors(2), first=2, count=2, **missing).status_code == 404
    assert engine.look_up(planned.hashes).json()["stored"] == 2


def test_a_large_file_passes_the_limit_of_other_requests(me: Any, plan: Any, engine_client: Any) -> None:
    planned = plan(me)
    engine, data = engine_client(planned.grant), safetensors(2, width=3_000_000)
    assert len(data) > 20 * 2**20
    saved = engine.save(data, first=0, count=2)
    assert saved.status_code == 201
    assert engine.load(saved.json()["id"]).content == data


def test_uses_are_counted_behind_the_requests(
    me: Any, plan: Any, engine_client: Any, app: Any, remember: Callable[..., str]
) -> None:
    planned = plan(me)
    engine = engine_client(planned.grant)
    saved = engine.save(safetensors(4), first=0, count=4).json()["id"]
    for _ in range(3):
        assert engine.load(saved).status_code == 200
    engine.look_up(planned.hashes)
    app.state.services.kv.uses.flush()
    record = me.get(f"/v1/kv/memories/{saved}").json()
    assert (record["hits"], record["heat"]) == (3, pytest.approx(4, abs=0.01))
    assert record["last_hit_at"]
    stats = me.get("/v1/kv/stats").json()
    assert (stats["count"], stats["bytes"], stats["hits"]) == (1, record["bytes"], 3)
    assert stats["hit_rate"] == pytest.approx(4 / 6, abs=1e-4)
    assert stats["saved_seconds"] == pytest.approx(3 * 16 / 100)
    assert stats["engines"][0]["loaded_tokens"] == 48


def test_uses_that_meet_a_deadlock_are_counted_at_the_next_turn(
    me: Any, plan: Any, engine_client: Any, database: Database, remember: Callable[..., str], maintenance: Engine
) -> None:
    planned = plan(me)
    engine = engine_client(planned.grant)
    saved = engine.save(safetensors(4), first=0, count=4).json()["id"]
    uses, patience = KvUses(database, clock=utc_now), time.monotonic() + 30
    uses.loaded(me.tenant_id, UUID(saved))
    uses.flush()  # Now there is a row of the engine.
    uses.loaded(me.tenant_id, UUID(saved))
    row = {"tenant": me.tenant_id, "id": saved}
    with ThreadPoolExecutor(1) as threads, maintenance.begin() as holding:
        holding.execute(text("SELECT 1 FROM kv_usage WHERE tenant_id = :tenant FOR UPDATE"), row)
        flushing = threads.submit(uses.flush)
        waits = text("SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))")
        while not holding.scalar(waits):
            assert time.monotonic() < patience, "nobody waits for the row"
            time.sleep(0.02)
        # It holds the record and wants the row; we hold the row and want the record. It has waited longer and is ended.
        holding.execute(text("SELECT 1 FROM kv_memory WHERE tenant_id = :tenant AND id = :id FOR UPDATE"), row)
        flushing.result(timeout=30)
    assert me.get(f"/v1/kv/memories/{saved}").json()["hits"] == 1
    uses.flush()
    assert me.get(f"/v1/kv/memories/{saved}").json()["hits"] == 2


def test_uses_that_are_just_being_written_are_waited_for(me: Any, database: Database, maintenance: Engine) -> None:
    uses, engine, patience = KvUses(database, clock=utc_now), bytes.fromhex(ENGINE), time.monotonic() + 30
    uses.looked_up(me.tenant_id, ENGINE, asked=6, found=4)
    uses.flush()
    row = {"tenant": me.tenant_id, "engine": engine}
    with ThreadPoolExecutor(2) as threads:
        with maintenance.begin() as holding:
            holding.execute(
                text("SELECT 1 FROM kv_usage WHERE tenant_id = :tenant AND engine = :engine FOR UPDATE"), row
            )
            uses.looked_up(me.tenant_id, ENGINE, asked=6, found=4)
            first = threads.submit(uses.flush)
            waits = text("SELECT count(*) FROM pg_stat_activity WHERE :pid = ANY (pg_blocking_pids(pid))")
            pid = {"pid": holding.scalar(text("SELECT pg_backend_pid()"))}
            while not holding.scalar(waits, pid):
                assert time.monotonic() < patience, "nobody waits for the row"
                time.sleep(0.02)
            second = threads.submit(uses.flush)
            time.sleep(0.3)
            assert not first.done()
            assert not second.done()
        first.result(timeout=30)
        second.result(timeout=30)
    stats = me.get("/v1/kv/stats").json()
    assert (stats["asked_blocks"], stats["found_blocks"]) == (12, 8)
