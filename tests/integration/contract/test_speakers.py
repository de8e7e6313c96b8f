"""Names written before texts: who speaks is read from there, where the caller leaves it open."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

Work = Callable[[UUID], None]
TALK = ["Rosa: I moved to Oslo last week.", "Ben: Wow, how is it?", "Rosa: Cold! You must visit me."]


def batch(me: Any, *contents: str, **fields: Any) -> list[str]:
    answer = me.post("/v1/memories/batch", json={"items": [{"content": content, **fields} for content in contents]})
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["results"]]


def said_by(api: Any, name: str) -> list[str]:
    """Return what somebody said, by id."""
    return sorted(api.query({"speaker": name}))


def test_who_speaks_is_known_at_once_and_the_text_stays(me: Any, api: Any, rows: Any) -> None:
    ids = batch(me, *TALK)
    assert said_by(api, "Rosa") == sorted([ids[0], ids[2]])
    assert said_by(api, "Ben") == [ids[1]]
    assert [api.read(one)["content"] for one in ids] == TALK
    alone = api.remember("Mia: Hey, are you in Oslo too?")
    assert said_by(api, "Mia") == [alone["id"]]
    assert alone["source"]["speaker"] == "Mia"
    assert api.read(alone["id"]) == alone
    stated = rows.all("SELECT speaker FROM source WHERE tenant_id = :tenant", tenant=me.tenant_id)
    assert {row.speaker for row in stated} == {None}, "provenance holds what the caller said"


@pytest.mark.parametrize(
    ("fields", "speakers"),
    [
        ({"speaker": "Ben"}, {"Ben"}),
        ({"role": "tool"}, set()),
        ({"extract": "none"}, set()),
        ({"role": "user"}, {"Rosa"}),
    ],
)
def test_what_the_caller_says_goes_before(api: Any, fields: dict[str, Any], speakers: set[str]) -> None:
    api.remember("Rosa: Hey, how are you?", **fields)
    assert {name for name in ("Rosa", "Ben") if said_by(api, name)} == speakers


def test_a_name_that_is_known_later_is_filled_in(me: Any, api: Any, work: Work) -> None:
    early = api.remember("Rosa: I moved to Oslo.")
    api.remember("Diet: I eat no meat.")
    assert said_by(api, "Rosa") == []
    late = api.remember("I like it.", speaker="Rosa")
    work(me.tenant_id)
    assert said_by(api, "Rosa") == sorted([early["id"], late["id"]])
    assert api.read(early["id"])["version"] == early["version"], "computed values make no version"
    assert said_by(api, "Diet") == []
    facts = me.get("/v1/facts", params={"subject": "rosa"}).json()["data"]
    assert [(one["attribute"], one["value"]) for one in facts] == [("lives_in", "Oslo")]


def test_what_rosa_says_of_herself_is_found_by_her_name(me: Any, api: Any) -> None:
    ids = batch(me, *TALK, "Ben: I moved to Rome, you know.", "Ben: My sister moved to Bergen. Do you know it?")
    result = api.search("Where did Rosa move to?", explain=True)
    assert result["results"][0]["memory"]["id"] == ids[0]
    assert api.found("Where did Ben move to?")[0] == ids[3]


def test_a_context_says_the_name_once(me: Any, api: Any) -> None:
    batch(me, *TALK)
    api.remember("Rosa likes the snow.", speaker="Rosa")
    text = api.context("What does Rosa say of Oslo?", token_budget=400)["text"]
    assert "Rosa: I moved" in text
    assert "Rosa: Rosa: " not in text
    assert "Rosa: Rosa likes" in text


def test_the_same_text_is_a_duplicate_whoever_is_known_to_speak(me: Any, api: Any) -> None:
    first = api.remember(TALK[2])
    assert me.post("/v1/memories", json={"content": TALK[2]}).status_code == 200
    assert me.patch(f"/v1/memories/{first['id']}", json={"user_id": "u1"}).status_code == 200
    assert said_by(api, "Rosa") == [first["id"]]
    assert me.post("/v1/memories", json={"content": TALK[2]}).status_code == 201, "it is of a user now"
    assert me.post("/v1/memories", json={"content": TALK[2], "user_id": "u1"}).status_code == 200
    me.post(f"/v1/memories/{first['id']}/archive")
    me.post(f"/v1/memories/{first['id']}/restore")
    assert me.post("/v1/memories", json={"content": TALK[2], "user_id": "u1"}).status_code == 200


def test_another_text_is_read_anew(me: Any, api: Any, work: Work) -> None:
    made = api.remember(TALK[2])
    path = f"/v1/memories/{made['id']}"
    me.patch(path, json={"content": "It is cold in Oslo."})
    assert said_by(api, "Rosa") == []
    work(me.tenant_id)
    assert said_by(api, "Rosa") == []
    me.patch(path, json={"content": "Ben: It is cold, you know."})
    work(me.tenant_id)
    assert said_by(api, "Ben") == [made["id"]]
    assert api.found("Who is cold?", filter={"speaker": "Rosa"}, as_of={"known": made["updated_at"]}) == [made["id"]]


def test_who_speaks_of_a_successor(me: Any, api: Any) -> None:
    made = api.remember(TALK[2])
    second = me.post(f"/v1/memories/{made['id']}/supersede", json={"content": "Mia: Are you sure?"}).json()["id"]
    third = me.post(f"/v1/memories/{second}/supersede", json={"content": "It is warm."}).json()["id"]
    assert said_by(api, "Mia") == sorted([second, third]), "inherited, unless the text says another"


def test_a_name_is_gone_with_the_last_text_that_begins_with_it(me: Any, api: Any, work: Work) -> None:
    made = api.remember(TALK[2])
    me.patch(f"/v1/memories/{made['id']}", json={"content": "It is cold in Oslo."})
    assert me.delete(f"/v1/memories/{made['id']}?erase=true").status_code == 202
    work(me.tenant_id)
    api.remember("Rosa: I moved to Oslo.")
    work(me.tenant_id)
    assert said_by(api, "Rosa") == [], "nobody of that name is known any more"


def test_turns_of_a_chat_have_their_speakers(me: Any, api: Any) -> None:
    turns = [
        {"role": "user", "content": "Caroline: Hey Mel!"},
        {"role": "assistant", "content": "Melanie: Hi! Are you well?"},
    ]
    ids = me.post("/v1/messages", json={"messages": turns}).json()["memories"]
    assert [said_by(api, "Caroline"), said_by(api, "Melanie")] == [[ids[0]], [ids[1]]]


def test_the_name_is_not_encoded(me: Any, api: Any, rows: Any) -> None:
    """Vectors begin behind it, wherever who speaks is known, and elsewhere at the beginning."""
    ids = batch(me, *TALK, "Diet: I eat no meat.", "Rosa: I eat no meat.")
    api.remember("I like it.", speaker="Mia")
    known = api.remember("Mia: I eat no meat.")["id"]
    kept = rows.all("SELECT memory_id, span_from FROM embedding WHERE tenant_id = :tenant", tenant=me.tenant_id)
    spans = {str(row.memory_id): row.span_from for row in kept}
    assert [spans[one] for one in (*ids, known)] == [6, 5, 6, 0, 6, 5]


def test_a_role_is_read_as_well(me: Any, api: Any, work: Work, rows: Any) -> None:
    said = ["User: I live in Oslo.", "Assistant: Lisbon is lovely, and I live in a data centre.", "User: admin"]
    made = [api.remember(one) for one in said]
    assert [one["source"]["role"] for one in made] == ["user", "assistant", None]
    assert sorted(api.query({"role": "user"})) == [made[0]["id"]]
    assert api.remember("User: I live in Rome.", role="tool")["source"]["role"] == "tool"
    work(me.tenant_id)
    facts = me.get("/v1/facts").json()["data"]
    assert [one["value"] for one in facts] == ["Oslo"], "what an assistant says of itself is no fact"
    kept = rows.all("SELECT role FROM source WHERE tenant_id = :tenant ORDER BY memory_id", tenant=me.tenant_id)
    assert [row.role for row in kept] == [None, None, None, "tool"]
    text = api.context("Who lives in Oslo?", token_budget=400)["text"]
    assert "user: User:" not in text
    changed = me.patch(f"/v1/memories/{made[1]['id']}", json={"content": "It is lovely."}).json()
    assert changed["source"]["role"] is None
