"""What leaves one tenant and enters another is the same there: records, history, what searches find."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from consolidation import consolidate, enriching

from .conftest import read_bundle

SPACE = "people/ana"


@pytest.fixture
def household(me: Any, open_tenancy: Callable[..., Any]) -> Any:
    """Return a tenant with history: versions, a successor, an archived memory, turns, a document, a policy, a recall."""

    def post(path: str, body: Any) -> Any:
        answer = me.post(path, json=body)
        assert answer.status_code < 300, answer.text
        return answer.json()

    post("/v1/namespaces", {"path": SPACE, "settings": {"fusion": {"learn": True}}})
    assert me.put(f"/v1/policies/retention?namespace={SPACE}", json={"protection": 0.75}).status_code == 200
    said = {"namespace": SPACE, "user_id": "ana", "observed_at": "2024-05-08T10:00:00Z"}
    old = post(
        "/v1/memories",
        {"content": "Ana lives in Lisbon near the old lighthouse.", "external_id": "home", "speaker": "Ana", **said},
    )
    assert me.patch(
        f"/v1/memories/{old['id']}", json={"content": "Ana lives in Lisbon near the new bridge."}
    ).is_success
    assert me.patch(f"/v1/memories/{old['id']}", json={"tags": ["home"], "metadata": {"a": [1, 2.5, "é"]}}).is_success
    post(
        f"/v1/memories/{old['id']}/supersede",
        {"content": "Ana moved to Porto in June.", "valid_from": "2024-06-01T00:00:00Z"},
    )
    gone = post("/v1/memories", {"content": "Ana dislikes anchovies.", "value": {"deep": [None, True]}, **said})
    assert me.delete(f"/v1/memories/{gone['id']}").status_code == 204
    back = post("/v1/memories", {"content": "Ana rows on Sundays.", "pinned": True, "importance": 0.9, **said})
    assert me.delete(f"/v1/memories/{back['id']}").status_code == 204
    assert me.post(f"/v1/memories/{back['id']}/restore").is_success
    turns = [
        {"role": "user", "name": "Ana", "content": "I adopted a grey cat called Minho."},
        {"role": "assistant", "content": "What a lovely name for a cat!"},
        {"role": "user", "name": "Ana", "content": "Yes, he sleeps all day."},
    ]
    post("/v1/messages", {"messages": turns, "session_id": "s1", "namespace": SPACE, "user_id": "ana"})
    made = post(
        "/v1/documents",
        {
            "content": "# Boats\n\nA boat needs an anchor.\n\n# Storms\n\nStay ashore.\n",
            "namespace": SPACE,
            "title": "Sea",
        },
    )
    assert consolidate.run_job(open_tenancy(me.tenant_id), UUID(made["job_id"]))
    post("/v1/memories", {"content": "A memory of another place."})
    post("/v1/memories", {"content": "Ben: Hey Ana, are you at sea?", **said})
    block = {"value": "Ana is a sailor.", "namespace": SPACE, "user_id": "ana"}
    assert me.put("/v1/blocks/human", json=block).status_code == 201
    assert me.put("/v1/blocks/human", json={**block, "value": "Ana was a sailor."}).is_success
    enriching.enrich_pending(open_tenancy(me.tenant_id))
    found = post("/v1/search", {"query": "Where does Ana live?", "namespace": SPACE, "reinforce": True})
    assert found["results"]
    return me


def without_header(raw: bytes) -> list[dict[str, Any]]:
    """Return the records of a bundle and what its end counts; its checksum covers the header, too."""
    _, *records, end = read_bundle(raw)
    return [*records, {"type": "end", "records": end["records"], "counts": end["counts"]}]


def search(who: Any, query: str, **body: Any) -> list[tuple[str, float]]:
    answer = who.post("/v1/search", json={"query": query, "namespace": SPACE, **body})
    assert answer.status_code == 200, answer.text
    return [(result["memory"]["id"], round(result["score"], 4)) for result in answer.json()["results"]]


@pytest.mark.parametrize("include", [None, "embeddings"])
def test_an_export_imported_elsewhere_exports_as_the_same(
    household: Any, other: Any, export: Any, take_in: Any, include: str | None
) -> None:
    parts = ["archived", "versions", "retention", "links", "settings", "policies", "blocks", "documents"]
    body = {} if include is None else {"include": [*parts, include]}
    first = export(household, **body)
    kinds = {record["type"] for record in read_bundle(first)}
    assert kinds == {"bundle", "namespace", "policy", "block", "memory", "link", "document", "document_text", "end"}
    job = take_in(other, first)
    assert job["status"] == "succeeded", job
    assert job["items"] == []
    assert job["progress"]["done"] == job["progress"]["total"] == read_bundle(first)[-1]["records"]
    assert all(list(statuses) == ["created"] for statuses in job["result"]["counts"].values()), job["result"]
    assert without_header(export(other, **body)) == without_header(first)


def test_searches_find_the_same(household: Any, other: Any, export: Any, take_in: Any) -> None:
    take_in(other, export(household))
    queries = ["Where does Ana live?", "grey cat", "anchor", "Minho", "anchovies", "the new bridge"]
    for query in queries:
        for channels in ({"vector": 1}, {"keyword": 1}, {"vector": 0.5, "keyword": 0.5}, {"graph": 1}, {"temporal": 1}):
            assert search(household, query, channels=channels) == search(other, query, channels=channels), (
                query,
                channels,
            )
        archived = {"include": ["archived"]}
        assert search(household, query, **archived) == search(other, query, **archived)


def test_history_and_lineage_are_the_same(household: Any, other: Any, export: Any, take_in: Any) -> None:
    raw = export(household)
    take_in(other, raw)
    ids = [record["id"] for record in read_bundle(raw) if record["type"] == "memory"]
    for memory_id in ids:
        for view in ("", "/versions", "/provenance", "/links", "/facts"):
            mine, theirs = (who.get(f"/v1/memories/{memory_id}{view}").json() for who in (household, other))
            for one in (mine, theirs):
                if "retention" in one:
                    del one["retention"]["retrievability"]  # It falls with every moment.
            assert mine == theirs, view
    assert other.get(f"/v1/namespaces/{SPACE.replace('/', '%2F')}").json()["settings"]["fusion"] == {"learn": True}
    mine, theirs = (
        who.get("/v1/blocks/human", params={"namespace": SPACE, "user_id": "ana"}).json() for who in (household, other)
    )
    assert mine == theirs
    assert theirs["value"] == "Ana was a sailor."
    (document,) = other.get("/v1/documents").json()["data"]
    mine, theirs = (who.get(f"/v1/documents/{document['id']}").json() for who in (household, other))
    assert mine == theirs


def test_a_search_as_of_earlier_finds_what_was_known_then(
    household: Any, other: Any, export: Any, take_in: Any
) -> None:
    raw = export(household)
    take_in(other, raw)
    moved = next(r for r in read_bundle(raw) if r["type"] == "memory" and len(r["versions"]) > 2)
    first = moved["versions"][0]
    assert "lighthouse" in first["content"]
    asked = {"as_of": {"known": first["known_to"].replace("Z", "+00:00")}, "channels": {"keyword": 1}}
    before = {"as_of": {"known": first["updated_at"]}, "channels": {"keyword": 1}}
    for body in (asked, before):
        assert search(household, "lighthouse", **body) == search(other, "lighthouse", **body)
    assert search(other, "lighthouse", **before)[0][0] == moved["id"]


def test_the_same_bundle_again_changes_nothing(
    household: Any, other: Any, export: Any, take_in: Any, outcomes: Any
) -> None:
    raw = export(household)
    take_in(other, raw)
    before = export(other)
    for on_conflict in ("skip", "error", "new_version"):
        job = take_in(other, raw, on_conflict=on_conflict)
        assert {status for counts in job["result"]["counts"].values() for status in counts} == {"skipped"}
        assert {outcome["code"] for outcome in outcomes(other, job)} == {"present"}
        assert without_header(export(other)) == without_header(before)
    assert {status for c in take_in(household, raw)["result"]["counts"].values() for status in c} == {"skipped"}


def test_a_filter_takes_some_memories_and_only_their_edges(household: Any, export: Any) -> None:
    records = read_bundle(export(household, namespace=SPACE, filter={"session_id": "s1"}))
    memories = {record["id"] for record in records if record["type"] == "memory"}
    assert len(memories) == 3
    assert {r["type"] for r in records} <= {"bundle", "memory", "link", "end"}
    assert all({r["source_id"], r["target_id"]} <= memories for r in records if r["type"] == "link")
    assert records[0]["filtered"] is True


def test_parts_can_be_chosen(household: Any, export: Any) -> None:
    records = read_bundle(export(household, include=[]))
    assert {r["type"] for r in records} == {"bundle", "memory", "end"}
    assert not {"versions", "retention", "embeddings"} & set().union(*(r.keys() for r in records))
    assert all(r["archived_at"] is None for r in records[1:-1])


def test_without_versions_what_is_said_now_is_found(household: Any, other: Any, export: Any, take_in: Any) -> None:
    job = take_in(other, export(household, include=[]))
    assert job["result"]["counts"]["memory"].keys() == {"created"}
    assert search(other, "new bridge", channels={"keyword": 1})
    assert search(other, "where does she live", channels={"vector": 1})
