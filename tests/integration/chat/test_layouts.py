"""From turn to turn the beginning of a prompt stays byte for byte what it was; what is new comes behind it."""

from typing import Any

import pytest

SYSTEM = {"role": "system", "content": "You are brief."}


class Talk:
    """A conversation as a client keeps it: without memories."""

    def __init__(self, chats: Any, model: Any, **memory: Any) -> None:
        self.chats, self.model, self.memory = chats, model, memory
        self.messages: list[dict[str, Any]] = [SYSTEM]

    def say(self, text: Any) -> list[dict[str, Any]]:
        """Say something and return what reached the model."""
        self.messages.append({"role": "user", "content": text})
        answer = self.chats.ask(self.messages, memory=self.memory)
        self.used = [one["id"] for one in answer["memory"]["memories"]]
        self.markers = [one["marker"] for one in answer["memory"]["memories"]]
        self.tokens = answer["memory"]["tokens"]
        self.messages.append(answer["choices"][0]["message"])
        sent: list[dict[str, Any]] = self.model.last.body["messages"]
        return sent


@pytest.fixture
def doors(chats: Any) -> list[str]:
    colours = ("red", "blue", "green", "black", "white", "amber", "violet", "silver")
    return [chats.remember(f"The {colour} door opens with key number {n}.") for n, colour in enumerate(colours)]


def test_a_conversation_only_grows(chats: Any, model: Any, doors: Any) -> None:
    talk = Talk(chats, model, top_k=3)
    before: list[dict[str, Any]] = []
    seen: list[str] = []
    for asked in (
        "Which key opens the red door?",
        "And the violet door, which key?",
        "Then the silver and the white door?",
    ):
        sent = talk.say(asked)
        assert sent[: len(before)] == before
        assert talk.used[: len(seen)] == seen
        before, seen = sent, talk.used
    assert len(seen) > 3
    assert len(set(seen)) == len(seen)
    assert talk.markers == [f"[{n}]" for n in range(1, len(seen) + 1)]
    last = sent[-1]["content"]
    assert last.endswith("\n\nThen the silver and the white door?")
    assert last.startswith("<memories>\n[")


def test_every_turn_has_all_that_it_called_for(chats: Any, model: Any, doors: Any) -> None:
    grown, fresh = Talk(chats, model, top_k=3), Talk(chats, model, top_k=3, order="relevance")
    for asked in ("Which key opens the red door?", "And the violet door, which key?", "Then the amber door, which?"):
        grown.say(asked)
        fresh.say(asked)
        assert set(fresh.used) <= set(grown.used)


def test_the_same_request_makes_the_same_prompt(chats: Any, model: Any, doors: Any) -> None:
    talk = Talk(chats, model, top_k=3)
    talk.say("Which key opens the red door?")
    sent = talk.say("And the violet door, which key?")
    again = [*talk.messages[:-1]]
    chats.ask(again, memory={"top_k": 3})
    assert model.last.body["messages"] == sent


def test_steps_with_tools_keep_the_prompt(chats: Any, model: Any, doors: Any) -> None:
    talk = Talk(chats, model, top_k=3)
    sent = talk.say("Which key opens the red door?")
    chats.remember("The red door was given a new key, number 99, for the red door.")
    step = [
        *talk.messages[:-1],
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": {}}]},
        {"role": "tool", "tool_call_id": "1", "content": "key 0"},
    ]
    chats.ask(step, memory={"top_k": 3})
    assert model.last.body["messages"][: len(sent)] == sent


def test_what_is_asked_anew_is_looked_for_anew(chats: Any, model: Any, doors: Any) -> None:
    Talk(chats, model, top_k=3).say("Which key opens the red door?")
    new = chats.remember("The red door was given a new key, number 99: which key opens the red door.")
    talk = Talk(chats, model, top_k=3)
    talk.say("Which key opens the red door?")
    assert new in talk.used


def test_what_was_corrected_is_laid_out_anew(chats: Any, model: Any, doors: Any) -> None:
    talk = Talk(chats, model, top_k=3)
    talk.say("Which key opens the red door?")
    changed = chats.http.post(
        f"/v1/memories/{doors[0]}/supersede", json={"content": "The red door opens with key number 77."}
    )
    assert changed.status_code in (200, 201), changed.text
    sent = talk.say("Are you sure about the red door?")
    assert "key number 77" in sent[0]["content"]
    assert talk.say("Are you quite sure about the red door?")[: len(sent)] == sent


def test_what_was_tagged_or_pinned_keeps_the_prompt(chats: Any, model: Any, doors: Any) -> None:
    talk = Talk(chats, model, top_k=3)
    sent = talk.say("Which key opens the red door?")
    chats.remember("The violet door opens with key number 5, says the violet door.")
    assert chats.http.patch(f"/v1/memories/{doors[0]}", json={"tags": ["house"]}).status_code == 200
    assert chats.http.post(f"/v1/memories/{doors[0]}/pin").status_code == 200
    assert talk.say("And the violet door, which key?")[: len(sent)] == sent


def test_what_was_archived_is_not_said_again(chats: Any, model: Any, doors: Any) -> None:
    talk = Talk(chats, model, top_k=3)
    talk.say("Which key opens the red door?")
    assert chats.http.delete(f"/v1/memories/{doors[0]}").status_code == 204
    assert "key number 0" not in str(talk.say("Are you sure about the red door?"))


def test_a_full_budget_is_laid_out_anew(chats: Any, model: Any, doors: Any) -> None:
    talk = Talk(chats, model, top_k=3, token_budget=110)
    for asked in ("Which key opens the red door?", "And the violet door, which key?", "Then the amber door, which?"):
        talk.say(asked)
        assert 0 < talk.tokens <= 110
        assert talk.used


def test_another_scope_begins_anew(chats: Any, model: Any) -> None:
    chats.remember("The garage code of Ana is 4321.", user_id="ana")
    chats.remember("The garage code of Bo is 1234.", user_id="bo")
    ana = Talk(chats, model, user_id="ana")
    ana.say("What is the garage code?")
    bo = Talk(chats, model, user_id="bo")
    assert "code of Ana" not in str(bo.say("What is the garage code?"))
    bo.messages = list(ana.messages)
    assert "code of Ana" not in str(bo.say("Say it again, the garage code."))


def test_another_tenant_begins_anew(chats: Any, chats_of: Any, make_tenant: Any, model: Any) -> None:
    chats.remember("The garage code is 4321.")
    mine = Talk(chats, model)
    mine.say("What is the garage code?")
    theirs = Talk(chats_of(make_tenant()), model)
    theirs.messages = list(mine.messages)
    assert "code is 4321" not in str(theirs.say("Say it again, the garage code."))


def test_a_turn_of_parts_takes_a_part_more(chats: Any, model: Any, doors: Any) -> None:
    talk = Talk(chats, model, top_k=2)
    talk.say("Which key opens the red door?")
    parts = [{"type": "text", "text": "And the violet door?"}, {"type": "image_url", "image_url": {"url": "data:,x"}}]
    sent = talk.say(parts)
    assert sent[-1]["content"][1:] == parts
    assert sent[-1]["content"][0]["text"].startswith("<memories>\n[3] ")
