"""From our records to mem0's shapes."""

from datetime import datetime
from hashlib import md5
from typing import Any

import pytest

from memory_service.api.compat.mem0.moments import expiration_date_of, expiry_of, rfc3339_of
from memory_service.api.compat.mem0.routing import split
from memory_service.api.compat.mem0.scope import written_ids
from memory_service.api.compat.mem0.shapes import found_items, history_of, memory_item, page_of, with_fields
from memory_service.errors import InvalidRequest

ID = "018f3c1e-7b1a-7c3d-9e2f-5a6b7c8d9e0f"


def record(text: str) -> dict[str, Any]:
    return {
        "id": ID, "content": text, "user_id": "ada", "agent_id": None, "session_id": None, "metadata": {"app_id": "x"},
        "tags": [], "expires_at": None, "observed_at": "2024-01-01T00:00:00Z", "updated_at": "2024-01-01T00:00:00Z",
        "source": {"hash": None, "speaker": None, "role": "user"},
    }  # fmt: skip


def result(text: str, score: float, cosine: float | None) -> dict[str, Any]:
    channels = {} if cosine is None else {"vector": {"score": cosine}}
    return {"memory": record(text), "score": score, "channels": channels, "why": "it matches"}


def test_scores_lie_between_0_and_1_and_never_rise() -> None:
    items = found_items(
        [result("a", 2.0, 0.5), result("b", 3.0, 0.4), result("c", -9e9, None)], threshold=None, top_k=9
    )
    scores = [item["score"] for item in items]
    assert [item["memory"] for item in items] == ["a", "b", "c"]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == scores[1] < 1
    assert scores[2] == 0.0


@pytest.mark.parametrize(("threshold", "expected"), [(None, "abc"), (0.0, "abc"), (0.4, "ab"), (0.45, "a"), (1.0, "")])
def test_a_threshold_is_about_similarity(threshold: float | None, expected: str) -> None:
    results = [result("a", 0.1, 0.5), result("b", 0.0, 0.4), result("c", -0.1, None)]
    assert "".join(item["memory"] for item in found_items(results, threshold=threshold, top_k=9)) == expected


def test_no_more_than_wanted() -> None:
    assert len(found_items([result("a", 1, 0.5)] * 3, threshold=0.1, top_k=2)) == 2


def test_the_hash_is_that_of_the_text_that_stands_now() -> None:
    of_the_first = {"hash": md5(b"before").hexdigest(), "speaker": None, "role": "user"}
    for text in ("after", "naïve 日本語"):
        item = memory_item(record(text) | {"source": of_the_first})
        assert (item["memory"], item["hash"]) == (text, md5(text.encode()).hexdigest())


def test_fields() -> None:
    item = {"id": ID, "memory": "a", "score": 1}
    assert with_fields([item], ["memory", "no such"]) == [{"memory": "a"}]
    assert with_fields([item], []) == with_fields([item], None) == [item]


def version(number: int, content: str, state: str = "activated", **fields: Any) -> dict[str, Any]:
    known = {"known_from": f"2024-01-0{number}T00:00:00Z", "user_id": "ada"}
    rest = {"metadata": {}, "tags": [], "observed_at": None, "expires_at": None}
    return {"id": ID, "version": number, "content": content, "state": state, **known, **rest, **fields}


def told(*versions: dict[str, Any]) -> list[tuple[str, str | None, str | None]]:
    return [(e["event"], e["old_memory"], e["new_memory"]) for e in history_of(versions)]


def test_a_history_tells_what_a_person_did() -> None:
    assert told(version(1, "a")) == [("ADD", None, "a")]
    assert told(version(1, "a"), version(2, "b"), version(3, "b", "archived")) == [
        ("ADD", None, "a"),
        ("UPDATE", "a", "b"),
        ("DELETE", "b", None),
    ]
    assert told(version(1, "a"), version(2, "a", "archived"), version(3, "a"))[-1] == ("ADD", None, "a")
    assert told(version(1, "a"), version(2, "a", metadata={"k": 1}))[-1] == ("UPDATE", "a", "a")
    assert told(version(1, "a"), version(2, "a", importance=0.7)) == [("ADD", None, "a")]
    assert told() == []


def test_events_keep_their_ids() -> None:
    versions = [version(1, "a"), version(2, "b")]
    first, again = history_of(versions), history_of(versions)
    assert [e["id"] for e in first] == [e["id"] for e in again]
    assert first[1]["created_at"] == first[0]["created_at"] < first[1]["updated_at"]


@pytest.mark.parametrize(
    ("page", "following", "before"), [(1, 2, None), (2, 3, 1), (3, None, 2), (9, None, 8)], ids=["first", "2", "3", "9"]
)
def test_pages_know_their_neighbours(page: int, following: int | None, before: int | None) -> None:
    shown = page_of([], count=5, page=page, page_size=2, address=lambda number: number)
    assert (shown["next"], shown["previous"], shown["count"]) == (following, before, 5)


@pytest.mark.parametrize(
    "value", [True, None, "soon", "2024-13-01", 1e300, float("nan"), float("inf"), [], "", "0000-01-01"]
)
def test_what_is_no_time_is_refused(value: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        rfc3339_of(value, "/timestamp")
    assert refused.value.errors[0].pointer == "/timestamp"


@pytest.mark.parametrize("value", [True, None, "2024-02-30", "9999-12-31", "2024-7-1", 7, "2024-07-01T00:00:00Z"])
def test_what_is_no_date_is_refused(value: Any) -> None:
    with pytest.raises(InvalidRequest):
        expiry_of(value, "/expiration_date")


def test_an_expiration_date_comes_back() -> None:
    ends = expiry_of("2024-02-29", "")
    assert ends == datetime.fromisoformat("2024-03-01T00:00:00+00:00")
    assert expiration_date_of(ends.isoformat()) == "2024-02-29"


@pytest.mark.parametrize(
    "written", ["x", "[]", "{'a': 'b'}", "{'user_id': ''}", "{'user_id': 1}", "{" * 9999, "[" * 3000]
)
def test_ids_that_are_none_are_refused(written: str) -> None:
    with pytest.raises(InvalidRequest):
        written_ids(written)


@pytest.mark.parametrize(
    ("path", "raw", "expected"),
    [
        ("/compat/mem0/ns/a/b/v1/", b"/compat/mem0/ns/a%2Fb/v1/?x=1", ("a/b", "/compat/mem0/v1/")),
        ("/compat/mem0/ns/a/x y/", b"/compat/mem0/ns/a/x%20y/", ("a", "/compat/mem0/x y/")),
        ("/compat/mem0/ns/", b"/compat/mem0/ns/", ("", "/compat/mem0/")),
        ("/compat/mem0/nsa/", b"/compat/mem0/nsa/", (None, "/compat/mem0/nsa/")),
        ("/compat/mem0/ns/ü/v1/", b"/compat/mem0/ns/%C3%BC/v1/", ("ü", "/compat/mem0/v1/")),
    ],
)
def test_the_namespace_is_one_segment(path: str, raw: bytes, expected: tuple[str | None, str]) -> None:
    assert split(path, raw) == expected
