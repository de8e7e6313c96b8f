"""What items are found by."""

from typing import Any

import pytest

from memory_langgraph.texts import Index, text_of

DOCUMENT: dict[str, Any] = {
    "title": "Tea",
    "notes": [{"text": "green"}, {"text": "black"}],
    "at": {"place": "Porto", "hour": 4},
    "nothing": None,
}


@pytest.mark.parametrize(
    ("index", "fields", "text"),
    [
        (None, ("$",), "title: Tea\nnotes text: green\nnotes text: black\nat place: Porto\nat hour: 4"),
        (None, ("title",), "Tea"),
        (None, ("title", "notes[*].text"), "Tea\ngreen\nblack"),
        (["notes[-1].text", "at.hour"], ("$",), "black\n4"),
        (["at"], ("$",), '{"hour": 4, "place": "Porto"}'),
        (False, ("$",), None),
        (None, ("missing",), None),
        ([], ("$",), None),
    ],
)
def test_the_text_is_that_of_the_indexed_fields(index: Index, fields: tuple[str, ...], text: str | None) -> None:
    assert text_of(DOCUMENT, index, fields=fields) == text


@pytest.mark.parametrize("value", [{}, {"a": None}, {"a": ""}, {"a": " \u200b\n"}, {"a": {"b": []}}])
def test_a_value_that_says_nothing_is_not_indexed(value: dict[str, Any]) -> None:
    assert text_of(value, None, fields=("a",)) in (None, '{"b": []}')
    assert text_of(value, None, fields=("$",)) in (None, "a: ")


def test_a_single_text_stands_for_itself() -> None:
    assert text_of({"text": "likes tea"}, None, fields=("$",)) == "likes tea"


def test_a_long_text_is_cut_between_characters() -> None:
    text = text_of({"a": "ü" * 40_000}, None, fields=("$",))
    assert text == "ü" * 32_768
