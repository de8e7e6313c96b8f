"""A memory that changes, goes or expires takes its KV along, at once and whoever does it; the blob follows."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from consolidation import consolidate
from consolidation.tenancy import Tenancy
from memory_service.api.services import utc_now
from memory_service.lifecycle.kv_sweeping import sweep_spent
from memory_service.storage.database import Database
from tests.integration.kv.engine_files import safetensors


@pytest.fixture
def saved(me: Any, plan: Any, engine_client: Any, remember: Any) -> Any:
    """Return a function that saves blocks of a prompt of two memories: (memory ids, plan, engine, id of the KV memory)."""

    def make() -> tuple[list[str], Any, Any, str]:
        ids = [remember("The first thing to know is a lighthouse."), remember("The second one is a choir.")]
        planned = plan(me, ids)
        engine = engine_client(planned.grant)
        answer = engine.save(safetensors(6), first=0, count=6)
        assert answer.status_code == 201
        assert engine.look_up(planned.hashes).json()["stored"] == 6
        return ids, planned, engine, answer.json()["id"]

    return make


@pytest.fixture
def tenancy(database: Database) -> Callable[[Any], Tenancy]:
    return lambda me: Tenancy(me.tenant_id, lambda: database.transaction(me.tenant_id), utc_now)


CHANGES: dict[str, Callable[[Any, str], Any]] = {
    "patched": lambda me, one: me.patch(f"/v1/memories/{one}", json={"content": "Something else."}),
    "seen at another time": lambda me, one: me.patch(f"/v1/memories/{one}", json={"observed_at": "2020-01-01T00:00:00Z"}),
    "another user's": lambda me, one: me.patch(f"/v1/memories/{one}", json={"user_id": "ana"}),
    "true no longer": lambda me, one: me.patch(f"/v1/memories/{one}", json={"valid_to": "2999-01-01T00:00:00Z"}),
    "superseded": lambda me, one: me.post(f"/v1/memories/{one}/supersede", json={"content": "Now it is otherwise."}),
    "archived": lambda me, one: me.post(f"/v1/memories/{one}/archive"),
    "deleted": lambda me, one: me.delete(f"/v1/memories/{one}"),
    "archived by filter": lambda me, one: me.post("/v1/memories/archive", json={"filter": {"content": {"contains": "choir"}}}),
    "given an end": lambda me, one: me.patch(f"/v1/memories/{one}", json={"expires_at": "2999-01-01T00:00:00Z"}),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_makes_kv_unloadable_at_once(me: Any, saved: Any, change: str) -> None:
    ids, planned, engine, record = saved()
    answer = CHANGES[change](me, ids[1])
    assert answer.status_code < 300, answer.text
    assert engine.look_up(planned.hashes).json() == {"stored": 0, "runs": []}
    refused = engine.load(record)
    assert (refused.status_code, refused.json()["code"]) == (410, "kv_stale")
    assert me.get(f"/v1/kv/memories/{record}").status_code == 410
    assert me.get("/v1/kv/memories").json()["data"] == []
    # What the plan was made of is not what is there: nothing is saved under it any more.
    again = engine.save(safetensors(6), first=0, count=6)
    assert (again.status_code, again.json()["code"]) == (409, "kv_source_changed")
    # Blocks before the changed memory depend on the other alone.
    assert engine.save(safetensors(2), first=0, count=2).status_code == 201


UNSHOWN: dict[str, Callable[[Any, str], Any]] = {
    "tagged": lambda me, one: me.patch(f"/v1/memories/{one}", json={"tags": ["x"]}),
    "weighed": lambda me, one: me.patch(f"/v1/memories/{one}", json={"importance": 0.9, "confidence": 0.5}),
    "described": lambda me, one: me.patch(f"/v1/memories/{one}", json={"metadata": {"a": 1}, "keywords": ["sea"], "title": "T"}),
    "pinned": lambda me, one: me.post(f"/v1/memories/{one}/pin"),
    "pinned and let go": lambda me, one: (me.post(f"/v1/memories/{one}/pin"), me.post(f"/v1/memories/{one}/unpin"))[1],
}  # fmt: skip


@pytest.mark.parametrize("change", UNSHOWN)
def test_a_change_that_no_prompt_shows_leaves_kv_as_it_is(me: Any, saved: Any, change: str) -> None:
    ids, planned, engine, record = saved()
    before = me.get(f"/v1/memories/{ids[1]}").json()["version"]
    answer = UNSHOWN[change](me, ids[1])
    assert answer.status_code < 300, answer.text
    assert me.get(f"/v1/memories/{ids[1]}").json()["version"] > before
    assert engine.look_up(planned.hashes).json()["stored"] == 6
    assert engine.load(record).status_code == 200
    # Provenance says what it was made of: the version of then.
    assert [one["version"] for one in me.get(f"/v1/kv/memories/{record}").json()["sources"]] == [1, 1]
    # The plan still holds: what it admits may still be saved.
    assert me.delete(f"/v1/kv/memories/{record}").status_code == 204
    assert engine.save(safetensors(6), first=0, count=6).status_code == 201
    # And the next change of what it says ends it all the same.
    assert me.patch(f"/v1/memories/{ids[1]}", json={"content": "Something else."}).status_code == 200
    assert engine.look_up(planned.hashes).json()["stored"] == 0
    again = engine.save(safetensors(6), first=0, count=6)
    assert (again.status_code, again.json()["code"]) == (409, "kv_source_changed")


def test_expiry_makes_kv_unloadable_in_the_transaction_that_records_it(me: Any, saved: Any, database: Database) -> None:
    from sqlalchemy import text

    from memory_service.lifecycle import archive

    ids, planned, engine, record = saved()
    with database.transaction(me.tenant_id) as session:
        # As a release before ends were taken over into records could have left it.
        session.execute(
            text("UPDATE memory SET expires_at = :at WHERE tenant_id = :t AND id = :id"),
            {"t": me.tenant_id, "id": ids[0], "at": utc_now() - timedelta(minutes=1)},
        )
    assert engine.look_up(planned.hashes).json()["stored"] == 6
    with database.transaction(me.tenant_id) as session:
        assert archive.expire(session, me.tenant_id, [UUID(ids[0])], now=utc_now())
        state = session.scalar(
            text("SELECT state FROM kv_memory WHERE tenant_id = :t AND id = :id"), {"t": me.tenant_id, "id": record}
        )
        assert state == "stale", "before the commit"
    assert engine.look_up(planned.hashes).json()["stored"] == 0


def test_a_change_that_is_taken_back_before_its_commit_leaves_kv(me: Any, saved: Any, database: Database) -> None:
    from memory_service.storage import memories

    ids, planned, engine, _ = saved()
    session = database.session(me.tenant_id)
    memories.keep_versions(session, me.tenant_id, [UUID(ids[0])], now=utc_now())
    memories.update_memories(session, me.tenant_id, [UUID(ids[0])], {"content": "Otherwise."}, now=utc_now())
    session.rollback()
    session.close()
    assert engine.look_up(planned.hashes).json()["stored"] == 6


def test_trigger_and_code_agree_on_what_no_prompt_shows(maintenance: Any) -> None:
    """Every column counts as shown until somebody has thought about it, and both lists name real columns."""
    import re

    from sqlalchemy import text

    from memory_service.storage.kv_memories import UNSHOWN as in_code
    from memory_service.storage.tables import memory

    with maintenance.connect() as connection:
        body = connection.scalar(text("SELECT prosrc FROM pg_proc WHERE proname = 'mark_kv'"))
    listed = re.search(r"ARRAY\[(.*?)\]", body, re.S)
    assert listed is not None
    assert set(re.findall(r"'(\w+)'", listed[1])) == in_code
    assert in_code <= {column.name for column in memory.c}
    shown = {column.name for column in memory.c} - in_code
    assert shown == {
        "tenant_id", "id", "namespace_id", "user_id", "agent_id", "session_id", "payload_type", "memory_type", "state", "content",
        "speaker", "role", "observed_at", "valid_from", "valid_to", "expires_at", "created_at", "superseded_by", "trust", "flags",
        "content_hash", "archived_at",
    }  # fmt: skip


def test_an_erasure_does_too_and_leaves_no_digest_of_the_text(
    me: Any, saved: Any, tenancy: Any, database: Database, app: Any
) -> None:
    from sqlalchemy import text

    ids, planned, engine, record = saved()
    job = me.delete(f"/v1/memories/{ids[0]}?erase=true").json()["job_id"]
    assert consolidate.run_job(tenancy(me), UUID(job))
    assert engine.look_up(planned.hashes).json()["stored"] == 0
    assert engine.load(record).status_code == 410
    with database.transaction(me.tenant_id) as session:
        row = session.execute(
            text("SELECT * FROM kv_memory WHERE tenant_id = :t AND id = :id"), {"t": me.tenant_id, "id": record}
        ).one()
        assert (row.reason, row.token_ids_hash, row.text_hash, row.has_blob) == ("erased", None, None, True)
        for table in ("kv_block", "kv_source"):
            left = session.scalar(
                text(f"SELECT count(*) FROM {table} WHERE tenant_id = :t AND kv_memory_id = :id"
                     + (" AND memory_id = :m" if table == "kv_source" else "")),
                {"t": me.tenant_id, "id": record, "m": ids[0]},
            )  # fmt: skip
            assert left == 0, table
    # The blob follows: what the sweep finds due, it removes.
    blobs = app.state.services.kv.blobs
    assert sweep_spent(database.transaction, blobs, me.tenant_id, [UUID(record)], now=utc_now()).blobs == 1
    assert not [one for one in blobs.listing() if record in one.name]
    later = utc_now() + timedelta(days=2)
    assert sweep_spent(database.transaction, blobs, me.tenant_id, [UUID(record)], now=later).forgotten == 1
    assert engine.load(record).status_code == 404


def test_an_erasure_says_how_many_kv_memories_went(me: Any, saved: Any, tenancy: Any) -> None:
    ids, *_ = saved()
    preview = me.post("/v1/erasures", json={"ids": ids, "dry_run": True}).json()
    expected = {"kv_memory": 1, "kv_block": 6, "kv_source": 2, "kv_plan": 1, "kv_plan_source": 2}
    assert {name: count for name, count in preview["counts"].items() if name.startswith("kv_")} == expected
    begun = me.post("/v1/erasures", json={"ids": ids}).json()
    assert consolidate.run_job(tenancy(me), UUID(begun["job_id"]))
    receipt = me.get(f"/v1/erasures/{begun['erasure_id']}").json()
    assert {name: count for name, count in receipt["counts"].items() if name.startswith("kv_")} == expected
    assert receipt["verified"] is True


@pytest.mark.parametrize("whose", ["users", "agents", "sessions"])
def test_what_is_somebody_s_takes_its_kv_along(
    me: Any, plan: Any, engine_client: Any, remember: Any, tenancy: Any, whose: str
) -> None:
    name = f"{whose[:-1]}_id"
    one = remember("Only they know of this.", **{name: "somebody"})
    planned = plan(me, [one])
    engine = engine_client(planned.grant)
    record = engine.save(safetensors(3), first=0, count=3).json()["id"]
    job = me.delete(f"/v1/{whose}/somebody?erase=true").json()["job_id"]
    assert consolidate.run_job(tenancy(me), UUID(job))
    assert engine.look_up(planned.hashes).json()["stored"] == 0
    assert engine.load(record).status_code in (404, 410)


def test_a_whole_namespace_takes_its_kv_along(
    me: Any, plan: Any, engine_client: Any, remember: Any, tenancy: Any
) -> None:
    # Made of no memory: a system prompt alone. It is the namespace's all the same.
    remember("Something in it.", namespace="going")
    planned = plan(me, [], namespace="going")
    engine = engine_client(planned.grant)
    record = engine.save(safetensors(3), first=0, count=3).json()["id"]
    job = me.post("/v1/erasures", json={"namespace": "going", "filter": {}}).json()["job_id"]
    assert consolidate.run_job(tenancy(me), UUID(job))
    assert engine.look_up(planned.hashes).json()["stored"] == 0
    assert engine.load(record).status_code in (404, 410)


def test_kv_never_outlives_a_source_that_expires(
    me: Any, plan: Any, engine_client: Any, remember: Any, app: Any
) -> None:
    end = utc_now() + timedelta(hours=1)
    one = remember("Valid for an hour.", expires_at=end.isoformat())
    planned = plan(me, [one], ttl=timedelta(days=3))
    engine = engine_client(planned.grant)
    record = engine.save(safetensors(3), first=0, count=3).json()
    assert record["expires_at"][:19] == end.isoformat()[:19]
    # No sweep has come by.
    services = app.state.services
    parts = {name: getattr(services, name) for name in services.__slots__}
    app.state.services = type(services)(**parts | {"clock": lambda: end + timedelta(seconds=1)})
    try:
        assert engine.look_up(planned.hashes).json() == {"stored": 0, "runs": []}
        assert engine.load(record["id"]).status_code == 410
    finally:
        app.state.services = services


@pytest.mark.parametrize(("new", "status"), [({"speaker": "Ana"}, 409), ({"tags": ["changed"]}, 201)])
def test_a_save_that_waits_for_a_change_sees_it(
    me: Any, plan: Any, engine_client: Any, remember: Any, database: Database, new: dict[str, Any], status: int
) -> None:
    """The change is made and not yet committed while the save comes in; of what no prompt shows it sees that it is none."""
    import threading

    from memory_service.storage import memories

    one = remember("About to change.")
    planned = plan(me, [one])
    answers: list[Any] = []
    worker = threading.Thread(
        target=lambda: answers.append(engine_client(planned.grant).save(safetensors(3), first=0, count=3))
    )
    with database.transaction(me.tenant_id) as session:
        memories.lock_memories(session, me.tenant_id, [UUID(one)])
        now = utc_now()
        memories.keep_versions(session, me.tenant_id, [UUID(one)], now=now)
        memories.update_memories(session, me.tenant_id, [UUID(one)], new, now=now)
        worker.start()
        worker.join(timeout=1)
        assert worker.is_alive()
    worker.join(timeout=10)
    assert answers[0].status_code == status
    assert status == 201 or answers[0].json()["code"] == "kv_source_changed"
