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
        (BARE, ""),
    ],
)
def test_what_json_has_no_form_for_is_named_by_its_place(body: Any, pointer: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        to_json(body)
    assert [one.pointer for one in caught.value.errors] == [pointer]
    assert "for which JSON has no form" in str(caught.value)


def test_a_day_is_refused_with_what_is_wanted() -> None:
    with (
        MemoryClient("http://127.0.0.1:9", "key") as client,
        pytest.raises(ValidationFailed, match=r"^/observed_at: holds a date.*a moment is a datetime, or a text"),
    ):
        client.add("x", observed_at=DAY)  # type: ignore[arg-type]
