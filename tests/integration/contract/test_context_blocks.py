"""Contexts with core blocks: what an agent always sees comes first, whole, and the budget holds for all of it."""

from typing import Any

import pytest


def put(me: Any, label: str, value: str, **scope: str) -> dict[str, Any]:
    answer = me.put(f"/v1/blocks/{label}", json={"value": value, **scope})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_without_being_asked_for_there_are_no_blocks(me: Any, api: Any) -> None:
    api.remember("Ana drinks tea.")
    put(me, "persona", "Speak plainly.")
    made = api.context("tea")
    assert "Speak plainly." not in made["text"]
    assert {"blocks", "blocks_left_out"}.isdisjoint(made)


def test_blocks_stand_before_the_memories(me: Any, api: Any) -> None:
    memory = api.remember("Ana drinks tea.")
    persona, human = put(me, "persona", "Speak plainly."), put(me, "human", "Called Ana.\nLives in Lisbon.")
    put(me, "empty", "")
    made = api.context("What does Ana drink?", include_blocks=True)
    assert made["text"].startswith(
        "[block:human] Called Ana.\nLives in Lisbon.\n\n[block:persona] Speak plainly.\n\n[1] ("
    )
    assert made["blocks"] == [
        {"marker": f"[block:{b['label']}]", "block_id": b["id"], "label": b["label"], "version": 1, "span": [0, n]}
        for b, n in ((human, 28), (persona, 14))
    ]
    assert made["blocks_left_out"] == []
    assert [c["memory_id"] for c in made["citations"]] == [memory["id"]]
    named = api.context("What does Ana drink?", include_blocks=["persona", "human", "unknown"])
    assert [b["label"] for b in named["blocks"]] == ["persona", "human"]
    messages = api.context("Ana", include_blocks=["persona"], format="messages")["messages"]
    assert messages[0]["content"].startswith("[block:persona] Speak plainly.\n\n[1] (")
    items = api.context("Ana", include_blocks=["persona"], format="json")
    assert items["blocks"][0]["text"] == "Speak plainly."


def test_blocks_need_no_memory(me: Any, api: Any) -> None:
    put(me, "persona", "Speak plainly.")
    made = api.context("anything", include_blocks=True)
    assert made["text"] == "[block:persona] Speak plainly."
    assert made["citations"] == []


def test_an_agent_sees_its_own_block_before_the_shared_one(me: Any, api: Any) -> None:
    put(me, "persona", "shared")
    put(me, "persona", "of a", agent_id="a")
    put(me, "persona", "of a about u", agent_id="a", user_id="u")
    put(me, "persona", "about u", user_id="u")
    put(me, "persona", "elsewhere", namespace="other")

    def seen(**scope: str) -> str:
        text: str = api.context("q", include_blocks=True, **scope)["text"]
        return text.removeprefix("[block:persona] ")

    assert seen() == "shared"
    assert seen(agent_id="a") == "of a"
    assert seen(agent_id="a", user_id="u") == "of a about u"
    assert seen(user_id="u") == "about u"
    assert seen(agent_id="b", user_id="v") == "shared"
    assert seen(namespace="other") == "elsewhere"


def test_blocks_as_they_were_known(me: Any, api: Any) -> None:
    first = put(me, "persona", "before")
    assert me.patch("/v1/blocks/persona", json={"value": "after"}).status_code == 200
    made = api.context("q", include_blocks=True, as_of={"known": first["updated_at"]})
    assert (made["text"], made["blocks"][0]["version"]) == ("[block:persona] before", 1)


@pytest.mark.parametrize("budget", [1, 8, 20, 40, 80, 160])
def test_the_budget_holds_for_blocks_and_memories_together(me: Any, api: Any, budget: int) -> None:
    for number in range(8):
        api.remember(f"Ana drank tea number {number} in the garden of the old house by the sea.")
    put(me, "a", "word " * 30)
    put(me, "b", "short")
    made = api.context("tea", include_blocks=True, token_budget=budget)
    assert made["tokens"] <= budget
    assert [b["label"] for b in made["blocks"]] + made["blocks_left_out"] in (["a", "b"], ["b", "a"])
    for block in made["blocks"]:
        value = "short" if block["label"] == "b" else "word " * 30
        assert f"{block['marker']} {value}" in made["text"]
    if budget == 160:
        assert made["citations"]


def test_what_cannot_be_asked_for(me: Any, problem: Any) -> None:
    for wrong in ("persona", [], ["a b"], 1, ["x"] * 65):
        problem(me.post("/v1/context", json={"query": "q", "include_blocks": wrong}), 422)
