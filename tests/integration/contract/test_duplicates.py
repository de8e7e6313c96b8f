"""What counts as the same memory: duplicates, external ids, and what on_conflict says."""

from typing import Any

import pytest

SAME = {
    "content": "Ada likes plums.",
    "namespace": "n",
    "user_id": "u",
    "agent_id": "a",
    "session_id": "s",
    "speaker": "Ada",
    "observed_at": "2024-01-01T00:00:00Z",
}


def post(me: Any, **body: Any) -> tuple[int, str]:
    answer = me.post("/v1/memories", json=body)
    assert answer.status_code in {200, 201, 409}, answer.text
    return answer.status_code, answer.json().get("id", answer.json().get("code"))


def test_the_same_twice_is_stored_once(me: Any) -> None:
    status, memory_id = post(me, **SAME)
    assert status == 201
    assert post(me, **SAME) == (200, memory_id)
    assert post(me, **SAME, tags=["other"], importance=1, metadata={"a": 1}) == (200, memory_id)
    assert post(me, **SAME | {"observed_at": "2024-01-01T01:00:00+01:00"}) == (200, memory_id)


@pytest.mark.parametrize("name", [name for name in SAME if name != "namespace"])
def test_what_makes_a_difference(me: Any, name: str) -> None:
    _, first = post(me, **SAME)
    other = "2025-01-01T00:00:00Z" if name == "observed_at" else "other"
    for value in (other, None) if name != "content" else (other,):
        status, second = post(me, **SAME | {name: value})
        assert status == 201
        assert second != first
    assert post(me, **SAME | {"namespace": "m"})[0] == 201


def test_content_is_compared_to_the_letter(me: Any) -> None:
    for content in ("Plum.", "plum.", "Plum. ", "Plum", "Plúm.", "Plu\u0301m."):
        assert post(me, content=content)[0] == 201


def test_without_a_time_the_same_text_is_the_same(me: Any) -> None:
    _, first = post(me, content="Plum.")
    assert post(me, content="Plum.") == (200, first)


def test_a_different_external_id_makes_a_difference(me: Any) -> None:
    _, first = post(me, content="Plum.", external_id="1")
    assert post(me, content="Plum.", external_id="2")[0] == 201
    assert post(me, content="Plum.", external_id="1") == (200, first)
    assert post(me, content="Plum.")[0] == 200


def test_a_copy_gives_its_external_id_to_what_has_none(me: Any, api: Any) -> None:
    _, first = post(me, content="Plum.", tags=["fruit"])
    assert post(me, content="Plum.", external_id="x", tags=["other"]) == (200, first)
    assert api.query({"external_id": "x"}) == [first]
    kept = api.read(first)
    assert (kept["external_id"], kept["version"], kept["tags"], kept["content"]) == ("x", 2, ["fruit"], "Plum.")
    assert api.found("plum") == [first]
    assert post(me, content="Plum.", external_id="x") == (200, first)
    assert api.read(first)["version"] == 2
    status, second = post(me, content="Pear.", external_id="x", on_conflict="supersede")
    assert (status, api.read(first)["superseded_by"]) == (201, second)


def test_a_copy_that_updates_gives_the_rest_as_well(me: Any, api: Any) -> None:
    _, first = post(me, content="Plum.", tags=["fruit"], metadata={"a": 1})
    body = {"content": "Plum.", "external_id": "x", "on_conflict": "update", "tags": ["stone"]}
    assert post(me, **body) == (200, first)
    kept = api.read(first)
    assert (kept["external_id"], kept["version"], kept["tags"], kept["metadata"]) == ("x", 2, ["stone"], {"a": 1})
    assert post(me, **body) == (200, first)
    assert api.read(first)["version"] == 2
    results = me.post("/v1/memories/batch", json={"items": [{"content": "Pear."}, body | {"content": "Pear."}]})
    assert [one["status"] for one in results.json()["results"]] == ["created", "updated"]


def test_one_copy_of_many_gives_its_external_id(me: Any, api: Any) -> None:
    _, first = post(me, content="Plum.")
    assert post(me, content="Plum.", external_id="x", on_conflict="error") == (200, first)
    status, second = post(me, content="Plum.", external_id="y", on_conflict="error")
    assert status == 201
    assert (api.read(first)["external_id"], api.read(second)["external_id"]) == ("x", "y")
    assert post(me, content="Pear.", external_id="x", on_conflict="error")[0] == 409


def test_a_batch_names_what_it_stored_itself(me: Any, api: Any) -> None:
    items = [{"content": "Plum."}, {"content": "Plum.", "external_id": "x"}, {"content": "Plum.", "external_id": "y"}]
    answer = me.post("/v1/memories/batch", json={"items": [*items, items[1]]})
    results = answer.json()["results"]
    assert [one["status"] for one in results] == ["created", "skipped", "created", "skipped"], answer.text
    ids = [one["id"] for one in results]
    assert ids == [ids[0], ids[0], ids[2], ids[0]]
    assert api.query({"external_id": "x"}) == [ids[0]]
    assert api.query({"external_id": "y"}) == [ids[2]]


def test_skip_is_the_default(me: Any, api: Any) -> None:
    _, first = post(me, content="Old.", external_id="x")
    assert post(me, content="New.", external_id="x") == (200, first)
    assert post(me, content="New.", external_id="x", on_conflict="skip") == (200, first)
    assert api.read(first)["content"] == "Old."


def test_error(me: Any) -> None:
    post(me, content="Old.", external_id="x")
    assert post(me, content="New.", external_id="x", on_conflict="error") == (409, "external_id_conflict")
    assert post(me, content="Old.", external_id="x", on_conflict="error") == (409, "external_id_conflict")
    assert post(me, content="New.", external_id="y", on_conflict="error")[0] == 201


def test_supersede(me: Any, api: Any) -> None:
    _, first = post(me, content="Old.", external_id="x")
    status, second = post(me, content="New.", external_id="x", on_conflict="supersede")
    assert status == 201
    assert api.read(first)["superseded_by"] == second
    assert api.read(second)["external_id"] == "x"
    assert api.query({"external_id": "x"}) == [second]
    assert post(me, content="New.", external_id="x", on_conflict="supersede") == (200, second)
    status, third = post(me, content="Old.", external_id="x", on_conflict="supersede")
    assert (status, api.read(second)["superseded_by"]) == (201, third)


def test_external_ids_are_per_namespace(me: Any) -> None:
    assert post(me, content="Old.", external_id="x", namespace="a")[0] == 201
    assert post(me, content="New.", external_id="x", namespace="b", on_conflict="error")[0] == 201


def test_what_is_archived_does_not_count(me: Any, api: Any) -> None:
    _, first = post(me, content="Plum.", external_id="x")
    me.delete(f"/v1/memories/{first}")
    status, second = post(me, content="Plum.", external_id="x")
    assert status == 201
    assert api.read(first)["state"] == "archived"
    assert api.query({"external_id": "x", "state": "activated"}) == [second]


def test_what_is_restored_counts_again(me: Any) -> None:
    _, first = post(me, content="Plum.")
    me.delete(f"/v1/memories/{first}")
    me.post(f"/v1/memories/{first}/restore")
    assert post(me, content="Plum.") == (200, first)


def test_restoring_beside_a_new_copy_does_not_fail(me: Any, api: Any) -> None:
    _, first = post(me, content="Plum.")
    me.delete(f"/v1/memories/{first}")
    _, second = post(me, content="Plum.")
    assert me.post(f"/v1/memories/{first}/restore").status_code == 200
    assert set(api.found("plum")) == {first, second}
    assert post(me, content="Plum.")[0] == 200


def test_a_corrected_memory_is_the_same_as_its_new_text(me: Any) -> None:
    _, first = post(me, content="Plum.")
    me.patch(f"/v1/memories/{first}", json={"content": "Pear."})
    assert post(me, content="Pear.") == (200, first)
    assert post(me, content="Plum.")[0] == 201


def test_a_corrected_scope_counts(me: Any) -> None:
    _, first = post(me, content="Plum.", user_id="1")
    me.patch(f"/v1/memories/{first}", json={"user_id": "2"})
    assert post(me, content="Plum.", user_id="2") == (200, first)
    assert post(me, content="Plum.", user_id="1")[0] == 201


def test_correcting_into_a_copy_does_not_fail(me: Any, api: Any) -> None:
    _, first = post(me, content="Plum.")
    _, second = post(me, content="Pear.")
    answer = me.patch(f"/v1/memories/{second}", json={"content": "Plum."})
    assert answer.status_code == 200, answer.text
    assert set(api.found("plum", channels={"keyword": 1})) == {first, second}


def test_what_was_superseded_may_be_said_again(me: Any) -> None:
    _, first = post(me, content="Ada is in Rome.")
    me.post(f"/v1/memories/{first}/supersede", json={"content": "Ada is in Oslo."})
    assert post(me, content="Ada is in Rome.")[0] == 201
