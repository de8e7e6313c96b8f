"""Names written before texts: who speaks is read from there, where the caller leaves it open."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from memory_service.storage import reindexes

Work = Callable[[UUID], None]
TALK = [
    "Rosa: I moved to Oslo last week.",
    "Ben: Wow, how is it?",
    "Rosa: Cold! You must visit me.",
    "Ben: I will, in May.",
]


def batch(me: Any, *contents: str, **fields: Any) -> list[str]:
    answer = me.post("/v1/memories/batch", json={"items": [{"content": content, **fields} for content in contents]})
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["results"]]


def said_by(api: Any, name: str) -> list[str]:
    """Return what somebody said, by id."""
    return sorted(api.query({"speaker": name}))


def replace(me: Any, memory_id: str, **fields: Any) -> dict[str, Any]:
    answer = me.post(f"/v1/memories/{memory_id}/supersede", json=fields)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


@pytest.fixture
def kept(rows: Any, me: Any) -> Callable[[str, str], Any]:
    """Return a function that reads what a table holds of a memory: a column, by the memory's id."""
    of = {"memory": "id", "source": "memory_id", "embedding": "memory_id"}

    def read(memory_id: str, column: str) -> Any:
        table, name = column.split(".")
        statement = f"SELECT {name} AS value FROM {table} WHERE tenant_id = :tenant AND {of[table]} = :id ORDER BY 1"
        return rows.one(statement, tenant=me.tenant_id, id=UUID(memory_id)).value

    return read


def test_who_speaks_is_known_at_once_and_the_text_stays(me: Any, api: Any, kept: Any) -> None:
    ids = batch(me, *TALK)
    assert said_by(api, "Rosa") == sorted(ids[::2])
    assert said_by(api, "Ben") == sorted(ids[1::2])
    assert [api.read(one)["content"] for one in ids] == TALK
    assert [kept(one, "source.speaker") for one in ids] == [None] * 4, "provenance holds what the caller said"
    alone = api.remember("Rosa: It snows.")
    assert alone["source"]["speaker"] == "Rosa", "she is known to speak there"
    assert api.read(alone["id"]) == alone


@pytest.mark.parametrize(
    ("fields", "speakers"),
    [
        ({"speaker": "Mia"}, {"Mia"}),
        ({"role": "tool"}, set()),
        ({"extract": "none"}, set()),
        ({"role": "user"}, {"Rosa"}),
    ],
)
def test_what_the_caller_says_goes_before(
    me: Any, api: Any, kept: Any, fields: dict[str, Any], speakers: set[str]
) -> None:
    api.remember("I like it.", speaker="Rosa")
    made = api.remember("Rosa: Hey, how are you?", **fields)
    assert {name for name in ("Rosa", "Mia") if made["id"] in said_by(api, name)} == speakers
    assert kept(made["id"], "embedding.span_from") == (6 if speakers == {"Rosa"} else 0)


@pytest.mark.parametrize(
    "notes", [["Diet: I eat no meat."], ["Translate: how are you?"], ["Berlin: you need a table", "Oslo: do you ski?"]]
)
def test_notes_are_said_by_nobody(me: Any, api: Any, work: Work, kept: Any, notes: list[str]) -> None:
    ids = batch(me, *notes)
    work(me.tenant_id)
    assert [kept(one, "memory.speaker") for one in ids] == [None] * len(ids)
    assert [kept(one, "embedding.span_from") for one in ids] == [0] * len(ids)


def test_a_namespace_that_reads_nothing_reads_no_names(me: Any, api: Any, kept: Any) -> None:
    assert me.post("/v1/namespaces", json={"path": "still", "settings": {"extract": "none"}}).status_code == 201
    ids = batch(me, *TALK, namespace="still")
    assert [kept(one, "memory.speaker") for one in ids] == [None] * 4
    assert [kept(one, "embedding.span_from") for one in ids] == [0] * 4


def test_turns_that_come_one_by_one_are_read_when_they_make_a_conversation(me: Any, api: Any, work: Work) -> None:
    ids = []
    for turn in TALK:
        ids.append(api.remember(turn)["id"])
        work(me.tenant_id)
    work(me.tenant_id)
    assert said_by(api, "Rosa") == sorted(ids[::2]), "earlier turns are read again"
    assert said_by(api, "Ben") == sorted(ids[1::2])
    assert {api.read(one)["version"] for one in ids} == {1}, "computed values make no version"
    facts = me.get("/v1/facts", params={"subject": "rosa"}).json()["data"]
    assert [(one["attribute"], one["value"]) for one in facts] == [("lives_in", "Oslo")]
    assert me.get("/v1/facts", params={"subject": "user"}).json()["data"] == []


def test_a_name_that_is_stated_meanwhile_is_filled_in(me: Any, api: Any, work: Work) -> None:
    early = api.remember("Rosa: I moved to Oslo.")
    assert said_by(api, "Rosa") == []
    late = api.remember("I like it.", speaker="Rosa")
    work(me.tenant_id)
    assert said_by(api, "Rosa") == sorted([early["id"], late["id"]])


def test_what_rosa_says_of_herself_is_found_by_her_name(me: Any, api: Any) -> None:
    more = ["Rosa: Good.", "Ben: I moved to Rome, you know.", "Rosa: Oh.", "Ben: My sister moved to Bergen."]
    ids = batch(me, *TALK, *more)
    assert api.found("Where did Rosa move to?")[0] == ids[0]
    assert ids[5] in api.found("Where did Ben move to?")[:2]


def test_a_context_says_the_name_once(me: Any, api: Any) -> None:
    batch(me, *TALK)
    api.remember("Rosa likes the snow.", speaker="Rosa")
    text = api.context("What does Rosa say of Oslo?", token_budget=400)["text"]
    assert "Rosa: I moved" in text
    assert "Rosa: Rosa: " not in text
    assert "Rosa: Rosa likes" in text


def test_the_same_text_is_a_duplicate_whoever_is_known_to_speak(me: Any, api: Any) -> None:
    first = batch(me, *TALK)[2]
    assert me.post("/v1/memories", json={"content": TALK[2]}).status_code == 200
    assert me.patch(f"/v1/memories/{first}", json={"user_id": "u1"}).status_code == 200
    assert first in said_by(api, "Rosa")
    assert me.post("/v1/memories", json={"content": TALK[2]}).status_code == 201, "it is of a user now"
    assert me.post("/v1/memories", json={"content": TALK[2], "user_id": "u1"}).status_code == 200
    me.post(f"/v1/memories/{first}/archive")
    me.post(f"/v1/memories/{first}/restore")
    assert me.post("/v1/memories", json={"content": TALK[2], "user_id": "u1"}).status_code == 200


def test_another_text_is_read_anew(me: Any, api: Any, work: Work) -> None:
    made = api.read(batch(me, *TALK)[2])
    path = f"/v1/memories/{made['id']}"
    said_again = me.patch(path, json={"content": "Rosa: Cold, as ever."}).json()
    assert said_again["source"]["speaker"] == "Rosa"
    assert me.patch(path, json={"content": "It is cold in Oslo."}).json()["source"]["speaker"] is None
    work(me.tenant_id)
    assert made["id"] not in said_by(api, "Rosa")
    me.patch(path, json={"content": "Ben: It is cold, you know."})
    work(me.tenant_id)
    assert made["id"] in said_by(api, "Ben")
    then = {"known": made["updated_at"]}
    assert made["id"] in api.found("Who is cold?", filter={"speaker": "Rosa"}, as_of=then)


def test_who_speaks_of_a_successor(me: Any, api: Any, kept: Any) -> None:
    ids = batch(me, *TALK)
    second = replace(me, ids[0], content="Ben: I moved to Rome.")
    assert second["source"]["speaker"] == "Ben", "the text says it"
    third = replace(me, second["id"], content="It is warm.")
    assert third["source"]["speaker"] == "Ben", "inherited, as it was known"
    assert "speaker" in kept(third["id"], "memory.computed")
    assert kept(third["id"], "source.speaker") is None
    assert me.post("/v1/memories", json={"content": "It is warm."}).status_code == 200


def test_a_stated_speaker_is_inherited_whatever_the_text_begins_with(me: Any, api: Any, kept: Any) -> None:
    batch(me, *TALK)
    mia = api.remember("I like Oslo.", speaker="Mia")
    second = replace(me, mia["id"], content="Rosa: I like Rome.")
    assert second["source"]["speaker"] == "Mia"
    assert kept(second["id"], "embedding.span_from") == 0
    third = replace(me, second["id"], content="Mia: I like Bergen.")
    assert (third["source"]["speaker"], kept(third["id"], "embedding.span_from")) == ("Mia", 5)
    assert "speaker" not in kept(third["id"], "memory.computed")
    tool = api.remember("It is cold.", role="tool")
    assert replace(me, tool["id"], content="Rosa: It is warm.")["source"]["speaker"] is None


def test_a_successor_is_read_where_it_will_lie(me: Any, api: Any) -> None:
    batch(me, *TALK)
    elsewhere = api.remember("I moved to Bergen.", namespace="elsewhere")
    assert replace(me, elsewhere["id"], content="Rosa: I moved to Rome.")["source"]["speaker"] is None
    api.remember("I ski.", speaker="Mia", namespace="elsewhere")
    other = api.remember("I row.", namespace="elsewhere")
    assert replace(me, other["id"], content="Mia: I swim.")["source"]["speaker"] == "Mia"


def test_a_name_is_gone_with_the_last_text_that_begins_with_it(me: Any, api: Any, work: Work) -> None:
    for one in batch(me, *TALK):
        assert me.delete(f"/v1/memories/{one}?erase=true").status_code == 202
    work(me.tenant_id)
    again = api.remember("Rosa: I moved to Oslo.")
    work(me.tenant_id)
    assert again["source"]["speaker"] is None, "nobody of that name is known any more"


def test_a_policy_keeps_names_out_that_are_read(me: Any, api: Any, work: Work, kept: Any) -> None:
    rule = {"pattern": "^Rosa$", "name": "r", "do": "mask"}
    answer = me.put("/v1/policies/redaction?namespace=default", json={"rules": [rule]})
    assert answer.status_code in {200, 201}, answer.text
    ids = batch(me, *TALK)
    work(me.tenant_id)
    assert [kept(one, "memory.speaker") for one in ids] == [None, "Ben", None, "Ben"]


def test_turns_of_a_chat_have_their_speakers(me: Any, api: Any) -> None:
    roles = ("user", "assistant", "user", "assistant")
    turns = [{"role": role, "content": text} for role, text in zip(roles, TALK, strict=True)]
    ids = me.post("/v1/messages", json={"messages": turns}).json()["memories"]
    assert [said_by(api, "Rosa"), said_by(api, "Ben")] == [sorted(ids[::2]), sorted(ids[1::2])]


def test_the_name_is_not_encoded(me: Any, api: Any, kept: Any) -> None:
    """Vectors begin behind it, wherever who speaks is known, and elsewhere at the beginning."""
    ids = batch(me, *TALK, "Diet: I eat no meat.", "Rosa: I eat no meat.")
    api.remember("I like it.", speaker="Mia")
    known = api.remember("Mia: I eat no meat.")["id"]
    stated = api.remember("Mia: I eat fish.", speaker="Mia")["id"]
    assert [kept(one, "embedding.span_from") for one in (*ids, known, stated)] == [6, 5, 6, 5, 0, 6, 5, 5]


def test_a_role_is_read_as_well(me: Any, api: Any, work: Work, kept: Any) -> None:
    said = ["User: I live in Oslo.", "Assistant: Lisbon is lovely, and I live in a data centre.", "User: admin"]
    made = [api.remember(one) for one in said]
    assert [one["source"]["role"] for one in made] == ["user", "assistant", None]
    assert sorted(api.query({"role": "user"})) == [made[0]["id"]]
    tool = api.remember("User: I live in Rome.", role="tool")
    assert tool["source"]["role"] == "tool"
    work(me.tenant_id)
    facts = me.get("/v1/facts").json()["data"]
    assert [one["value"] for one in facts] == ["Oslo"], "what an assistant says of itself is no fact"
    assert [kept(one["id"], "source.role") for one in (*made, tool)] == [None, None, None, "tool"]
    text = api.context("Who lives in Oslo?", token_budget=400)["text"]
    assert "user: User:" not in text
    changed = me.patch(f"/v1/memories/{made[1]['id']}", json={"content": "It is lovely."}).json()
    assert changed["source"]["role"] is None


@pytest.mark.parametrize("kind", ["document", "tool"])
def test_documents_and_tools_are_not_heard_by_the_background_either(me: Any, work: Work, kept: Any, kind: str) -> None:
    ids = batch(me, *TALK, source={"kind": kind})
    work(me.tenant_id)
    assert [kept(one, "memory.speaker") for one in ids] == [None] * 4
    (late,) = batch(me, "Rosa: It snows.")
    work(me.tenant_id)
    assert kept(late, "memory.speaker") is None, "what documents say makes nobody known"


def test_another_encoder_begins_where_the_vectors_begin(me: Any, database: Any, rows: Any) -> None:
    ids = batch(me, *TALK, "Diet: I eat no meat.")
    space = rows.one("SELECT id, encoder_id, shelf FROM namespace WHERE tenant_id = :tenant", tenant=me.tenant_id)
    direction = reindexes.Direction(space.id, space.encoder_id, space.encoder_id + 1, space.shelf)
    with database.transaction(me.tenant_id) as session:
        texts = reindexes.next_texts(session, me.tenant_id, direction, after=None, limit=10)
    assert {str(text.memory_id): text.start for text in texts} == dict(zip(ids, [6, 5, 6, 5, 0], strict=True))
