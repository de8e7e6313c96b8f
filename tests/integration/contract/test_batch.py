"""POST /v1/memories/batch: every item by itself, and a bad one never fails its neighbours."""

import json
from itertools import pairwise
from typing import Any

import pytest

BAD_ITEMS: list[Any] = [
    {}, {"content": ""}, {"content": "  "}, {"content": 7}, {"content": None}, None, "x", 3, [], {"content": "a", "colour": "red"},
    {"content": "a", "importance": 2}, {"content": "a", "importance": "0.5"}, {"content": "a", "tags": "t"},
    {"content": "a\0b"}, {"content": "a", "metadata": {"k\0": 1}}, {"content": "a", "namespace": "a//b"},
    {"content": "a", "observed_at": "2024-01-01T00:00:00"}, {"content": "a", "observed_at": 5}, {"content": "x" * 70_000},
    {"content": "a", "metadata": {"k": "x" * 17_000}}, {"content": "a", "value": 2**70}, {"content": "a", "memory_type": "nice"},
    {"content": "a", "valid_from": "2024-01-02T00:00:00Z", "valid_to": "2024-01-01T00:00:00Z"}, {"content": "a", "pinned": "yes"},
    {"content": "a", "external_id": ""}, {"content": "a", "external_id": "x" * 300}, {"content": "a", "expires_at": "never"},
]  # fmt: skip
TOO_LARGE = [bad for bad in BAD_ITEMS if isinstance(bad, dict) and len(str(bad)) > 16_000]


def batch(me: Any, items: list[Any], **options: Any) -> list[dict[str, Any]]:
    answer = me.post("/v1/memories/batch", json={"items": items}, **options)
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    assert [r["index"] for r in results] == list(range(len(items)))
    return results


def test_each_item_says_what_became_of_it(me: Any, api: Any) -> None:
    kept = api.remember("Old.", external_id="x")
    results = batch(
        me,
        [
            {"content": "One.", "namespace": "a"},
            {"content": "One.", "namespace": "a"},
            {"content": "", "namespace": "a"},
            {"content": "New.", "external_id": "x", "on_conflict": "supersede"},
            {"content": "Newer.", "external_id": "x", "on_conflict": "error"},
            {"content": "Newest.", "external_id": "x"},
        ],
    )
    assert [r["status"] for r in results] == ["created", "skipped", "rejected", "superseded", "rejected", "skipped"]
    assert results[1]["id"] == results[0]["id"]
    assert results[2]["id"] is None
    assert results[2]["problem"]["status"] == 422
    assert results[2]["problem"]["errors"][0]["pointer"] == "/items/2/content"
    assert (results[4]["problem"]["status"], results[4]["problem"]["code"]) == (409, "external_id_conflict")
    assert results[5]["id"] == results[3]["id"]
    assert api.read(kept["id"])["superseded_by"] == results[3]["id"]
    assert all(r["problem"] is None for r in results if r["status"] != "rejected")


def test_items_that_say_nearly_the_same_stay_apart(me: Any, api: Any) -> None:
    """What a batch says in every item is sent to the database once: nothing may pass from one item to another by that."""
    alike = {"tags": ["x"], "importance": 0.25, "observed_at": "2024-01-01T00:00:00Z"}
    items: list[dict[str, Any]] = [
        alike | {"content": "One.", "metadata": {"n": 1}, "value": 1},
        alike | {"content": "Two.", "metadata": {"n": True}, "value": True},
        alike | {"content": "Three.", "metadata": {"n": "1"}, "pinned": True},
        {"content": "Four."},
    ]
    for sent in (items, items[:2], items[:1]):
        results = batch(me, [item | {"namespace": f"alike/{len(sent)}"} for item in sent])
        for item, result in zip(sent, results, strict=True):
            found = api.read(result["id"])
            wanted = {"tags": [], "importance": 0.5, "metadata": {}, "value": None, "pinned": False} | item
            kept = {name: found[name] for name in wanted if name != "observed_at"}
            wanted.pop("observed_at", None)
            # As text, because True equals 1.
            assert json.dumps(kept, sort_keys=True) == json.dumps(wanted, sort_keys=True)
            assert found["observed_at"].startswith("2024-01-01") is ("observed_at" in item)


@pytest.mark.parametrize("bad", BAD_ITEMS, ids=[str(number) for number in range(len(BAD_ITEMS))])
def test_a_bad_item_never_fails_its_neighbours(me: Any, api: Any, bad: Any) -> None:
    results = batch(me, [{"content": "Left."}, bad, {"content": "Right."}])
    assert [r["status"] for r in results] == ["created", "rejected", "created"]
    problem = results[1]["problem"]
    assert problem["status"] == (413 if bad in TOO_LARGE else 422)
    assert problem["code"]
    if problem["code"] == "invalid_request":  # Said as of one memory, the field by its name.
        place = problem["errors"][0]["pointer"].removeprefix("/items/1")
        assert problem["detail"].startswith(f"{place}: " if place else problem["errors"][0]["detail"])
    assert all(error["pointer"].startswith("/items/1") for error in problem["errors"]), problem["errors"]
    assert set(api.query({})) == {results[0]["id"], results[2]["id"]}


@pytest.mark.parametrize("raw", [r'"\ud800"', "NaN", "-Infinity", "1e400", "9" * 5000, "[" * 40 + "]" * 40])
def test_values_that_are_no_json_or_no_unicode_are_of_their_item(me: Any, raw: str) -> None:
    body = '{"items": [{"content": "Left."}, {"content": "x", "value": ' + raw + '}, {"content": "Right."}]}'
    answer = me.post("/v1/memories/batch", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200, answer.text
    assert [r["status"] for r in answer.json()["results"]] == ["created", "rejected", "created"]


def test_a_thousand_items_with_bad_ones_among_them(me: Any, api: Any) -> None:
    items: list[Any] = [{"content": f"Item number {n}.", "external_id": str(n)} for n in range(1000)]
    for n in range(0, 1000, 3):
        items[n] = BAD_ITEMS[n % len(BAD_ITEMS)]
    results = batch(me, items)
    assert [r["status"] for r in results] == ["rejected" if n % 3 == 0 else "created" for n in range(1000)]
    assert api.read(results[1]["id"])["content"] == "Item number 1."
    assert api.read(results[998]["id"])["external_id"] == "998"


def test_limits_name_the_way_out(me: Any, problem: Any) -> None:
    small = [{"content": "x"}] * 1001
    assert "1,000" in problem(me.post("/v1/memories/batch", json={"items": small}), 413)["detail"]
    large = [{"content": "x" * 60_000, "external_id": str(n)} for n in range(40)]
    assert "2 MiB" in problem(me.post("/v1/memories/batch", json={"items": large}), 413)["detail"]
    for body in (
        {},
        {"items": []},
        {"items": None},
        {"items": {}},
        {"items": "x"},
        {"items": [{"content": "a"}], "x": 1},
    ):
        problem(me.post("/v1/memories/batch", json=body), 422)


def test_a_chain_within_one_batch(me: Any, api: Any) -> None:
    versions = [{"content": f"Draft {n}.", "external_id": "doc", "on_conflict": "supersede"} for n in range(4)]
    results = batch(me, versions)
    assert [r["status"] for r in results] == ["created", "superseded", "superseded", "superseded"]
    for older, newer in pairwise(results):
        assert api.read(older["id"])["superseded_by"] == newer["id"]
    assert api.query({"external_id": "doc"}) == [results[3]["id"]]


def test_every_item_is_findable_at_once(me: Any, api: Any) -> None:
    names = ["walrus", "ocelot", "pangolin", "quokka", "axolotl"]
    results = batch(me, [{"content": f"The zoo has a new {name}."} for name in names])
    for name, result in zip(names, results, strict=True):
        assert api.found(name, top_k=1) == [result["id"]]


def test_a_batch_is_idempotent(me: Any, api: Any) -> None:
    body = {"items": [{"content": "Once."}, {"content": ""}]}
    first = me.post("/v1/memories/batch", json=body, headers={"Idempotency-Key": "k"})
    second = me.post("/v1/memories/batch", json=body, headers={"Idempotency-Key": "k"})
    assert second.headers["idempotent-replayed"] == "true"
    assert json.loads(second.content) == first.json()
    assert len(api.query({})) == 1
