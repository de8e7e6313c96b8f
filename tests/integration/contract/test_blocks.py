"""Core memory blocks: what an agent sees at all times and edits in place."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from memory_service.storage.database import Database
from memory_service.types import KeyScope

URL = "/v1/blocks/persona"


def put(me: Any, value: str = "Likes tea.", url: str = URL, **fields: Any) -> dict[str, Any]:
    answer = me.put(url, json={"value": value, **fields})
    assert answer.status_code in (200, 201), answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_a_block_is_written_read_and_written_again(me: Any) -> None:
    made = me.put(URL, json={"value": "Likes tea.", "description": "Who I am", "limit": 100, "metadata": {"a": 1}})
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    block = made.json()
    assert block["label"] == "persona"
    assert (block["namespace"], block["user_id"], block["agent_id"]) == ("default", None, None)
    assert (block["value"], block["characters"], block["limit"], block["read_only"]) == ("Likes tea.", 10, 100, False)
    assert me.get(URL).json() == block
    again = me.put(URL, json={"value": "Likes coffee."})
    assert (again.status_code, again.headers["etag"]) == (200, '"2"')
    # A PUT writes the whole block.
    assert (again.json()["description"], again.json()["limit"], again.json()["metadata"]) == (None, 5_000, {})
    assert again.json()["id"] == block["id"]


def test_the_same_again_is_no_version(me: Any) -> None:
    put(me)
    assert put(me)["version"] == 1
    assert put(me, metadata={"a": True})["version"] == 2
    assert put(me, metadata={"a": 1})["version"] == 3
    assert me.patch(URL, json={"value": "Likes tea."}).json()["version"] == 3


def test_an_empty_block_is_a_block(me: Any) -> None:
    assert put(me, "")["characters"] == 0
    assert me.patch(URL, json={"append": "First."}).json()["value"] == "First."


def test_appending_begins_a_line(me: Any) -> None:
    put(me)
    edited = me.patch(URL, json={"append": "Lives in Lisbon.", "edited_by": "agent-7"})
    assert edited.json()["value"] == "Likes tea.\nLives in Lisbon."
    assert (edited.json()["edited_by"], edited.headers["etag"]) == ("agent-7", '"2"')


def test_replacing_needs_exactly_one_occurrence(me: Any, problem: Any) -> None:
    put(me, "tea and more tea, aaa")
    change = {"replace": {"old": "more tea", "new": "coffee"}}
    assert me.patch(URL, json=change).json()["value"] == "tea and coffee, aaa"
    problem(me.patch(URL, json=change), 409, "passage_not_found")
    problem(me.patch(URL, json={"replace": {"old": "aa", "new": "b"}}), 409, "passage_ambiguous")
    assert me.get(URL).json()["value"] == "tea and coffee, aaa"
    problem(me.patch(URL, json={"replace": {"old": "", "new": "b"}}), 422, pointer="/replace/old")


def test_a_patch_says_one_thing(me: Any, problem: Any) -> None:
    put(me)
    problem(me.patch(URL, json={"value": "a", "append": "b"}), 422)
    problem(me.patch(URL, json={}), 422)
    problem(me.patch(URL, json={"edited_by": "me"}), 422)
    problem(me.patch(URL, json={"replace": None}), 422)
    problem(me.patch("/v1/blocks/none", json={"append": "b"}), 404, "block_not_found")
    problem(me.patch(f"{URL}?namespace=nowhere", json={"append": "b"}), 404, "namespace_not_found")


def test_a_block_holds_no_more_than_its_limit(me: Any, problem: Any) -> None:
    problem(me.put(URL, json={"value": "x" * 11, "limit": 10}), 413, "block_too_long")
    put(me, "x" * 10, limit=10)
    told = problem(me.patch(URL, json={"append": "y"}), 413, "block_too_long")
    assert "12 characters" in told["detail"]
    problem(me.patch(URL, json={"limit": 9}), 413, "block_too_long")
    assert me.patch(URL, json={"append": "y", "limit": 12}).json()["characters"] == 12
    # Characters, not bytes.
    assert put(me, "ß" * 10, limit=10)["characters"] == 10
    problem(me.put(URL, json={"value": "x" * 65_537}), 413, "block_too_long")
    for limit in (0, 65_537, 1.5, "10", True):
        problem(me.put(URL, json={"value": "", "limit": limit}), 422, pointer="/limit")


@pytest.mark.parametrize("value", ["a\0b", "\ud800", None, 5, float("nan")])
def test_a_value_that_cannot_be_kept_changes_nothing(me: Any, problem: Any, value: Any) -> None:
    import json

    put(me)
    body = json.dumps({"value": value}).encode()
    headers = {"content-type": "application/json"}
    problem(me.request("PUT", URL, content=body, headers=headers), 422, pointer="/value")
    problem(
        me.request("PATCH", URL, content=body.replace(b"value", b"append"), headers=headers), 422, pointer="/append"
    )
    assert me.get(URL).json()["version"] == 1


@pytest.mark.parametrize("label", ["a b", "x" * 65, "%00", "a%0A", "é", "a,b"])
def test_a_label_is_a_word(me: Any, problem: Any, label: str) -> None:
    problem(me.put(f"/v1/blocks/{label}", json={"value": "a"}), 422)
    problem(me.get(f"/v1/blocks/{label}"), 422)


def test_user_and_agent_are_part_of_the_address(me: Any, problem: Any) -> None:
    shared = put(me, "all")
    mine = put(me, "a", f"{URL}?agent_id=a")
    about = put(me, "a about u", f"{URL}?agent_id=a&user_id=u")
    there = put(me, "there", f"{URL}?namespace=team/one")
    assert len({b["id"] for b in (shared, mine, about, there)}) == 4
    assert me.get(URL).json()["value"] == "all"
    assert me.get(f"{URL}?agent_id=a").json()["value"] == "a"
    assert me.get(f"{URL}?agent_id=a&user_id=u").json()["value"] == "a about u"
    assert me.get(f"{URL}?namespace=team%2Fone").json()["value"] == "there"
    problem(me.get(f"{URL}?agent_id=b"), 404, "block_not_found")
    problem(me.get(f"{URL}?user_id=u"), 404, "block_not_found")


def test_the_body_may_say_the_address_too(me: Any, problem: Any) -> None:
    made = put(me, "a", namespace="team", agent_id="a")
    assert (made["namespace"], made["agent_id"]) == ("team", "a")
    assert me.patch(f"{URL}?namespace=team", json={"append": "b", "agent_id": "a"}).json()["value"] == "a\nb"
    problem(me.patch(f"{URL}?namespace=other", json={"append": "b", "namespace": "team"}), 422, pointer="/namespace")
    problem(me.put(URL, json={"value": "a", "namespace": "a//b"}), 422, "invalid_namespace")


def test_lists_are_paged_and_narrowed(me: Any, problem: Any) -> None:
    ids = [put(me, str(n), f"/v1/blocks/b{n}?agent_id=a{n % 2}")["id"] for n in range(5)]
    first = me.get("/v1/blocks?limit=2").json()
    assert [b["id"] for b in first["data"]] == ids[:-3:-1]
    put(me, "later", "/v1/blocks/later")
    second = me.get("/v1/blocks", params={"limit": 3, "cursor": first["next_cursor"]}).json()
    assert [b["id"] for b in second["data"]] == ids[2::-1]
    assert second["has_more"] is False
    assert {b["label"] for b in me.get("/v1/blocks?agent_id=a0").json()["data"]} == {"b0", "b2", "b4"}
    assert [b["label"] for b in me.get("/v1/blocks?label=b3").json()["data"]] == ["b3"]
    assert me.get("/v1/blocks?user_id=nobody").json()["data"] == []
    problem(me.get("/v1/blocks?namespace=nowhere"), 404, "namespace_not_found")
    problem(me.get("/v1/blocks", params={"cursor": first["next_cursor"], "agent_id": "a0"}), 422, "invalid_cursor")
    me.delete("/v1/blocks/b3?agent_id=a1")
    assert me.get("/v1/blocks?label=b3").json()["data"] == []


def test_if_match_and_if_none_match(me: Any, problem: Any) -> None:
    create = {"If-None-Match": "*"}
    problem(me.put(URL, json={"value": "a"}, headers={"If-Match": '"1"'}), 412, "version_mismatch")
    assert me.put(URL, json={"value": "a"}, headers=create).status_code == 201
    problem(me.put(URL, json={"value": "b"}, headers=create), 412, "version_mismatch")
    problem(me.put(URL, json={"value": "b"}, headers={"If-None-Match": '"1"'}), 422, pointer="If-None-Match")
    problem(me.patch(URL, json={"value": "b"}, headers={"If-Match": '"2"'}), 412, "version_mismatch")
    problem(me.put(URL, json={"value": "b"}, headers={"If-Match": '"2"'}), 412, "version_mismatch")
    problem(me.delete(URL, headers={"If-Match": '"2"'}), 412, "version_mismatch")
    problem(me.delete(f"{URL}?erase=true", headers={"If-Match": '"2"'}), 412, "version_mismatch")
    assert me.patch(URL, json={"value": "b"}, headers={"If-Match": '"1"'}).headers["etag"] == '"2"'


def test_versions_and_reads_as_of(me: Any) -> None:
    first = put(me, "one", edited_by="ana")
    second = me.patch(URL, json={"append": "two"}).json()
    third = me.patch(URL, json={"description": "three"}).json()
    versions = me.get(f"{URL}/versions").json()["data"]
    assert [v["version"] for v in versions] == [3, 2, 1]
    assert [v["operation"] for v in versions] == ["patch", "append", "put"]
    assert [v["value"] for v in versions] == ["one\ntwo", "one\ntwo", "one"]
    assert versions[2]["edited_by"] == "ana"
    assert [v["known_to"] for v in versions] == [None, third["updated_at"], second["updated_at"]]
    assert me.get(URL, params={"as_of": first["updated_at"]}).json()["value"] == "one"
    assert me.get(URL, params={"as_of": second["updated_at"]}).json()["version"] == 2
    assert me.get(URL, params={"as_of": "2020-01-01T00:00:00Z"}).status_code == 404
    page = me.get(f"{URL}/versions?limit=2").json()
    rest = me.get(f"{URL}/versions", params={"limit": 2, "cursor": page["next_cursor"]}).json()
    assert [v["version"] for v in rest["data"]] == [1]
    assert rest["data"][0]["known_to"] == second["updated_at"]


def test_a_deleted_block_keeps_its_history_and_may_come_back(me: Any, problem: Any) -> None:
    before = put(me, "one")
    assert me.delete(URL).status_code == 204
    problem(me.get(URL), 404, "block_not_found")
    problem(me.patch(URL, json={"append": "x"}), 404, "block_not_found")
    problem(me.delete(URL), 404, "block_not_found")
    assert me.get(URL, params={"as_of": before["updated_at"]}).json()["value"] == "one"
    assert [v["operation"] for v in me.get(f"{URL}/versions").json()["data"]] == ["delete", "put"]
    # The same text as before: it is there again all the same.
    back = me.put(URL, json={"value": "one"}, headers={"If-None-Match": "*"})
    assert (back.status_code, back.json()["version"], back.json()["id"]) == (201, 3, before["id"])


def test_a_read_only_block_stays_as_it_is(client: Any, make_tenant: Any, tenant_client: Any, problem: Any) -> None:
    tenant_id, key = make_tenant(scopes=(KeyScope.READ, KeyScope.WRITE))
    me = tenant_client(client, tenant_id, key)
    put(me, read_only=True)
    problem(me.patch(URL, json={"append": "x"}), 409, "block_read_only")
    problem(me.put(URL, json={"value": "x", "read_only": False}), 409, "block_read_only")
    problem(me.delete(URL), 409, "block_read_only")
    problem(me.patch(URL, json={"read_only": False}), 403, "forbidden")
    problem(me.delete(f"{URL}?erase=true"), 403, "forbidden")
    assert me.get(URL).json()["version"] == 1


def test_an_admin_may_take_read_only_off(me: Any) -> None:
    put(me, read_only=True)
    assert me.patch(URL, json={"read_only": False, "append": "x"}).json()["value"] == "Likes tea.\nx"


def test_an_erased_block_leaves_nothing(me: Any, problem: Any, database: Database) -> None:
    from sqlalchemy import text

    me.put(URL, json={"value": "a secret"}, headers={"Idempotency-Key": "k1"})
    me.patch(URL, json={"value": "another secret"}, headers={"Idempotency-Key": "k2"})
    put(me, "kept", "/v1/blocks/kept")
    me.delete(URL)
    assert me.delete(f"{URL}?erase=true").status_code == 204
    for call in (me.get(URL), me.get(f"{URL}/versions"), me.delete(f"{URL}?erase=true")):
        problem(call, 404, "block_not_found")
    with database.transaction(me.tenant_id) as session:
        params = {"t": me.tenant_id}
        assert session.scalars(text("SELECT value FROM block_version WHERE tenant_id = :t"), params).all() == ["kept"]
        assert session.scalar(text("SELECT count(*) FROM idempotency_key WHERE tenant_id = :t"), params) == 0
    assert put(me, "new")["version"] == 1


def test_a_repeated_edit_is_made_once(me: Any) -> None:
    put(me)
    key = {"Idempotency-Key": "append-1"}
    first = me.patch(URL, json={"append": "x"}, headers=key)
    second = me.patch(URL, json={"append": "x"}, headers=key)
    assert first.json() == second.json()
    assert second.headers["Idempotent-Replayed"] == "true"
    assert me.get(URL).json()["value"] == "Likes tea.\nx"


def test_agents_that_append_at_once_lose_nothing(me: Any) -> None:
    with ThreadPoolExecutor(12) as pool:
        made = list(pool.map(lambda n: me.put(URL, json={"value": f"by {n}"}), range(12)))
    assert sorted(a.status_code for a in made) == [200] * 11 + [201]
    put(me, "")
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda n: me.patch(URL, json={"append": f"line {n}"}), range(24)))
    assert {a.status_code for a in answers} == {200}
    assert sorted(me.get(URL).json()["value"].splitlines()) == sorted(f"line {n}" for n in range(24))
    versions = me.get(f"{URL}/versions?limit=100").json()["data"]
    assert [v["version"] for v in versions] == list(range(len(versions), 0, -1))
