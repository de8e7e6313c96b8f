"""What a sweep reads, what it leaves, and that it reads each memory no sooner than it must."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from consolidation.planning import Archive, Retier, Revise
from consolidation.retention.forgetting import plan_retention
from memory_service.lifecycle.archive import archive
from memory_service.lifecycle.fading import settle
from memory_service.storage import jobs
from memory_service.storage.fading import load_fading, policy_of

TTL = timedelta(days=30)


@pytest.fixture
def sweep(in_session: Callable[..., Any], me: Any) -> Callable[..., list[Any]]:
    """Return a function that plans a sweep, archives what it says, and settles; tiers and types are others' business."""

    def run(at: datetime, **options: Any) -> list[Any]:
        def work(session: Any, namespace_id: UUID) -> list[Any]:
            policy = policy_of(session, me.tenant_id, namespace_id)
            rows = load_fading(session, me.tenant_id, namespace_id, now=at)
            changes = plan_retention(rows, policy, now=at)
            archive(session, me.tenant_id, [c.memory.id for c in changes if isinstance(c, Archive)], now=at)
            settled = settle(session, me.tenant_id, namespace_id, rows, policy, now=at, job_ttl=TTL)
            return [*changes, *settled.erasures]

        found: list[Any] = in_session(work, **options)
        return found

    return run


@pytest.fixture
def due(in_session: Callable[..., Any], me: Any) -> Callable[[datetime], list[str]]:
    """Return a function that says which memories a sweep would read."""

    def ids(at: datetime) -> list[str]:
        rows = in_session(lambda s, n: load_fading(s, me.tenant_id, n, now=at))
        return [str(row.ref.id) for row in rows]

    return ids


def test_every_new_memory_is_read_once_and_then_when_it_is_due(
    remember: Any, sweep: Any, due: Any, now: datetime
) -> None:
    ids = sorted(remember(f"memory number {i}") for i in range(5))
    assert due(now) == ids
    assert sweep(now) == []
    assert due(now) == due(now + timedelta(days=33)) == []
    assert due(now + timedelta(days=34)) == ids, "episodic memories fall to int8 after 33.6 days"


def test_pages_follow_each_other(in_session: Any, me: Any, remember: Any, now: datetime) -> None:
    ids = sorted(remember(f"memory number {i}") for i in range(5))
    first = in_session(lambda s, n: load_fading(s, me.tenant_id, n, now=now, limit=3))
    rest = in_session(lambda s, n: load_fading(s, me.tenant_id, n, now=now, after=first[-1].ref.id, limit=3))
    assert [str(row.ref.id) for row in (*first, *rest)] == ids


def test_what_nobody_recalls_is_archived_and_can_be_restored(
    me: Any, remember: Any, age: Any, sweep: Any, due: Any, now: datetime
) -> None:
    faded, pinned, used = remember("old news"), remember("a promise", pinned=True), remember("old and useful")
    age(used, days=20)
    found = me.post("/v1/search", json={"query": "old and useful", "top_k": 1, "reinforce": True}).json()["results"]
    assert found[0]["memory"]["id"] == used
    age(faded, pinned, used, days=900)
    changes = sweep(now)
    assert [c.memory.id for c in changes if isinstance(c, Archive)] == [UUID(faded)]
    assert me.get(f"/v1/memories/{faded}").json()["state"] == "archived"
    assert {m["id"] for m in me.get("/v1/memories").json()["data"]} == {pinned, used}
    assert me.post(f"/v1/memories/{faded}/restore").status_code == 200
    assert me.get(f"/v1/memories/{faded}").json()["retention"]["retrievability"] == pytest.approx(1.0, abs=1e-5)
    assert faded in due(now + timedelta(minutes=1))
    assert [c for c in sweep(now + timedelta(minutes=1)) if isinstance(c, Archive)] == [], (
        "or it would go at once again"
    )


@pytest.mark.parametrize(
    "change", [{"importance": 0.95}, {"pinned": True}, {"memory_type": "core"}, {"content": "new words"}]
)
def test_what_changes_how_a_memory_fades_makes_it_due(
    me: Any, remember: Any, sweep: Any, due: Any, now: datetime, change: dict[str, Any]
) -> None:
    memory = remember("something")
    sweep(now)
    assert me.patch(f"/v1/memories/{memory}", json=change).status_code == 200
    assert due(now) == ([] if "content" in change else [memory])


def test_a_recall_makes_a_memory_due(me: Any, remember: Any, sweep: Any, due: Any, now: datetime) -> None:
    memory, other = remember("the red lamp"), remember("quite another thing")
    sweep(now)
    me.post("/v1/search", json={"query": "the red lamp", "top_k": 1})
    assert due(now) == [], "an ignored recall changes nothing"
    me.post("/v1/search", json={"query": "the red lamp", "top_k": 1, "reinforce": True})
    assert due(now + timedelta(minutes=1)) == [memory]
    assert other not in due(now + timedelta(minutes=1))


def test_a_memory_that_came_by_another_way_can_be_recalled_too(me: Any, remember: Any, maintenance: Any) -> None:
    memory = remember("the green door")
    with maintenance.begin() as connection:
        connection.execute(text("DELETE FROM retention WHERE memory_id = :id"), {"id": memory})
    assert me.get(f"/v1/memories/{memory}").json()["retention"]["stability_days"] == 14.0
    me.post("/v1/search", json={"query": "the green door", "top_k": 1, "reinforce": True})
    assert me.get(f"/v1/memories/{memory}").json()["retention"]["recall_count"] == 1


def test_under_another_policy_every_memory_is_read_anew(
    me: Any, remember: Any, sweep: Any, due: Any, now: datetime
) -> None:
    ids = sorted(remember(f"memory number {i}") for i in range(3))
    sweep(now)
    assert me.put("/v1/policies/retention", json={"protection": 1}).status_code == 200
    assert due(now) == ids
    sweep(now)
    assert due(now) == []
    assert me.delete("/v1/policies/retention").status_code == 204
    assert due(now) == ids
    sweep(now)
    assert due(now) == []


def test_a_namespace_in_which_nothing_happens_is_swept_again(
    me: Any, remember: Any, age: Any, sweep: Any, maintenance: Any, now: datetime
) -> None:
    """What it owes is noted; due_consolidations tells the workers."""

    def owed() -> timedelta | None:
        with maintenance.begin() as connection:
            statement = "SELECT due_at FROM tier_work WHERE tenant_id = :t AND key = 'retention'"
            due: datetime | None = connection.scalar(text(statement), {"t": me.tenant_id})
            # As the run does when it has done what the tier owes.
            connection.execute(text("DELETE FROM tier_work WHERE tenant_id = :t"), {"t": me.tenant_id})
            return None if due is None else due - now

    memory = remember("something")
    sweep(now)
    assert owed() == timedelta(days=7), "no threshold is nearer"
    age(memory, days=30)
    sweep(now)
    left = owed()
    assert left is not None
    assert timedelta(days=3) < left < timedelta(days=4), "it falls to int8 after 33.6 days"
    me.put("/v1/policies/retention", json={"protection": 1})
    after_put = owed()
    assert after_put is not None
    assert after_put < timedelta(minutes=1), "under another policy all of it is due"


def test_tiers_and_promotion_are_planned_from_what_is_stored(
    in_session: Any, me: Any, remember: Any, age: Any, now: datetime
) -> None:
    old, used = remember("an old one"), remember("the useful lighthouse")
    age(used, days=30)
    for _ in range(4):
        found = me.post("/v1/search", json={"query": "the useful lighthouse", "top_k": 1, "reinforce": True}).json()
        assert found["results"][0]["memory"]["id"] == used
        age(used, days=8)
    age(old, days=100)
    rows = in_session(lambda s, n: load_fading(s, me.tenant_id, n, now=now))
    changes = plan_retention(rows, policy_of_default(in_session, me), now=now)
    assert [(str(c.memory_id), c.tier) for c in changes if isinstance(c, Retier)] == [(old, "int8")]
    assert [(str(c.memory.id), c.fields) for c in changes if isinstance(c, Revise)] == [
        (used, {"memory_type": "semantic"})
    ]


def policy_of_default(in_session: Any, me: Any) -> Any:
    return in_session(lambda s, n: policy_of(s, me.tenant_id, n))


def test_nothing_is_erased_unless_the_operator_says_so(
    me: Any, remember: Any, age: Any, sweep: Any, in_session: Any, now: datetime
) -> None:
    faded, by_hand = remember("old news"), remember("archived by hand")
    age(faded, days=900)
    me.delete(f"/v1/memories/{by_hand}")
    sweep(now)
    assert sweep(now + timedelta(days=5_000)) == []
    me.put("/v1/policies/retention", json={"delete_after_days": 90})
    assert sweep(now + timedelta(days=89)) == []
    (job_id,) = sweep(now + timedelta(days=91))
    job = in_session(lambda s, _: jobs.get_job(s, me.tenant_id, job_id))
    assert (job["kind"], job["total"]) == ("erase", 1)
    assert me.post(f"/v1/memories/{faded}/restore").status_code == 200
    later = sweep(now + timedelta(days=92))
    assert not [one for one in later if isinstance(one, UUID | Archive)], "somebody wanted it back"


def test_the_course_of_a_memory_is_told(me: Any, remember: Any, age: Any) -> None:
    memory = remember("the blue kettle")
    age(memory, days=14)
    found = me.post("/v1/search", json={"query": "the blue kettle", "top_k": 1}).json()
    for useful in (True, False):
        me.post(f"/v1/traces/{found['search_id']}/feedback", json={"memory_id": memory, "useful": useful})
    age(memory, days=7)
    told = me.get(f"/v1/memories/{memory}/retention").json()
    assert told["policy"] == {
        "id": None, "namespace": None, "curve": "power", "thresholds": {"int8": 0.8, "binary": 0.5, "archive": 0.25},
    }  # fmt: skip
    marked = [(p["useful"], p["retrievability"]) for p in told["past"] if p.get("recall")]
    assert marked == [(True, 1.0), (False, pytest.approx(1.0, abs=1e-4))]
    before = told["past"][next(i for i, p in enumerate(told["past"]) if p.get("recall")) - 1]
    assert before["retrievability"] == pytest.approx(0.9, abs=1e-3)
    assert told["past"][-1]["retrievability"] == pytest.approx(told["retrievability"], abs=1e-3)
    assert [one["threshold"] for one in told["reaches"]] == ["int8", "binary", "archive"]
    assert sorted(one["at"] for one in told["reaches"]) == [one["at"] for one in told["reaches"]]
    assert len(told["traces"]) == 8
    assert told["activation"] == pytest.approx(sum(t["value"] for t in told["traces"]), abs=1e-4)
    # made 21 days ago and used once, 7 days ago: (1 + 21 F)^-.5 + (1 + 7 F)^-.5
    assert told["activation"] == pytest.approx(0.4106 + 0.6152, abs=0.005)
    assert told["spaced_uses"] == pytest.approx(1.0, abs=0.01)
    assert told["forecast"][0] == {"days": 0.0, "retrievability": told["retrievability"]}
    assert me.post(f"/v1/memories/{memory}/pin").status_code == 200
    pinned = me.get(f"/v1/memories/{memory}/retention").json()
    assert (pinned["protected"], pinned["reaches"], pinned["retrievability"]) == (True, [], 1.0)
