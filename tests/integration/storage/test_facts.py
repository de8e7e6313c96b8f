"""Facts: written by the worker, known over a span of time, listed, looked up by attribute, seen by their tenant only, erased."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from consolidation import consolidate, enriching
from consolidation.tenancy import Tenancy
from memory_service.analysis.facts import Fact
from memory_service.storage.database import Database
from memory_service.storage.facts import facts_of, keep_facts, same_attribute

MONDAY = datetime(2023, 5, 8, 13, 56, tzinfo=UTC)


@pytest.fixture
def remember(me: Any, tenancy: Tenancy) -> Callable[..., UUID]:
    def store(content: str, **fields: Any) -> UUID:
        body = {"content": content, "observed_at": MONDAY.isoformat(), "namespace": "facts", **fields}
        answer = me.post("/v1/memories", json=body)
        assert answer.status_code == 201, answer.text
        memory_id = UUID(answer.json()["id"])
        assert enriching.enrich_pending(tenancy, ids=[memory_id]) == 1
        return memory_id

    return store


def rows_of(maintenance: Engine, memory_id: UUID) -> list[Any]:
    with maintenance.connect() as connection:
        statement = text(
            "SELECT version, ordinal, subject, attribute, value, owner, method, nullif(known_to, 'infinity') AS known_to "
            "FROM fact WHERE memory_id = :id ORDER BY version, ordinal"
        )
        return list(connection.execute(statement, {"id": memory_id}).all())


def others(database: Database, tenant_id: UUID, *ids: UUID) -> dict[UUID, tuple[UUID, ...]]:
    with database.transaction(tenant_id) as session:
        namespace_id = session.scalar(
            text("SELECT id FROM namespace WHERE tenant_id = :t AND path = 'facts'"), {"t": tenant_id}
        )
        assert namespace_id is not None
        return same_attribute(session, tenant_id, namespace_id, ids)


def test_the_worker_writes_what_a_text_states(database: Database, me: Any, remember: Any) -> None:
    memory_id = remember("I moved to Lisbon last week. My rent is 900 euros!", speaker="Ana")
    with database.transaction(me.tenant_id) as session:
        lives, rent = facts_of(session, me.tenant_id, [memory_id])[memory_id]
    assert (lives.subject, lives.attribute, lives.value, lives.functional) == ("ana", "lives_in", "Lisbon", True)
    assert lives.valid_from == datetime(2023, 5, 1, tzinfo=UTC)
    assert (rent.attribute, rent.value, rent.number, rent.unit) == ("rent", "900 euros", 900.0, "eur")


def test_what_an_assistant_says_is_no_fact(maintenance: Engine, remember: Any) -> None:
    assert rows_of(maintenance, remember("My favourite colour is green.", role="assistant")) == []


def test_facts_are_listed_over_http(me: Any, remember: Any) -> None:
    first = remember("I live in Lisbon.", speaker="Ana")
    second = remember("My dentist is Olga. I live in Porto now.", speaker="Ana")
    shown = me.get("/v1/facts?namespace=facts").json()["data"]
    assert [(one["memory_id"], one["attribute"], one["value"]) for one in shown] == [
        (str(second), "dentist", "Olga"),
        (str(second), "lives_in", "Porto"),
        (str(first), "lives_in", "Lisbon"),
    ]
    assert shown[2]["span"] == [0, 16]
    assert shown[2]["method"] == "rules"
    chosen = me.get("/v1/facts?subject=ANA&attribute=lives_in&limit=1").json()
    assert [one["value"] for one in chosen["data"]] == ["Porto"]
    rest = me.get(f"/v1/facts?subject=ANA&attribute=lives_in&limit=1&cursor={chosen['next_cursor']}").json()
    assert ([one["value"] for one in rest["data"]], rest["has_more"]) == (["Lisbon"], False)
    assert [one["value"] for one in me.get(f"/v1/memories/{second}/facts").json()["data"]] == ["Olga", "Porto"]
    page = me.get(f"/v1/memories/{second}/facts?limit=1").json()
    assert [
        one["value"] for one in me.get(f"/v1/memories/{second}/facts?cursor={page['next_cursor']}").json()["data"]
    ] == ["Porto"]
    assert me.post(f"/v1/memories/{second}/archive").status_code == 200
    assert len(me.get("/v1/facts").json()["data"]) == 1
    assert len(me.get(f"/v1/memories/{second}/facts").json()["data"]) == 2
    for path, status, code in (
        ("/v1/facts?namespace=nowhere", 404, "namespace_not_found"),
        ("/v1/facts?cursor=x", 422, "invalid_cursor"),
        ("/v1/memories/0190a5c8-0000-7000-8000-000000000000/facts", 404, "memory_not_found"),
    ):
        answer = me.get(path)
        assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_new_text_ends_what_the_old_one_stated(me: Any, maintenance: Engine, tenancy: Tenancy, remember: Any) -> None:
    memory_id = remember("I live in Lisbon.")
    assert me.patch(f"/v1/memories/{memory_id}", json={"content": "I live in Porto."}).status_code == 200
    (old,) = rows_of(maintenance, memory_id)
    assert old.known_to is not None
    enriching.enrich_pending(tenancy, ids=[memory_id])
    old, new = rows_of(maintenance, memory_id)
    assert (old.value, old.known_to is None, new.value, new.known_to) == ("Lisbon", False, "Porto", None)


def test_a_change_of_other_fields_leaves_facts_alone(me: Any, maintenance: Engine, remember: Any) -> None:
    memory_id = remember("I live in Lisbon.")
    assert me.patch(f"/v1/memories/{memory_id}", json={"tags": ["home"]}).status_code == 200
    (row,) = rows_of(maintenance, memory_id)
    assert row.known_to is None


def test_a_text_that_is_read_anew_after_another_title_states_it_once(
    me: Any, maintenance: Engine, tenancy: Tenancy, remember: Any
) -> None:
    memory_id = remember("I live in Lisbon.")
    assert me.patch(f"/v1/memories/{memory_id}", json={"title": "Home"}).status_code == 200
    with maintenance.begin() as connection:
        connection.execute(text("UPDATE memory SET enriched_version = 0 WHERE id = :id"), {"id": memory_id})
    enriching.enrich_pending(tenancy)
    assert [row.value for row in rows_of(maintenance, memory_id) if row.known_to is None] == ["Lisbon"]


def test_what_two_methods_found_stands_side_by_side(
    database: Database, me: Any, maintenance: Engine, remember: Any
) -> None:
    memory_id = remember("I live in Lisbon.")
    fact = Fact("user", "mood", "content", "content", (0, 16))
    for _ in range(2):
        with database.transaction(me.tenant_id) as session:
            keep_facts(session, me.tenant_id, {memory_id: (1, [fact])}, method="a-model")
    assert [(row.attribute, row.method) for row in rows_of(maintenance, memory_id)] == [
        ("lives_in", "rules"),
        ("mood", "a-model"),
    ]
    with database.transaction(me.tenant_id) as session:
        keep_facts(session, me.tenant_id, {memory_id: (1, [])})
        keep_facts(session, me.tenant_id, {memory_id: (7, [fact])})
    assert [row.attribute for row in rows_of(maintenance, memory_id)] == ["mood"]


def test_other_values_of_an_attribute_are_found_within_a_user(database: Database, me: Any, remember: Any) -> None:
    lisbon = remember("I live in Lisbon.", user_id="ana")
    remember("I live in Berlin.", user_id="ben")
    remember("My rent is 900 euros.", user_id="ana")
    gone = remember("I live in Faro.", user_id="ana")
    assert me.post(f"/v1/memories/{gone}/archive").status_code == 200
    porto = remember("I've moved to Porto.", user_id="ana", observed_at=(MONDAY + timedelta(days=1)).isoformat())
    braga = remember("I live in Braga.", user_id="ana", observed_at=(MONDAY + timedelta(days=2)).isoformat())
    assert others(database, me.tenant_id, braga) == {braga: (porto, lisbon)}
    assert others(database, me.tenant_id, lisbon, porto) == {lisbon: (braga, porto), porto: (braga, lisbon)}


def test_erasure_takes_them_along(me: Any, maintenance: Engine, tenancy: Tenancy, remember: Any) -> None:
    memory_id = remember("I live in Lisbon.")
    job = me.delete(f"/v1/memories/{memory_id}?erase=true").json()["job_id"]
    assert consolidate.run_job(tenancy, UUID(job))
    assert rows_of(maintenance, memory_id) == []


def test_another_tenant_sees_none(database: Database, me: Any, make_tenant: Any, remember: Any) -> None:
    memory_id = remember("I live in Lisbon.")
    with database.transaction(make_tenant()[0]) as session:
        assert session.scalar(text("SELECT count(*) FROM fact")) == 0
        assert facts_of(session, me.tenant_id, [memory_id]) == {}
