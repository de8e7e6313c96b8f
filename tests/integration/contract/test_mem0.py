"""The calls of mem0's clients over plain HTTP: the platform's paths and those of the open-source server."""

from collections.abc import Iterator
from dataclasses import replace
from hashlib import md5
from typing import Any
from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from memory_service.api.compat.mem0 import forgetting
from memory_service.types import KeyScope

MEM0 = "/compat/mem0"
FRIENDS = [
    {"role": "user", "content": "I'm Alex, I am vegetarian and allergic to nuts."},
    {"role": "assistant", "content": "Noted, no meat and no nuts for you."},
]


def test_ping_tells_the_tenant_and_the_namespace(mem0: Any, me: Any) -> None:
    for headers in ({"Authorization": f"Token {me.key}"}, {"Authorization": "", "X-API-Key": me.key}):
        found = mem0.call("GET", "/v1/ping/", headers=headers)
        assert (found["org_id"], found["project_id"], found["user_email"]) == (str(me.tenant_id), "default", None)


def test_an_unknown_key_is_told_in_a_sentence(client: TestClient) -> None:
    answer = client.get(f"{MEM0}/v1/ping/", headers={"Authorization": "Token nonsense"})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["detail"].startswith("The API key is not valid")


def test_turns_become_memories_that_are_found_at_once(mem0: Any, me: Any) -> None:
    made = mem0.add(FRIENDS, user_id="alex", run_id="r-1", app_id="kitchen", metadata={"topic": "food"})
    assert made["status"] == "SUCCEEDED"
    assert [(r["event"], r["memory"], r["role"]) for r in made["results"]] == [
        ("ADD", FRIENDS[0]["content"], "user"),
        ("ADD", FRIENDS[1]["content"], "assistant"),
    ]
    found = mem0.search("What can I not eat?", filters={"user_id": "alex"})["results"]
    assert {item["id"] for item in found} == {r["id"] for r in made["results"]}
    first = next(item for item in found if item["role"] == "user")
    assert (first["user_id"], first["run_id"], first["app_id"], first["metadata"]) == (
        "alex", "r-1", "kitchen", {"topic": "food"},
    )  # fmt: skip
    scores = [item["score"] for item in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    # One store: what came in this way is a memory like any other.
    ours = me.get(f"/v1/memories/{first['id']}").json()
    assert (ours["content"], ours["session_id"], ours["metadata"]) == (
        FRIENDS[0]["content"], "r-1", {"topic": "food", "app_id": "kitchen"},
    )  # fmt: skip


def test_an_event_tells_what_an_add_stored(mem0: Any) -> None:
    made = mem0.add(FRIENDS, user_id="alex")
    event = mem0.call("GET", f"/v1/event/{made['event_id']}/")
    assert (event["status"], event["event_type"]) == ("SUCCEEDED", "ADD")
    assert [(r["id"], r["memory"]) for r in event["results"]] == [(r["id"], r["memory"]) for r in made["results"]]
    mem0.call("DELETE", f"/v1/memories/{made['results'][0]['id']}/")
    event = mem0.call("GET", f"/v1/event/{made['event_id']}/")
    assert [r["memory"] for r in event["results"]] == [None, FRIENDS[1]["content"]]
    mem0.call("GET", f"/v1/event/{uuid4()}/", status=404)


def test_the_same_text_again_is_not_stored_twice(mem0: Any) -> None:
    first = mem0.add("I like tea.", user_id="alex")["results"][0]
    again = mem0.add("I like tea.", user_id="alex")["results"][0]
    assert (again["id"], again["event"]) == (first["id"], "NONE")
    assert mem0.all({"user_id": "alex"})["count"] == 1
    other = mem0.add("I like tea.", user_id="bo")["results"][0]
    assert (other["event"], other["id"] != first["id"]) == ("ADD", True)


def test_a_repeated_request_with_a_key_is_answered_as_before(mem0: Any, me: Any) -> None:
    body = {"messages": "Once.", "user_id": "alex"}
    key = {"Idempotency-Key": str(uuid4())}
    first = me.post(f"{MEM0}/v3/memories/add/", json=body, headers=key)
    again = me.post(f"{MEM0}/v3/memories/add/", json=body, headers=key)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == first.json()
    elsewhere = me.post(f"{MEM0}/ns/other/v3/memories/add/", json=body, headers=key)
    assert elsewhere.status_code == 422, "the namespace is a part of the request"


@pytest.mark.parametrize(
    ("messages", "texts"),
    [
        ("A text.", ["A text."]),
        ({"role": "user", "content": "One turn."}, ["One turn."]),
        (["A text in a list."], ["A text in a list."]),
        ([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi, I am Bo."}], ["Hi, I am Bo."]),
        ([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}], ["a\nb"]),
        ([{"role": "assistant", "content": None, "tool_calls": [{"id": "x"}]}], []),
    ],
)
def test_messages_come_in_many_forms(mem0: Any, messages: Any, texts: list[str]) -> None:
    made = mem0.add(messages, user_id="alex")
    assert [r["memory"] for r in made["results"]] == texts
    assert sorted(mem0.texts({"user_id": "alex"})) == sorted(texts)


@pytest.mark.parametrize(
    ("messages", "pointer"),
    [
        ([], "/messages"),
        ("", "/messages"),
        ([{"role": "user", "content": "  "}], "/messages/0/content"),
        ([{"role": "user"}], "/messages/0/content"),
        ([{"role": "user", "content": "a"}, 7], "/messages/1"),
        ([{"role": "user", "content": "a", "mood": "bright"}], "/messages/0/mood"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}], "/messages/0/content/0"),
        ("NUL \0", "/messages"),
        (7, "/messages"),
    ],
)
def test_a_bad_message_is_refused_and_nothing_is_stored(mem0: Any, messages: Any, pointer: str) -> None:
    refused = mem0.add(messages, user_id="alex", status=422)
    assert pointer in [error["pointer"] for error in refused["errors"]]
    assert mem0.all({"user_id": "alex"})["count"] == 0


def test_limits_are_those_of_the_service(mem0: Any) -> None:
    assert mem0.add("x" * 65_537, user_id="alex", status=413)["code"] == "content_too_large"
    assert mem0.add("a", user_id="alex", metadata={"x": "y" * 17_000}, status=413)["code"] == "metadata_too_large"
    assert mem0.add(["a"] * 1_001, user_id="alex", status=413)["code"] == "too_large"
    assert mem0.add("a", user_id="x" * 257, status=422)["errors"][0]["pointer"] == "/user_id"
    mem0.search("a", filters={"user_id": "alex"}, top_k=201, status=413)
    mem0.search(" ", filters={"user_id": "alex"}, status=422)


def test_somebody_must_be_named(mem0: Any) -> None:
    for refused in (
        mem0.add("a", status=422),
        mem0.all({}, status=422),
        mem0.all({"topic": "food"}, status=422),
        mem0.search("a", status=422),
        mem0.call("DELETE", "/v1/memories/", status=422),
        mem0.call("GET", "/memories", status=422),
        mem0.call("DELETE", "/memories", status=422),
    ):
        assert "user_id" in refused["detail"]


def test_ids_of_a_new_memory_may_stand_in_filters(mem0: Any) -> None:
    mem0.add("In filters.", filters={"user_id": "alex", "agent_id": "cook"})
    (item,) = mem0.all({"AND": [{"user_id": "alex"}, {"agent_id": "cook"}]})["results"]
    assert item["agent_id"] == "cook"
    mem0.add("a", user_id="alex", filters={"user_id": "bo"}, status=422)
    mem0.add("a", user_id="alex", filters={"topic": "food"}, status=422)
    mem0.add("a", user_id="*", status=422)
    mem0.add("a", user_id="alex", app_id="x", metadata={"app_id": "y"}, status=422)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("custom_instructions", "Only store food."),
        ("includes", "food"),
        ("excludes", "names"),
        ("custom_categories", [{"food": "what is eaten"}]),
        ("structured_data_schema", {"type": "object"}),
        ("immutable", True),
        ("nonsense", 1),
    ],
)
def test_what_would_mislead_is_refused(mem0: Any, field: str, value: Any) -> None:
    refused = mem0.add("a", user_id="alex", status=422, **{field: value})
    assert refused["errors"][0]["pointer"] == f"/{field}"
    assert mem0.all({"user_id": "alex"})["count"] == 0


def test_what_changes_nothing_is_ignored(mem0: Any) -> None:
    mem0.add("a", user_id="alex", async_mode=False, output_format="v1.1", version="v2", immutable=False, org_id="o")
    assert mem0.search("a", filters={"user_id": "alex"}, keyword_search=True, rerank=False)["results"]
    mem0.call("GET", "/v1/entities/", params={"org_id": "o", "project_id": "p"})
    mem0.call("GET", "/v1/entities/", params={"nonsense": "p"}, status=422)


def test_infer_decides_whether_facts_are_read(mem0: Any, me: Any, work: Any) -> None:
    said = "I live in Lisbon."
    read, left = mem0.one(said), mem0.one(said, user_id="bo", infer=False)
    work(me.tenant_id)
    assert me.get(f"/v1/memories/{read}/facts").json()["data"]
    assert not me.get(f"/v1/memories/{left}/facts").json()["data"]


def test_times(mem0: Any, me: Any) -> None:
    old = mem0.one("In the old days.", timestamp=1_700_000_000)
    mem0.one("Today.")
    item = mem0.call("GET", f"/v1/memories/{old}/")
    assert item["created_at"] == "2023-11-14T22:13:20Z"
    assert mem0.texts({"user_id": "alex"}, end_date="2023-11-14") == ["In the old days."]
    assert mem0.texts({"user_id": "alex"}, start_date="2023-11-15") == ["Today."]
    assert mem0.texts({"user_id": "alex", "created_at": {"lt": "2024-01-01"}}) == ["In the old days."]
    assert me.get(f"/v1/memories/{old}").json()["observed_at"] == "2023-11-14T22:13:20Z"
    stated = mem0.one("Then.", metadata={"timestamp": "1:56 pm on 8 May, 2023"})
    assert me.get(f"/v1/memories/{stated}").json()["observed_at"] == "2023-05-08T13:56:00Z"
    kept = mem0.one("Now and then.", metadata={"timestamp": "now and then"}, timestamp=1_700_000_000)
    assert me.get(f"/v1/memories/{kept}").json()["observed_at"] == "2023-11-14T22:13:20Z"
    mem0.one("Whenever.", metadata={"timestamp": "whenever"})
    mem0.add("a", user_id="alex", timestamp="yesterday", status=422)
    mem0.add("a", user_id="alex", timestamp=10**18, status=422)


def test_the_expiration_date_is_the_last_day(mem0: Any, me: Any) -> None:
    kept = mem0.one("For a while.", expiration_date="2099-12-31")
    over = mem0.one("Over.", expiration_date="2020-01-01")
    assert mem0.call("GET", f"/v1/memories/{kept}/")["expiration_date"] == "2099-12-31"
    assert me.get(f"/v1/memories/{kept}").json()["expires_at"] == "2100-01-01T00:00:00Z"
    assert mem0.texts({"user_id": "alex"}) == ["For a while."]
    assert sorted(mem0.texts({"user_id": "alex"}, show_expired=True)) == ["For a while.", "Over."]
    found = mem0.search("Over.", filters={"user_id": "alex"}, show_expired=True)["results"]
    assert {item["id"] for item in found} == {kept, over}
    mem0.call("DELETE", f"/v1/memories/{over}/")
    assert mem0.texts({"user_id": "alex"}, show_expired=True) == ["For a while."]
    mem0.call("PUT", f"/v1/memories/{kept}/", json={"expiration_date": None})
    assert me.get(f"/v1/memories/{kept}").json()["expires_at"] is None
    mem0.add("a", user_id="alex", expiration_date="soon", status=422)


def test_pages(mem0: Any) -> None:
    for n in range(5):
        mem0.one(f"Note {n}.")
    first = mem0.all({"user_id": "alex"}, params={"page": 1, "page_size": 2})
    assert (first["count"], len(first["results"]), first["previous"]) == (5, 2, None)
    assert "page=2" in first["next"]
    assert "page_size=2" in first["next"]
    last = mem0.all({"user_id": "alex"}, params={"page": 3, "page_size": 2})
    assert (last["next"], [item["memory"] for item in last["results"]]) == (None, ["Note 0."])
    assert mem0.all({"user_id": "alex"}, params={"page": 9})["results"] == []
    mem0.all({"user_id": "alex"}, params={"page": 0}, status=422)


def test_a_page_of_a_namespace_leads_to_the_next_one(mem0_of: Any, me: Any) -> None:
    inside = mem0_of(me, f"{MEM0}/ns/team%2Fa")
    for n in range(3):
        inside.one(f"Note {n}.")
    first = inside.all({"user_id": "alex"}, params={"page": 1, "page_size": 2})
    following = me.post(first["next"], json={"filters": {"user_id": "alex"}})
    assert following.status_code == 200
    assert [item["memory"] for item in following.json()["results"]] == ["Note 0."]
    back = me.post(following.json()["previous"], json={"filters": {"user_id": "alex"}})
    assert back.json()["results"] == first["results"]


def test_search_options(mem0: Any, me: Any) -> None:
    tea, car = mem0.one("I drink green tea every morning."), mem0.one("The car needs new tyres.")
    near = mem0.search("Which tea do I drink?", filters={"user_id": "alex"}, threshold=0.3)["results"]
    assert [item["id"] for item in near] == [tea]
    assert near[0]["similarity"] >= 0.3
    assert mem0.search("Which tea?", filters={"user_id": "alex"}, threshold=1.0)["results"] == []
    one = mem0.search("tea or tyres", filters={"user_id": "alex"}, top_k=1)["results"]
    assert len(one) == 1
    (shown,) = mem0.search("tea", filters={"user_id": "alex"}, top_k=1, fields=["id", "score"])["results"]
    assert set(shown) == {"id", "score"}
    assert mem0.search("tea", user_id="alex", rerank=True, reference_date="2025-01-01")["results"]
    me.post(f"/v1/memories/{car}/supersede", json={"content": "The car has new tyres."})
    latest = mem0.search("tyres", filters={"user_id": "alex"}, latest_only=True)["results"]
    assert car not in {item["id"] for item in latest}
    assert car in {item["id"] for item in mem0.search("tyres", filters={"user_id": "alex"})["results"]}


def test_the_hash_follows_the_text(mem0: Any) -> None:
    made = mem0.one("Ada likes tea.")
    before = mem0.call("GET", f"/v1/memories/{made}/")
    mem0.call("PUT", f"/v1/memories/{made}/", json={"text": "Ada likes coffee."})
    after = mem0.call("GET", f"/v1/memories/{made}/")
    found = mem0.search("What does Ada like?", filters={"user_id": "alex"})["results"][0]
    assert [item["hash"] for item in (before, after, found)] == [
        md5(text).hexdigest() for text in (b"Ada likes tea.", b"Ada likes coffee.", b"Ada likes coffee.")
    ]


def test_update_makes_a_version_and_adds_to_the_metadata(mem0: Any, me: Any) -> None:
    made = mem0.one("Bees: ten hives.", metadata={"a": 1}, app_id="hive")
    changed = mem0.call("PUT", f"/v1/memories/{made}/", json={"text": "Bees: eleven hives.", "metadata": {"b": 2}})
    assert (changed["memory"], changed["metadata"], changed["app_id"]) == (
        "Bees: eleven hives.",
        {"a": 1, "b": 2},
        "hive",
    )
    assert me.get(f"/v1/memories/{made}").json()["version"] >= 2
    assert mem0.search("eleven", filters={"user_id": "alex"})["results"][0]["id"] == made
    mem0.call("PUT", f"/v1/memories/{made}/", json={"timestamp": "2024-05-01"})
    assert mem0.call("GET", f"/v1/memories/{made}/")["created_at"] == "2024-05-01T00:00:00Z"
    for body in ({}, {"text": " "}, {"metadata": {"app_id": "other"}}, {"user_id": "bo"}, {"expiration_date": "x"}):
        mem0.call("PUT", f"/v1/memories/{made}/", json=body, status=422)
    assert mem0.call("GET", f"/v1/memories/{made}/")["memory"] == "Bees: eleven hives."


def test_what_is_deleted_is_gone_and_can_be_restored(mem0: Any, me: Any) -> None:
    made = mem0.one("To be forgotten.")
    assert "message" in mem0.call("DELETE", f"/v1/memories/{made}/")
    mem0.call("GET", f"/v1/memories/{made}/", status=404)
    mem0.call("DELETE", f"/v1/memories/{made}/", status=404)
    mem0.call("PUT", f"/v1/memories/{made}/", json={"text": "x"}, status=404)
    assert mem0.texts({"user_id": "alex"}) == []
    assert mem0.search("forgotten", filters={"user_id": "alex"})["results"] == []
    history = mem0.call("GET", f"/v1/memories/{made}/history/")
    assert [(h["event"], h["old_memory"], h["new_memory"]) for h in history] == [
        ("ADD", None, "To be forgotten."),
        ("DELETE", "To be forgotten.", None),
    ]
    assert me.post(f"/v1/memories/{made}/restore").status_code == 200
    assert mem0.call("GET", f"/v1/memories/{made}/")["memory"] == "To be forgotten."


def test_history_tells_updates(mem0: Any, me: Any, work: Any) -> None:
    made = mem0.one("I live in Porto.")
    work(me.tenant_id)
    mem0.call("PUT", f"/v1/memories/{made}/", json={"text": "I live in Lisbon."})
    events = mem0.call("GET", f"/v1/memories/{made}/history/")
    assert [(h["event"], h["old_memory"], h["new_memory"]) for h in events] == [
        ("ADD", None, "I live in Porto."),
        ("UPDATE", "I live in Porto.", "I live in Lisbon."),
    ]
    assert len({h["id"] for h in events}) == 2
    assert {h["memory_id"] for h in events} == {made}
    assert events[0]["created_at"] == events[1]["created_at"] <= events[1]["updated_at"]


@pytest.mark.parametrize("unknown", ["018f3c1e-7b1a-7c3d-9e2f-5a6b7c8d9e0f", "mem_01JF", "%20"])
def test_an_unknown_id_answers_404(mem0: Any, unknown: str) -> None:
    for method, path, body in (
        ("GET", f"/v1/memories/{unknown}/", None),
        ("GET", f"/v1/memories/{unknown}/history/", None),
        ("PUT", f"/v1/memories/{unknown}/", {"text": "x"}),
        ("DELETE", f"/v1/memories/{unknown}/", None),
        ("GET", f"/memories/{unknown}", None),
        ("GET", f"/memories/{unknown}/history", None),
        ("PUT", f"/memories/{unknown}", {"text": "x"}),
        ("DELETE", f"/memories/{unknown}", None),
        ("POST", "/v1/feedback/", {"memory_id": unknown, "feedback": "POSITIVE"}),
        ("PUT", "/v1/batch/", {"memories": [{"memory_id": unknown, "text": "x"}]}),
        ("DELETE", "/v1/batch/", {"memories": [{"memory_id": unknown}]}),
    ):
        refused = mem0.call(method, path, status=404, **({"json": body} if body else {}))
        assert refused["code"] == "memory_not_found"
        assert refused["detail"].startswith("There is no memory")


def test_an_erased_memory_answers_404_and_its_text_is_not_stored_again(mem0: Any, me: Any, work: Any) -> None:
    made = mem0.one("A secret.")
    assert me.delete(f"/v1/memories/{made}?erase=true").status_code == 202
    work(me.tenant_id)
    mem0.call("GET", f"/v1/memories/{made}/", status=404)
    assert mem0.add("A secret.", user_id="alex", status=409)["code"] == "text_erased"
    mixed = mem0.add(["A secret.", "Something else."], user_id="alex")["results"]
    assert [(r["event"], r.get("reason")) for r in mixed] == [("NONE", "text_erased"), ("ADD", None)]
    assert "A secret." not in str(mixed), "an answer that is kept for replay would bring it back"


def test_batches_are_all_or_nothing(mem0: Any) -> None:
    ids = [mem0.one(f"Note {n}.") for n in range(3)]
    unknown = str(uuid4())
    wrong = {"memories": [{"memory_id": ids[0], "text": "Changed."}, {"memory_id": unknown, "text": "Changed."}]}
    mem0.call("PUT", "/v1/batch/", json=wrong, status=404)
    mem0.call("DELETE", "/v1/batch/", json={"memories": [{"memory_id": i} for i in (ids[0], unknown)]}, status=404)
    assert set(mem0.texts({"user_id": "alex"})) == {"Note 0.", "Note 1.", "Note 2."}
    changes = [{"memory_id": ids[0], "text": "Zero."}, {"memory_id": ids[1], "metadata": {"k": "v"}}]
    assert "2" in mem0.call("PUT", "/v1/batch/", json={"memories": changes})["message"]
    assert mem0.call("GET", f"/v1/memories/{ids[0]}/")["memory"] == "Zero."
    assert mem0.call("GET", f"/v1/memories/{ids[1]}/")["metadata"] == {"k": "v"}
    assert "2" in mem0.call("DELETE", "/v1/batch/", json={"memories": [{"memory_id": i} for i in ids[:2]]})["message"]
    assert mem0.texts({"user_id": "alex"}) == ["Note 2."]
    mem0.call("PUT", "/v1/batch/", json={"memories": []}, status=422)


def test_delete_all_deletes_what_is_named(mem0: Any) -> None:
    for user in ("alex", "bo"):
        mem0.add(["One.", "Two."], user_id=user)
    mem0.add("Of an agent.", agent_id="cook")
    assert mem0.call("DELETE", "/v1/memories/", params={"user_id": "alex"})["deleted"] == 2
    assert mem0.call("DELETE", "/v1/memories/", params={"filters": "{'user_id': 'bo'}"})["deleted"] == 2
    assert mem0.call("DELETE", "/v1/memories/", params={"user_id": "*"})["deleted"] == 0
    assert mem0.call("DELETE", "/v1/memories/", params={"agent_id": "*"})["deleted"] == 1
    for wrong in ("{'topic': 'x'}", "[1]", "{'user_id': 7}", "__import__('os')", "(" * 4000, "{'user_id': 'a\0'}"):
        mem0.call("DELETE", "/v1/memories/", params={"filters": wrong}, status=422)


@pytest.fixture
def erasing(app: Any) -> Iterator[None]:
    """Let a delete erase, as an operator may decide."""
    services = app.state.services
    settings = services.settings.model_copy(update={"mem0_delete": "erase"})
    app.state.services = replace(services, settings=settings)
    yield
    app.state.services = services


@pytest.mark.usefixtures("erasing")
def test_an_operator_may_let_deletes_erase(
    mem0_of: Any, mem0: Any, me: Any, work: Any, as_tenant: Any, make_tenant: Any
) -> None:
    one, two, three = (mem0.one(f"Note {n}.") for n in range(3))
    mem0.call("DELETE", f"/v1/memories/{one}/")
    mem0.call("DELETE", "/v1/batch/", json={"memories": [{"memory_id": two}]})
    assert mem0.call("DELETE", "/memories", params={"user_id": "alex"})["deleted"] == 1
    assert mem0.texts({"user_id": "alex"}) == []
    work(me.tenant_id)
    for memory_id in (one, two, three):
        mem0.call("GET", f"/v1/memories/{memory_id}/", status=404)
        mem0.call("GET", f"/v1/memories/{memory_id}/history/", status=404)
        assert me.get(f"/v1/memories/{memory_id}").status_code == 410
    writer = mem0_of(as_tenant(make_tenant(scopes=(KeyScope.READ, KeyScope.WRITE))))
    kept = writer.one("Kept.")
    refused = writer.call("DELETE", f"/v1/memories/{kept}/", status=403)
    assert "memories:erase" in refused["detail"]
    writer.call("DELETE", "/v1/memories/", params={"user_id": "alex"}, status=403)
    assert writer.texts({"user_id": "alex"}) == ["Kept."]


def test_many_are_deleted_in_several_transactions(mem0: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "CHUNK", 2)
    mem0.add([f"Note {n}." for n in range(5)], user_id="alex")
    mem0.add("Stays.", user_id="bo")
    assert mem0.call("DELETE", "/v1/memories/", params={"user_id": "alex"})["deleted"] == 5
    assert mem0.texts({"user_id": "*"}) == ["Stays."]


def test_entities_are_counted_and_deleted(mem0: Any) -> None:
    mem0.add(["One.", "Two."], user_id="alex", agent_id="cook/1", app_id="kitchen", run_id="r")
    mem0.add("Three.", user_id="bo", timestamp=1_700_000_000)
    listed = mem0.call("GET", "/v1/entities/")
    assert [(e["type"], e["name"], e["total_memories"]) for e in listed["results"]] == [
        ("user", "alex", 2), ("user", "bo", 1), ("agent", "cook/1", 2), ("app", "kitchen", 2), ("run", "r", 2),
    ]  # fmt: skip
    assert listed["count"] == 5
    assert listed["results"][1]["created_at"] == "2023-11-14T22:13:20Z"
    second = mem0.call("GET", "/v1/entities/", params={"page": 2, "page_size": 2})
    assert [e["name"] for e in second["results"]] == ["cook/1", "kitchen"]
    assert mem0.call("DELETE", "/v2/entities/agent/cook%2F1/")["deleted"] == 2
    assert [e["name"] for e in mem0.call("GET", "/v1/entities/")["results"]] == ["bo"]
    mem0.call("DELETE", "/v2/entities/agent/cook%2F1/", status=404)
    mem0.call("DELETE", "/v2/entities/user/*/", status=404)
    mem0.call("DELETE", "/v2/entities/planet/mars/", status=422)


def test_feedback_moves_the_strength(mem0: Any, me: Any) -> None:
    good, bad, none = (mem0.one(f"Note {n}.") for n in range(3))

    def stability(memory_id: str) -> float:
        return float(me.get(f"/v1/memories/{memory_id}").json()["retention"]["stability_days"])

    before = stability(none)
    mem0.call("POST", "/v1/feedback/", json={"memory_id": good, "feedback": "POSITIVE"})
    said = mem0.call("POST", "/v1/feedback/", json={"memory_id": bad, "feedback": "NEGATIVE", "feedback_reason": "no"})
    mem0.call("POST", "/v1/feedback/", json={"memory_id": none, "feedback": None})
    assert stability(good) > before == stability(none) > stability(bad)
    assert (said["memory_id"], said["feedback"], said["feedback_reason"]) == (bad, "NEGATIVE", "no")
    mem0.call("POST", "/v1/feedback/", json={"memory_id": good, "feedback": "MEH"}, status=422)


def test_profiles(mem0: Any, me: Any, work: Any) -> None:
    mem0.call("GET", "/v2/entities/user/alex/profile/", status=404)
    mem0.one("I am vegetarian.")
    assert mem0.call("GET", "/v2/entities/user/alex/profile/")["status"] == "pending"


def test_the_namespace_is_a_project(mem0_of: Any, mem0: Any, me: Any) -> None:
    inside = mem0_of(me, f"{MEM0}/ns/team%2Fa")
    assert inside.all({"user_id": "alex"})["results"] == []
    assert inside.search("a", filters={"user_id": "alex"})["results"] == []
    assert inside.call("GET", "/v1/entities/")["results"] == []
    assert inside.call("DELETE", "/v1/memories/", params={"user_id": "alex"})["deleted"] == 0
    inner, outer = inside.one("Inside."), mem0.one("Outside.")
    assert me.get(f"/v1/memories/{inner}").json()["namespace"] == "team/a"
    assert inside.texts({"user_id": "alex"}) == ["Inside."]
    assert mem0.texts({"user_id": "alex"}) == ["Outside."]
    assert [item["id"] for item in inside.search("side", filters={"user_id": "alex"})["results"]] == [inner]
    inside.call("GET", f"/v1/memories/{outer}/", status=404)
    inside.call("DELETE", f"/v1/memories/{outer}/", status=404)
    mem0.call("DELETE", f"/v1/memories/{inner}/", status=404)
    assert inside.call("DELETE", "/v1/memories/", params={"user_id": "alex"})["deleted"] == 1
    assert mem0.texts({"user_id": "alex"}) == ["Outside."]
    assert inside.call("GET", "/v1/ping/")["project_id"] == "team/a"
    project = f"/api/v1/orgs/organizations/{me.tenant_id}/projects"
    assert inside.call("GET", f"{project}/team/a/", params={"fields": "custom_categories"})["id"] == "team/a"
    mem0.call("GET", f"{project}/team/a/", status=404)
    bad = mem0_of(me, f"{MEM0}/ns/no%20way")
    assert bad.call("GET", "/v1/ping/", status=422)["code"] == "invalid_namespace"


def test_a_slash_at_the_end_makes_no_difference(mem0: Any) -> None:
    made = mem0.one("A note.")
    for path in (f"/v1/memories/{made}", f"/v1/memories/{made}/", f"/memories/{made}", f"/memories/{made}/"):
        assert mem0.call("GET", path)["id"] == made


def test_the_calls_of_the_open_source_server(mem0: Any, me: Any) -> None:
    made = mem0.call("POST", "/memories", json={"messages": FRIENDS, "user_id": "alex", "metadata": {"k": "v"}})
    first = made["results"][0]["id"]
    listed = mem0.call("GET", "/memories", params={"user_id": "alex"})["results"]
    assert {item["memory"] for item in listed} == {turn["content"] for turn in FRIENDS}
    found = mem0.call("POST", "/search", json={"query": "nuts", "user_id": "alex", "limit": 1})["results"]
    assert len(found) == 1
    assert mem0.call("GET", f"/memories/{first}")["metadata"] == {"k": "v"}
    assert mem0.call("PUT", f"/memories/{first}", json={"text": "Alex eats no meat."})["message"]
    assert [h["event"] for h in mem0.call("GET", f"/memories/{first}/history")] == ["ADD", "UPDATE"]
    assert mem0.call("DELETE", f"/memories/{first}")["message"]
    mem0.call("GET", f"/memories/{first}", status=404)
    assert mem0.call("DELETE", "/memories", params={"user_id": "alex"})["deleted"] == 1
    assert mem0.call("GET", "/memories", params={"user_id": "alex"})["results"] == []


def test_reset_wants_to_be_meant(mem0_of: Any, mem0: Any, as_tenant: Any, make_tenant: Any) -> None:
    mem0.one("Dear to me.")
    refused = mem0.call("POST", "/reset", status=422)
    assert "?confirm=default" in refused["detail"]
    mem0.call("POST", "/reset", params={"confirm": "other"}, status=422)
    assert mem0.texts({"user_id": "alex"}) == ["Dear to me."]
    assert mem0.call("POST", "/reset", params={"confirm": "default"})["deleted"] == 1
    assert mem0.texts({"user_id": "alex"}) == []
    writer = mem0_of(as_tenant(make_tenant(scopes=(KeyScope.READ, KeyScope.WRITE))))
    writer.call("POST", "/reset", params={"confirm": "default"}, status=403)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/configure"),
        ("GET", "/configure"),
        ("POST", "/v1/exports/"),
        ("POST", "/v1/exports/get/"),
        ("POST", "/v1/summary/"),
        ("POST", "/v2/profiles/jobs/"),
        ("GET", "/v2/profiles/jobs/7/"),
        ("POST", "/v2/profiles/settings/"),
        ("POST", "/api/v1/orgs/organizations/o/projects/"),
        ("PATCH", "/api/v1/orgs/organizations/o/projects/p/"),
        ("GET", "/api/v1/orgs/organizations/o/projects/p/members/"),
        ("POST", "/api/v1/webhooks/projects/p/"),
        ("DELETE", "/api/v1/webhooks/7/"),
    ],
)
def test_what_is_not_offered_says_why(mem0: Any, client: TestClient, method: str, path: str) -> None:
    body = {"json": {"any": "thing"}} if method != "GET" else {}
    refused = mem0.call(method, path, status=422, **body)
    assert refused["code"] == "not_offered"
    assert client.request(method, MEM0 + path, **body).status_code == 401


def test_an_unknown_path_is_told_as_plain_json(mem0: Any) -> None:
    assert mem0.call("GET", "/v9/anything/", status=404)["code"] == "route_not_found"
    assert mem0.call("PATCH", "/v1/ping/", status=405)["code"] == "method_not_allowed"


def test_scopes_of_the_key_are_asked(mem0_of: Any, as_tenant: Any, make_tenant: Any) -> None:
    reader = mem0_of(as_tenant(make_tenant(scopes=(KeyScope.READ,))))
    reader.all({"user_id": "alex"})
    reader.add("a", user_id="alex", status=403)
    reader.call("DELETE", "/v1/memories/", params={"user_id": "alex"}, status=403)
    reader.call("DELETE", f"/v1/memories/{uuid4()}/", status=403)
    writer = mem0_of(as_tenant(make_tenant(scopes=(KeyScope.WRITE,))))
    writer.add("a", user_id="alex")
    writer.all({"user_id": "alex"}, status=403)
    writer.search("a", filters={"user_id": "alex"}, status=403)


def test_another_tenant_sees_nothing(mem0_of: Any, mem0: Any, as_tenant: Any, make_tenant: Any) -> None:
    made = mem0.add("Mine alone.", user_id="alex")
    memory_id = made["results"][0]["id"]
    stranger = mem0_of(as_tenant(make_tenant()))
    stranger.one("Of a stranger.", user_id="somebody")
    assert stranger.all({"user_id": "alex"})["results"] == []
    assert stranger.search("Mine alone.", filters={"user_id": "alex"})["results"] == []
    assert [e["name"] for e in stranger.call("GET", "/v1/entities/")["results"]] == ["somebody"]
    for method, path in (("GET", ""), ("GET", "history/"), ("PUT", ""), ("DELETE", "")):
        body = {"json": {"text": "defaced"}} if method == "PUT" else {}
        stranger.call(method, f"/v1/memories/{memory_id}/{path}", status=404, **body)
    stranger.call("GET", f"/v1/event/{made['event_id']}/", status=404)
    stranger.call("DELETE", "/v2/entities/user/alex/", status=404)
    assert stranger.call("DELETE", "/v1/memories/", params={"user_id": "*"})["deleted"] == 1
    assert stranger.call("POST", "/reset", params={"confirm": "default"})["deleted"] == 0
    assert mem0.texts({"user_id": "alex"}) == ["Mine alone."]
