"""Bad input gets a clear error and loses nothing."""

from datetime import datetime
from typing import Any

import pytest
from langgraph.store.base import PutOp
from memory_client import NO_RETRIES, AuthenticationFailed, ConnectionFailed, NotConfigured

from memory_langgraph import InvalidKey, ItemRejected, MemoryServiceStore, NamespaceTooLong


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ({"a": "x" * 70_000}, ItemRejected),
        ({"a": "b\x00c"}, ItemRejected),
        ({"a": "b\ud800"}, ValueError),
        ({"a": float("nan")}, ValueError),
        ({"a": float("inf")}, ValueError),
        ({"a": 2**70}, ItemRejected),
        ({"a": {1, 2}}, TypeError),
        ({"a": object()}, TypeError),
        (["a"], TypeError),
        ("text", TypeError),
    ],
)
def test_a_value_that_cannot_be_kept_is_refused(store: MemoryServiceStore, value: Any, error: type[Exception]) -> None:
    store.put(("a",), "k", {"old": True})
    with pytest.raises(error):
        store.put(("a",), "k", value)
    kept = store.get(("a",), "k")
    assert kept is not None
    assert kept.value == {"old": True}


def test_deep_values_are_refused(store: MemoryServiceStore) -> None:
    with pytest.raises(ItemRejected, match="levels"):
        store.put(("a",), "k", nested(20))


def test_a_refused_item_names_itself_and_fails_no_neighbour(store: MemoryServiceStore) -> None:
    with pytest.raises(ItemRejected, match="'bad'") as caught:
        store.batch(
            [PutOp(("a",), "good", {"n": 1}), PutOp(("a",), "bad", {"n": "x" * 70_000}), PutOp(("b",), "k", {})]
        )
    assert [(namespace, key) for namespace, key, _ in caught.value.problems] == [(("a",), "bad")]
    assert {item.key for item in store.search(())} == {"good", "k"}


def test_what_cannot_have_a_place_is_refused_before_anything_is_written(store: MemoryServiceStore) -> None:
    for op, error in (
        (PutOp(("a",), "x" * 257, {}), InvalidKey),
        (PutOp(("x" * 300,), "k", {}), NamespaceTooLong),
        (PutOp(("a",), "k", {"n": float("nan")}), ValueError),
    ):
        with pytest.raises(error):
            store.batch([PutOp(("a",), "first", {"n": 1}), op])
    assert store.search(()) == []


@pytest.mark.parametrize(
    ("value", "error", "why"),
    [
        ({"a": ["b\ud800"]}, ValueError, "surrogate"),
        ({"b\ud800": 1}, ValueError, "surrogate"),
        ({"a": float("nan")}, ValueError, "JSON"),
        ({"a": datetime(2026, 1, 1)}, TypeError, "datetime"),
        ({"a": b"bytes"}, TypeError, "bytes"),
        (nested(5_000), ValueError, "nested too deeply"),
    ],
    ids=["surrogate", "name", "nan", "datetime", "bytes", "deep"],
)
def test_a_value_that_is_no_data_is_refused_by_the_name_of_its_item_before_anything_is_written(
    store: MemoryServiceStore, value: Any, error: type[Exception], why: str
) -> None:
    # More than one call holds, so that the first ones would have been made.
    good = [PutOp(("a",), f"k{n}", {"n": n}, index=False) for n in range(1_001)]
    with pytest.raises(error, match=rf"'bad' in \('a',\).*{why}"):
        store.batch([*good, PutOp(("a",), "bad", value, index=False)])
    assert store.search(()) == []


def test_large_batches_are_cut(store: MemoryServiceStore) -> None:
    store.batch([PutOp(("a",), f"k{n}", {"text": "x" * 50_000}, index=False) for n in range(100)])
    store.batch([PutOp(("b",), f"k{n}", {"l": [0] * 3_000}, index=False) for n in range(50)])
    store.batch([PutOp(("c",), f"k{n}", {"n": n}, index=False) for n in range(1_050)])
    assert [len(store.search((name,), limit=2_000)) for name in "abc"] == [100, 50, 1_050]


def test_a_text_longer_than_a_memory_is_kept_whole(store: MemoryServiceStore) -> None:
    value = {"text": "x" * 60_000, "again": "y"}
    store.put(("a",), "k", value, index=["text", "text"])
    kept = store.get(("a",), "k")
    assert kept is not None
    assert kept.value == value


def test_a_service_that_is_not_there_is_named(service: Any) -> None:
    with MemoryServiceStore("http://127.0.0.1:9", "key", retries=NO_RETRIES) as store, pytest.raises(ConnectionFailed):
        store.get(("a",), "k")
    with MemoryServiceStore(service.url, "ms_wrong") as store, pytest.raises(AuthenticationFailed):
        store.put(("a",), "k", {})
    with pytest.raises(NotConfigured):
        MemoryServiceStore("https://memory.example.invalid")


def test_another_tenant_sees_nothing(store: MemoryServiceStore, service: Any, make_tenant: Any) -> None:
    store.put(("a",), "k", {"text": "secret"})
    with MemoryServiceStore(service.url, make_tenant(), root=store._layout.root) as other:
        assert other.get(("a",), "k") is None
        assert other.search((), query="secret") == []
        assert other.list_namespaces() == []
        other.delete(("a",), "k")
    assert store.get(("a",), "k") is not None


def test_an_item_that_was_superseded_is_there_once(store: MemoryServiceStore, service: Any) -> None:
    store.put(("a",), "k", {"text": "tea"})
    body = {
        "content": "coffee",
        "value": {"text": "coffee"},
        "namespace": f"{store._layout.root}/a",
        "external_id": "k",
        "on_conflict": "supersede",
        "metadata": {"langgraph": {"indexed": True, "ttl_minutes": None, "created_at": "2020-01-01T00:00:00+00:00"}},
        "observed_at": "2021-01-01T00:00:00Z",
    }
    with service.http() as http:
        assert http.post("/v1/memories", json=body).status_code == 201
    for found in (store.search(()), store.search((), query="tea")):
        assert [(item.key, item.value) for item in found] == [("k", {"text": "coffee"})]
    item = store.get(("a",), "k")
    assert item is not None
    # As an import writes it: as old as it was where it came from.
    assert (item.created_at.year, item.updated_at.year) == (2020, 2021)


def test_memories_of_others_below_the_root_are_not_items(store: MemoryServiceStore, service: Any) -> None:
    store.put(("a",), "k", {"text": "tea"})
    with service.http() as http:
        body = {"content": "Tea at four.", "namespace": f"{store._layout.root}/a", "external_id": "x"}
        assert http.post("/v1/memories", json=body).status_code == 201
    assert [item.key for item in store.search((), query="tea")] == ["k"]
    assert [item.key for item in store.search(())] == ["k"]
    assert store.get(("a",), "x") is None
