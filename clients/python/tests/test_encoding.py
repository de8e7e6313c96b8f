from datetime import date
from typing import Any

import pytest

from memory_client import MemoryClient, ValidationFailed
from memory_client.encoding import to_json


class Bare:
    """What JSON has no form for."""


DAY, BARE = date(2026, 11, 1), Bare()


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"observed_at": DAY}, "/observed_at"),
        ({"memories": [{"content": "x"}, {"content": "y", "observed_at": DAY}]}, "/memories/1/observed_at"),
        ({"metadata": {"a/b~c": (1, BARE)}}, "/metadata/a~1b~0c/1"),
        ({"tags": {BARE}}, "/tags"),
        ({"metadata": {"photo": b"abc"}}, "/metadata/photo"),  # Its bytes were stored as a list of numbers.
        ({"metadata": {"photo": bytearray(b"abc")}}, "/metadata/photo"),
        (BARE, ""),
    ],
)
def test_what_json_has_no_form_for_is_named_by_its_place(body: Any, pointer: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        to_json(body)
    assert [one.pointer for one in caught.value.errors] == [pointer]
    assert "for which JSON has no form" in str(caught.value)


def test_a_name_that_is_no_text_is_named_by_its_place() -> None:
    with pytest.raises(ValidationFailed, match="a name that is no text") as caught:
        to_json({"content": "x", "metadata": {1: "a number is written as a text", "at": [{("a", 1): 2}]}})
    assert [one.pointer for one in caught.value.errors] == ["/metadata/at/0/('a', 1)"]


def test_a_day_is_refused_with_what_is_wanted() -> None:
    with (
        MemoryClient("http://127.0.0.1:9", "key") as client,
        pytest.raises(ValidationFailed, match=r"^/observed_at: holds a date.*a moment is a datetime, or a text"),
    ):
        client.add("x", observed_at=DAY)  # type: ignore[arg-type]
