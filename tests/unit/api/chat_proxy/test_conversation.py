from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_service.api.chat_proxy.conversation import (
    MAX_PART_BYTES,
    NEVER_FORWARDED,
    new_turns,
    outgoing,
    places_of,
    query_of,
    reply_turn,
    with_block,
)

SCOPE = ("default", "ana", None, "s1")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
ROLES = st.sampled_from(["user", "assistant", "system", "developer", "tool"])
MESSAGE = st.fixed_dictionaries({"role": ROLES | JSON, "content": JSON}) | st.dictionaries(st.text(max_size=8), JSON)


@given(st.lists(MESSAGE, max_size=6))
def test_any_messages_can_be_read(messages: list[Any]) -> None:
    before = repr(messages)
    query_of(messages)
    places = places_of(messages, scope=SCOPE)
    turns = [*new_turns(messages, scope=SCOPE), *reply_turn(messages, "Yes.", scope=SCOPE)]
    assert len({turn.external_id for turn in turns}) == len(turns)
    assert len(set(places.values())) == len(places)
    changed = with_block(messages, "Known: tea.")
    assert "Known: tea." in repr(changed)
    assert len(changed) in (len(messages), len(messages) + 1)
    assert repr(messages) == before, "what the client sent must not change under whoever remembers it"


def said(*texts: str) -> list[dict[str, str]]:
    return [{"role": "assistant" if n % 2 else "user", "content": text} for n, text in enumerate(texts)]


def test_a_turn_has_the_same_place_as_long_as_what_was_before_is_the_same() -> None:
    short, long = places_of(said("a", "b", "c"), scope=SCOPE), places_of(said("a", "b", "c", "d", "e"), scope=SCOPE)
    assert long[0] == short[0]
    assert long[2] == short[2]
    assert len({*long.values()}) == 3
    assert places_of(said("a", "B", "c"), scope=SCOPE)[2] != short[2]
    assert places_of(said("a", "b", "c"), scope=("default", "bo", None, "s1"))[0] != short[0]
    # Where one text ends and the next begins is a part of what was said.
    assert places_of(said("ab", "c", "d"), scope=SCOPE)[2] != places_of(said("a", "bc", "d"), scope=SCOPE)[2]
    with_system = [{"role": "system", "content": "x"}, *said("a", "b", "c")]
    assert [*places_of(with_system, scope=SCOPE).values()] == [*short.values()]


@pytest.mark.parametrize("text", ["x" * 200_000, "word " * 40_000, "ü" * 70_000, "\n".join(["line"] * 30_000)])
def test_long_turns_are_cut_and_nothing_is_lost(text: str) -> None:
    turns = new_turns([{"role": "user", "content": text}], scope=SCOPE)
    assert "".join(turn.text for turn in turns) == text
    assert all(0 < len(turn.text.encode()) <= MAX_PART_BYTES for turn in turns)
    assert len({turn.external_id for turn in turns}) == len(turns) > 1


def test_the_end_of_a_long_turn_is_searched_for() -> None:
    query = query_of([{"role": "user", "content": "ü" * 50_000 + " Where is the key?"}])
    assert query.endswith("Where is the key?")
    assert len(query.encode()) <= 8 * 1024


@given(st.dictionaries(st.sampled_from(sorted(NEVER_FORWARDED)) | st.text(max_size=6), JSON, max_size=8))
def test_what_is_the_services_to_say_is_never_passed_on(body: dict[str, Any]) -> None:
    sent = outgoing(body, [], model="m", salt="ours")
    assert NEVER_FORWARDED & sent.keys() == {"cache_salt"}
    assert sent["cache_salt"] == "ours"
    assert "cache_salt" not in outgoing(body, [], model="", salt=None)
    kept = body.keys() - NEVER_FORWARDED - {"model", "messages", "vllm_xargs"}
    assert all(sent[name] == body[name] for name in kept)
