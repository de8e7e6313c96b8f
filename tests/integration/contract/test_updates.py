"""on_conflict: update. What is posted again under an external_id becomes the next version of the memory that holds it."""

import threading
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import event

from tests.integration.contract.test_concurrency import at_once, statuses

UPDATE = {"on_conflict": "update"}


def put(me: Any, content: str, **fields: Any) -> Any:
    return me.post("/v1/memories", json={"content": content, "external_id": "x", **UPDATE, **fields})


def test_the_first_creates_and_the_next_changes_it_in_place(me: Any, api: Any) -> None:
    first = put(me, "Tea at four.", value={"at": 4}, tags=["drink"], expires_at="2100-01-01T00:00:00Z")
    assert first.status_code == 201, first.text
    second = put(me, "Coffee at five.", value={"at": 5}, expires_at=None)
    assert second.status_code == 200, second.text
    made, changed = first.json(), second.json()
    assert (changed["id"], changed["version"], changed["created_at"]) == (made["id"], 2, made["created_at"])
    assert (changed["content"], changed["value"], changed["expires_at"]) == ("Coffee at five.", {"at": 5}, None)
    assert changed["tags"] == ["drink"]  # What is not named stays.
    assert changed["updated_at"] > made["updated_at"]
    assert second.headers["etag"] == '"2"'
    assert api.query({}) == [made["id"]]
    versions = me.get(f"/v1/memories/{made['id']}/versions").json()["data"]
    assert [each["content"] for each in versions] == ["Coffee at five.", "Tea at four."]


def test_it_is_found_by_its_new_words_only(me: Any, api: Any) -> None:
    put(me, "The zeppelin lands at noon.")
    put(me, "The bicycle is in the shed.")
    best = api.search("bicycle", channels={"keyword": 1})["results"]
    assert [result["memory"]["content"] for result in best] == ["The bicycle is in the shed."]
    assert api.search("zeppelin", channels={"keyword": 1})["results"] == []


def test_the_same_again_makes_no_version(me: Any) -> None:
    put(me, "Tea.", value=1)
    assert put(me, "Tea.", value=1).json()["version"] == 1
    # Unlike a superseding post, what is no part of the text counts as well.
    assert put(me, "Tea.", value=True).json()["version"] == 2


def test_a_batch_applies_its_items_in_order(me: Any, api: Any) -> None:
    items: list[dict[str, Any]] = [
        {"content": "One.", "external_id": "a", **UPDATE},
        {"content": "Two.", "external_id": "a", **UPDATE},
        {"content": "Three.", "external_id": "a", **UPDATE},
        {"content": "", "external_id": "a", **UPDATE},
        {"content": "Four.", "external_id": "a", "on_conflict": "supersede"},
        {"content": "Five.", "external_id": "a", **UPDATE},
        {"content": "Other.", "external_id": "b", **UPDATE},
    ]
    results = me.post("/v1/memories/batch", json={"items": items}).json()["results"]
    wanted = ["created", "updated", "updated", "rejected", "superseded", "updated", "created"]
    assert [result["status"] for result in results] == wanted
    assert results[0]["id"] == results[2]["id"]
    assert results[4]["id"] == results[5]["id"] != results[0]["id"]
    assert api.read(results[0]["id"])["content"] == "Three."
    assert api.read(results[5]["id"])["content"] == "Five."


def test_a_bad_change_is_refused_alone(me: Any, api: Any) -> None:
    kept = put(me, "Old.", valid_from="2024-01-01T00:00:00Z").json()
    items: list[dict[str, Any]] = [
        {"content": "Bad.", "external_id": "x", "valid_to": "2023-01-01T00:00:00Z", **UPDATE},
        {"content": "Good.", "external_id": "y", **UPDATE},
    ]
    results = me.post("/v1/memories/batch", json={"items": items}).json()["results"]
    assert [result["status"] for result in results] == ["rejected", "created"]
    assert results[0]["problem"]["status"] == 422
    assert api.read(kept["id"])["content"] == "Old."


@pytest.mark.parametrize("end", ["archived", "expired"])
def test_what_lives_no_more_is_not_updated(me: Any, api: Any, end: str) -> None:
    gone = {"expires_at": "2020-01-01T00:00:00Z"} if end == "expired" else {}
    old = put(me, "Old.", **gone).json()["id"]
    if end == "archived":
        assert me.delete(f"/v1/memories/{old}").status_code == 204
    new = put(me, "New.")
    assert new.status_code == 201
    assert new.json()["id"] != old
    assert api.read(old)["content"] == "Old."


def test_an_erased_text_stays_away(me: Any, api: Any, work: Any, problem: Any) -> None:
    old = api.remember("Secret.")["id"]
    assert me.delete(f"/v1/memories/{old}", params={"erase": True}).status_code == 202
    work(me.tenant_id)
    put(me, "Harmless.")
    problem(put(me, "Secret."), 409, "text_erased")
    assert put(me, "Secret.", observed_at="2100-01-01T00:00:00Z").status_code == 200


def test_a_merged_memory_stands_by_itself_again(me: Any, api: Any, work: Any) -> None:
    api.remember("The dentist is Olga on Hill Street.", observed_at="2026-01-01T10:00:00Z")
    again = put(me, "The dentist is Olga, on Hill Street!", observed_at="2026-01-05T10:00:00Z").json()
    work(me.tenant_id)
    assert api.read(again["id"])["state"] == "merged"
    changed = put(me, "The dentist is Ivo.")
    assert changed.status_code == 200, changed.text
    assert (changed.json()["id"], changed.json()["state"]) == (again["id"], "activated")
    assert changed.json()["content"] == "The dentist is Ivo."
    assert api.found("dentist Ivo")[0] == again["id"]


def test_many_at_once_all_succeed_and_one_is_last(me: Any, api: Any) -> None:
    answers = at_once(lambda n: put(me, f"Version {n}.", value=n))
    busy = [a for a in answers if a.status_code == 503]
    assert statuses(answers)[201] == 1
    assert statuses(answers)[200] == len(answers) - 1 - len(busy)
    (memory_id,) = api.query({"external_id": "x"})
    last = api.read(memory_id)
    assert last["version"] == len(answers) - len(busy)
    assert last["content"] == f"Version {last['value']}."


def test_batches_in_opposite_order_never_wait_for_each_other(me: Any, api: Any) -> None:
    keys = [f"k{n}" for n in range(20)]

    def write(number: int) -> Any:
        order = keys if number % 2 else keys[::-1]
        items = [{"content": f"{key} by {number}.", "external_id": key, "value": number, **UPDATE} for key in order]
        return me.post("/v1/memories/batch", json={"items": items})

    assert write(0).status_code == 200
    answers = at_once(write, threads=8)
    assert set(statuses(answers)) <= {200, 503}, [a.text for a in answers if a.status_code not in {200, 503}]
    for answer in answers:
        if answer.status_code == 200:
            assert {result["status"] for result in answer.json()["results"]} == {"updated"}
    assert len(api.query({})) == len(keys)


def test_many_are_changed_with_about_as_many_statements_as_one(me: Any, app: FastAPI) -> None:
    """A nightly sync writes over a thousand at a time: a statement more for each would make it wait for half a minute."""

    def items(many: int, says: str) -> list[dict[str, Any]]:
        return [
            {"content": f"Parcel {n} {says}.", "external_id": f"p{n}", "tags": ["post"], **UPDATE} for n in range(many)
        ]

    def statements(many: int, says: str) -> int:
        sent: list[tuple[int, str]] = []
        engine = app.state.services.database.engine

        def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            sent.append((threading.get_ident(), statement))

        event.listen(engine, "before_cursor_execute", note)
        try:
            results = me.post("/v1/memories/batch", json={"items": items(many, says)}).json()["results"]
        finally:
            event.remove(engine, "before_cursor_execute", note)
        assert {result["status"] for result in results} == {"updated"}
        # The request's own: from a thread beside it, within a second, is written when the keys of tests before were used.
        (writer,) = {thread for thread, statement in sent if "INSERT INTO memory_version" in statement}
        return sum(thread == writer for thread, _ in sent)

    assert me.post("/v1/memories/batch", json={"items": items(60, "has been sent")}).is_success
    assert statements(60, "lies at the mill") <= statements(2, "has arrived") + 3
    found = me.get("/v1/memories?limit=100").json()["data"]
    assert {(m["content"], m["version"]) for m in found} == {
        (f"Parcel {n} {'has arrived' if n < 2 else 'lies at the mill'}.", 3 if n < 2 else 2) for n in range(60)
    }


def test_each_of_a_batch_changes_what_it_names(me: Any) -> None:
    base = {"namespace": "mixed", **UPDATE}
    names = ("text", "end", "tags", "nothing", "backwards")
    first = [{"content": f"About {name}.", "external_id": name, "tags": ["old"], **base} for name in names]
    ids = [r["id"] for r in me.post("/v1/memories/batch", json={"items": first}).json()["results"]]
    again = [
        {"content": "About something else.", "external_id": "text", **base},
        {"content": "About end.", "external_id": "end", "expires_at": "2100-01-01T00:00:00Z", **base},
        {"content": "About tags.", "external_id": "tags", "tags": ["new"], **base},
        {"content": "About nothing.", "external_id": "nothing", **base},
        {
            "content": "No.", "external_id": "backwards",
            "valid_from": "2024-02-01T00:00:00Z", "valid_to": "2024-01-01T00:00:00Z", **base,
        },
    ]  # fmt: skip
    results = me.post("/v1/memories/batch", json={"items": again}).json()["results"]
    assert [result["status"] for result in results] == ["updated"] * 4 + ["rejected"]
    read = [me.get(f"/v1/memories/{one}").json() for one in ids]
    assert [one["version"] for one in read] == [2, 2, 2, 1, 1]
    assert [one["content"] for one in read] == [
        "About something else.", "About end.", "About tags.", "About nothing.", "About backwards.",
    ]  # fmt: skip
    assert [one["tags"] for one in read] == [["old"], ["old"], ["new"], ["old"], ["old"]]
    assert [one["expires_at"] for one in read] == [None, "2100-01-01T00:00:00Z", None, None, None]
    for query, wanted in (("something else", {ids[0]}), ("text", set())):
        body = {"query": query, "namespace": "mixed", "channels": {"keyword": 1}}
        assert {r["memory"]["id"] for r in me.post("/v1/search", json=body).json()["results"]} == wanted
