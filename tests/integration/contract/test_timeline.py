"""The timeline: what lies where on the two axes of time, in pages that neither repeat nor skip."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from memory_service.values import NEWEST, OLDEST

DAYS = [
    "2026-01-05T08:00:00Z",
    "2026-01-05T20:30:00Z",
    "2026-01-06T00:00:00Z",
    "2026-02-10T12:00:00Z",
    "2027-01-01T00:00:00Z",
]


@pytest.fixture
def told(me: Any) -> list[str]:
    """Store memories out of order, two of which say since when they were true; return their ids in order of valid time."""
    bodies = [{"content": f"Memory {n}.", "observed_at": at} for n, at in enumerate(DAYS)]
    bodies[1] |= {"observed_at": "2030-01-01T00:00:00Z", "valid_from": DAYS[1], "valid_to": "2026-03-01T00:00:00Z"}
    ids = {n: me.post("/v1/memories", json=bodies[n]).json()["id"] for n in (3, 0, 4, 1, 2)}
    me.post("/v1/memories", json={"content": "Elsewhere.", "namespace": "other", "observed_at": DAYS[0]})
    gone = me.post("/v1/memories", json={"content": "Gone.", "observed_at": DAYS[0]}).json()["id"]
    me.delete(f"/v1/memories/{gone}")
    return [ids[n] for n in range(5)]


def timeline(me: Any, **params: Any) -> Any:
    answer = me.get("/v1/timeline", params={"namespace": "default", **params})
    assert answer.status_code == 200, answer.text
    return answer.json()


def bars(found: Any) -> dict[str, int]:
    return {bar["start"]: bar["count"] for bar in found["buckets"]}


@pytest.mark.parametrize(
    ("bucket", "expected"),
    [
        ("hour", {DAYS[0]: 1, "2026-01-05T20:00:00Z": 1, DAYS[2]: 1, DAYS[3]: 1, DAYS[4]: 1}),
        ("day", {"2026-01-05T00:00:00Z": 2, "2026-01-06T00:00:00Z": 1, "2026-02-10T00:00:00Z": 1, DAYS[4]: 1}),
        ("week", {"2026-01-05T00:00:00Z": 3, "2026-02-09T00:00:00Z": 1, "2026-12-28T00:00:00Z": 1}),
        ("month", {"2026-01-01T00:00:00Z": 3, "2026-02-01T00:00:00Z": 1, DAYS[4]: 1}),
        ("year", {"2026-01-01T00:00:00Z": 4, DAYS[4]: 1}),
    ],
)
def test_buckets_count_what_was_true_when(me: Any, told: list[str], bucket: str, expected: dict[str, int]) -> None:
    found = timeline(me, bucket=bucket)
    assert bars(found) == expected
    assert list(bars(found)) == sorted(expected)
    assert (found["axis"], found["bucket"]) == ("valid", bucket)
    assert [one["id"] for one in found["data"]] == told


def test_the_other_axis_is_when_it_became_known(me: Any, told: list[str]) -> None:
    found = timeline(me, axis="known", bucket="year")
    assert [one["id"] for one in found["data"]] == [told[n] for n in (3, 0, 4, 1, 2)]
    assert sum(bars(found).values()) == 5
    assert set(bars(found)) == {f"{datetime.now(UTC).year}-01-01T00:00:00Z"}


def test_an_item_has_both_of_its_times(me: Any, told: list[str]) -> None:
    record = me.get(f"/v1/memories/{told[1]}").json()
    (shown,) = [one for one in timeline(me)["data"] if one["id"] == told[1]]
    for name in (
        "namespace",
        "memory_type",
        "state",
        "observed_at",
        "valid_from",
        "valid_to",
        "created_at",
        "superseded_by",
    ):
        assert shown[name] == record[name], name
    assert shown["known_from"] == record["updated_at"]
    assert shown["label"] == record["content"]


def test_a_span_is_half_open(me: Any, told: list[str]) -> None:
    found = timeline(me, **{"from": DAYS[1], "to": DAYS[3]})
    assert [one["id"] for one in found["data"]] == told[1:3]
    assert sum(bars(found).values()) == 2
    assert timeline(me, to="2000-01-01T00:00:00Z")["buckets"] == []


@pytest.mark.parametrize("axis", ["valid", "known"])
def test_pages_neither_repeat_nor_skip(me: Any, axis: str) -> None:
    # All of one moment, so that only the id tells them apart.
    for n in range(7):
        me.post("/v1/memories", json={"content": f"At once, {n}.", "observed_at": DAYS[0]})
    whole = [one["id"] for one in timeline(me, axis=axis)["data"]]
    seen, cursor = [], None
    while True:
        found = timeline(me, axis=axis, limit=3, **({"cursor": cursor} if cursor else {}))
        seen += [one["id"] for one in found["data"]]
        # The bars are of the whole span, on every page.
        assert sum(bars(found).values()) == 7
        cursor = found["next_cursor"]
        assert (cursor is None) is not found["has_more"]
        if cursor is None:
            break
    assert seen == whole
    assert len(set(seen)) == 7


def test_a_cursor_continues_only_its_own_list(me: Any, told: list[str]) -> None:
    cursor = timeline(me, limit=2)["next_cursor"]
    for params in ({"axis": "known"}, {"from": DAYS[0]}, {"namespace": "other"}):
        answer = me.get("/v1/timeline", params={"namespace": "default", "cursor": cursor, **params})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")
    # Another bucket is the same list.
    assert [one["id"] for one in timeline(me, limit=2, cursor=cursor, bucket="year")["data"]] == told[2:4]


def test_without_a_namespace_it_is_all_of_the_tenant(me: Any, told: list[str]) -> None:
    found = me.get("/v1/timeline?bucket=year").json()
    assert sum(bars(found).values()) == 6
    assert {one["namespace"] for one in found["data"]} == {"default", "other"}


def test_an_empty_memory_has_an_empty_timeline(me: Any) -> None:
    assert timeline(me)["data"] == timeline(me)["buckets"] == []
    assert me.get("/v1/timeline?namespace=nowhere").json()["code"] == "namespace_not_found"


@pytest.mark.parametrize(
    "query",
    ["axis=both", "bucket=second", "from=yesterday", "from=2026-01-01T00:00:00", "limit=0", "limit=201", "cursor=x", "unknown=1",
     "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", "namespace=a%00"],
)  # fmt: skip
def test_what_cannot_be_understood_is_refused(me: Any, query: str) -> None:
    assert me.get(f"/v1/timeline?{query}").status_code == 422


def test_moments_at_the_ends_of_time(me: Any) -> None:
    for at in (OLDEST.isoformat(), NEWEST.isoformat()):
        assert me.post("/v1/memories", json={"content": f"At {at}.", "observed_at": at}).status_code == 201
    for bucket in ("hour", "day", "week", "month", "year"):
        answer = me.get(f"/v1/timeline?bucket={bucket}&limit=1")
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["buckets"]) == 2


def test_too_many_buckets_are_refused_with_the_way_out(me: Any) -> None:
    start = datetime(2020, 1, 1, tzinfo=UTC)
    moments = [(start + timedelta(hours=n)).isoformat() for n in range(2_001)]
    for some in (moments[:1_000], moments[1_000:2_000], moments[2_000:]):
        items = [{"content": f"At {at}.", "observed_at": at, "extract": "none"} for at in some]
        assert me.post("/v1/memories/batch", json={"items": items}).status_code == 200
    answer = me.get("/v1/timeline?bucket=hour")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "?bucket"
    assert me.get("/v1/timeline?bucket=hour&from=2020-01-02T00:00:00Z").status_code == 200
    assert me.get("/v1/timeline?bucket=day").status_code == 200


def test_a_bucket_that_fits_is_chosen(me: Any, told: list[str]) -> None:
    """Of a year of memories weeks make few bars, of two days hours do; the answer says which."""
    found = timeline(me, bucket="auto")
    assert (found["bucket"], sum(bars(found).values())) == ("week", 5)
    found = timeline(me, bucket="auto", to=DAYS[3])
    assert (found["bucket"], sum(bars(found).values())) == ("hour", 3)
    assert timeline(me, bucket="auto", to="2000-01-01T00:00:00Z")["buckets"] == []
    for at in (OLDEST.isoformat(), NEWEST.isoformat()):
        me.post("/v1/memories", json={"content": f"At {at}.", "observed_at": at})
    found = timeline(me, bucket="auto")
    assert (found["bucket"], sum(bars(found).values())) == ("year", 7)


def test_pages_by_themselves_count_nothing(me: Any, told: list[str]) -> None:
    found = timeline(me, bucket="none", limit=2)
    assert (found["bucket"], found["buckets"]) == (None, [])
    assert [one["id"] for one in found["data"]] == told[:2]


def test_the_other_axis_is_bounded_too(me: Any, told: list[str]) -> None:
    learned = {one["id"]: one["created_at"] for one in timeline(me)["data"]}
    second = sorted(learned.values())[1]
    later = [id for id in told if learned[id] >= second]
    found = timeline(me, other_from=second)
    assert [one["id"] for one in found["data"]] == later
    assert sum(bars(found).values()) == 4
    assert [one["id"] for one in timeline(me, other_to=second)["data"]] == [id for id in told if id not in later]
    assert {one["id"] for one in timeline(me, axis="known", other_to=DAYS[2])["data"]} == set(told[:2])
    answer = me.get(f"/v1/timeline?other_from={DAYS[1]}&other_to={DAYS[0]}")
    assert answer.json()["errors"][0]["pointer"] == "?other_from"


def plane(me: Any, **params: Any) -> Any:
    answer = me.get("/v1/timeline/plane", params={"namespace": "default", **params})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_plane_counts_by_both_times(me: Any, told: list[str]) -> None:
    found = plane(me, columns=2, rows=1)
    assert (found["total"], found["columns"], found["rows"]) == (5, 2, 1)
    # Half a year on, the first four are in the first half of it.
    assert [(cell["column"], cell["row"], cell["count"]) for cell in found["cells"]] == [(0, 0, 4), (1, 0, 1)]
    first = found["cells"][0]
    assert (first["valid_from"], first["valid_to"]) == (DAYS[0], DAYS[3])
    assert all(cell["known_from"] <= cell["known_to"] for cell in found["cells"])
    assert sum(cell["count"] for cell in plane(me)["cells"]) == 5
    narrowed = plane(me, **{"from": DAYS[1], "to": DAYS[3]})
    assert narrowed["total"] == 2
    one = plane(me, **{"from": DAYS[4]})
    assert [(cell["column"], cell["row"], cell["count"]) for cell in one["cells"]] == [(0, 0, 1)]
    assert plane(me, to="2000-01-01T00:00:00Z") == {"total": 0, "columns": 60, "rows": 24, "cells": []}


@pytest.mark.parametrize("query", ["columns=0", "rows=201", "from=soon", "bucket=day", "namespace=a%00"])
def test_a_plane_that_cannot_be_understood_is_refused(me: Any, query: str) -> None:
    assert me.get(f"/v1/timeline/plane?{query}").status_code == 422


def test_a_plane_reaches_the_ends_of_time(me: Any) -> None:
    for at in (OLDEST.isoformat(), NEWEST.isoformat()):
        me.post("/v1/memories", json={"content": f"At {at}.", "observed_at": at})
    assert plane(me)["total"] == 2
