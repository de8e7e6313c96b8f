"""What is told: every change of what a webhook listens to, once, in the transaction of the change; nothing else."""

from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text

from consolidation import consolidate
from consolidation.planning import Ask, Plan, ReviewKind, Revise, Step, Why
from consolidation.records import Ref
from consolidation.tenancy import Tenancy
from memory_service.api.services import utc_now
from memory_service.lifecycle.apply import apply
from memory_service.storage.database import Database


def add(me: Any, content: str = "Ana drinks tea.", **body: Any) -> Any:
    answer = me.post("/v1/memories", json={"content": content, **body})
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def test_the_life_of_a_memory(me: Any, receiver: Any, worker: Any, listen: Any, database: Database) -> None:
    listen()
    old = add(me)
    me.patch(f"/v1/memories/{old['id']}", json={"tags": ["drink"]})
    me.post(f"/v1/memories/{old['id']}/pin")
    new = me.post(f"/v1/memories/{old['id']}/supersede", json={"content": "Ana drinks coffee."}).json()
    me.delete(f"/v1/memories/{new['id']}")
    me.post(f"/v1/memories/{new['id']}/restore")
    job = me.delete(f"/v1/memories/{new['id']}?erase=true").json()["job_id"]
    assert worker.deliver() == len(receiver.received)
    assert receiver.about(old["id"]) == ["memory.created", "memory.updated", "memory.updated", "memory.superseded"]
    # What is to be erased is archived at once, and goes when the job has run.
    ends = ["memory.superseded", "memory.created", "memory.archived", "memory.restored", "memory.archived"]
    assert receiver.about(new["id"]) == ends
    (superseded,) = [one.said for one in receiver.received if one.said["type"] == "memory.superseded"]
    assert superseded["data"] == {
        "memory_id": old["id"], "namespace": "default", "version": 4, "superseded_by": new["id"],
    }  # fmt: skip
    assert consolidate.run_job(Tenancy(me.tenant_id, lambda: database.transaction(me.tenant_id), utc_now), UUID(job))
    before = len(receiver.received)
    worker.deliver()
    told = [one.said for one in receiver.received[before:]]
    assert {"type": "memory.erased", "data": {"memory_id": new["id"], "namespace": "default"}} in [
        {"type": one["type"], "data": one["data"]} for one in told
    ]
    assert [one["data"] for one in told if one["type"] == "job.succeeded"] == [
        {"job_id": job, "namespace": "default", "kind": "erase"}
    ]


def test_what_is_reinstated_has_come_back(me: Any, receiver: Any, worker: Any, listen: Any) -> None:
    listen()
    old = add(me)
    new = me.post(f"/v1/memories/{old['id']}/supersede", json={"content": "Ana drinks coffee."}).json()
    assert me.post(f"/v1/memories/{old['id']}/reinstate").status_code == 200
    me.patch(f"/v1/memories/{old['id']}", json={"tags": ["drink"]})
    worker.deliver()
    assert receiver.about(old["id"])[-3:] == ["memory.superseded", "memory.restored", "memory.updated"]
    assert receiver.about(new["id"])[-1] == "memory.archived"


def test_a_batch_tells_of_each_and_a_duplicate_of_nothing(me: Any, receiver: Any, worker: Any, listen: Any) -> None:
    listen(events=["memory.created"])
    items = [{"content": f"Number {n}."} for n in range(30)] + [{"content": "Number 3."}]
    answer = me.post("/v1/memories/batch", json={"items": items}).json()
    made = {one["id"] for one in answer["results"] if one["status"] == "created"}
    assert len(made) == 30
    worker.deliver()
    assert {one.said["data"]["memory_id"] for one in receiver.received} == made
    assert len(receiver.received) == 30
    assert len({one.said["id"] for one in receiver.received}) == 30, "each has an event id of its own"


def test_what_was_rolled_back_is_not_told(me: Any, receiver: Any, worker: Any, listen: Any, database: Database) -> None:
    listen()
    memory = add(me)
    with database.transaction(me.tenant_id) as session:
        session.execute(text("UPDATE memory SET version = version + 1 WHERE tenant_id = :t"), {"t": me.tenant_id})
        session.rollback()
    worker.deliver()
    assert receiver.about(memory["id"]) == ["memory.created"]


def test_a_webhook_hears_of_its_events_and_its_namespace_alone(
    me: Any, receiver: Any, worker: Any, listen: Any
) -> None:
    listen(events=["memory.archived", "job.*"], namespace="users/1")
    for path in ("users/1", "users/1/notes", "default"):
        memory = add(me, namespace=path)
        me.delete(f"/v1/memories/{memory['id']}")
    worker.deliver()
    assert [(one.said["type"], one.said["data"]["namespace"]) for one in receiver.received] == [
        ("memory.archived", "users/1")
    ]


def test_two_webhooks_are_told_of_one_event_by_the_same_id(me: Any, receiver: Any, worker: Any, listen: Any) -> None:
    listen()
    listen(events=["memory.*"])
    add(me)
    worker.deliver()
    first, second = receiver.received
    assert first.said == second.said
    assert first.headers["webhook-id"] == first.said["id"] == second.headers["webhook-id"]


def test_nobody_listens_nothing_is_kept(me: Any, maintenance: Engine, listen: Any) -> None:
    add(me)
    listen(active=False)
    add(me, "Another.")
    with maintenance.connect() as connection:
        count = text("SELECT count(*) FROM webhook_delivery WHERE tenant_id = :t")
        assert connection.scalar(count, {"t": me.tenant_id}) == 0


def test_contents_are_told_only_when_asked_for(me: Any, receiver: Any, worker: Any, listen: Any) -> None:
    listen(events=["memory.updated"])
    listen(events=["memory.updated"], content=True)
    memory = add(me, "Ana drinks tea.", title="a secret title", metadata={"a": "secret note"})
    me.patch(f"/v1/memories/{memory['id']}", json={"content": "Ana drinks cocoa."})
    me.patch(f"/v1/memories/{memory['id']}", json={"content": "Ana drinks milk."})
    worker.deliver()
    said = {(one.said["data"]["version"], one.said["data"].get("content")) for one in receiver.received}
    # Each version as it was, although the memory says something else by now.
    assert said == {(2, None), (3, None), (2, "Ana drinks cocoa."), (3, "Ana drinks milk.")}
    assert not [one for one in receiver.received if b"secret" in one.body]


def test_runs_and_questions_are_told(me: Any, receiver: Any, worker: Any, listen: Any, database: Database) -> None:
    memory = add(me)
    listen(events=["changeset.*", "review.*"])
    why = Why(Step.NOTES, "a test")
    ref = Ref(UUID(memory["id"]), memory["version"])
    with database.transaction(me.tenant_id) as session:
        space = session.scalar(text("SELECT namespace_id FROM memory WHERE tenant_id = :t"), {"t": me.tenant_id})
        changes = (
            Revise(ref, {"title": "A title"}, why, in_place=True), Ask(ReviewKind.LOW_TRUST, (ref,), "archive", why),
        )  # fmt: skip
        changeset = str(apply(session, me.tenant_id, Plan(space, changes, (ref,)), now=utc_now()))
    (review,) = me.get("/v1/reviews").json()["data"]
    assert me.post(f"/v1/reviews/{review['id']}/decline").status_code == 200
    assert me.post(f"/v1/reviews/{review['id']}/undo").status_code == 200
    assert me.post(f"/v1/changesets/{changeset}/revert").status_code == 200
    worker.deliver()
    assert receiver.about(review["id"]) == ["review.opened", "review.declined", "review.opened", "review.withdrawn"]
    assert receiver.about(changeset) == ["changeset.applied", "changeset.reverted"]


def test_an_erasure_takes_what_was_told_and_what_waits(
    me: Any, receiver: Any, worker: Any, listen: Any, database: Database, maintenance: Engine
) -> None:
    hook = listen(content=True)
    memory = add(me, "A secret of Ana's.")
    worker.deliver()
    receiver.received.clear()
    me.patch(f"/v1/memories/{memory['id']}", json={"content": "Another secret."})
    job = me.delete(f"/v1/memories/{memory['id']}?erase=true").json()
    tenancy = Tenancy(me.tenant_id, lambda: database.transaction(me.tenant_id), utc_now)
    assert consolidate.run_job(tenancy, UUID(job["job_id"]))
    kept = me.get(f"/v1/webhooks/{hook['id']}/deliveries").json()["data"]
    assert [one["event"] for one in kept if one["subject_id"] == memory["id"]] == ["memory.erased"]
    receipt = me.get(f"/v1/erasures/{job['erasure_id']}").json()
    assert receipt["status"] == "succeeded"
    worker.deliver()
    assert receiver.about(memory["id"]) == ["memory.erased"]
    assert not [one for one in receiver.received if b"secret" in one.body]
