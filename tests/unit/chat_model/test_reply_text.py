"""JSON is found in whatever a model says around it, and what cannot be stored is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_service.chat_model.reply_text import UnreadableReply, object_in, storable

WANTED = {"a": "b"}
TEXT = json.dumps(WANTED)


@pytest.mark.parametrize(
    "said",
    [
        TEXT,
        f"\n  {TEXT}\n",
        f"```json\n{TEXT}\n```",
        f"```\n{TEXT}\n```\nAnything else?",
        f"Here you are: {TEXT}",
        f'<think>Maybe {{"a": "draft"}}, or not?</think>{TEXT}',
        f'<THINK>\n{{"a": "draft"}}\n</THINK>\n```json\n{TEXT}```',
        f'The template opened it. {{"a": "draft"}}</think>\n\n{TEXT}',
        f'<think>One.</think><think>Two: {{"a": "draft"}}</think>{TEXT}',
        f'<reasoning>{{"a": "draft"}}</reasoning>{TEXT}',
        f"Braces {{like these}} are no JSON, but {TEXT} is.",
    ],
)
def test_the_object_is_found(said: str) -> None:
    assert object_in(said) == WANTED


@pytest.mark.parametrize(
    "said",
    ["", "I cannot do that.", '["a"]', '<think>{"a": "b"}', '{"a": ', '{"a": NaN}', '{"a":' * 5000, "{" * 5000],
)
def test_no_object(said: str) -> None:
    with pytest.raises(UnreadableReply, match="no JSON object"):
        object_in(said)


def test_the_end_of_reasoning_inside_a_string_does_not_end_it() -> None:
    quoted = {"quote": 'He wrote </think> {"a": "injected"}'}
    assert object_in(json.dumps(quoted)) == quoted
    assert object_in(f"<think>Hm.</think>{json.dumps(quoted)}") == quoted


@pytest.mark.parametrize("said", ['{"a": "\\u0000"}', '{"\\ud800": 1}', '{"a": [{"b": "x\\udfff"}]}'])
def test_what_a_database_cannot_hold_is_refused(said: str) -> None:
    with pytest.raises(UnreadableReply, match="cannot be stored"):
        object_in(said)


def test_line_breaks_in_strings_are_read_and_control_characters_become_spaces() -> None:
    assert object_in('{"a": "one\ntwo\x1bthree\\u0085four"}') == {"a": "one two three four"}


@given(st.dictionaries(st.text("abc</think>{}`\\\"'", max_size=9), st.text('x</think>{}`\\"', max_size=30), max_size=4))
def test_any_object_is_read_back_with_reasoning_before_and_fences_around(value: dict[str, str]) -> None:
    text = json.dumps(value)
    assert object_in(text) == value
    assert object_in(f"<think>So.</think>\n```json\n{text}\n```") == value


@given(st.text())
def test_any_text_gives_an_object_or_the_error_for_it(said: str) -> None:
    try:
        found: Any = object_in(said)
    except UnreadableReply:
        return
    assert isinstance(found, dict)


@given(st.text(st.characters(exclude_categories=())))
def test_any_raw_reply_can_be_stored(said: str) -> None:
    kept = storable(said)
    assert kept.encode("utf-8").decode("utf-8") == kept
    assert "\0" not in kept
