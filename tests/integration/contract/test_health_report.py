"""The health report: every number of it, moved by what it counts."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, text

from memory_service.lifecycle import health_report
from memory_service.lifecycle.health_report import strengths_of


@pytest.fixture
def report(me: Any, app: FastAPI) -> Callable[..., Any]:
    """Return a function that measures anew."""

    def ask(**params: Any) -> Any:
        app.state.services.measured.clear()
        answer = me.get("/v1/health-report", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return ask


def say(me: Any, content: str, **more: Any) -> str:
    answer = me.post("/v1/memories", json={"content": content, **more})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_a_memory_that_is_empty(report: Any) -> None:
    found = report(namespace="default")
    assert found["memories"] == {"total": 0, "live": 0, "pinned": 0, "superseded": 0, "by_state": {}, "by_type": {}}
    assert found["retention"] == {"looked_at": 0, "firm": 0, "fading": 0, "faint": 0}
    assert found["junk"] == {"count": 0, "rate": 0.0}
    assert found["last_consolidation"] is None


def test_sizes_and_what_changed_this_week(me: Any, report: Any) -> None:
    first = say(me, "The bridge opens at nine.", memory_type="semantic")
    say(me, "A thought for today.", memory_type="working", pinned=True)
    gone, erased = say(me, "To be archived."), say(me, "To be erased.")
    me.patch(f"/v1/memories/{first}", json={"title": "Bridge"})
    me.post(f"/v1/memories/{first}/supersede", json={"content": "The bridge opens at ten."})
    me.delete(f"/v1/memories/{gone}")
    assert me.delete(f"/v1/memories/{erased}?erase=true").status_code == 202
    say(me, "Elsewhere.", namespace="other")
    found = report(namespace="default")
    # The erasure is a job, which nobody has done yet.
    assert found["memories"]["total"] == 5
    assert found["memories"]["live"] + found["memories"]["by_state"].get("archived", 0) == 5
    assert found["memories"]["pinned"] == 1
    assert found["memories"]["superseded"] == 1
    assert found["memories"]["by_type"]["semantic"] == 2
    week = found["week"]
    assert (week["created"], week["superseded"]) == (5, 1)
    assert week["archived"] >= 1
    assert week["changed"] >= 3
    assert found["waiting"]["enrichment"] == found["waiting"]["consolidation"] + week["archived"]
    assert report()["memories"]["total"] == 6
    assert me.get("/v1/health-report?namespace=nowhere").json()["code"] == "namespace_not_found"


def test_what_happened_earlier_is_not_of_this_week(me: Any, report: Any, maintenance: Engine) -> None:
    ids = [say(me, "Made long ago."), say(me, "Archived long ago.")]
    me.delete(f"/v1/memories/{ids[1]}")
    with maintenance.begin() as connection:
        for column in ("created_at", "archived_at"):
            connection.execute(
                text(f"UPDATE memory SET {column} = {column} - interval '8 days' WHERE tenant_id = :t"),
                {"t": me.tenant_id},
            )
        connection.execute(
            text("UPDATE memory_version SET known_to = known_to - interval '8 days' WHERE tenant_id = :t"),
            {"t": me.tenant_id},
        )
    week = report(namespace="default")["week"]
    assert {name: week[name] for name in ("created", "changed", "archived", "erased")} == dict.fromkeys(
        ("created", "changed", "archived", "erased"), 0
    )


def test_zones_are_those_of_the_curve(me: Any, report: Any, maintenance: Engine) -> None:
    firm, fading, faint, used = (say(me, f"A text of its own, the {n}th, about lighthouses.") for n in range(4))
    age = {firm: 1, fading: 30, faint: 5_000, used: 5_000}
    with maintenance.begin() as connection:
        for memory_id, days in age.items():
            connection.execute(
                text("UPDATE memory SET created_at = :at WHERE tenant_id = :t AND id = :id"),
                {"at": datetime.now(UTC) - timedelta(days=days), "t": me.tenant_id, "id": memory_id},
            )
        connection.execute(
            text(
                "INSERT INTO retention (tenant_id, memory_id, namespace_id, recall_count) SELECT tenant_id, id, namespace_id, 3 "
                "FROM memory WHERE tenant_id = :t AND id = :id ON CONFLICT (tenant_id, memory_id) DO UPDATE SET recall_count = 3"
            ),
            {"t": me.tenant_id, "id": used},
        )
    found = report(namespace="default")
    assert found["retention"] == {"looked_at": 4, "firm": 1, "fading": 1, "faint": 2}
    shown = {id: me.get(f"/v1/memories/{id}").json()["retention"]["retrievability"] for id in age}
    assert shown[firm] >= 0.9 > shown[fading] >= 0.5 > shown[faint]
    # What is faint and was recalled is no junk.
    assert found["junk"] == {"count": 1, "rate": 0.25}


def test_what_holds_no_word_is_junk(me: Any, report: Any) -> None:
    say(me, "…!")
    say(me, "The lighthouse keeper drinks tea.")
    assert report(namespace="default")["junk"] == {"count": 1, "rate": 0.5}


def test_of_very_many_an_even_sample_is_looked_at(me: Any, report: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    items = [{"content": f"Text number {n} of many.", "extract": "none"} for n in range(1_000)]
    assert me.post("/v1/memories/batch", json={"items": items}).status_code == 200
    monkeypatch.setattr(health_report, "MOST_LOOKED_AT", 200)
    looked_at = report(namespace="default")["retention"]["looked_at"]
    assert 130 <= looked_at <= 280
    assert report(namespace="default")["retention"]["looked_at"] == looked_at


def test_of_few_among_many_that_are_gone_the_few_are_looked_at(
    me: Any, report: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [{"content": f"Text number {n}, soon gone.", "extract": "none", "tags": ["old"]} for n in range(300)]
    assert me.post("/v1/memories/batch", json={"items": items}).status_code == 200
    gone = {"namespace": "default", "filter": {"tags": {"contains": "old"}}}
    assert me.post("/v1/memories/archive", json=gone).json()["matched"] == 300
    for n in range(5):
        say(me, f"Text number {n} that stays.")
    monkeypatch.setattr(health_report, "MOST_LOOKED_AT", 10)
    assert report(namespace="default")["retention"]["looked_at"] == 5


def test_contradictions_reviews_and_trust(me: Any, report: Any, maintenance: Engine) -> None:
    old, new = say(me, "The code is 1234."), say(me, "The code is 9876.")
    with maintenance.begin() as connection:
        given = {"t": me.tenant_id, "old": old, "new": new}
        for kind in ("duplicate", "conflict", "low_trust"):
            connection.execute(
                text(
                    "INSERT INTO review (tenant_id, id, namespace_id, kind, proposal, status, memory_id, other_id, reason, method, "
                    "created_at) SELECT tenant_id, gen_random_uuid(), namespace_id, :kind, 'merge', :status, id, "
                    "CAST(:old AS uuid), 'a test', 'rules', now() FROM memory WHERE tenant_id = :t AND id = CAST(:new AS uuid)"
                ),
                {**given, "kind": kind, "status": "declined" if kind == "duplicate" else "open"},
            )
        connection.execute(
            text(
                "INSERT INTO link (tenant_id, id, namespace_id, source_id, target_id, type, weight, derivation_method, known_from) "
                "SELECT tenant_id, gen_random_uuid(), namespace_id, id, CAST(:old AS uuid), 'contradicts', 1, 'rules', now() "
                "FROM memory WHERE tenant_id = :t AND id = CAST(:new AS uuid)"
            ),
            given,
        )
        connection.execute(
            text("UPDATE memory SET trust = 0.1 WHERE tenant_id = :t AND id = CAST(:new AS uuid)"), given
        )
    found = report(namespace="default")
    assert found["contradictions"] == {"open": 1, "links": 1}
    assert found["low_trust"] == {"open": 1, "memories": 1}
    assert found["duplicates"]["open"] == 0
    assert found["reviews_open"] == 2


def test_the_latest_changeset_in_force(me: Any, report: Any, maintenance: Engine) -> None:
    say(me, "Something.")
    with maintenance.begin() as connection:
        for n, status in enumerate(("applied", "applied", "reverted")):
            connection.execute(
                text(
                    "INSERT INTO changeset (tenant_id, id, namespace_id, kind, status, counts, created_at) "
                    "SELECT tenant_id, CAST(:id AS uuid), id, 'consolidation', :status, CAST(:counts AS jsonb), now() "
                    "FROM namespace WHERE tenant_id = :t"
                ),
                {
                    "t": me.tenant_id,
                    "id": f"01990000-0000-7000-8000-00000000000{n}",
                    "status": status,
                    "counts": f'{{"merge": {n}}}',
                },
            )
    last = report(namespace="default")["last_consolidation"]
    assert last["changeset_id"].endswith("1")
    assert last["counts"] == {"merge": 1}


def test_it_is_measured_every_half_minute_at_most(me: Any) -> None:
    first = me.get("/v1/health-report?namespace=default").json()
    say(me, "New.")
    assert me.get("/v1/health-report?namespace=default").json() == first


def test_nothing_looked_at_is_nothing() -> None:
    assert strengths_of([], now=datetime.now(UTC)).looked_at == 0
