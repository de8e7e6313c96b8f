"""What a memory says of itself stays true through corrections, supersession, the archive, expiry and erasure."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from consolidation import consolidate, enriching
from consolidation.tenancy import Tenancy
from memory_service.errors import Gone, NotFound
from memory_service.lifecycle import archive
from memory_service.lifecycle.reinforce import take_feedback
from memory_service.storage import memories, namespace_settings
from memory_service.storage.database import Database
from memory_service.storage.ids import new_id
from memory_service.storage.scopes import ScopeColumn, list_scopes


def by_keyword(me: Any, query: str, **fields: Any) -> list[str]:
    answer = me.post("/v1/search", json={"query": query, "channels": {"keyword": 1}, **fields})
    assert answer.status_code == 200, answer.text
    return [result["memory"]["id"] for result in answer.json()["results"]]


def test_computed_fields_follow_the_content(tenancy: Tenancy, me: Any, remember: Any) -> None:
    memory_id = remember("Anna lives in Oslo.")["id"]
    enriching.enrich_pending(tenancy)
    assert me.get(f"/v1/memories/{memory_id}").json()["entities"] == ["Oslo"]
    corrected = me.patch(f"/v1/memories/{memory_id}", json={"content": "Tomás moved to Lisbon."}).json()
    assert (corrected["entities"], corrected["keywords"], corrected["language"]) == ([], [], None)
    enriching.enrich_pending(tenancy)
    found = me.get(f"/v1/memories/{memory_id}").json()
    assert found["entities"] == ["Lisbon"]
    assert "oslo" not in " ".join(found["keywords"]).lower()
    assert found["version"] == 2


@pytest.mark.parametrize("stated", [["Anna"], ["Oslo"]], ids=["another value", "the value that was found"])
def test_what_a_patch_states_is_no_longer_computed(tenancy: Tenancy, me: Any, remember: Any, stated: list[str]) -> None:
    memory_id = remember("Anna lives in Oslo.")["id"]
    enriching.enrich_pending(tenancy)
    assert me.patch(f"/v1/memories/{memory_id}", json={"entities": stated}).status_code == 200
    me.patch(f"/v1/memories/{memory_id}", json={"content": "Tomás moved to Lisbon."})
    enriching.enrich_pending(tenancy)
    assert me.get(f"/v1/memories/{memory_id}").json()["entities"] == stated


def test_fields_stated_at_the_start_survive_new_content(tenancy: Tenancy, me: Any, remember: Any) -> None:
    memory_id = remember("Anna lives in Oslo.", keywords=["home"])["id"]
    enriching.enrich_pending(tenancy)
    me.patch(f"/v1/memories/{memory_id}", json={"content": "Anna lives in Bergen."})
    assert me.get(f"/v1/memories/{memory_id}").json()["keywords"] == ["home"]


def test_a_text_superseded_in_a_batch_may_be_said_anew_in_it(me: Any) -> None:
    items = [
        {"content": "Bob likes tea.", "external_id": "E"},
        {"content": "Bob likes coffee.", "external_id": "E", "on_conflict": "supersede"},
        {"content": "Bob likes tea."},
    ]
    results = me.post("/v1/memories/batch", json={"items": items}).json()["results"]
    assert [result["status"] for result in results] == ["created", "superseded", "created"]


def test_a_successor_that_would_end_before_it_begins_is_refused(me: Any, remember: Any) -> None:
    old = remember("Bob lives in Rome.", external_id="home")
    late = {"content": "Bob lived in Bari.", "valid_to": "2020-01-01T00:00:00Z"}
    answer = me.post(f"/v1/memories/{old['id']}/supersede", json=late)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/valid_to")
    late |= {"external_id": "home", "on_conflict": "supersede"}
    answer = me.post("/v1/memories", json=late)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/valid_to")
    (result, other) = me.post("/v1/memories/batch", json={"items": [late, {"content": "Fine."}]}).json()["results"]
    assert (result["status"], other["status"]) == ("rejected", "created")
    assert result["problem"]["status"] == 422
    assert result["problem"]["errors"][0]["pointer"] == "/items/0/valid_to"
    assert me.get(f"/v1/memories/{old['id']}").json()["superseded_by"] is None


def test_an_inverted_validity_does_not_stand_in_the_way_of_other_changes(me: Any, remember: Any, rows: Any) -> None:
    memory_id = remember("Kept by an earlier release.", valid_from="2024-02-01T00:00:00Z")["id"]
    rows.run("UPDATE memory SET valid_to = '2024-01-01Z' WHERE id = CAST(:id AS uuid)", id=memory_id)
    assert me.patch(f"/v1/memories/{memory_id}", json={"title": "A title"}).status_code == 200
    assert me.patch(f"/v1/memories/{memory_id}", json={"valid_from": "2024-03-01T00:00:00Z"}).status_code == 422


def test_an_old_memory_never_ends_before_it_was_observed(me: Any, remember: Any) -> None:
    old = remember("Bob lives in Rome.", observed_at="2024-05-01T00:00:00Z")
    late = {"content": "Bob lives in Bari.", "valid_from": "2023-01-01T00:00:00Z"}
    assert me.post(f"/v1/memories/{old['id']}/supersede", json=late).status_code == 201
    assert me.get(f"/v1/memories/{old['id']}").json()["valid_to"] == "2024-05-01T00:00:00Z"


def test_a_successor_is_found_by_the_speaker_it_inherits(me: Any, remember: Any) -> None:
    old = remember("I like tea.", speaker="Bartholomew")
    new = me.post(f"/v1/memories/{old['id']}/supersede", json={"content": "I like coffee."}).json()
    assert new["id"] in by_keyword(me, "Bartholomew coffee")
    assert new["id"] in by_keyword(me, "Bartholomew")


@pytest.mark.parametrize("change", [{"content": "Zebras graze."}, {"title": "Zebras"}])
def test_what_was_corrected_in_the_archive_is_found_there(me: Any, remember: Any, change: dict[str, str]) -> None:
    memory_id = remember("Horses graze.")["id"]
    me.post(f"/v1/memories/{memory_id}/archive")
    me.patch(f"/v1/memories/{memory_id}", json=change)
    assert by_keyword(me, "zebras", include=["archived"]) == [memory_id]
    assert by_keyword(me, "zebras") == []
    me.post(f"/v1/memories/{memory_id}/restore")
    assert by_keyword(me, "zebras") == [memory_id]


def test_a_restore_before_the_sweep_counts_once_and_keeps_the_end(
    database: Database, me: Any, remember: Any, rows: Any
) -> None:
    end = datetime.now(UTC) + timedelta(hours=1)
    memory_id = UUID(remember("Milk is in the fridge.", expires_at=end.isoformat())["id"])
    with database.transaction(me.tenant_id) as session:
        assert archive.restore(session, me.tenant_id, [memory_id], now=end + timedelta(minutes=1)) == [memory_id]
        versions = memories.list_versions(session, me.tenant_id, memory_id, before=None, limit=10)
    assert [version["state"] for version in versions] == ["activated", "expired", "activated"]
    (total,) = rows.one("SELECT sum(docs) FROM corpus_delta WHERE tenant_id = :t", t=me.tenant_id)
    assert total == 1


def test_counts_leave_out_what_has_expired(database: Database, me: Any, remember: Any, rows: Any) -> None:
    end = datetime.now(UTC) + timedelta(hours=1)
    remember("Milk is in the fridge.", user_id="u", expires_at=end.isoformat())
    remember("Bread is on the shelf.", user_id="u")
    (space,) = rows.one("SELECT id FROM namespace WHERE tenant_id = :t", t=me.tenant_id)
    for now, count in ((end - timedelta(seconds=1), 2), (end, 1)):
        with database.transaction(me.tenant_id) as session:
            (user,) = list_scopes(
                session, me.tenant_id, ScopeColumn.USER, namespace_id=None, after=None, limit=5, now=now
            )
            assert user["count"] == count
            assert namespace_settings.count_memories(session, me.tenant_id, space, now=now) == count


def test_erasure_forgets_speakers_and_words_that_nothing_else_uses(
    tenancy: Tenancy, me: Any, remember: Any, make_job: Any, rows: Any
) -> None:
    gone = remember("Quetzals sing at dawn.", speaker="Xanthippe")["id"]
    shared = remember("Dawn is early.", speaker="Bob")["id"]
    remember("Bob sleeps at dawn.", speaker="Bob")
    words = rows.all("SELECT namespace_id, unnest(terms) FROM memory WHERE tenant_id = :t", t=me.tenant_id)
    for space, term in set(words):
        rows.run("INSERT INTO term_stat VALUES (:t, :n, :term, 1)", t=me.tenant_id, n=space, term=term)
    consolidate.run_job(tenancy, make_job("erase", [gone, shared]))
    assert rows.all("SELECT name FROM speaker WHERE tenant_id = :t", t=me.tenant_id) == [("Bob",)]
    counted = rows.all("SELECT term FROM term_stat WHERE tenant_id = :t ORDER BY 1", t=me.tenant_id)
    left = rows.all("SELECT DISTINCT term FROM posting WHERE tenant_id = :t ORDER BY 1", t=me.tenant_id)
    assert counted == left
    assert ("dawn",) in left


def test_the_planner_keeps_no_statistics_of_user_text(rows: Any) -> None:
    kept = rows.all(
        "SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
        "WHERE (c.relname, a.attname) IN (('memory', 'tags'), ('memory_version', 'tags'), ('term_stat', 'term'), "
        "('speaker', 'name'), ('memory', 'speaker'), ('memory_version', 'speaker'), ('source', 'speaker')) "
        "AND a.attstattarget IS DISTINCT FROM 0"
    )
    assert kept == []


def test_feedback_on_a_memory_erased_meanwhile_says_so(
    database: Database, tenancy: Tenancy, me: Any, remember: Any, make_job: Any
) -> None:
    erased = remember("Soon gone.")["id"]
    consolidate.run_job(tenancy, make_job("erase", [erased]))
    for memory_id, expected in ((UUID(erased), Gone), (new_id(), NotFound)):
        with database.transaction(me.tenant_id) as session, pytest.raises(expected):
            take_feedback(
                session, me.tenant_id, new_id(), memory_id, rank=1, score=1.0, useful=True, cited=False,
                now=datetime.now(UTC),
            )  # fmt: skip
