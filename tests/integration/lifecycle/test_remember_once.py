"""The answer of a single post is the record as any later read returns it."""

from typing import Any

import pytest


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {
            "metadata": {
                "big": 1e300,
                "small": -0.0,
                "deep": {"list": [1, 2.50, "é\u2028", None, True]},
                "z": 1,
                "a": 2,
            },
            "value": {"n": 10000000000000000.0, "x": [], "y": {}, "z": ""},
            "importance": 0,
            "tags": ["b", "a"],
            "observed_at": "2024-02-29T23:59:59.123456+05:30",
            "valid_to": "2031-01-01T00:00:00-03:00",
            "speaker": "Zoë",
            "role": "assistant",
            "source": {"kind": "document", "ref": "book", "span": [3, 9]},
            "pinned": True,
            "extract": "none",
        },
        {"value": 0, "title": "", "expires_at": "2001-01-01T00:00:00Z"},
        {"value": []},
        {"value": "", "context": "c", "session_id": "s", "extract": "none"},
    ],
)
def test_what_is_answered_is_what_is_read(me: Any, fields: dict[str, Any]) -> None:
    answer = me.post("/v1/memories", json={"content": "Ünï \\ 'quoted' %s :tenant text.", "extract": "none", **fields})
    assert answer.status_code == 201, answer.text
    made, read = answer.json(), me.get(f"/v1/memories/{answer.json()['id']}").json()
    for memory in (made, read):
        memory["retention"].pop("retrievability")  # falls with the time between the two
    assert made == read
